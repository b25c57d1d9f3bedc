//! The replica's rules, without IO: change batches, marks, rows, ages, the steady clock, feed files, a PostgreSQL upstream, the sample.

mod age_clock;
mod change;
mod feed;
/// Feed files of a one-way gate: header, seal, keys, order.
pub mod gate;
mod line_error;
mod mark;
mod row;
/// A made-up office, for trying out and for tests.
pub mod sample;
mod simulated_office;
mod steady_clock;
/// A PostgreSQL upstream.
pub mod upstream;

pub use age_clock::{AgeClock, ClockReading, StoredClock};
pub use change::{BadRow, Change};
pub use feed::{BatchHeader, CaseRecord, FeedLine, LINE_BYTES_MAX, SAMPLE, SPOOL};
pub use line_error::LineError;
pub use mark::Mark;
pub use row::{Row, RowError};
pub use simulated_office::{Event, SimulatedOffice};
pub use steady_clock::SteadyClock;
