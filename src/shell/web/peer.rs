//! Who is at the other end: the address behind balancers, the kiosk of a cookie, an operator by address; and whether the
//! host that the request names is served here.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HOST, HeaderMap};
use hyper::{Request, Version};

use super::cookie::{self, cookie};
use super::serves::Serves;
use base::{Network, Private};
use kiosk_store::KioskStore;
use web::{Arrival, Client, Kiosk, RequestError, check_host};

/// The other end of a request.
pub(crate) struct Peer {
    /// Its address, behind balancers.
    pub address: IpAddr,
    /// Who asks.
    pub client: Client,
    /// The token of an enrolled kiosk's cookie.
    pub token: Option<Private<String>>,
    /// Whether it may see metrics, the diagram and details of the health.
    pub is_operator: bool,
    /// Whether it came by TLS, as a balancer says.
    pub is_secure: bool,
}

/// What peers are judged by.
pub(crate) struct Peers {
    proxies: Vec<Network>,
    hosts: Vec<String>,
    operations_allow: Vec<Network>,
    has_try_out_kiosk: bool,
    kiosks: Option<Arc<KioskStore>>,
}

impl Peers {
    pub(crate) fn new(web: &config::Web) -> Peers {
        Peers {
            proxies: web.proxies.clone(),
            hosts: web.hosts.clone(),
            operations_allow: web.operations_allow.clone(),
            has_try_out_kiosk: web.has_try_out_kiosk(),
            kiosks: None,
        }
    }

    /// The same with enrolled kiosks.
    pub(crate) fn with_kiosks(self, kiosks: Arc<KioskStore>) -> Peers {
        Peers { kiosks: Some(kiosks), ..self }
    }

    pub(crate) fn kiosks(&self) -> Option<&Arc<KioskStore>> {
        self.kiosks.as_ref()
    }

    /// Whether an address is a balancer's.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        within(&self.proxies, address)
    }

    /// The address of a client, behind balancers.
    pub(crate) fn address(&self, from: IpAddr, head: &HeaderMap) -> IpAddr {
        client_address(from, head, |address| self.is_proxy(address))
    }

    /// Judges a request that came `from` an address to the `local` one; `address` is its client's, behind balancers.
    ///
    /// # Errors
    /// [`RequestError::Host`] or [`RequestError::Misdirected`].
    pub(crate) fn judge<B>(
        &self,
        serves: Serves,
        address: IpAddr,
        (from, local): (IpAddr, IpAddr),
        request: &Request<B>,
    ) -> Result<Peer, RequestError> {
        let head = request.headers();
        let is_forwarded = FORWARDED.iter().any(|name| head.contains_key(*name));
        let is_proxy = self.is_proxy(from);
        let host = host(request)?;
        if let Some(host) = host {
            check_host(host, local, is_forwarded && is_proxy, &self.hosts)?;
        }
        let token = cookie(head, cookie::KIOSK);
        let enrolled = token.as_ref().and_then(|token| self.enrolled(token, address));
        let is_try_out = self.has_try_out_kiosk && Arrival { from, is_forwarded, host }.is_of_this_machine();
        let client = match enrolled {
            Some(kiosk) => Client::Kiosk(kiosk),
            None if is_try_out => Client::TryOut,
            None => Client::Public,
        };
        // An unknown proxy could let anybody in under its own address.
        let is_known = !is_forwarded || is_proxy;
        Ok(Peer {
            address,
            token: token.filter(|_| matches!(client, Client::Kiosk(_))),
            client,
            is_operator: serves == Serves::Operations || (is_known && within(&self.operations_allow, address)),
            is_secure: is_proxy && last(head, "x-forwarded-proto").is_some_and(|proto| proto == "https"),
        })
    }

    fn enrolled(&self, token: &Private<String>, address: IpAddr) -> Option<Kiosk> {
        let register = self.kiosks.as_ref()?.register();
        register.kiosk_of(token.expose(), address).map(|kiosk| Kiosk::named(&kiosk.name))
    }
}

/// The address of a client behind proxies.
pub(crate) fn client_address(from: IpAddr, head: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> IpAddr {
    // No proxy writes a value that is not text.
    let forwarded = head.get_all("x-forwarded-for").into_iter().map(|value| value.to_str().unwrap_or("?"));
    web::client_address(from, forwarded, is_proxy)
}

/// The host that a request names: its target's, else the one Host header (RFC 9112 §3.2). HTTP/1.0 may name none.
fn host<B>(request: &Request<B>) -> Result<Option<&str>, RequestError> {
    let mut lines = request.headers().get_all(HOST).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) if request.version() < Version::HTTP_11 => None,
        (Some(line), None) => Some(line.to_str().map_err(|_| RequestError::Host)?),
        (None, _) | (Some(_), Some(_)) => return Err(RequestError::Host),
    };
    Ok(request.uri().authority().map(hyper::http::uri::Authority::as_str).or(line))
}

pub(crate) fn within(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn last<'a>(head: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = head.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

/// Headers by which proxies say that they have forwarded a request.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];
