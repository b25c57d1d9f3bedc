//! Sessions of browsers.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use base::Private;
use studio::Operator;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionAges {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
}

/// Who makes a request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBy {
    /// Somebody at the browser.
    Person,
    /// The page by itself, as it polls: the session is not renewed.
    Page,
}

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id among the sessions of its operator.
    pub id: i64,
    /// Who is signed in.
    pub operator: Operator,
    /// Whether the password was chosen by another person: until it is changed, the session is good for that alone.
    pub must_change: bool,
    /// The token that every changing request carries beside the cookie.
    pub csrf: Private<String>,
    /// When it ends at the latest.
    pub ends: Timestamp,
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The new session.
    pub session: Session,
    /// For the session's cookie.
    pub token: Private<String>,
    /// For the cookie that identifies this browser; the one that was sent, if any.
    pub device: Private<String>,
}

/// Where a sign-in comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The browser's address.
    pub address: IpAddr,
    /// The browser's `User-Agent`.
    pub agent: String,
    /// The cookie that identifies the browser.
    pub device: Option<Private<String>>,
}

/// An open session in its operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id among the sessions of its operator.
    pub id: i64,
    /// The browser's `User-Agent`, shortened.
    pub agent: String,
    /// The address that signed in.
    pub address: String,
    /// When it began.
    pub began: Timestamp,
    /// Its last request, to half a minute.
    pub seen: Timestamp,
}
