//! Settings: `jindu.toml` and `--set KEY=VALUE` as written → [`Settings`] as checked, every error at once.

mod postgres;
mod read;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

pub use postgres::{Postgres, Tls, UpstreamServer};
pub use read::read;
pub use reader::Diagnostic;
pub use settings::*;
