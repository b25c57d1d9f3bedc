//! Why a request to the studio was not done, told to a program and, in the studio's two languages, to a person.

use std::time::Duration;

use serde::Serialize;

use crate::Problem;

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub zh: String,
    pub en: String,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The request itself is wrong.
    Request(Problem),
    /// There is no session, or it has ended.
    SignedOut,
    /// A page of somebody else's sent it.
    OtherSite,
    /// The token of the session is not with it.
    Token,
    /// The role does not let its holder do this.
    Approver,
    /// Name and password do not belong together.
    Wrong,
    /// After too many wrong tries.
    Wait { retry_after: Duration },
    /// Passwords and recordings do not cross a network in the clear.
    InTheClear,
    /// An upload must say how long it is.
    Length,
    /// The studio cannot be used on this node.
    Away,
    /// The studio refused, in its own words.
    Refused { status: u16, code: &'static str, words: Told },
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Request(problem)
    }
}

impl Trouble {
    /// The HTTP status (RFC 9110 §15, RFC 6585).
    pub fn status(&self) -> u16 {
        match self {
            Trouble::Request(problem) => problem.status(),
            Trouble::SignedOut => 401,
            Trouble::OtherSite | Trouble::Token | Trouble::Approver | Trouble::Wrong | Trouble::InTheClear => 403,
            Trouble::Wait { .. } => 429,
            Trouble::Length => 411,
            Trouble::Away => 503,
            Trouble::Refused { status, .. } => *status,
        }
    }

    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Request(problem) => problem.code(),
            Trouble::SignedOut => "signed_out",
            Trouble::OtherSite => "other_site",
            Trouble::Token => "token",
            Trouble::Approver => "not_approver",
            Trouble::Wrong => "wrong",
            Trouble::Wait { .. } => "wait",
            Trouble::InTheClear => "in_the_clear",
            Trouble::Length => "length",
            Trouble::Away => "away",
            Trouble::Refused { code, .. } => code,
        }
    }

    /// When to come back, if that is what is asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Trouble::Request(problem) => problem.retry_after(),
            Trouble::Wait { retry_after } => Some(*retry_after),
            Trouble::SignedOut
            | Trouble::OtherSite
            | Trouble::Token
            | Trouble::Approver
            | Trouble::Wrong
            | Trouble::InTheClear
            | Trouble::Length
            | Trouble::Away
            | Trouble::Refused { .. } => None,
        }
    }

    /// What a person is told.
    pub fn words(&self) -> Told {
        let (zh, en) = match self {
            Trouble::Request(problem) => return of_request(problem),
            Trouble::Refused { words, .. } => return words.clone(),
            Trouble::Wait { retry_after } => return wait(*retry_after),
            Trouble::SignedOut => ("请先登录。", "Sign in first."),
            Trouble::OtherSite => (
                "这个请求不是从录音工作室页面发出的，已拒绝。",
                "This request did not come from the studio's own page, and is refused.",
            ),
            Trouble::Token => (
                "页面已过期，请刷新后再试。",
                "The page is out of date: load it again. (X-Studio-Token is missing or wrong.)",
            ),
            Trouble::Approver => ("只有审核员可以这样做。", "Only an approver may do this."),
            Trouble::Wrong => ("账号或密码不对，请再试一次。", "Name and password do not belong together: try again."),
            Trouble::InTheClear => (
                "请用 https 打开（或在本机打开）：密码和录音不能明文传输。请系统管理员设置 studio.proxies。",
                "Open it by https, or on the node itself: passwords do not cross a network in the clear. See studio.proxies in the settings.",
            ),
            Trouble::Length => ("上传时须带 Content-Length。", "An upload must have a Content-Length."),
            Trouble::Away => (
                "本节点的录音工作室不可用，请系统管理员看日志。电话不受影响。",
                "The studio cannot be used on this node; its log says why. Calls are not touched.",
            ),
        };
        Told { zh: zh.into(), en: en.into() }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            words: Told,
        }
        serde_json::to_vec(&Body { error: self.code(), words: self.words() }).expect("strings serialise")
    }
}

fn wait(retry_after: Duration) -> Told {
    let seconds = retry_after.as_secs().max(1);
    Told {
        zh: format!("错误次数太多，请等 {seconds} 秒再试。"),
        en: format!("Too many wrong tries: wait {seconds} seconds."),
    }
}

fn of_request(problem: &Problem) -> Told {
    let zh = match problem {
        Problem::TooLarge { limit } => format!("太大了：最多 {limit} 字节。"),
        Problem::Slow | Problem::Broken => "上传中断了，请再试一次。".into(),
        Problem::Busy { .. } => "服务器正忙，请过几秒再试。".into(),
        Problem::NotFound
        | Problem::Method { .. }
        | Problem::MediaType { .. }
        | Problem::Json { .. }
        | Problem::Field { .. }
        | Problem::Limited { .. }
        | Problem::NoBarcode
        | Problem::NoPicture
        | Problem::TooManyPixels { .. }
        | Problem::NoSpeech => format!("请求不对：{problem}"),
    };
    Told { zh, en: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_status_a_code_and_words_in_both_languages() {
        let words = Told { zh: "太吵".into(), en: "noisy".into() };
        let all = [
            Trouble::Request(Problem::Busy { retry_after: Duration::from_secs(2) }),
            Trouble::SignedOut,
            Trouble::OtherSite,
            Trouble::Token,
            Trouble::Approver,
            Trouble::Wrong,
            Trouble::Wait { retry_after: Duration::from_millis(10) },
            Trouble::InTheClear,
            Trouble::Length,
            Trouble::Away,
            Trouble::Refused { status: 422, code: "noisy", words },
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
