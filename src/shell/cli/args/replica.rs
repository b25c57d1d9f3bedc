//! `jindu replica …`

use clap::{Args, Subcommand};

use replica_store::{Decision, OperatorCommand, Request};

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

impl From<ReplicaArguments> for OperatorCommand {
    fn from(arguments: ReplicaArguments) -> OperatorCommand {
        match arguments.command {
            ReplicaCommand::Status => OperatorCommand::Ask(Request::Status),
            ReplicaCommand::Verify => OperatorCommand::Verify,
            ReplicaCommand::Rebuild => OperatorCommand::Ask(Request::Rebuild),
            ReplicaCommand::Quarantine { command } => OperatorCommand::Ask(match command {
                None | Some(Quarantine::List) => Request::Quarantine,
                Some(Quarantine::Retry { id }) => Request::Retry { id },
                Some(Quarantine::Drop { id }) => Request::Forget { id },
            }),
            ReplicaCommand::Held { command: None } => OperatorCommand::Held,
            ReplicaCommand::Held { command: Some(Held::Apply) } => {
                OperatorCommand::Ask(Request::Decide { decision: Decision::Apply })
            }
            ReplicaCommand::Held { command: Some(Held::Drop) } => {
                OperatorCommand::Ask(Request::Decide { decision: Decision::Drop })
            }
        }
    }
}
