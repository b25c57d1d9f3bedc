//! What the first start creates: sample cases, and accounts for a first look at the studio.

use std::net::SocketAddr;

use config::{Settings, Source};
use os::clock;
use release::hotline::{Hotline, SAMPLE_SEED};
use replica::sample;
use replica_store::{ApplyError, Replica};
use studio_store::accounts::AccountError;
use studio_store::accounts::initial::{self, InitialAccount};

use crate::Fault;
use crate::first_passwords;

/// Fills the replica with sample cases: on the first start, and where a damaged replica held the sample.
pub(crate) fn fill_sample(replica: &Replica, settings: &Settings, hotline: &Hotline) -> Result<(), Fault> {
    let (cases, zone, working) = (settings.data.sample_cases.into(), hotline.zone.clone(), hotline.working.clone());
    let again = move || sample::cases(cases, SAMPLE_SEED, clock::local(&zone).date(), &working);
    replica.set_sample(again);
    // A replica of a real upstream starts empty; its source restores a damaged one.
    if settings.replica.source != Source::Spool || !replica.wants_sample() || cases == 0 {
        return Ok(());
    }
    let damaged = replica.rebuild_requested();
    let today = clock::local(&hotline.zone).date();
    match replica.fill_sample(cases, SAMPLE_SEED, today, &hotline.working) {
        Ok(_) if damaged => tracing::warn!(cases, "the damaged replica held the built-in sample: it was created again"),
        // A feed has brought the office's cases, or is about to.
        Ok(_) | Err(ApplyError::Dropped | ApplyError::Busy) => {}
        Err(error) => return Err(error.to_string().into()),
    }
    Ok(())
}

/// Whether the node answers with made-up cases.
pub(crate) fn serves_sample(settings: &Settings, replica: &Replica) -> bool {
    replica.is_sample() && settings.data.sample_cases > 0
}

/// On the first start with sample cases and a studio: accounts of each role, whose passwords are kept in a file. An office whose desk
/// has a realm of its own opens the accounts of its agents itself.
pub(crate) fn initial_accounts(
    settings: &Settings,
    replica: &Replica,
    page: Option<SocketAddr>,
) -> Result<Vec<InitialAccount>, Fault> {
    let Some(page) = page.filter(|_| serves_sample(settings, replica) && !settings.studio.allow.is_empty()) else {
        return Ok(Vec::new());
    };
    let phone = &settings.phone;
    let realm = phone.registrar.as_ref().map(|registrar| registrar.realm.as_str());
    let desk = realm.filter(|realm| *realm == TRY_OUT_REALM && !phone.queues.queues.is_empty());
    let accounts = initial::open(settings).and_then(|accounts| initial::create(&accounts, desk));
    let accounts = accounts.map_err(|error: AccountError| error.text())?;
    first_passwords::keep(settings, page, &accounts);
    Ok(accounts)
}

/// The realm of the shipped settings.
const TRY_OUT_REALM: &str = "jindu.localhost";
