//! Settings: as written in `jindu.toml` and on the command line → as checked, every complaint at once.

mod checked;
mod postgres;
mod reader;
#[cfg(test)]
mod tests;
mod written;

pub use checked::*;
pub use postgres::{Postgres, Tls, UpstreamServer};
pub use reader::Complaint;
pub use written::read;
