//! The command line: commands, options, printing, exit codes.

mod args;
mod feed;
mod feed_words;
mod picture;
mod prompts;
pub mod publish;
pub mod run;
mod sheets;
mod sim;
