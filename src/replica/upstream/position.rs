//! Where in an upstream's log the replica stands, and whether that is still a place in that log.
//!
//! ```text
//!            anchor = sequence          seen
//!  ───────────┼──last commit─────────────┼──────────► the log
//!             └ where its record begins  └ the server reports nothing new up to here
//! ```
//!
//! The anchor is the last transaction in the replica: the LSN of its commit record, and its time. A stream that can start
//! there must start with it; otherwise the log has changed: the server was restored from a backup, or a standby behind
//! the replica was promoted. The server discards transactions only up to the LSN that the replica has confirmed; a slot
//! beyond that LSN has lost some.

use serde::{Deserialize, Serialize};

/// A place in a log, as PostgreSQL counts: bytes since its beginning.
pub type Lsn = u64;

/// Where the replica stands. Kept as text in [`crate::Mark`], whose sequence is the last commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The cluster's own number.
    pub system: String,
    /// The log's timeline.
    pub timeline: u32,
    /// The replication slot's name.
    pub slot: String,
    /// [`super::Mapping::fingerprint`] of the rows.
    pub mapping: String,
    /// Up to where the upstream has reported that nothing more is there.
    pub seen: Lsn,
    /// The last transaction in the replica; none before the first.
    pub anchor: Option<Anchor>,
    /// What the table was; none in a copy of an older program.
    #[serde(default)]
    pub shape: Option<TableShape>,
}

/// What must not change, so that the stream sends every change of the table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableShape {
    /// Stands for the table itself, its partitions and their files, its mapped columns with their types, and its place
    /// in the publication.
    pub lineage: String,
    /// The table's files. TRUNCATE, VACUUM FULL and every rewrite of all rows give a table another file.
    pub file: String,
    /// Stands for who changed the mapped columns last.
    pub columns: String,
}

impl TableShape {
    /// Why rows may differ from the stream's, if the shape was another one `before`. ALTER COLUMN TYPE may change every
    /// row and sends none: it gives the table another file and changes a column.
    pub fn differs(&self, before: &TableShape) -> Option<WhyCopy> {
        if self.lineage != before.lineage {
            return Some(WhyCopy::Table);
        }
        (self.file != before.file && self.columns != before.columns).then_some(WhyCopy::Rewritten)
    }
}

/// The last transaction that is in the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Where its commit record begins.
    pub commit: Lsn,
    /// When it was committed, as the upstream writes it: microseconds since 2000.
    pub time: i64,
}

/// The server's identity, its timeline and the end of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The cluster's system identifier.
    pub system: String,
    /// The log's timeline.
    pub timeline: u32,
    /// The end of its log.
    pub lsn: Lsn,
    /// Where older timelines were left, from the server's history; empty on the first.
    pub left: Vec<(u32, Lsn)>,
}

/// The server's row of `pg_replication_slots`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The output plugin's name.
    pub plugin: String,
    /// Whether it belongs to the database that is followed.
    pub here: bool,
    /// Whether a connection reads it.
    pub is_active: bool,
    /// Up to where its reader has acknowledged.
    pub confirmed: Option<Lsn>,
    /// The server has discarded log that the slot needs.
    pub is_lost: bool,
}

/// What to do with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Stream; first comes the anchor, if the slot reaches back to it.
    Continue {
        /// The transaction that the stream must begin with, if the slot reaches back to it.
        expect: Option<Anchor>,
    },
    /// Copy the table again, beside the replica that answers.
    Copy(WhyCopy),
    /// Another client reads the slot.
    Busy,
    /// An operator must decide.
    Hold(WhyHold),
}

