//! JSON bodies of the studio's API.

use serde::Deserialize;

use crate::RequestError;
use base::{Lang, Private};

/// The most bytes of a JSON body: room for 500 names of takes.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
/// The most takes in one request; the largest set has about two hundred.
const TAKES_MAX: usize = 500;

/// `POST sign-in`
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The account's name, as typed.
    pub name: String,
    /// As typed.
    pub password: Private<String>,
}

/// `POST password`
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The current password.
    pub old: Private<String>,
    /// The password that replaces it.
    pub new: Private<String>,
}

/// `POST pin`
#[derive(Clone, Debug)]
pub struct NewPin {
    /// The account's password, to confirm who asks.
    pub password: Private<String>,
    /// The new PIN for the telephone.
    pub pin: Private<String>,
}

/// `POST end-session`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// The session's id, from `GET sessions`.
    pub id: i64,
}

/// `POST keep`, `POST discard`, `POST approve`: names of takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeNames {
    /// The names of takes; 1 to 500.
    pub takes: Vec<String>,
    /// Those among them that an approver did not listen to.
    #[serde(default)]
    pub unheard: Vec<String>,
}

/// `POST presence`: the slot that is open in the browser.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// The slot's language.
    pub lang: Lang,
    /// The slot's id.
    pub slot: String,
}

/// `POST restore`: the factory's recording of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The slot's language.
    pub lang: Lang,
    /// The slot's id.
    pub slot: String,
    /// `false` takes an earlier restore back.
    #[serde(default = "yes")]
    pub on: bool,
}

/// `POST publish`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The reason, for the audit log.
    pub why: String,
    /// Confirms the warnings of the publication.
    #[serde(default)]
    pub confirmed: bool,
}

/// `POST rollback`: to the previous release, if none is named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The release's name; none: the previous one.
    #[serde(default)]
    pub release: Option<String>,
    /// The reason, for the audit log.
    pub why: String,
}

fn yes() -> bool {
    true
}

/// Reads a body as JSON.
///
/// The error holds only its place: the text may quote what was sent.
fn json<'a, T: Deserialize<'a>>(body: &'a [u8], want: &'static str) -> Result<T, RequestError> {
    serde_json::from_slice(body).map_err(|error| RequestError::Json {
        line: error.line(),
        column: error.column(),
        want,
    })
}

macro_rules! read {
    ($($of:ty: $want:literal),+ $(,)?) => {
        $(impl $of {
            /// Reads the body.
            ///
            /// # Errors
            /// [`RequestError::Json`]
            pub fn read(body: &[u8]) -> Result<Self, RequestError> {
                json(body, $want)
            }
        })+
    };
}

read! {
    EndSession: r#"{"id": 1}"#,
    Presence: r#"{"lang": "yue", "slot": "digit.m.7"}"#,
    Restore: r#"{"lang": "yue", "slot": "digit.m.7", "on": true}"#,
    Publish: r#"{"why": "...", "confirmed": false}"#,
    Rollback: r#"{"release": "...", "why": "..."}"#,
}

impl TakeNames {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`] or [`RequestError::Field`].
    pub fn read(body: &[u8]) -> Result<TakeNames, RequestError> {
        let takes: TakeNames = json(body, r#"{"takes": ["..."]}"#)?;
        let fits = (1..=TAKES_MAX).contains(&takes.takes.len());
        if fits { Ok(takes) } else { Err(RequestError::Field { field: "takes", must: "must name 1 to 500 takes" }) }
    }
}

impl SignIn {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<SignIn, RequestError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            name: String,
            password: String,
        }
        let Written { name, password } = json(body, r#"{"name": "...", "password": "..."}"#)?;
        Ok(SignIn { name, password: Private::new(password) })
    }
}

impl NewPassword {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<NewPassword, RequestError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            old: String,
            new: String,
        }
        let Written { old, new } = json(body, r#"{"old": "...", "new": "..."}"#)?;
        Ok(NewPassword { old: Private::new(old), new: Private::new(new) })
    }
}

impl NewPin {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<NewPin, RequestError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            password: String,
            pin: String,
        }
        let Written { password, pin } = json(body, r#"{"password": "...", "pin": "..."}"#)?;
        Ok(NewPin { password: Private::new(password), pin: Private::new(pin) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_are_read_and_unknown_fields_are_refused() {
        assert_eq!(SignIn::read(br#"{"name":"li","password":"x"}"#).unwrap().name, "li");
        assert_eq!(Publish::read(br#"{"why":"w"}"#).unwrap(), Publish { why: "w".into(), confirmed: false });
        assert!(Restore::read(br#"{"lang":"yue","slot":"a"}"#).unwrap().on);
        assert!(Presence::read(br#"{"lang":"fr","slot":"a"}"#).is_err());
        assert!(Publish::read(br#"{"why":"w","role":"approver"}"#).is_err());
        for takes in [0, TAKES_MAX + 1] {
            let body = serde_json::json!({ "takes": vec!["a"; takes] }).to_string();
            assert!(TakeNames::read(body.as_bytes()).is_err());
        }
    }

    #[test]
    fn an_error_never_repeats_a_password() {
        for body in [r#"{"name":"li","password":["geheim"]}"#, r#"{"name":"li","geheim":1}"#, "\"geheim\""] {
            let problem = SignIn::read(body.as_bytes()).unwrap_err();
            assert!(!format!("{problem} {problem:?}").contains("geheim"), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (SignIn::read(&body), TakeNames::read(&body), Rollback::read(&body), EndSession::read(&body));
        }
    }
}
