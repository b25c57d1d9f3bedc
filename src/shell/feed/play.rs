//! `jindu feed play`: a simulated office, whose changes are written as feed files or as SQL.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use inquiry::WorkingDays;
use replica::gate::{self, FileKind};
use replica::{Event, SimulatedOffice};

use super::pack::{PackError, Packed, Packer};
use super::sql;
use os::clock;

/// The parameters of the simulation.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The folder of the feed files; `None` for SQL on standard output.
    pub out: Option<PathBuf>,
    /// Cases at the start.
    pub cases: u64,
    /// The seed of the random numbers.
    pub seed: u64,
    /// Changes per second.
    pub rate: f64,
    /// The interval of files or transactions.
    pub every: Duration,
    /// Changes after which it ends.
    pub changes: Option<u64>,
    /// Seconds after which it ends.
    pub seconds: Option<u64>,
    /// Files between two snapshots, for nodes that have missed one.
    pub snapshot_every: Option<u64>,
}

/// Runs the simulation until a limit is reached, or without end if there is none. The error is for a person.
pub fn play(play: &Simulation, packer: Option<Packer>, calendar: &WorkingDays, zone: &TimeZone) -> Result<(), String> {
    let today = || clock::local(zone).date();
    let mut office = SimulatedOffice::new(play.cases, play.seed, today(), calendar);
    let mut put = match packer {
        Some(packer) => Put::Files(Box::new(packer)),
        None => Put::Sql(BufWriter::new(io::stdout())),
    };
    put.all(&office)?;
    let began = Instant::now();
    let (mut done, mut files, mut next) = (0u64, 0u64, began);
    loop {
        let over = play.seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
        if over || play.changes.is_some_and(|changes| done >= changes) {
            return Ok(());
        }
        next += play.every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let due = (began.elapsed().as_secs_f64() * play.rate) as u64;
        let due = play.changes.map_or(due, |changes| due.min(changes));
        let now = due.saturating_sub(done).min(gate::CHANGES_MAX);
        let events: Vec<Event> = (0..now).map(|_| office.step(today())).collect();
        done += now;
        for events in transactions(&events, office.len()) {
            put.changes(events)?;
        }
        files += 1;
        if play.snapshot_every.is_some_and(|every| files.is_multiple_of(every)) {
            put.all(&office)?;
        }
    }
}

/// Splits events where one transaction would delete so many cases that a node would hold it.
fn transactions(events: &[Event], cases: usize) -> Vec<&[Event]> {
    let most = (cases / 100).max(5);
    let (mut parts, mut from, mut gone) = (Vec::new(), 0, 0);
    for (place, event) in events.iter().enumerate() {
        gone += usize::from(matches!(event, Event::Gone(_)));
        if gone > most {
            parts.push(&events[from..place]);
            (from, gone) = (place, 1);
        }
    }
    parts.push(&events[from..]);
    parts
}

/// The output.
enum Put {
    Files(Box<Packer>),
    Sql(BufWriter<io::Stdout>),
}

impl Put {
    fn all(&mut self, office: &SimulatedOffice) -> Result<(), String> {
        match self {
            Put::Files(packer) => print_packed(snapshot(packer, office)),
            Put::Sql(out) => out
                .write_all(sql::table_of(office.cases()).as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| format!("cannot print: {error}")),
        }
    }

    fn changes(&mut self, events: &[Event]) -> Result<(), String> {
        match self {
            Put::Files(packer) => print_packed(changes(packer, events)),
            Put::Sql(out) => out
                .write_all(sql::transaction_of(events).as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| format!("cannot print: {error}")),
        }
    }
}

/// Packs all cases of an office as a snapshot.
pub fn snapshot(packer: &mut Packer, office: &SimulatedOffice) -> Result<Packed, PackError> {
    let as_of = packer.time(Timestamp::now());
    let mut lines = office.cases().map(|case| Ok(case.to_line()));
    packer.pack(FileKind::Snapshot, as_of, office.len() as u64, &mut lines)
}

/// Packs events of an office as changes.
pub fn changes(packer: &mut Packer, events: &[Event]) -> Result<Packed, PackError> {
    let as_of = packer.time(Timestamp::now());
    let mut lines = events.iter().map(|event| match event {
        Event::Put(case) => Ok(case.to_line()),
        Event::Gone(case) => Ok(gate::delete_line(&case.receipt)),
    });
    packer.pack(FileKind::Changes, as_of, events.len() as u64, &mut lines)
}

fn print_packed(packed: Result<Packed, PackError>) -> Result<(), String> {
    let packed = packed.map_err(|error| error.to_string())?;
    let line = format!("{} {} lines\n", packed.path.display(), packed.lines);
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))
}
