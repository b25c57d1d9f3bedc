//! The telephone in an agent's browser (pure): its routes, bodies and errors. Its script is built in.
//!
//! ```text
//!  GET  /agent/telephone.js            the module
//!  POST /agent/telephone/connect       {"sdp": offer} → {"telephone": id, "sdp": answer}
//!  GET  /agent/telephone/events        ?telephone=ID&after=N → {"events": […], "next": N}, held until there are some
//!  POST /agent/telephone/answer        {"telephone": id, "call": n}; so do decline and hang-up
//!  POST /agent/telephone/leave         {"telephone": id}: the page is closed or loaded again
//! ```

use std::sync::LazyLock;

use serde::Deserialize;

use crate::studio::{Message, StudioError};
use crate::{Asset, RequestError};

/// A route of the telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelephoneRoute {
    /// Makes the browser a telephone.
    Connect,
    /// What the page has not read yet.
    Events,
    /// Answers a call.
    Answer,
    /// Declines it.
    Decline,
    /// Ends the conversation.
    HangUp,
    /// The page is closed.
    Leave,
}

impl TelephoneRoute {
    /// Whether it changes something.
    pub fn changes(self) -> bool {
        self != TelephoneRoute::Events
    }
}

/// Whether a path is of the telephone.
pub fn is_telephone(path: &str) -> bool {
    path == SCRIPT || path.starts_with(BELOW)
}

/// The script at a path.
pub fn telephone_script(path: &str) -> Option<&'static Asset> {
    static FILE: LazyLock<Asset> =
        LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", include_bytes!("telephone.js")));
    (path == SCRIPT).then(|| &*FILE)
}

/// Finds the route of a request.
///
/// # Errors
/// [`RequestError::NotFound`] for an unknown path, [`RequestError::Method`] for the wrong method.
pub fn telephone_route(method: &str, path: &str) -> Result<TelephoneRoute, RequestError> {
    let route = match path.strip_prefix(BELOW) {
        Some("connect") => TelephoneRoute::Connect,
        Some("events") => TelephoneRoute::Events,
        Some("answer") => TelephoneRoute::Answer,
        Some("decline") => TelephoneRoute::Decline,
        Some("hang-up") => TelephoneRoute::HangUp,
        Some("leave") => TelephoneRoute::Leave,
        Some(_) | None => return Err(RequestError::NotFound),
    };
    match (route.changes(), method) {
        (true, "POST") | (false, "GET" | "HEAD") => Ok(route),
        (true, _) => Err(RequestError::Method { allow: "POST" }),
        (false, _) => Err(RequestError::Method { allow: "GET, HEAD" }),
    }
}

/// `POST connect`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The browser's offer.
    pub sdp: String,
}

/// `POST answer`, `POST decline`, `POST hang-up`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCall {
    /// The telephone, from `connect`.
    pub telephone: String,
    /// The call, from its event.
    pub call: u64,
}

/// `POST leave`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The telephone, from `connect`.
    pub telephone: String,
}

