//! The attempts: each that falls due is given to the carrier.

use std::sync::Arc;

use tokio::sync::mpsc;

use inquiry::Keys;
use journal::Journal;
use sms::{Attempt, Carrier, HttpCarrier, Outcome, Settings};
use tls::OutgoingTls;

use crate::service::SmsService;
use crate::{http, smpp};

/// What attempts are given to.
enum Route {
    Http(Arc<HttpCarrier>, Arc<OutgoingTls>),
    Smpp(mpsc::Sender<Attempt>),
}

impl SmsService {
    /// Starts the service on the current runtime, with what was stored when the program ended; none: the settings name no carrier.
    pub fn start(settings: &Settings, journal: Arc<Journal>, keys: Keys) -> Option<Arc<SmsService>> {
        let carrier = settings.carrier.clone()?;
        let service = SmsService::new(settings, carrier.name(), journal, keys);
        let route = match carrier {
            Carrier::Http(http) => {
                let tls = http::tls(&http);
                Route::Http(Arc::new(*http), tls)
            }
            Carrier::Smpp(centre) => {
                let (submits, receiver) = mpsc::channel(centre.window);
                tokio::spawn(smpp::run(Arc::clone(&service), *centre, settings.retry, receiver));
                Route::Smpp(submits)
            }
        };
        tokio::spawn(run(Arc::clone(&service), route));
        Some(service)
    }
}

async fn run(service: Arc<SmsService>, route: Route) {
    loop {
        service.store_all();
        while let Some(attempt) = service.next_attempt() {
            give(&service, &route, attempt);
        }
        service.changes().await;
    }
}

fn give(service: &Arc<SmsService>, route: &Route, attempt: Attempt) {
    match route {
        Route::Http(carrier, tls) => {
            let (service, carrier, tls) = (Arc::clone(service), Arc::clone(carrier), Arc::clone(tls));
            tokio::spawn(async move {
                let outcome = http::attempt(&carrier, &tls, &attempt).await;
                service.ended(attempt.id, outcome);
            });
        }
        Route::Smpp(submits) => {
            // There is room: no more attempts are under way than the window has places.
            if let Err(error) = submits.try_send(attempt) {
                service.ended(error.into_inner().id, Outcome::Unreachable("the session does not take messages"));
            }
        }
    }
}
