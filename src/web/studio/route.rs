//! Routes of the studio's API: method and name → [`Api`], the role it needs and its body.

use crate::RequestError;

/// A route of the studio's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Name and password open a session.
    SignIn,
    /// The session of this browser ends.
    SignOut,
    /// The signed-in account.
    Me,
    /// Changes the account's password.
    Password,
    /// Changes the PIN for the telephone.
    Pin,
    /// The account's open sessions.
    Sessions,
    /// Ends one of them.
    EndSession,
    /// All slots.
    Slots,
    /// One slot with its takes.
    Slot,
    /// Uploads a recording.
    Take,
    /// Keeps fresh takes as drafts.
    Keep,
    /// Hides takes.
    Discard,
    /// Takes that wait for approval.
    Drafts,
    /// Approves drafts of other people.
    Approve,
    /// Puts the factory's recording back at the next publication.
    Restore,
    /// Reports the open slot, and returns who else has it open.
    Presence,
    /// A take, a live recording or a whole sentence, as WAV.
    Sound,
    /// Previews a publication.
    Publication,
    /// Makes a release of the live flow and all approved takes.
    Publish,
    /// Past releases.
    Releases,
    /// Makes an earlier release live.
    Rollback,
    /// The audit log.
    Audit,
    /// The script as a page to print.
    Script,
    /// The script and the live recordings as an archive.
    Export,
    /// Uploads an archive.
    Import,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredAccess {
    /// No session is needed.
    Public,
    /// An open session of any role.
    SignedIn,
    /// A session of an approver.
    Approver,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// GET: there is none.
    Nothing,
    /// A JSON object.
    Json,
    /// An audio file.
    Sound,
    /// A ZIP archive.
    Archive,
}

/// Finds the route of a request; `name` is the path after `/studio/api/`.
///
/// # Errors
/// [`RequestError::NotFound`] for an unknown name, [`RequestError::Method`] for the wrong method.
pub fn api(method: &str, name: &str) -> Result<Api, RequestError> {
    let api = ALL.into_iter().find(|api| api.name() == name).ok_or(RequestError::NotFound)?;
    match (api.body(), method) {
        (Body::Nothing, "GET" | "HEAD") | (Body::Json | Body::Sound | Body::Archive, "POST") => Ok(api),
        (Body::Nothing, _) => Err(RequestError::Method { allow: "GET, HEAD" }),
        (Body::Json | Body::Sound | Body::Archive, _) => Err(RequestError::Method { allow: "POST" }),
    }
}

impl Api {
    /// The path after `/studio/api/`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Who may use it.
    pub fn who(self) -> RequiredAccess {
        self.row().1
    }

    /// Its body.
    pub fn body(self) -> Body {
        self.row().2
    }

    /// Whether it changes something, so that it must come from the studio's own page.
    pub fn changes(self) -> bool {
        self.body() != Body::Nothing
    }

    /// Whether a session whose password must be changed may use it: to see that, to change it, or to sign out.
    pub fn before_change(self) -> bool {
        matches!(self, Api::Me | Api::Password | Api::SignOut)
    }

    fn row(self) -> (&'static str, RequiredAccess, Body) {
        match self {
            Api::SignIn => ("sign-in", RequiredAccess::Public, Body::Json),
            Api::SignOut => ("sign-out", RequiredAccess::SignedIn, Body::Json),
            Api::Me => ("me", RequiredAccess::SignedIn, Body::Nothing),
            Api::Password => ("password", RequiredAccess::SignedIn, Body::Json),
            Api::Pin => ("pin", RequiredAccess::SignedIn, Body::Json),
            Api::Sessions => ("sessions", RequiredAccess::SignedIn, Body::Nothing),
            Api::EndSession => ("end-session", RequiredAccess::SignedIn, Body::Json),
            Api::Slots => ("slots", RequiredAccess::SignedIn, Body::Nothing),
            Api::Slot => ("slot", RequiredAccess::SignedIn, Body::Nothing),
            Api::Take => ("take", RequiredAccess::SignedIn, Body::Sound),
            Api::Keep => ("keep", RequiredAccess::SignedIn, Body::Json),
            Api::Discard => ("discard", RequiredAccess::SignedIn, Body::Json),
            Api::Drafts => ("drafts", RequiredAccess::SignedIn, Body::Nothing),
            Api::Approve => ("approve", RequiredAccess::Approver, Body::Json),
            Api::Restore => ("restore", RequiredAccess::Approver, Body::Json),
            Api::Presence => ("presence", RequiredAccess::SignedIn, Body::Json),
            Api::Sound => ("sound", RequiredAccess::SignedIn, Body::Nothing),
            Api::Publication => ("publication", RequiredAccess::SignedIn, Body::Nothing),
            Api::Publish => ("publish", RequiredAccess::Approver, Body::Json),
            Api::Releases => ("releases", RequiredAccess::SignedIn, Body::Nothing),
            Api::Rollback => ("rollback", RequiredAccess::Approver, Body::Json),
            Api::Audit => ("audit", RequiredAccess::SignedIn, Body::Nothing),
            Api::Script => ("script", RequiredAccess::SignedIn, Body::Nothing),
            Api::Export => ("export", RequiredAccess::SignedIn, Body::Nothing),
            Api::Import => ("import", RequiredAccess::SignedIn, Body::Archive),
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
    fn every_name_has_its_method_and_another_one_gets_allow() {
        for wanted in ALL {
            let (right, wrong) = if wanted.changes() { ("POST", "GET") } else { ("GET", "POST") };
            assert_eq!(api(right, wanted.name()), Ok(wanted));
            assert!(matches!(api(wrong, wanted.name()), Err(RequestError::Method { .. })), "{wanted:?}");
        }
        for nothing in ["", "slots/", "../scan", "Slots", "sign-in?x"] {
            assert_eq!(api("GET", nothing), Err(RequestError::NotFound));
        }
    }

    #[test]
    fn names_are_distinct_and_only_sign_in_needs_no_session() {
        assert_eq!(ALL.iter().map(|api| api.name()).collect::<BTreeSet<_>>().len(), ALL.len());
        let open: Vec<Api> = ALL.into_iter().filter(|api| api.who() == RequiredAccess::Public).collect();
        assert_eq!(open, [Api::SignIn]);
    }
}
