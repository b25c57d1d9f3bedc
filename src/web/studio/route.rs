//! Method and name → what is asked for, who may ask, and what body comes with it.

use crate::Problem;

/// What a request asks of the studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    SignIn,
    SignOut,
    /// Who is signed in.
    Me,
    Password,
    Pin,
    Sessions,
    EndSession,
    /// Every slot.
    Slots,
    /// One slot with its takes.
    Slot,
    /// A recording comes in.
    Take,
    Keep,
    Discard,
    /// Takes that wait for an approval.
    Drafts,
    Approve,
    Restore,
    Presence,
    Sound,
    /// What a publication would change.
    Publication,
    Publish,
    Releases,
    Rollback,
    Audit,
    /// The script for print.
    Script,
    /// The script and what callers hear, as an archive.
    Export,
    /// An archive comes in.
    Import,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Anybody,
    SignedIn,
    Approver,
}

/// The body that comes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Json,
    /// A file of sound.
    Sound,
    Archive,
}

/// Names what is asked for; `name` is what follows `/studio/api/`.
///
/// # Errors
/// [`Problem::NotFound`] for a name that is not known, [`Problem::Method`] for the wrong method.
pub fn api(method: &str, name: &str) -> Result<Api, Problem> {
    let api = ALL.into_iter().find(|api| api.name() == name).ok_or(Problem::NotFound)?;
    match (api.body(), method) {
        (Takes::Nothing, "GET" | "HEAD") | (Takes::Json | Takes::Sound | Takes::Archive, "POST") => Ok(api),
        (Takes::Nothing, _) => Err(Problem::Method { allow: "GET, HEAD" }),
        (Takes::Json | Takes::Sound | Takes::Archive, _) => Err(Problem::Method { allow: "POST" }),
    }
}

impl Api {
    /// What follows `/studio/api/`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Who may ask.
    pub fn who(self) -> Who {
        self.row().1
    }

    /// The body that comes with it.
    pub fn body(self) -> Takes {
        self.row().2
    }

    /// Whether something is changed, so that the request must come from the studio's own page.
    pub fn changes(self) -> bool {
        self.body() != Takes::Nothing
    }

    fn row(self) -> (&'static str, Who, Takes) {
        match self {
            Api::SignIn => ("sign-in", Who::Anybody, Takes::Json),
            Api::SignOut => ("sign-out", Who::SignedIn, Takes::Json),
            Api::Me => ("me", Who::SignedIn, Takes::Nothing),
            Api::Password => ("password", Who::SignedIn, Takes::Json),
            Api::Pin => ("pin", Who::SignedIn, Takes::Json),
            Api::Sessions => ("sessions", Who::SignedIn, Takes::Nothing),
            Api::EndSession => ("end-session", Who::SignedIn, Takes::Json),
            Api::Slots => ("slots", Who::SignedIn, Takes::Nothing),
            Api::Slot => ("slot", Who::SignedIn, Takes::Nothing),
            Api::Take => ("take", Who::SignedIn, Takes::Sound),
            Api::Keep => ("keep", Who::SignedIn, Takes::Json),
            Api::Discard => ("discard", Who::SignedIn, Takes::Json),
            Api::Drafts => ("drafts", Who::SignedIn, Takes::Nothing),
            Api::Approve => ("approve", Who::Approver, Takes::Json),
            Api::Restore => ("restore", Who::Approver, Takes::Json),
            Api::Presence => ("presence", Who::SignedIn, Takes::Json),
            Api::Sound => ("sound", Who::SignedIn, Takes::Nothing),
            Api::Publication => ("publication", Who::SignedIn, Takes::Nothing),
            Api::Publish => ("publish", Who::Approver, Takes::Json),
            Api::Releases => ("releases", Who::SignedIn, Takes::Nothing),
            Api::Rollback => ("rollback", Who::Approver, Takes::Json),
            Api::Audit => ("audit", Who::SignedIn, Takes::Nothing),
            Api::Script => ("script", Who::SignedIn, Takes::Nothing),
            Api::Export => ("export", Who::SignedIn, Takes::Nothing),
            Api::Import => ("import", Who::SignedIn, Takes::Archive),
        }
    }
}

const ALL: [Api; 25] = [
    Api::SignIn,
    Api::SignOut,
    Api::Me,
    Api::Password,
    Api::Pin,
    Api::Sessions,
    Api::EndSession,
    Api::Slots,
    Api::Slot,
    Api::Take,
    Api::Keep,
    Api::Discard,
    Api::Drafts,
    Api::Approve,
    Api::Restore,
    Api::Presence,
    Api::Sound,
    Api::Publication,
    Api::Publish,
    Api::Releases,
    Api::Rollback,
    Api::Audit,
    Api::Script,
    Api::Export,
    Api::Import,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_found_by_its_method_and_the_other_method_is_told_which() {
        for wanted in ALL {
            let (right, wrong) = if wanted.changes() { ("POST", "GET") } else { ("GET", "POST") };
            assert_eq!(api(right, wanted.name()), Ok(wanted));
            assert!(matches!(api(wrong, wanted.name()), Err(Problem::Method { .. })), "{wanted:?}");
        }
        for nothing in ["", "slots/", "../scan", "Slots", "sign-in?x"] {
            assert_eq!(api("GET", nothing), Err(Problem::NotFound));
        }
    }

    #[test]
    fn names_are_told_apart_and_only_signing_in_is_for_anybody() {
        assert_eq!(ALL.iter().map(|api| api.name()).collect::<BTreeSet<_>>().len(), ALL.len());
        let open: Vec<Api> = ALL.into_iter().filter(|api| api.who() == Who::Anybody).collect();
        assert_eq!(open, [Api::SignIn]);
    }
}
