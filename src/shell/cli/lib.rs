//! The command line: commands, options, printing, exit codes.

mod account;
mod agent;
mod approver;
mod args;
mod call;
mod call_words;
mod calls;
mod check;
mod diagram;
mod exit;
mod feed;
mod journal_command;
mod kiosk;
mod local_time;
mod look_up;
mod messages;
mod prompts;
mod publish;
mod replica_commands;
pub mod run;
mod seal;
mod secrets;
mod sheets;
mod sim;
mod status;
mod trace;
mod unseal;
