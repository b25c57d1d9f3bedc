//! Why an upstream cannot be followed at the moment, in words for the person who must act.
//!
//! Nothing of it ends the program: the copy answers as it is, its age grows, and the upstream is tried again. A server's
//! own words are quoted only where they cannot hold a value of a row.

use super::copied::CopyError;
use super::gather::GatherError;
use super::position::{WhyCopy, WhyHold};

/// What kind of trouble it is: the label of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// The log is another one than the copy followed.
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
pub struct Trouble {
    /// The counter's label.
    pub kind: Kind,
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

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Kind; 14] = [
        Kind::Unreachable,
        Kind::Silent,
        Kind::Password,
        Kind::Tls,
        Kind::Permission,
        Kind::Setup,
        Kind::SlotBusy,
        Kind::SlotLost,
        Kind::Diverged,
        Kind::OtherSystem,
        Kind::Drift,
        Kind::Held,
        Kind::Store,
        Kind::Protocol,
    ];

    /// The label of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Unreachable => "unreachable",
            Kind::Silent => "silent",
            Kind::Password => "password",
            Kind::Tls => "tls",
            Kind::Permission => "permission",
            Kind::Setup => "setup",
            Kind::SlotBusy => "slot_busy",
            Kind::SlotLost => "slot_lost",
            Kind::Diverged => "diverged",
            Kind::OtherSystem => "other_system",
            Kind::Drift => "drift",
            Kind::Held => "held",
            Kind::Store => "store",
            Kind::Protocol => "protocol",
        }
    }

    /// The name of the condition while it lasts.
    pub fn alarm(self) -> &'static str {
        match self {
            Kind::Unreachable => "upstream_unreachable",
            Kind::Silent => "upstream_silent",
            Kind::Password => "upstream_password",
            Kind::Tls => "upstream_tls",
            Kind::Permission => "upstream_permission",
            Kind::Setup => "upstream_setup",
            Kind::SlotBusy => "upstream_slot_busy",
            Kind::SlotLost => "upstream_slot_lost",
            Kind::Diverged => "upstream_diverged",
            Kind::OtherSystem => "upstream_other_system",
            Kind::Drift => "upstream_drift",
            Kind::Held => "upstream_held",
            Kind::Store => "upstream_store",
            Kind::Protocol => "upstream_protocol",
        }
    }

    /// Whether it passes by itself, as far as this node can know.
    pub fn passes(self) -> bool {
        match self {
            Kind::Unreachable | Kind::Silent | Kind::SlotBusy => true,
            Kind::Password
            | Kind::Tls
            | Kind::Permission
            | Kind::Setup
            | Kind::SlotLost
            | Kind::Diverged
            | Kind::OtherSystem
            | Kind::Drift
            | Kind::Held
            | Kind::Store
            | Kind::Protocol => false,
        }
    }
}

impl Trouble {
    /// A trouble of a kind.
    pub fn new(kind: Kind, what: impl Into<String>) -> Trouble {
        Trouble { kind, what: what.into() }
    }

