//! `jindu messages …`

use std::path::PathBuf;

use clap::Subcommand;

use super::by::By;

/// What to do with messages that callers left.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// List messages: ticket, time, length, mailbox, state
    List {
        /// Only those that are not done
        #[arg(long)]
        new: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where the recording is, or write it; the audit log says who listened
    Play {
        /// The number that the caller heard
        ticket: String,
        /// The WAV file to write, which only you may read; - for the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// Mark a message as done
    Done {
        /// The number that the caller heard
        ticket: String,
        #[command(flatten)]
        by: By,
    },
    /// Write recordings and their table, messages.csv, into a new or empty folder; the audit log says who did
    Export {
        /// The folder
        folder: PathBuf,
        /// Only those that are not done
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        by: By,
    },
}
