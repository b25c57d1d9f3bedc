//! `jindu queue …`

use clap::Subcommand;

/// What is to be done with queues.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum QueueCommand {
    /// List the queues: whether they are open, who waits, the figures of the day
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let callers join a queue
    Open {
        /// The queue's name
        name: String,
    },
    /// Let nobody join a queue; those who wait are served
    Close {
        /// The queue's name
        name: String,
    },
}
