//! The command line: commands, options, printing, exit codes.

mod account;
mod args;
mod feed;
mod picture;
mod prompts;
pub mod publish;
pub mod run;
mod sheets;
mod sim;
