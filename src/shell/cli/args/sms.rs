//! `jindu sms …`

use clap::Subcommand;

/// What is to be done with text messages.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum SmsCommand {
    /// List the text messages that wait, and those of the last 24 hours
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel a text message that waits
    Cancel {
        /// Its identifier in the list
        id: String,
    },
    /// Send a text message to try the carrier, and wait for what becomes of it; it counts for the limits
    Test {
        /// The number, which sms.allow must allow
        number: String,
        /// End when the message is accepted
        #[arg(long)]
        no_wait: bool,
    },
}
