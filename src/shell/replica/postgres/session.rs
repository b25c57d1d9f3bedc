//! The two kinds of connection to a server: one for SQL, one for the stream.
//!
//! Both fix the output format of values (ISO dates, the office's time zone), so that a row reads the same copied and
//! streamed. The password is read for every connection, so that a changed one is used at the next attempt.

use std::path::Path;
use std::time::Duration;

use pgwire_replication::{Lsn as StreamLsn, PgWireError, ReplicationClient, ReplicationConfig};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

use config::{Postgres, UpstreamServer};
use replica::upstream::{Lsn, Names, Refusal, UpstreamError, UpstreamErrorKind, split_state};

use crate::postgres::tls;

/// An SQL connection; it closes when this is dropped.
pub(super) struct Session {
    pub client: Client,
    driver: JoinHandle<()>,
    limit: Duration,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn open(settings: &Postgres, server: &UpstreamServer) -> Result<Session, UpstreamError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&server.host)
            .port(server.port)
            .user(&settings.user)
            .dbname(&settings.database)
            .application_name(APPLICATION)
            .options(options(settings))
            .connect_timeout(settings.connect_timeout)
            .tcp_user_timeout(settings.silence)
            .keepalives_idle(KEEPALIVE);
        if let Some(password) = password(settings)? {
            config.password(password);
        }
        let opening = async {
            match tls::of_session(&settings.tls)? {
                None => {
                    config.ssl_mode(tokio_postgres::config::SslMode::Disable);
                    let (client, connection) =
                        config.connect(NoTls).await.map_err(|error| of_sql(settings, server, &error))?;
                    Ok::<_, UpstreamError>((client, tokio::spawn(async move { drop(connection.await) })))
                }
                Some(tls) => {
                    config.ssl_mode(tokio_postgres::config::SslMode::Require);
                    let (client, connection) =
                        config.connect(tls).await.map_err(|error| of_sql(settings, server, &error))?;
                    Ok((client, tokio::spawn(async move { drop(connection.await) })))
                }
            }
        };
        let opened = tokio::time::timeout(settings.connect_timeout, opening).await;
        let (client, driver) = opened.map_err(|_| slow(server, settings.connect_timeout))??;
        let session = Session { client, driver, limit: settings.connect_timeout.max(QUERY_AT_LEAST) };
        session.rows(settings, SESSION_SETTINGS).await?;
        Ok(session)
    }

    /// Runs statements, and gives the rows of all of them.
    pub(super) async fn rows(&self, settings: &Postgres, sql: &str) -> Result<Vec<SimpleQueryRow>, UpstreamError> {
        let asked = tokio::time::timeout(self.limit, self.client.simple_query(sql)).await;
        let messages = asked
            .map_err(|_| {
                UpstreamError::new(
                    UpstreamErrorKind::Silent,
                    format!("the upstream does not answer within {:?}", self.limit),
                )
            })?
            .map_err(|error| of_sql(settings, &settings.servers[0], &error))?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// The first row of the result.
    pub(super) async fn row(&self, settings: &Postgres, sql: &str) -> Result<SimpleQueryRow, UpstreamError> {
        let rows = self.rows(settings, sql).await?;
        rows.into_iter().next().ok_or_else(|| {
            UpstreamError::new(UpstreamErrorKind::Protocol, "the upstream returned no row where one is required")
        })
    }
}

/// The runtime of a follower or a command: one worker for the connections; the calling thread waits for the writer.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("replica-wire").enable_all().build()
}

/// Opens a replication connection. Queries before the start of the stream go to the server that streams.
pub(super) async fn stream(
    settings: &Postgres,
    server: &UpstreamServer,
    start: Lsn,
) -> Result<ReplicationClient, UpstreamError> {
    let password = password(settings)?.unwrap_or_default();
    let mut config = ReplicationConfig::new(
        &server.host,
        &settings.user,
        password,
        &settings.database,
        &settings.slot,
        settings.publication.as_str(),
    )
    .with_port(server.port)
    .with_tls(tls::of_stream(&settings.tls, server)?)
    .with_start_lsn(StreamLsn(start))
    .with_status_interval(STATUS_EVERY)
    .with_wakeup_interval(WAKE_EVERY)
    .with_buffer_size(EVENTS_MAX)
    .with_options(options(settings));
    config.max_message_size = MESSAGE_BYTES_MAX;
    config.application_name = Some(settings.slot.clone());
    let opening = async {
        let mut client = ReplicationClient::connect_gated(config).await?;
        client.simple_query(SESSION_SETTINGS).await.map(|_| client)
    };
    let limit = settings.connect_timeout.max(QUERY_AT_LEAST);
    let opened = tokio::time::timeout(limit, opening).await.map_err(|_| slow(server, limit))?;
    opened.map_err(|error| of_stream(settings, server, &error))
}

