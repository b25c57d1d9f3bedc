//! The SQLite file of the replica: opening it, its tables, its rows and its state.

pub(crate) mod failure;
pub(crate) mod held;
pub(crate) mod quarantine;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod scrub;
pub(crate) mod seal;
pub(crate) mod state;
pub(crate) mod store;
