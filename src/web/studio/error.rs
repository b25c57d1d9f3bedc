//! Errors of the studio's API, for programs and, in the studio's two languages, for people.

use std::time::Duration;

use base::plural;
use serde::Serialize;

use crate::RequestError;

/// A message in the studio's two languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StudioError {
    /// The request itself is wrong.
    Request(RequestError),
    /// There is no session, or it has expired.
    SignedOut,
    /// A page of another site sent it.
    CrossSite,
    /// The token of the session is missing or wrong.
    Token,
    /// The password was chosen by another person and must be changed first.
    MustChange,
    /// It needs an approver.
    NotApprover,
    /// Name or password is wrong.
    Credentials,
    /// Too many wrong tries.
    TooManyTries {
        /// What is left of the wait.
        retry_after: Duration,
    },
    /// Who is signed in gave another password than the current one.
    WrongPassword,
    /// The connection is neither TLS nor local.
    InsecureTransport,
    /// An upload without Content-Length.
    Length,
    /// The studio is not available on this node.
    Unavailable,
    /// Another refusal, with its own words.
    Refused {
        /// The HTTP status of the reply.
        status: u16,
        /// For programs; stable.
        code: &'static str,
        /// For the person at the page.
        words: Message,
    },
}

impl From<RequestError> for StudioError {
    fn from(problem: RequestError) -> StudioError {
        StudioError::Request(problem)
    }
}

impl StudioError {
    /// The HTTP status (RFC 9110 §15, RFC 6585).
    pub fn status(&self) -> u16 {
        match self {
            StudioError::Request(problem) => problem.status(),
            StudioError::SignedOut => 401,
            StudioError::CrossSite
            | StudioError::Token
            | StudioError::MustChange
            | StudioError::NotApprover
            | StudioError::Credentials
            | StudioError::WrongPassword
            | StudioError::InsecureTransport => 403,
            StudioError::TooManyTries { .. } => 429,
            StudioError::Length => 411,
            StudioError::Unavailable => 503,
            StudioError::Refused { status, .. } => *status,
        }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            StudioError::Request(problem) => problem.code(),
            StudioError::SignedOut => "signed_out",
            StudioError::CrossSite => "other_site",
            StudioError::Token => "token",
            StudioError::MustChange => "must_change",
            StudioError::NotApprover => "not_approver",
            StudioError::Credentials | StudioError::WrongPassword => "wrong",
            StudioError::TooManyTries { .. } => "wait",
            StudioError::InsecureTransport => "in_the_clear",
            StudioError::Length => "length",
            StudioError::Unavailable => "away",
            StudioError::Refused { code, .. } => code,
        }
    }

    /// The value of Retry-After.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            StudioError::Request(problem) => problem.retry_after(),
            StudioError::TooManyTries { retry_after } => Some(*retry_after),
            StudioError::SignedOut
            | StudioError::CrossSite
            | StudioError::Token
            | StudioError::MustChange
            | StudioError::NotApprover
            | StudioError::Credentials
            | StudioError::WrongPassword
            | StudioError::InsecureTransport
            | StudioError::Length
            | StudioError::Unavailable
            | StudioError::Refused { .. } => None,
        }
    }

    /// The message for a person.
    pub fn words(&self) -> Message {
        let (zh, en) = match self {
            StudioError::Request(problem) => return of_request(problem),
            StudioError::Refused { words, .. } => return words.clone(),
            StudioError::TooManyTries { retry_after } => return wait(*retry_after),
            StudioError::SignedOut => ("请先登录。", "Sign in first."),
            StudioError::CrossSite => (
                "该请求不是由本系统页面发出的，已拒绝。",
                "This request did not come from this service's own page and was refused.",
            ),
            StudioError::Token => (
                "页面已过期，请刷新后再试。",
                "The page has expired: load it again. (X-Studio-Token is missing or wrong.)",
            ),
            StudioError::MustChange => {
                ("当前密码由他人设置，请先修改密码。", "Another person set this password: change it first.")
            }
            StudioError::NotApprover => ("此操作需要审核员权限。", "This needs an approver."),
            StudioError::Credentials => {
                ("账号或密码不正确，请重试。", "Account name or password is wrong. Please try again.")
            }
            StudioError::WrongPassword => {
                ("当前密码不正确，请重试。", "The current password is wrong. Please try again.")
            }
            StudioError::InsecureTransport => (
                "请使用 https 打开，或在本机打开：密码和录音不能明文传输。请联系系统管理员设置 studio.proxies。",
                "Open it by https, or on the node itself: passwords must not cross a network in the clear. See studio.proxies in the settings.",
            ),
            StudioError::Length => ("上传时必须带 Content-Length。", "An upload must have a Content-Length."),
            StudioError::Unavailable => (
                "本节点的录音工作室暂不可用，请联系系统管理员查看日志。电话服务不受影响。",
                "The studio is not available on this node; the log has the reason. Calls are not affected.",
            ),
        };
        Message { zh: zh.into(), en: en.into() }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            words: Message,
        }
        serde_json::to_vec(&Body { error: self.code(), words: self.words() }).expect("strings serialise")
    }
}

