//! All IO: clock, sockets, files, databases, random numbers. It never decides.

pub mod args;
pub mod clock;
pub mod counter;
pub mod folder;
pub mod hotline;
pub mod journal;
pub mod logs;
pub mod media;
pub mod messages;
pub mod metrics;
pub mod numbers;
pub mod phone;
pub mod picture;
pub mod publish;
pub mod recordings;
pub mod releases;
pub mod replica;
pub mod run;
pub mod serve;
pub mod sheets;
pub mod sim;
pub mod sockets;
pub mod studio;
pub mod watch;
pub mod web;