/// Why the table is copied again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyCopy {
    /// There is no copy.
    #[error("there is no copy of this upstream yet")]
    First,
    /// Mapping, slot or row filter changed.
    #[error("the mapping, the slot's name or the publication's row filter has changed")]
    Settings,
    /// The table or its publication was recreated.
    #[error(
        "the table, one of its partitions or mapped columns, or the publication was recreated: the upstream's log \
         does not report what that did to rows"
    )]
    Table,
    /// A mapped column was rewritten.
    #[error("a mapped column was rewritten (ALTER COLUMN TYPE), which the upstream's log does not report")]
    Rewritten,
    /// The slot does not exist.
    #[error("the slot does not exist at the upstream: it was dropped, or a standby without it was promoted")]
    SlotGone,
    /// The server discarded the log that the slot needs.
    #[error("the upstream discarded the slot's log (max_slot_wal_keep_size): the node was disconnected for too long")]
    SlotLost,
    /// The slot is ahead of the replica.
    #[error("the slot is ahead of the replica: the replica is an older one, or another client reads the slot")]
    Gap,
    /// The log ends before the replica's position.
    #[error("the upstream's log ends before the replica's position: it was restored from a backup")]
    Restored,
    /// The log has another history than the replica.
    #[error(
        "the upstream's log is another one than the replica followed: restored from a backup, or promoted without its last changes"
    )]
    Diverged,
    /// The table changed and changed back.
    #[error("the table was changed and changed back in the meantime")]
    Drift,
    /// An operator requested it.
    #[error("an operator asked for it")]
    Asked,
    /// Another cluster, which the settings accept.
    #[error("another database cluster, which replica.postgres.accept_system allows")]
    OtherSystem,
}

/// Why the replica waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyHold {
    /// Another cluster answers.
    #[error(
        "this is another database cluster (system {found}) than the replica's ({expected}): if that is right, set \
         replica.postgres.accept_system = \"{found}\""
    )]
    OtherSystem {
        /// The replica's system identifier.
        expected: String,
        /// The server's system identifier.
        found: String,
    },
    /// The slot of this name belongs to another plugin or database.
    #[error("the slot {0} is not one of pgoutput in this database: name another in replica.postgres.slot")]
    ForeignSlot(String),
}

impl Position {
    /// Reads what [`Position::to_text`] wrote.
    pub fn read(text: &str) -> Option<Position> {
        serde_json::from_str(text).ok()
    }

    /// As it is kept beside the rows.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a position holds nothing that JSON cannot")
    }

    /// The LSN from which the stream is requested; a server with a later confirmed LSN starts there.
    pub fn start(&self) -> Lsn {
        self.anchor.map_or(0, |anchor| anchor.commit)
    }
}

/// What the settings say of a position.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The slot's name.
    pub slot: &'a str,
    /// The mapping's fingerprint.
    pub mapping: &'a str,
    /// What the table is at the server.
    pub shape: &'a TableShape,
    /// A cluster that may take the place of another one.
    pub accept_system: Option<&'a str>,
}

/// What to do with a server, given where the replica stands: its position, and the place of its last commit.
pub fn plan(wanted: Wanted<'_>, stored: Option<(&Position, Lsn)>, server: &Server, slot: Option<&Slot>) -> Plan {
    if slot.is_some_and(|slot| slot.plugin != PLUGIN || !slot.here) {
        return Plan::Hold(WhyHold::ForeignSlot(wanted.slot.to_owned()));
    }
    let verdict = verdict(wanted, stored, server, slot);
    match (&verdict, slot) {
        (Plan::Continue { .. } | Plan::Copy(_), Some(slot)) if slot.is_active => Plan::Busy,
        _ => verdict,
    }
}

fn verdict(wanted: Wanted<'_>, stored: Option<(&Position, Lsn)>, server: &Server, slot: Option<&Slot>) -> Plan {
    let Some((position, sequence)) = stored else { return Plan::Copy(WhyCopy::First) };
    if position.system != server.system {
        return match wanted.accept_system {
            Some(accepted) if accepted == server.system => Plan::Copy(WhyCopy::OtherSystem),
            Some(_) | None => {
                Plan::Hold(WhyHold::OtherSystem { expected: position.system.clone(), found: server.system.clone() })
            }
        };
    }
    if position.slot != wanted.slot || position.mapping != wanted.mapping {
        return Plan::Copy(WhyCopy::Settings);
    }
    if let Some(why) = position.shape.as_ref().and_then(|before| wanted.shape.differs(before)) {
        return Plan::Copy(why);
    }
    if let Some(why) = broken(position, sequence, server) {
        return Plan::Copy(why);
    }
    let Some(slot) = slot else { return Plan::Copy(WhyCopy::SlotGone) };
    let confirmed = match slot.confirmed {
        Some(confirmed) if !slot.is_lost => confirmed,
        Some(_) | None => return Plan::Copy(WhyCopy::SlotLost),
    };
    if confirmed > position.seen.max(sequence) {
        return Plan::Copy(WhyCopy::Gap);
    }
    Plan::Continue { expect: position.anchor.filter(|anchor| confirmed <= anchor.commit) }
}