fn wait(retry_after: Duration) -> Message {
    let seconds = retry_after.as_secs().max(1);
    Message {
        zh: format!("错误次数过多，请 {seconds} 秒后再试。"),
        en: format!("Too many wrong tries. Please wait {seconds} second{}.", plural(seconds)),
    }
}

fn of_request(problem: &RequestError) -> Message {
    let zh = match problem {
        RequestError::TooLarge { limit } => format!("文件过大，最多 {limit} 字节。"),
        RequestError::Slow | RequestError::Broken => "上传中断，请重试。".into(),
        RequestError::Busy { .. } | RequestError::ClientShare { .. } => "服务器正忙，请稍候几秒再试。".into(),
        RequestError::NotFound => {
            return Message {
                zh: "此网址下没有内容：录音工作室在 /studio，坐席页面在 /agent。".into(),
                en: "There is nothing at this address: the studio is at /studio, the agents' page at /agent.".into(),
            };
        }
        RequestError::Method { allow } => format!("此网址只接受 {allow}。"),
        RequestError::MediaType { want } => format!("请求正文应为 {want}，并在 Content-Type 中写明。"),
        RequestError::Json { .. }
        | RequestError::Field { .. }
        | RequestError::Host
        | RequestError::Misdirected
        | RequestError::NotEnrolled
        | RequestError::EnrolmentCode
        | RequestError::Limited { .. }
        | RequestError::NoBarcode
        | RequestError::PictureTime
        | RequestError::SeveralReceipts
        | RequestError::NoPicture
        | RequestError::PictureKind { .. }
        | RequestError::PictureDamaged
        | RequestError::NotReceipt { .. }
        | RequestError::Factor { .. }
        | RequestError::TooManyPixels { .. }
        | RequestError::NoSpeech => format!("请求有误：{problem}"),
    };
    Message { zh, en: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_status_a_code_and_words_in_both_languages() {
        let words = Message { zh: "太吵".into(), en: "noisy".into() };
        let all = [
            StudioError::Request(RequestError::Busy { retry_after: Duration::from_secs(2) }),
            StudioError::SignedOut,
            StudioError::CrossSite,
            StudioError::Token,
            StudioError::MustChange,
            StudioError::NotApprover,
            StudioError::Credentials,
            StudioError::WrongPassword,
            StudioError::TooManyTries { retry_after: Duration::from_millis(10) },
            StudioError::InsecureTransport,
            StudioError::Length,
            StudioError::Unavailable,
            StudioError::Refused { status: 422, code: "noisy", words },
        ];
        for trouble in all {
            let json: serde_json::Value = serde_json::from_slice(&trouble.to_json()).unwrap();
            assert_eq!(json["error"], trouble.code());
            assert!((400..600).contains(&trouble.status()), "{trouble:?}");
            for lang in ["zh", "en"] {
                assert!(!json["words"][lang].as_str().unwrap().is_empty(), "{trouble:?}");
            }
        }
    }
}
