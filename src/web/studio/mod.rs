//! The studio's page and API (pure): paths, queries, bodies and errors. The files of the page are built in.

mod page;
mod query;
mod request;
mod route;
mod trouble;

pub use page::page;
pub use query::Query;
pub use request::{EndSession, JSON_BYTES_MAX, NewPassword, NewPin, Place, Publish, Restore, Rollback, SignIn, Takes};
pub use route::{Api, RequiredAccess, Takes as Body, api};
pub use trouble::{Told, Trouble};
