//! Why an upstream cannot be followed at the moment, in words for the person who must act.
//!
//! Nothing of it ends the program: the replica answers as it is, its age grows, and the upstream is tried again. A server's
//! own words are quoted only where they cannot hold a value of a row.

use super::assembler::GatherError;
use super::copied::CopyError;
use super::position::{WhyCopy, WhyHold};

/// What kind of trouble it is: the label of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// Not there, or not yet ready. Passes by itself.
    Unreachable,
    /// Said nothing for too long.
    Silent,
    /// The password is wrong.
    Password,
    /// The TLS handshake failed.
    Tls,
    /// The role may not do what is needed.
    Permission,
    /// The upstream is not set up for it, or the settings do not fit it.
    Setup,
    /// The slot is read by another client, or by this node's connection that has not ended yet.
    SlotBusy,
    /// The slot is gone: everything is copied again.
    SlotLost,
    /// The log is another one than the replica followed.
    Diverged,
    /// Another cluster answers.
    OtherSystem,
    /// A mapped column is gone, or of another type.
    Drift,
    /// A person has to decide on deletes.
    Held,
    /// The replica's file cannot be written.
    Store,
    /// The server sent what this program cannot use.
    Protocol,
}

/// One trouble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UpstreamError {
    /// The counter's label.
    pub kind: UpstreamErrorKind,
    /// What is wrong and what to do.
    pub what: String,
}

/// What a server says when it refuses: its SQLSTATE, and its message.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The SQLSTATE, five characters.
    pub state: &'a str,
    /// The server's message.
    pub message: &'a str,
}

/// The names that an advice needs.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The role.
    pub user: &'a str,
    /// The database.
    pub database: &'a str,
    /// The table of cases, with its schema.
    pub table: &'a str,
    /// The publication.
    pub publication: &'a str,
    /// The replication slot.
    pub slot: &'a str,
}

impl UpstreamErrorKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [UpstreamErrorKind; 14] = [
        UpstreamErrorKind::Unreachable,
        UpstreamErrorKind::Silent,
        UpstreamErrorKind::Password,
        UpstreamErrorKind::Tls,
        UpstreamErrorKind::Permission,
        UpstreamErrorKind::Setup,
        UpstreamErrorKind::SlotBusy,
        UpstreamErrorKind::SlotLost,
        UpstreamErrorKind::Diverged,
        UpstreamErrorKind::OtherSystem,
        UpstreamErrorKind::Drift,
        UpstreamErrorKind::Held,
        UpstreamErrorKind::Store,
        UpstreamErrorKind::Protocol,
    ];

    /// The label of its counter.
    pub fn name(self) -> &'static str {
        match self {
            UpstreamErrorKind::Unreachable => "unreachable",
            UpstreamErrorKind::Silent => "silent",
            UpstreamErrorKind::Password => "password",
            UpstreamErrorKind::Tls => "tls",
            UpstreamErrorKind::Permission => "permission",
            UpstreamErrorKind::Setup => "setup",
            UpstreamErrorKind::SlotBusy => "slot_busy",
            UpstreamErrorKind::SlotLost => "slot_lost",
            UpstreamErrorKind::Diverged => "diverged",
            UpstreamErrorKind::OtherSystem => "other_system",
            UpstreamErrorKind::Drift => "drift",
            UpstreamErrorKind::Held => "held",
            UpstreamErrorKind::Store => "store",
            UpstreamErrorKind::Protocol => "protocol",
        }
    }

    /// The name of the condition while it lasts.
    pub fn alarm(self) -> &'static str {
        match self {
            UpstreamErrorKind::Unreachable => "upstream_unreachable",
            UpstreamErrorKind::Silent => "upstream_silent",
            UpstreamErrorKind::Password => "upstream_password",
            UpstreamErrorKind::Tls => "upstream_tls",
            UpstreamErrorKind::Permission => "upstream_permission",
            UpstreamErrorKind::Setup => "upstream_setup",
            UpstreamErrorKind::SlotBusy => "upstream_slot_busy",
            UpstreamErrorKind::SlotLost => "upstream_slot_lost",
            UpstreamErrorKind::Diverged => "upstream_diverged",
            UpstreamErrorKind::OtherSystem => "upstream_other_system",
            UpstreamErrorKind::Drift => "upstream_drift",
            UpstreamErrorKind::Held => "upstream_held",
            UpstreamErrorKind::Store => "upstream_store",
            UpstreamErrorKind::Protocol => "upstream_protocol",
        }
    }

    /// Whether it passes by itself, as far as this node can know.
    pub fn passes(self) -> bool {
        match self {
            UpstreamErrorKind::Unreachable | UpstreamErrorKind::Silent | UpstreamErrorKind::SlotBusy => true,
            UpstreamErrorKind::Password
            | UpstreamErrorKind::Tls
            | UpstreamErrorKind::Permission
            | UpstreamErrorKind::Setup
            | UpstreamErrorKind::SlotLost
            | UpstreamErrorKind::Diverged
            | UpstreamErrorKind::OtherSystem
            | UpstreamErrorKind::Drift
            | UpstreamErrorKind::Held
            | UpstreamErrorKind::Store
            | UpstreamErrorKind::Protocol => false,
        }
    }
}

