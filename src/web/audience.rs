//! Who may use a route, what a request costs at most, and who asks.
//!
//! ```text
//!  cookie of an enrolled kiosk, from its addresses ──► Client::Kiosk      a scan of the paper is proof enough
//!  this machine, while it serves only itself ────────► Client::TryOut     the same, under the name that it states
//!  everybody else ───────────────────────────────────► Client::Public     number and second factor
//! ```
//! An operator is known by the address alone (`web.operations_allow`), and may be any of the three.

use std::net::IpAddr;

use super::{Kiosk, Route, host};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anybody who reaches the service.
    Everyone,
    /// Kiosks alone.
    Kiosk,
    /// Kiosks; others with a second factor.
    KioskOrFactor,
    /// Addresses of `web.operations_allow`, and anybody at `web.operations_listen`.
    Operator,
}

impl Audience {
    /// The name in the guide's table of routes.
    pub fn name(self) -> &'static str {
        match self {
            Audience::Everyone => "everyone",
            Audience::Kiosk => "kiosks",
            Audience::KioskOrFactor => "kiosks; others with a second factor",
            Audience::Operator => "operators",
        }
    }
}

/// What bounds the cost of a request to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostBound {
    /// A file that is built in.
    File,
    /// A page or JSON composed from memory.
    Memory,
    /// A look-up, counted by the limits of its client, its receipt and all doors.
    LookUp,
    /// A photograph: few at once, and for strangers few an hour.
    Photograph,
    /// One-time codes: few wrong ones of an address.
    Code,
    /// Ratings: few a minute of a kiosk or an address are recorded.
    Rating,
    /// What monitoring reads: not bounded, since operators alone may ask.
    Operation,
}

impl CostBound {
    /// The name in the guide's table of routes.
    pub fn name(self) -> &'static str {
        match self {
            CostBound::File => "a file in memory",
            CostBound::Memory => "composed from memory",
            CostBound::LookUp => "look-ups of client, receipt and all doors",
            CostBound::Photograph => "photographs at once; strangers: an hour",
            CostBound::Code => "wrong codes of an address",
            CostBound::Rating => "ratings a minute",
            CostBound::Operation => "operators only",
        }
    }
}

/// Who may use a route.
pub fn audience_of(route: Route) -> Audience {
    match route {
        Route::Home
        | Route::Page
        | Route::Script
        | Route::Shapes
        | Route::Screen
        | Route::Scanner
        | Route::Words
        | Route::Style
        | Route::Settings
        | Route::EnrolPage
        | Route::Enrol
        | Route::PublicPage
        | Route::PublicScript
        | Route::PublicStyle
        | Route::PublicInquiry
        | Route::Inquiry
        | Route::InquiryImage
        | Route::Rate
        | Route::Health => Audience::Everyone,
        Route::ScanImage | Route::ScanImageSpeech => Audience::Kiosk,
        Route::Scan | Route::ScanSpeech => Audience::KioskOrFactor,
        Route::Metrics | Route::FlowDiagram => Audience::Operator,
    }
}

/// What bounds the cost of a request to a route.
pub fn cost_bound_of(route: Route) -> CostBound {
    match route {
        Route::Page
        | Route::Script
        | Route::Shapes
        | Route::Screen
        | Route::Scanner
        | Route::Words
        | Route::Style
        | Route::PublicScript
        | Route::PublicStyle => CostBound::File,
        Route::Home | Route::Settings | Route::EnrolPage | Route::PublicPage | Route::Health => CostBound::Memory,
        Route::Scan | Route::ScanSpeech | Route::PublicInquiry | Route::Inquiry => CostBound::LookUp,
        Route::ScanImage | Route::ScanImageSpeech | Route::InquiryImage => CostBound::Photograph,
        Route::Enrol => CostBound::Code,
        Route::Rate => CostBound::Rating,
        Route::Metrics | Route::FlowDiagram => CostBound::Operation,
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// An enrolled kiosk, by its enrolled name.
    Kiosk(Kiosk),
    /// The kiosk for trying out: a browser on a machine that serves only itself.
    TryOut,
    /// Anybody else.
    Public,
}

impl Client {
    /// Whether a scan of the paper alone is answered.
    pub fn is_kiosk(&self) -> bool {
        match self {
            Client::Kiosk(_) | Client::TryOut => true,
            Client::Public => false,
        }
    }

    /// The name that records and limits know it by. What a request states counts only for the kiosk for trying out.
    pub fn kiosk(&self, stated: &Kiosk) -> Kiosk {
        match self {
            Client::Kiosk(name) => name.clone(),
            Client::TryOut => stated.clone(),
            Client::Public => Kiosk::default(),
        }
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub from: IpAddr,
    /// Whether a header says that a proxy has forwarded it.
    pub is_forwarded: bool,
    /// The host that it names.
    pub host: Option<&'a str>,
}

impl Arrival<'_> {
    /// Whether it comes from a program of this machine that named this machine. A page of another site that was led here
    /// by a name of its own (DNS rebinding) names that host.
    pub fn is_of_this_machine(&self) -> bool {
        let names_it = self.host.is_some_and(host::is_loopback);
        self.from.is_loopback() && !self.is_forwarded && names_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_request_of_this_machine_is_its_own() {
        let arrival = |from: &str, is_forwarded, host| Arrival { from: from.parse().unwrap(), is_forwarded, host };
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST.:80", "[::1]:8080", "127.1.2.3"] {
            assert!(arrival("127.0.0.1", false, Some(host)).is_of_this_machine(), "{host}");
        }
        for (from, is_forwarded, host) in [
            ("192.0.2.7", false, Some("127.0.0.1")),
            ("127.0.0.1", true, Some("127.0.0.1")),
            ("127.0.0.1", false, None),
            ("127.0.0.1", false, Some("kiosk.example")),
            ("127.0.0.1", false, Some("localhost.example")),
            ("127.0.0.1", false, Some("192.0.2.7")),
            ("::1", false, Some("")),
        ] {
            assert!(!arrival(from, is_forwarded, host).is_of_this_machine(), "{from} {is_forwarded} {host:?}");
        }
    }

    #[test]
    fn only_the_kiosk_for_trying_out_names_itself() {
        let stated = Kiosk::named("hall-9");
        assert_eq!(Client::Kiosk(Kiosk::named("north-1")).kiosk(&stated).as_str(), "north-1");
        assert_eq!(Client::TryOut.kiosk(&stated).as_str(), "hall-9");
        assert_eq!(Client::Public.kiosk(&stated).as_str(), "");
    }

    #[test]
    fn strangers_reach_no_route_of_operators_and_every_look_up_is_counted() {
        for route in Route::ALL {
            let cost = cost_bound_of(route);
            assert_eq!(audience_of(route) == Audience::Operator, cost == CostBound::Operation, "{route:?}");
        }
    }
}
