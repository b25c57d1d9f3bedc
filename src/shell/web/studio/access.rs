//! Who may open the studio, and whether a request comes from the studio's own page.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN, USER_AGENT};

use crate::cookie::cookie;
use crate::peer::within;
use base::Private;
use config::{self, Network};
use studio_store::accounts::Origin;
use web::studio::StudioError;

/// A session's or a browser's token: private in logs and in memory.
pub(super) type Token = Private<String>;

/// A page with sessions. The cookies of two pages are apart.
pub(crate) struct Site {
    /// Its path.
    pub path: &'static str,
    /// The cookie of a session.
    pub session: &'static str,
    /// The cookie that identifies the browser.
    pub device: &'static str,
}

/// The prompt operators' page.
pub(super) const STUDIO: Site = Site { path: "/studio", session: SESSION, device: "jindu_studio_browser" };
/// The agents' page.
pub(crate) const AGENT: Site = Site { path: "/agent", session: "jindu_agent", device: "jindu_agent_browser" };

/// Which addresses may open the studio.
pub(crate) struct Access {
    allow: Vec<Network>,
    proxies: Vec<Network>,
    in_the_clear: bool,
}

/// The browser at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub address: IpAddr,
    /// It came by TLS, as a configured proxy says.
    pub is_secure: bool,
    /// The host that the browser asked for, where a proxy says so.
    host: Option<String>,
    is_proxied: bool,
}

impl Access {
    pub(super) fn new(studio: &config::Studio) -> Access {
        Access { allow: studio.allow.clone(), proxies: studio.proxies.clone(), in_the_clear: studio.allow_insecure }
    }

    /// Whether an address is that of a TLS proxy of these pages.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        within(&self.proxies, address)
    }

    /// The browser behind a connection, if it may open the studio; `from` is the connection's other end, and `behind_balancers` that
    /// which the balancers of the HTTP service forward for. What says that it was forwarded counts only from a configured proxy: an
    /// unknown one could let anyone in under its own address.
    pub(crate) fn admit(&self, (from, behind_balancers): (IpAddr, IpAddr), headers: &HeaderMap) -> Option<Peer> {
        // A balancer may be the TLS proxy, too, or stand before it.
        let from = if self.is_proxy(from) { from } else { behind_balancers };
        let is_proxied = self.is_proxy(from);
        let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        if forwarded && !is_proxied {
            return None;
        }
        let address = if is_proxied { behind(from, headers, |address| self.is_proxy(address))? } else { from };
        let is_secure = is_proxied && last(headers, "x-forwarded-proto").is_some_and(|proto| proto == "https");
        let host = if is_proxied { last(headers, "x-forwarded-host").map(str::to_owned) } else { None };
        within(&self.allow, address).then_some(Peer { address, is_secure, host, is_proxied })
    }

    /// Whether cookies of this browser are sent by TLS only.
    ///
    /// # Errors
    /// [`StudioError::InsecureTransport`] where they would cross a network in the clear.
    pub(super) fn secure_cookies(&self, peer: &Peer) -> Result<bool, StudioError> {
        let is_here = peer.address.is_loopback() && !peer.is_proxied;
        match peer.is_secure {
            true => Ok(true),
            false if is_here || self.in_the_clear => Ok(false),
            false => Err(StudioError::InsecureTransport),
        }
    }

    /// Refuses what another site's page has sent (OWASP: Fetch metadata, and the origin where a browser sends none).
    pub(crate) fn same_site(&self, peer: &Peer, changes: bool, headers: &HeaderMap) -> Result<(), StudioError> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        match site {
            None | Some(b"same-origin") => {}
            Some(b"none") if !changes => {}
            Some(_) => return Err(StudioError::CrossSite),
        }
        if !changes || !headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let origin = text(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let ours = peer.host.as_deref().or_else(|| text(HOST));
        let is_ours = origin.zip(ours).is_some_and(|(origin, ours)| origin.eq_ignore_ascii_case(ours));
        if is_ours { Ok(()) } else { Err(StudioError::CrossSite) }
    }
}

/// The first address that is not a configured proxy, from the connection backwards.
fn behind(from: IpAddr, headers: &HeaderMap, is_ours: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut address = from;
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|line| line.to_str()).collect::<Result<_, _>>().ok()?;
    for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
        let hop = hop.trim();
        address = hop.trim_matches(['[', ']']).parse::<IpAddr>().ok()?.to_canonical();
        if !is_ours(address) {
            break;
        }
    }
    Some(address)
}

fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

/// Where a request comes from, as the accounts count it.
pub(crate) fn origin(site: &Site, peer: &Peer, headers: &HeaderMap) -> Origin {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("").to_owned();
    Origin { address: peer.address, agent, device: cookie(headers, site.device) }
}

/// Whether two tokens are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && difference == 0
}

/// The value of a `Set-Cookie` header (RFC 6265 §4.1).
pub(super) fn set_cookie(site: &Site, name: &str, value: &Token, max_age_s: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    let path = site.path;
    format!("{name}={}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}", value.expose())
}