impl Connect {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<Connect, RequestError> {
        json(body, r#"{"sdp": "..."}"#)
    }
}

impl OfCall {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<OfCall, RequestError> {
        json(body, r#"{"telephone": "...", "call": 1}"#)
    }
}

impl Leave {
    /// Reads the body.
    ///
    /// # Errors
    /// [`RequestError::Json`]
    pub fn read(body: &[u8]) -> Result<Leave, RequestError> {
        json(body, r#"{"telephone": "..."}"#)
    }
}

/// Why a browser is no telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelephoneError {
    /// The account is no agent's.
    NotAgent,
    /// This node has no queue, and so no agents.
    NoQueue,
    /// The offer cannot be used.
    Offer(String),
    /// The browser has no G.711.
    NoCodec,
    /// Too many browsers are connected, or the node does not keep up.
    Busy,
    /// Another page of the agent is the telephone.
    Replaced,
    /// The telephone was lost: connect again.
    Gone,
    /// The call is over.
    CallOver,
}

impl From<TelephoneError> for StudioError {
    fn from(error: TelephoneError) -> StudioError {
        let (status, code, zh, en) = match error {
            TelephoneError::NotAgent => (403, "not_agent", "此功能只供坐席使用。", "This is for agents."),
            TelephoneError::NoQueue => (
                503,
                "no_queue",
                "本节点没有设置排队，不能用浏览器接听。请联系系统管理员设置 [[queue]]。",
                "This node has no queue, so that no browser can be a telephone. See [[queue]] in the settings.",
            ),
            TelephoneError::Offer(why) => {
                let words = Message {
                    zh: format!("浏览器的通话请求无法使用：{why}"),
                    en: format!("The browser's offer cannot be used: {why}"),
                };
                return StudioError::Refused { status: 422, code: "offer", words };
            }
            TelephoneError::NoCodec => (
                422,
                "no_codec",
                "此浏览器不支持 PCMA 或 PCMU 编码，请更换浏览器。",
                "This browser has neither PCMA nor PCMU: use another one.",
            ),
            TelephoneError::Busy => {
                (503, "busy", "服务器正忙，请稍候几秒再试。", "The node is busy. Please try again in some seconds.")
            }
            TelephoneError::Replaced => (
                409,
                "replaced",
                "已在另一个页面接听，本页不再接听。",
                "Another page of this account is the telephone now.",
            ),
            TelephoneError::Gone => {
                (410, "gone", "通话连接已断开，请重新连接。", "The telephone was lost: connect again.")
            }
            TelephoneError::CallOver => (409, "call_over", "该通话已结束。", "The call is over."),
        };
        StudioError::Refused { status, code, words: Message { zh: zh.into(), en: en.into() } }
    }
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8], want: &'static str) -> Result<T, RequestError> {
    serde_json::from_slice(body).map_err(|error| RequestError::Json {
        line: error.line(),
        column: error.column(),
        want,
    })
}

const SCRIPT: &str = "/agent/telephone.js";
const BELOW: &str = "/agent/telephone/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_method() {
        for name in ["connect", "answer", "decline", "hang-up", "leave"] {
            let path = format!("{BELOW}{name}");
            assert!(telephone_route("POST", &path).is_ok_and(TelephoneRoute::changes), "{name}");
            assert_eq!(telephone_route("GET", &path), Err(RequestError::Method { allow: "POST" }));
        }
        assert_eq!(telephone_route("GET", "/agent/telephone/events"), Ok(TelephoneRoute::Events));
        for nothing in ["/agent/telephone/", "/agent/telephone/events/", "/agent/other"] {
            assert_eq!(telephone_route("GET", nothing), Err(RequestError::NotFound));
        }
        assert!(is_telephone(SCRIPT) && is_telephone("/agent/telephone/x"));
        assert!(!is_telephone("/agent") && !is_telephone("/agent/telephones") && !is_telephone("/studio"));
    }

    #[test]
    fn bodies_hold_what_they_name_and_nothing_else() {
        assert_eq!(Connect::read(br#"{"sdp":"v=0"}"#), Ok(Connect { sdp: "v=0".into() }));
        let of_call = OfCall { telephone: "a".into(), call: 7 };
        assert_eq!(OfCall::read(br#"{"telephone":"a","call":7}"#), Ok(of_call));
        assert!(Leave::read(br#"{"telephone":"a","call":7}"#).is_err());
        assert!(Connect::read(b"{}").is_err());
    }

    #[test]
    fn the_script_loads_nothing_from_other_hosts_and_writes_no_html() {
        let script = telephone_script(SCRIPT).expect("the script");
        let text = std::str::from_utf8(script.body).expect("UTF-8");
        for evil in ["http://", "https://", "innerHTML", "eval(", "document.cookie", "localStorage"] {
            assert!(!text.contains(evil), "{evil}");
        }
        assert!(telephone_script("/agent/telephone").is_none());
    }
}
