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
    /// Open a queue to callers
    Open {
        /// The queue's name
        name: String,
    },
    /// Close a queue to new callers; waiting callers are still served
    Close {
        /// The queue's name
        name: String,
    },
}
