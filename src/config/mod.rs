//! Settings: as written in `jindu.toml` and on the command line → as checked, every complaint at once.

mod checked;

pub use checked::*;
