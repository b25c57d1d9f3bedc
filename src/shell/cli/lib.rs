//! The command line: commands, options, printing, exit codes.

mod account;
mod args;
mod check;
mod diagram;
mod exit;
mod feed;
mod kiosk;
mod look_up;
mod prompts;
mod publish;
mod replica_commands;
pub mod run;
mod sheets;
mod sim;
mod trace;
