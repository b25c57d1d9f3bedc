//! Cookies: tokens of 256 bits in hex.

use hyper::header::{COOKIE, HeaderMap};

use base::Private;

/// A cookie that this service has set.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<Private<String>> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(given, _)| *given == name)?;
    let is_ours = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| Private::new(value.to_owned()))
}

/// The value of a `Set-Cookie` header for a kiosk's token (RFC 6265 §4.1). Browsers keep a cookie for 400 days at most, so
/// the kiosk's page renews it.
pub(crate) fn kiosk_cookie(token: &Private<String>, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{KIOSK}={}; Path=/; Max-Age={MAX_AGE_S}; HttpOnly; SameSite=Strict{secure}", token.expose())
}

pub(crate) const KIOSK: &str = "jindu_kiosk";
const MAX_AGE_S: u64 = 400 * 86_400;