    /// What a refusal of the server asks for.
    pub fn of_refusal(refusal: Refusal<'_>, names: Names<'_>) -> Trouble {
        let Refusal { state, message } = refusal;
        let Names { user, database, table, publication, slot } = names;
        let says = format!("the upstream says: {message} (SQLSTATE {state})");
        let (kind, advice) = match state {
            "28P01" => (
                Kind::Password,
                format!("set the password of {user} again, there or in replica.postgres.password_file"),
            ),
            "28000" if message.contains("pg_hba.conf") => (
                Kind::Permission,
                format!(
                    "add a line to pg_hba.conf that lets {user} into database {database} from this address, and reload"
                ),
            ),
            "28000" => {
                (Kind::Permission, format!("create the role {user}, and let it log in: ALTER ROLE {user} LOGIN"))
            }
            "3D000" => (Kind::Setup, "correct replica.postgres.database".to_owned()),
            "42501" if message.contains("replication") => (Kind::Permission, format!("ALTER ROLE {user} REPLICATION")),
            "42501" => (Kind::Permission, format!("GRANT SELECT ON {table} TO {user}, and USAGE on its schema")),
            "42P01" => (Kind::Setup, format!("create the table {table}, or correct replica.postgres.table")),
            "42703" => (Kind::Drift, "correct replica.postgres.columns".to_owned()),
            "42704" if message.contains("publication") => {
                (Kind::Setup, format!("CREATE PUBLICATION {publication} FOR TABLE {table}"))
            }
            "42704" if message.contains("slot") => (Kind::SlotLost, "it is created again".to_owned()),
            "55000" if message.contains("recovery") => (
                Kind::Setup,
                "name the primary in replica.postgres.servers too: before PostgreSQL 16 a standby cannot be followed"
                    .to_owned(),
            ),
            "55000" if message.contains("wal_level") => {
                (Kind::Setup, "set wal_level = logical there, and restart it".to_owned())
            }
            "55000" if message.contains("slot") => (Kind::SlotLost, "it is created again".to_owned()),
            "55006" => (Kind::SlotBusy, format!("if another node reads slot {slot}, give each a slot of its own")),
            "53400" => (Kind::Setup, "raise max_replication_slots there, or drop a slot without a reader".to_owned()),
            "53300" => (
                Kind::Unreachable,
                format!(
                    "raise max_connections, max_wal_senders or the CONNECTION LIMIT of {user} there, if it stays so"
                ),
            ),
            "57P01" | "57P02" | "57P03" | "57P05" | "53200" | "53100" => {
                (Kind::Unreachable, "it is tried again".to_owned())
            }
            _ if state.starts_with("22") || state.starts_with("23") => {
                let what = format!(
                    "the upstream cannot send a row (SQLSTATE {state}): see its own log, and mend the row there"
                );
                return Trouble::new(Kind::Protocol, what);
            }
            _ if state.starts_with("08") || state.starts_with("57") => {
                (Kind::Unreachable, "it is tried again".to_owned())
            }
            _ => (Kind::Protocol, "it is tried again".to_owned()),
        };
        Trouble::new(kind, format!("{says}; {advice}"))
    }
}

impl From<WhyHold> for Trouble {
    fn from(why: WhyHold) -> Trouble {
        let kind = match why {
            WhyHold::OtherSystem { .. } => Kind::OtherSystem,
            WhyHold::ForeignSlot(_) => Kind::Setup,
        };
        Trouble::new(kind, why.to_string())
    }
}

impl From<CopyError> for Trouble {
    fn from(error: CopyError) -> Trouble {
        Trouble::new(Kind::Protocol, error.to_string())
    }
}

impl From<GatherError> for Trouble {
    fn from(error: GatherError) -> Trouble {
        let kind = match error {
            GatherError::Drift { .. } | GatherError::Heartbeat(_) => Kind::Drift,
            GatherError::Diverged => Kind::Diverged,
            GatherError::Message(_) | GatherError::Order | GatherError::Undescribed => Kind::Protocol,
        };
        Trouble::new(kind, error.to_string())
    }
}

impl WhyCopy {
    /// The alarm that goes with it; none for what is everyday.
    pub fn alarm(self) -> Option<Kind> {
        match self {
            WhyCopy::First | WhyCopy::Settings | WhyCopy::Asked => None,
            WhyCopy::SlotGone | WhyCopy::SlotLost => Some(Kind::SlotLost),
            WhyCopy::Gap | WhyCopy::Restored | WhyCopy::Diverged => Some(Kind::Diverged),
            WhyCopy::Drift | WhyCopy::Table | WhyCopy::Rewritten => Some(Kind::Drift),
            WhyCopy::OtherSystem => Some(Kind::OtherSystem),
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

    fn of(state: &str, message: &str) -> Trouble {
        Trouble::of_refusal(Refusal { state, message }, NAMES)
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (state, message, kind, advice) in [
            ("28P01", "password authentication failed for user \"jindu\"", Kind::Password, "password_file"),
            (
                "28000",
                "no pg_hba.conf entry for host \"10.0.0.1\"",
                Kind::Permission,
                "pg_hba.conf that lets jindu into",
            ),
            ("42501", "permission denied for table cases", Kind::Permission, "GRANT SELECT ON public.cases TO jindu"),
            (
                "42501",
                "must be superuser or replication role to use replication slots",
                Kind::Permission,
                "REPLICATION",
            ),
            ("42704", "publication \"jindu\" does not exist", Kind::Setup, "CREATE PUBLICATION jindu"),
            ("55006", "replication slot \"jindu_1\" is active for PID 7", Kind::SlotBusy, "a slot of its own"),
            ("57P03", "the database system is starting up", Kind::Unreachable, "tried again"),
            ("55000", "logical decoding cannot be used while in recovery", Kind::Setup, "name the primary"),
            ("53300", "too many connections for role \"jindu\"", Kind::Unreachable, "CONNECTION LIMIT of jindu"),
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