/// The trouble that an error of an SQL connection means.
pub(super) fn of_sql(settings: &Postgres, server: &UpstreamServer, error: &tokio_postgres::Error) -> UpstreamError {
    if let Some(refused) = error.as_db_error() {
        let refusal = Refusal { state: refused.code().code(), message: refused.message() };
        return UpstreamError::of_refusal(refusal, names(settings, &table(settings)));
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    of_text(server, &text)
}

/// The trouble that an error of a replication connection means.
pub(super) fn of_stream(settings: &Postgres, server: &UpstreamServer, error: &PgWireError) -> UpstreamError {
    match error {
        PgWireError::Server(text) => {
            let (message, state) = split_state(text);
            UpstreamError::of_refusal(Refusal { state, message }, names(settings, &table(settings)))
        }
        PgWireError::Io(error) if was_cut(&error.to_string()) => cut(server),
        PgWireError::Io(error) => UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{server}: {error}")),
        PgWireError::Auth(text) => UpstreamError::new(
            UpstreamErrorKind::Password,
            format!("{server}: {text}; correct the password in replica.postgres.password_file"),
        ),
        PgWireError::MessageTooLarge { payload_bytes, limit_bytes } => UpstreamError::new(
            UpstreamErrorKind::Protocol,
            format!(
                "a change of {payload_bytes} bytes exceeds the limit of {limit_bytes}; exclude large columns from the publication (a \
                 column list), then run jindu replica rebuild"
            ),
        ),
        other => of_text(server, &other.to_string()),
    }
}

fn of_text(server: &UpstreamServer, text: &str) -> UpstreamError {
    if was_cut(text) {
        return cut(server);
    }
    let tls = ["tls", "TLS", "certificate"].iter().any(|word| text.contains(word));
    if !tls {
        return UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{server}: {text}"));
    }
    let advice = if text.contains("does not support TLS") || text.contains("SSLRequest") {
        "enable ssl on the server; this node connects without TLS only if replica.postgres.tls is \"off\"".to_owned()
    } else if text.contains("NotValidForName") || text.contains("not valid for name") {
        format!(
            "its certificate is for another name than {}; set replica.postgres.tls_name to a name in it",
            server.host
        )
    } else if text.contains("CaUsedAsEndEntity") {
        "its certificate is an authority's own; install one that an authority has signed, with the server's name in \
         subjectAltName, and set replica.postgres.ca_file to that authority"
            .to_owned()
    } else {
        "its certificate is not signed by replica.postgres.ca_file, or, without it, by an authority of this machine; set \
         replica.postgres.ca_file to the authority that signed it".to_owned()
    };
    UpstreamError::new(UpstreamErrorKind::Tls, format!("{server}: {text}; {advice}"))
}

/// Whether a TLS error means that the connection was closed.
fn was_cut(text: &str) -> bool {
    ["close_notify", "unexpected end of file", "unexpected EOF", "early eof"].iter().any(|word| text.contains(word))
}

fn cut(server: &UpstreamServer) -> UpstreamError {
    UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{server}: the connection was closed"))
}

/// `schema.table` of the cases.
pub(super) fn table(settings: &Postgres) -> String {
    format!("{}.{}", settings.mapping.schema, settings.mapping.table)
}

fn names<'a>(settings: &'a Postgres, table: &'a str) -> Names<'a> {
    Names {
        user: &settings.user,
        database: &settings.database,
        table,
        publication: &settings.publication,
        slot: &settings.slot,
    }
}

fn options(settings: &Postgres) -> String {
    format!(
        "-c datestyle=ISO,YMD -c timezone={} -c bytea_output=hex -c statement_timeout=0 \
         -c idle_in_transaction_session_timeout=0 -c search_path=pg_catalog",
        settings.time_zone
    )
}

fn slow(server: &UpstreamServer, limit: Duration) -> UpstreamError {
    UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{server}: no connection within {limit:?}"))
}

fn password(settings: &Postgres) -> Result<Option<String>, UpstreamError> {
    let wrong = |what: String| UpstreamError::new(UpstreamErrorKind::Password, what);
    if let Some(path) = &settings.password_file {
        return read_password(path).map(Some).map_err(wrong);
    }
    let Some(name) = &settings.password_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(password) => Ok(Some(password)),
        Err(_) => Err(wrong(format!("the environment variable {name} of replica.postgres.password_env is not set"))),
    }
}

fn read_password(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("replica.postgres.password_file {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Lifts timeouts that a role may have, some of them unknown to older servers: a copy and an idle session exceed them, and
/// this node has its own limits. A database without an encoding sends bytes as they are: with UTF-8 as the client encoding,
/// one invalid row would fail the whole table.
const SESSION_SETTINGS: &str = "
    SELECT set_config(name, CASE name WHEN 'client_encoding' THEN 'SQL_ASCII' ELSE '0' END, false) FROM pg_settings
    WHERE name IN ('idle_session_timeout', 'lock_timeout', 'transaction_timeout')
       OR name = 'client_encoding' AND current_setting('server_encoding') = 'SQL_ASCII'";
/// The name in pg_stat_activity.
const APPLICATION: &str = "jindu";
const KEEPALIVE: Duration = Duration::from_secs(10);
const QUERY_AT_LEAST: Duration = Duration::from_secs(30);
/// How often the synced position is acknowledged.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// How often a keepalive is sent.
const WAKE_EVERY: Duration = Duration::from_secs(5);
/// Events that wait between the connection and the replica.
const EVENTS_MAX: usize = 4096;
/// A case has some hundred bytes; other columns of the upstream's row may be larger.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