/// The header that carries the session's token.
pub(crate) const TOKEN: &str = "x-studio-token";
/// What pages may use.
pub(crate) const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=()";
const SESSION: &str = "jindu_studio";
const FORWARDED: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::header::COOKIE;

    use super::*;

    fn access() -> Access {
        let network = |address: &str, prefix| Network { address: address.parse().unwrap(), prefix };
        Access::new(&config::Studio {
            listen: Vec::new(),
            allow: vec![network("127.0.0.0", 8), network("192.0.2.0", 24)],
            proxies: vec![network("10.0.0.1", 32)],
            allow_insecure: false,
            session_idle: Duration::ZERO,
            session: Duration::ZERO,
            upload_bytes_max: 0,
            upload_longest: Duration::ZERO,
            disk_bytes_max: 0,
        })
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn admitted(from: &str, lines: &[(&'static str, &'static str)]) -> Option<Peer> {
        let from = from.parse().unwrap();
        access().admit((from, from), &headers(lines))
    }

    #[test]
    fn only_allowed_addresses_find_the_studio() {
        assert!(admitted("127.0.0.1", &[]).is_some() && admitted("192.0.2.7", &[]).is_some());
        assert_eq!(admitted("198.51.100.1", &[]), None);
    }

    #[test]
    fn a_balancer_is_the_tls_proxy_or_stands_before_it() {
        let lines = [("x-forwarded-for", "192.0.2.7, 10.0.0.1"), ("x-forwarded-proto", "https")];
        let admitted = |from: &str, behind: &str| {
            access().admit((from.parse().unwrap(), behind.parse().unwrap()), &headers(&lines))
        };
        for (from, behind) in [("10.0.0.1", "192.0.2.7"), ("10.9.9.9", "10.0.0.1")] {
            let peer = admitted(from, behind).expect("allowed");
            assert_eq!((peer.address.to_string().as_str(), peer.is_secure), ("192.0.2.7", true), "{from}");
        }
        assert_eq!(admitted("10.9.9.9", "192.0.2.7"), None, "a balancer that is no TLS proxy of the studio");
    }

    #[test]
    fn a_known_proxy_names_the_browser_behind_it_and_an_unknown_one_is_refused() {
        let peer =
            admitted("10.0.0.1", &[("x-forwarded-for", "203.0.113.9, 192.0.2.7"), ("x-forwarded-proto", "https")]);
        let peer = peer.expect("allowed");
        assert_eq!((peer.address.to_string().as_str(), peer.is_secure), ("192.0.2.7", true));
        assert_eq!(admitted("10.0.0.1", &[("x-forwarded-for", "192.0.2.7, 203.0.113.9")]), None, "the nearest counts");
        assert_eq!(admitted("10.0.0.1", &[("x-forwarded-for", "nonsense")]), None);
        assert_eq!(admitted("10.0.0.1", &[]), None, "the proxy itself is not allowed");
        assert_eq!(admitted("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")]), None, "an unknown proxy");
        assert_eq!(admitted("127.0.0.1", &[("forwarded", "for=127.0.0.1")]), None);
    }

    #[test]
    fn cookies_cross_a_network_by_tls_only() {
        let secure = |peer: Option<Peer>| access().secure_cookies(&peer.expect("allowed"));
        assert_eq!(secure(admitted("127.0.0.1", &[])), Ok(false));
        assert_eq!(secure(admitted("192.0.2.7", &[])), Err(StudioError::InsecureTransport));
        let https = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert_eq!(secure(admitted("10.0.0.1", &https)), Ok(true));
        assert_eq!(secure(admitted("10.0.0.1", &https[..1])), Err(StudioError::InsecureTransport));
    }

    #[test]
    fn another_sites_page_is_refused() {
        let peer = admitted("127.0.0.1", &[]).expect("allowed");
        let asked =
            |changes, lines: &[(&'static str, &'static str)]| access().same_site(&peer, changes, &headers(lines));
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(
            asked(true, &[host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
        assert_eq!(asked(true, &[host]), Ok(()), "no browser: the token is asked all the same");
        for wrong in [
            &[host, ("origin", "http://evil.example")][..],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none")],
            &[("origin", "http://127.0.0.1:8080")],
        ] {
            assert_eq!(asked(true, wrong), Err(StudioError::CrossSite), "{wrong:?}");
        }
        assert_eq!(asked(false, &[host, ("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(asked(false, &[host, ("sec-fetch-site", "cross-site")]), Err(StudioError::CrossSite));
    }

    #[test]
    fn only_the_studios_own_cookie_is_read() {
        let ours = "a1".repeat(32);
        let line = format!("other=1; jindu_studio={ours}; x");
        let mut lines = HeaderMap::new();
        lines.insert(COOKIE, line.parse().unwrap());
        assert_eq!(cookie(&lines, SESSION).expect("ours").expose(), &ours);
        for wrong in ["jindu_studio=", "jindu_studio=abc", "jindu_studio_browser=1", "jindu_studio"] {
            assert_eq!(cookie(&headers(&[("cookie", wrong)]), SESSION), None, "{wrong}");
        }
        assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