impl UpstreamError {
    /// A trouble of a kind.
    pub fn new(kind: UpstreamErrorKind, what: impl Into<String>) -> UpstreamError {
        UpstreamError { kind, what: what.into() }
    }

    /// What a refusal of the server asks for.
    pub fn of_refusal(refusal: Refusal<'_>, names: Names<'_>) -> UpstreamError {
        let Refusal { state, message } = refusal;
        let Names { user, database, table, publication, slot } = names;
        let says = format!("the upstream says: {message} (SQLSTATE {state})");
        let (kind, advice) = match state {
            "28P01" => (
                UpstreamErrorKind::Password,
                format!("set the password of {user} again, there or in replica.postgres.password_file"),
            ),
            "28000" if message.contains("pg_hba.conf") => (
                UpstreamErrorKind::Permission,
                format!(
                    "add a line to pg_hba.conf that lets {user} into database {database} from this address, and reload"
                ),
            ),
            "28000" => (
                UpstreamErrorKind::Permission,
                format!("create the role {user}, and let it log in: ALTER ROLE {user} LOGIN"),
            ),
            "3D000" => (UpstreamErrorKind::Setup, "correct replica.postgres.database".to_owned()),
            "42501" if message.contains("replication") => {
                (UpstreamErrorKind::Permission, format!("ALTER ROLE {user} REPLICATION"))
            }
            "42501" => {
                (UpstreamErrorKind::Permission, format!("GRANT SELECT ON {table} TO {user}, and USAGE on its schema"))
            }
            "42P01" => {
                (UpstreamErrorKind::Setup, format!("create the table {table}, or correct replica.postgres.table"))
            }
            "42703" => (UpstreamErrorKind::Drift, "correct replica.postgres.columns".to_owned()),
            "42704" if message.contains("publication") => {
                (UpstreamErrorKind::Setup, format!("CREATE PUBLICATION {publication} FOR TABLE {table}"))
            }
            "42704" if message.contains("slot") => (UpstreamErrorKind::SlotLost, "it is created again".to_owned()),
            "55000" if message.contains("recovery") => (
                UpstreamErrorKind::Setup,
                "name the primary in replica.postgres.servers too: before PostgreSQL 16 a standby cannot be followed"
                    .to_owned(),
            ),
            "55000" if message.contains("wal_level") => {
                (UpstreamErrorKind::Setup, "set wal_level = logical there, and restart it".to_owned())
            }
            "55000" if message.contains("slot") => (UpstreamErrorKind::SlotLost, "it is created again".to_owned()),
            "55006" => {
                (UpstreamErrorKind::SlotBusy, format!("if another node reads slot {slot}, give each a slot of its own"))
            }
            "53400" => (
                UpstreamErrorKind::Setup,
                "raise max_replication_slots there, or drop a slot without a reader".to_owned(),
            ),
            "53300" => (
                UpstreamErrorKind::Unreachable,
                format!(
                    "raise max_connections, max_wal_senders or the CONNECTION LIMIT of {user} there, if it stays so"
                ),
            ),
            "57P01" | "57P02" | "57P03" | "57P05" | "53200" | "53100" => {
                (UpstreamErrorKind::Unreachable, "it is tried again".to_owned())
            }
            _ if state.starts_with("22") || state.starts_with("23") => {
                let what = format!(
                    "the upstream cannot send a row (SQLSTATE {state}): see its own log, and mend the row there"
                );
                return UpstreamError::new(UpstreamErrorKind::Protocol, what);
            }
            _ if state.starts_with("08") || state.starts_with("57") => {
                (UpstreamErrorKind::Unreachable, "it is tried again".to_owned())
            }
            _ => (UpstreamErrorKind::Protocol, "it is tried again".to_owned()),
        };
        UpstreamError::new(kind, format!("{says}; {advice}"))
    }
}