/// Whether the server's log no longer holds what the replica followed.
fn broken(position: &Position, sequence: Lsn, server: &Server) -> Option<WhyCopy> {
    match server.timeline.cmp(&position.timeline) {
        std::cmp::Ordering::Less => Some(WhyCopy::Restored),
        std::cmp::Ordering::Equal => (server.lsn < position.seen.max(sequence)).then_some(WhyCopy::Restored),
        std::cmp::Ordering::Greater => {
            let left = server.left.iter().find(|(timeline, _)| *timeline == position.timeline);
            // The last commit's record begins before the timeline was left, or it is not on the new one.
            let kept =
                left.is_some_and(|(_, left)| position.anchor.map_or(sequence <= *left, |last| last.commit < *left));
            (!kept).then_some(WhyCopy::Diverged)
        }
    }
}

/// Where a server's timelines were left, from the text of a history file.
pub fn history(text: &str) -> Vec<(u32, Lsn)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, lsn(words.next()?)?))
    };
    text.lines().filter_map(line).collect()
}

/// Reads `16/B374D848`.
pub fn lsn(text: &str) -> Option<Lsn> {
    let (high, low) = text.trim().split_once('/')?;
    let part = |hex: &str| (1..=8).contains(&hex.len()).then(|| u64::from_str_radix(hex, 16).ok())?;
    Some(part(high)? << 32 | part(low)?)
}

/// Writes `16/B374D848`.
pub fn lsn_text(lsn: Lsn) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

