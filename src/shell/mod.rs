//! All IO: clock, sockets, files, databases, random numbers. It never decides.

pub mod journal;
pub mod replica;
