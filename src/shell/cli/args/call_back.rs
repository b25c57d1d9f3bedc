//! `jindu call-back …`

use clap::Subcommand;

/// What is to be done with call-backs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum CallBackCommand {
    /// List the requests to be called back, those that wait first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel a call-back: no call is made for it any more
    Cancel {
        /// Its number in the list
        id: u64,
    },
}