impl From<WhyHold> for UpstreamError {
    fn from(why: WhyHold) -> UpstreamError {
        let kind = match why {
            WhyHold::OtherSystem { .. } => UpstreamErrorKind::OtherSystem,
            WhyHold::ForeignSlot(_) => UpstreamErrorKind::Setup,
        };
        UpstreamError::new(kind, why.to_string())
    }
}

impl From<CopyError> for UpstreamError {
    fn from(error: CopyError) -> UpstreamError {
        UpstreamError::new(UpstreamErrorKind::Protocol, error.to_string())
    }
}

impl From<GatherError> for UpstreamError {
    fn from(error: GatherError) -> UpstreamError {
        let kind = match error {
            GatherError::Drift { .. } | GatherError::Heartbeat(_) => UpstreamErrorKind::Drift,
            GatherError::Diverged => UpstreamErrorKind::Diverged,
            GatherError::Message(_) | GatherError::Order | GatherError::Undescribed => UpstreamErrorKind::Protocol,
        };
        UpstreamError::new(kind, error.to_string())
    }
}

impl WhyCopy {
    /// The alarm that goes with it; none for what is everyday.
    pub fn alarm(self) -> Option<UpstreamErrorKind> {
        match self {
            WhyCopy::First | WhyCopy::Settings | WhyCopy::Asked => None,
            WhyCopy::SlotGone | WhyCopy::SlotLost => Some(UpstreamErrorKind::SlotLost),
            WhyCopy::Gap | WhyCopy::Restored | WhyCopy::Diverged => Some(UpstreamErrorKind::Diverged),
            WhyCopy::Drift | WhyCopy::Table | WhyCopy::Rewritten => Some(UpstreamErrorKind::Drift),
            WhyCopy::OtherSystem => Some(UpstreamErrorKind::OtherSystem),
        }
    }
}

/// Takes the SQLSTATE off a text that ends with `(SQLSTATE 42501)`.
pub fn split_state(text: &str) -> (&str, &str) {
    match text.rsplit_once("(SQLSTATE ") {
        Some((message, state)) => {
            let state = state.split(')').next().unwrap_or_default();
            (message.trim(), state)
        }
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> =
        Names { user: "jindu", database: "crj", table: "public.cases", publication: "jindu", slot: "jindu_1" };

    fn of(state: &str, message: &str) -> UpstreamError {
        UpstreamError::of_refusal(Refusal { state, message }, NAMES)
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (state, message, kind, advice) in [
            (
                "28P01",
                "password authentication failed for user \"jindu\"",
                UpstreamErrorKind::Password,
                "password_file",
            ),
            (
                "28000",
                "no pg_hba.conf entry for host \"10.0.0.1\"",
                UpstreamErrorKind::Permission,
                "pg_hba.conf that lets jindu into",
            ),
            (
                "42501",
                "permission denied for table cases",
                UpstreamErrorKind::Permission,
                "GRANT SELECT ON public.cases TO jindu",
            ),
            (
                "42501",
                "must be superuser or replication role to use replication slots",
                UpstreamErrorKind::Permission,
                "REPLICATION",
            ),
            ("42704", "publication \"jindu\" does not exist", UpstreamErrorKind::Setup, "CREATE PUBLICATION jindu"),
            (
                "55006",
                "replication slot \"jindu_1\" is active for PID 7",
                UpstreamErrorKind::SlotBusy,
                "a slot of its own",
            ),
            ("57P03", "the database system is starting up", UpstreamErrorKind::Unreachable, "tried again"),
            (
                "55000",
                "logical decoding cannot be used while in recovery",
                UpstreamErrorKind::Setup,
                "name the primary",
            ),
            (
                "53300",
                "too many connections for role \"jindu\"",
                UpstreamErrorKind::Unreachable,
                "CONNECTION LIMIT of jindu",
            ),
        ] {
            let trouble = of(state, message);
            assert_eq!(trouble.kind, kind, "{message}");
            assert!(trouble.what.contains(advice), "{trouble}");
        }
    }

    #[test]
    fn a_message_about_a_value_is_not_quoted() {
        let trouble = of("22021", "invalid byte sequence for 440100000000123");
        assert!(!trouble.what.contains("4401"), "{trouble}");
    }

    #[test]
    fn the_state_is_taken_off_the_end() {
        assert_eq!(split_state("permission denied (SQLSTATE 42501)"), ("permission denied", "42501"));
        assert_eq!(split_state("broken"), ("broken", ""));
    }
}
