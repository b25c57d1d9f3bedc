//! `jindu replica …`

use clap::{Args, Subcommand};

use replica_store::{Decision, Request, Wish};

/// What to do with the replica.
#[derive(Debug, Args)]
pub(crate) struct ReplicaArguments {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: ReplicaCommand,
}

#[derive(Debug, Subcommand)]
enum ReplicaCommand {
    /// Show the replica's age, place in the feed, quarantine and alarms
    Status,
    /// Read the whole file row by row; exit code 1 when it is damaged
    Verify,
    /// Request a full snapshot from the upstream; the replica answers until it is there
    Rebuild,
    /// Show rows that could not be used, and why
    Quarantine {
        #[command(subcommand)]
        command: Option<Quarantine>,
    },
    /// Show the batch that was held because it removes too many cases, or decide on it
    Held {
        #[command(subcommand)]
        command: Option<Held>,
    },
}

#[derive(Debug, Subcommand)]
enum Quarantine {
    /// List the rows
    List,
    /// Try rows again; all without ID
    Retry {
        /// One row's number in the list
        id: Option<String>,
    },
    /// Forget rows; all without ID
    Drop {
        /// One row's number in the list
        id: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Held {
    /// Remove the cases
    Apply,
    /// Keep the cases
    Drop,
}

impl From<ReplicaArguments> for Wish {
    fn from(arguments: ReplicaArguments) -> Wish {
        match arguments.command {
            ReplicaCommand::Status => Wish::Ask(Request::Status),
            ReplicaCommand::Verify => Wish::Verify,
            ReplicaCommand::Rebuild => Wish::Ask(Request::Rebuild),
            ReplicaCommand::Quarantine { command } => Wish::Ask(match command {
                None | Some(Quarantine::List) => Request::Quarantine,
                Some(Quarantine::Retry { id }) => Request::Retry { id },
                Some(Quarantine::Drop { id }) => Request::Forget { id },
            }),
            ReplicaCommand::Held { command: None } => Wish::Held,
            ReplicaCommand::Held { command: Some(Held::Apply) } => {
                Wish::Ask(Request::Decide { decision: Decision::Apply })
            }
            ReplicaCommand::Held { command: Some(Held::Drop) } => {
                Wish::Ask(Request::Decide { decision: Decision::Drop })
            }
        }
    }
}
