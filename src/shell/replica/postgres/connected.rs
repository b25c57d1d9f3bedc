//! Finds the server to follow, and reads its setup.

use config::{Postgres, UpstreamServer};
use replica::upstream::{Catalogue, UpstreamError, UpstreamErrorKind};

use super::catalogue;
use super::session::Session;

/// A server that answered, and its setup.
pub(super) struct Connected {
    pub server: UpstreamServer,
    pub session: Session,
    pub catalogue: Catalogue,
    /// Identifies everything that decides what a row becomes.
    pub mapping: String,
}

/// Connects to the first server that is not a standby, else to the first that can be followed.
pub(super) async fn connect(settings: &Postgres) -> Result<Connected, UpstreamError> {
    match search(settings).await {
        // A standby before PostgreSQL 16 cannot decode until it is promoted.
        (Some(connected), Some(trouble)) if connected.catalogue.is_standby && !connected.catalogue.can_decode() => {
            Err(trouble)
        }
        found => first(found),
    }
}

/// Connects to the first server that is not a standby, else to the first that answers.
pub(super) async fn connect_to_any(settings: &Postgres) -> Result<Connected, UpstreamError> {
    first(search(settings).await)
}

/// The first primary, else the first standby; and the first failure.
async fn search(settings: &Postgres) -> (Option<Connected>, Option<UpstreamError>) {
    let (mut trouble, mut standby) = (None, None);
    for server in &settings.servers {
        match open(settings, server).await {
            Ok(connected) if connected.catalogue.is_standby => {
                standby.get_or_insert(connected);
            }
            Ok(connected) => return (Some(connected), trouble),
            Err(found) => drop(trouble.get_or_insert(found)),
        }
    }
    (standby, trouble)
}

fn first((connected, trouble): (Option<Connected>, Option<UpstreamError>)) -> Result<Connected, UpstreamError> {
    let no_server = || UpstreamError::new(UpstreamErrorKind::Setup, "replica.postgres.servers names no server");
    connected.ok_or_else(|| trouble.unwrap_or_else(no_server))
}

async fn open(settings: &Postgres, server: &UpstreamServer) -> Result<Connected, UpstreamError> {
    let session = Session::open(settings, server).await?;
    let catalogue = limited(settings, catalogue::read(settings, &session)).await?;
    let mapping = fingerprint(settings, &catalogue);
    Ok(Connected { server: server.clone(), session, catalogue, mapping })
}

/// Identifies everything that decides what a row becomes: the mapping and the publication's row filter.
pub(super) fn fingerprint(settings: &Postgres, catalogue: &Catalogue) -> String {
    let filter = catalogue.publication.as_ref().and_then(|publication| publication.row_filter.as_deref());
    settings.mapping.fingerprint(filter)
}

/// Limits an exchange with the server to the time of a connection.
pub(super) async fn limited<T>(
    settings: &Postgres,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    let limit = settings.connect_timeout.max(EXCHANGE_MIN);
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => {
            Err(UpstreamError::new(UpstreamErrorKind::Silent, format!("the upstream does not answer within {limit:?}")))
        }
    }
}

const EXCHANGE_MIN: std::time::Duration = std::time::Duration::from_secs(15);
