//! The studio's page and API (pure): paths, queries, bodies and errors. The files of the page are built in.

mod error;
mod page;
mod query;
mod request;
mod route;

pub use error::{Message, StudioError};
pub use page::page;
pub use query::Query;
pub use request::{
    EndSession, JSON_BYTES_MAX, NewPassword, NewPin, Presence, Publish, Restore, Rollback, SignIn, TakeNames,
};
pub use route::{Api, Body, RequiredAccess, api};
