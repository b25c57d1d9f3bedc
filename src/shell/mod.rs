//! All IO: clock, sockets, files, databases, random numbers. It never decides.

pub mod args;
pub mod clock;
pub mod logs;
pub mod metrics;
pub mod web;
pub mod media;
pub mod journal;
pub mod replica;