/// The plugin whose messages are read.
pub const PLUGIN: &str = "pgoutput";

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &TableShape = &TableShape { lineage: String::new(), file: String::new(), columns: String::new() };
    const WANTED: Wanted<'_> = Wanted { slot: "jindu", mapping: "aa", shape: SHAPE, accept_system: None };

    fn position() -> Position {
        Position {
            system: "1".into(),
            timeline: 3,
            slot: "jindu".into(),
            mapping: "aa".into(),
            seen: 500,
            anchor: Some(Anchor { commit: 380, time: 77 }),
            shape: Some(SHAPE.clone()),
        }
    }

    fn server() -> Server {
        Server { system: "1".into(), timeline: 3, lsn: 900, left: vec![(1, 10), (2, 20)] }
    }

    fn slot(confirmed: Lsn) -> Slot {
        Slot { plugin: PLUGIN.into(), here: true, is_active: false, confirmed: Some(confirmed), is_lost: false }
    }

    fn judged(position: &Position, server: &Server, slot: Option<&Slot>) -> Plan {
        plan(WANTED, Some((position, 380)), server, slot)
    }

    #[test]
    fn a_stream_goes_on_and_begins_with_the_anchor_where_the_slot_reaches_back_to_it() {
        let anchor = position().anchor;
        assert_eq!(judged(&position(), &server(), Some(&slot(380))), Plan::Continue { expect: anchor });
        assert_eq!(judged(&position(), &server(), Some(&slot(381))), Plan::Continue { expect: None });
        assert_eq!(judged(&position(), &server(), Some(&slot(500))), Plan::Continue { expect: None });
    }

    #[test]
    fn what_cannot_be_proven_complete_is_copied_again() {
        let copy = |position: &Position, server: &Server, slot: Option<&Slot>, why| {
            assert_eq!(judged(position, server, slot), Plan::Copy(why));
        };
        let (position, server) = (position(), server());
        assert_eq!(plan(WANTED, None, &server, None), Plan::Copy(WhyCopy::First));
        copy(&position, &server, None, WhyCopy::SlotGone);
        copy(&position, &server, Some(&slot(501)), WhyCopy::Gap);
        copy(&position, &server, Some(&Slot { is_lost: true, ..slot(380) }), WhyCopy::SlotLost);
        copy(&position, &server, Some(&Slot { confirmed: None, ..slot(380) }), WhyCopy::SlotLost);
        copy(&position, &Server { lsn: 499, ..server.clone() }, Some(&slot(380)), WhyCopy::Restored);
        copy(&position, &Server { timeline: 2, ..server.clone() }, Some(&slot(380)), WhyCopy::Restored);
        let other = Position { mapping: "bb".into(), ..position };
        copy(&other, &server, Some(&slot(380)), WhyCopy::Settings);
    }

    #[test]
    fn what_the_stream_does_not_tell_of_a_table_is_copied() {
        let with = |lineage: &str, file: &str, columns: &str| {
            let shape = TableShape { lineage: lineage.into(), file: file.into(), columns: columns.into() };
            plan(Wanted { shape: &shape, ..WANTED }, Some((&position(), 380)), &server(), Some(&slot(500)))
        };
        assert_eq!(with("other", "", ""), Plan::Copy(WhyCopy::Table));
        assert_eq!(with("", "2", "b"), Plan::Copy(WhyCopy::Rewritten));
        // A TRUNCATE, which the stream sends; a GRANT.
        assert_eq!(with("", "2", ""), Plan::Continue { expect: None });
        assert_eq!(with("", "", "b"), Plan::Continue { expect: None });
    }

    #[test]
    fn a_promoted_standby_goes_on_only_if_it_had_every_change() {
        let promoted = |left| Server { timeline: 4, left: vec![(3, left)], ..server() };
        let anchor = position().anchor;
        assert_eq!(judged(&position(), &promoted(381), Some(&slot(380))), Plan::Continue { expect: anchor });
        assert_eq!(judged(&position(), &promoted(380), Some(&slot(380))), Plan::Copy(WhyCopy::Diverged));
        assert_eq!(judged(&position(), &promoted(381), None), Plan::Copy(WhyCopy::SlotGone));
        let unknown = Server { timeline: 4, left: vec![], ..server() };
        assert_eq!(judged(&position(), &unknown, Some(&slot(380))), Plan::Copy(WhyCopy::Diverged));
    }

    #[test]
    fn another_cluster_waits_for_an_operator_unless_it_was_named() {
        let other = Server { system: "2".into(), ..server() };
        assert!(matches!(judged(&position(), &other, None), Plan::Hold(WhyHold::OtherSystem { .. })));
        let wanted = Wanted { accept_system: Some("2"), ..WANTED };
        assert_eq!(plan(wanted, Some((&position(), 380)), &other, None), Plan::Copy(WhyCopy::OtherSystem));
        let wanted = Wanted { accept_system: Some("3"), ..WANTED };
        assert!(matches!(plan(wanted, Some((&position(), 380)), &other, None), Plan::Hold(_)));
    }

    #[test]
    fn a_slot_of_another_client_is_left_alone() {
        for slot in [Slot { plugin: "wal2json".into(), ..slot(380) }, Slot { here: false, ..slot(380) }] {
            assert!(matches!(judged(&position(), &server(), Some(&slot)), Plan::Hold(WhyHold::ForeignSlot(_))));
            assert!(matches!(plan(WANTED, None, &server(), Some(&slot)), Plan::Hold(WhyHold::ForeignSlot(_))));
        }
        let busy = Slot { is_active: true, ..slot(380) };
        assert_eq!(judged(&position(), &server(), Some(&busy)), Plan::Busy);
        assert_eq!(plan(WANTED, None, &server(), Some(&busy)), Plan::Busy);
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        assert_eq!(Position::read(&position().to_text()), Some(position()));
        let older = position().to_text().split(",\"shape\"").next().unwrap().to_owned() + "}";
        assert_eq!(Position::read(&older), Some(Position { shape: None, ..position() }));
        assert_eq!(Position::read("16/B374D848"), None);
        assert_eq!(lsn("16/B374D848").map(lsn_text), Some("16/B374D848".to_owned()));
        assert_eq!((lsn("0"), lsn("x/1"), lsn("123456789/0")), (None, None, None));
        assert_eq!(history("1\t0/5000028\tno recovery target\n\n2\t0/6000000\tbefore\n").len(), 2);
    }
}
