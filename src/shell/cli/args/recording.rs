//! `jindu recording …`

use std::path::PathBuf;

use clap::Subcommand;

use super::by::By;
use super::calls::time;

/// What to do with recorded conversations.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RecordingCommand {
    /// List recordings, newest first: name, time, length, queue, agent, call
    List {
        /// Only of conversations since a time: 2026-01-05, "2026-01-05 09:30", 09:30 (today, or yesterday where that is still to come) or RFC 3339
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<String>,
        /// Only of conversations before a time
        #[arg(long, value_name = "TIME", value_parser = time)]
        before: Option<String>,
        /// Only of this queue
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// Only of this agent
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a recording in clear to a new file, which only you may read; the audit log says who did
    Export {
        /// The recording's name in the list
        id: String,
        /// The WAV file to write: the caller left, the agent right
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        by: By,
    },
    /// Delete a recording before its time; the audit log says who did
    Delete {
        /// The recording's name in the list
        id: String,
        #[command(flatten)]
        by: By,
    },
}
