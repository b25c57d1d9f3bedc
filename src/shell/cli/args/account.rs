//! `jindu studio account …`

use std::path::PathBuf;

use clap::Subcommand;

use base::Bilingual;
use studio::Role;

/// What is to be done with accounts.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AccountCommand {
    /// Let a person record prompts at /studio or answer callers at /agent; asks for a first password, which the person must
    /// change, and for a PIN where the role records by telephone
    Add {
        /// The name to sign in with
        name: String,
        /// operator records; approver approves and publishes, too; agent answers callers, supervisor directs agents
        /// and queues: both record nothing, and have no PIN
        #[arg(long, value_parser = role)]
        role: Role,
        /// The account's number: keyed in to record by telephone, and registered by an agent's telephone; the next free one where
        /// none is given
        #[arg(long, value_name = "N")]
        number: Option<String>,
        /// A file whose first line is the first password; asked for where none is given
        #[arg(long, value_name = "PATH")]
        password_file: Option<PathBuf>,
    },
    /// List the accounts
    List,
    /// Set another person's password, who must change it; the account's sessions end
    Password {
        /// The account
        name: String,
        /// A file whose first line is the new password; asked for where none is given
        #[arg(long, value_name = "PATH")]
        password_file: Option<PathBuf>,
    },
    /// Set a new PIN for the telephone
    Pin {
        /// The account
        name: String,
    },
    /// Set the password with which the account's telephones register
    Sip {
        /// The account
        name: String,
        /// Remove it: its telephones register no more
        #[arg(long)]
        remove: bool,
    },
    /// Change the role
    Role {
        /// The account
        name: String,
        /// operator, approver, agent or supervisor
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Remove the account; its takes and its entries in the audit log stay
    Remove {
        /// The account
        name: String,
    },
    /// Unlock an account, which may sign in again at once
    Unlock {
        /// The account
        name: String,
    },
}

fn role(word: &str) -> Result<Role, Bilingual> {
    Role::named(word).ok_or(Bilingual::fixed(
        "write operator (records), approver (approves and publishes), agent (answers callers) or supervisor (directs agents)",
        "请写 operator（录音）、approver（审核和发布）、agent（接听来电）或 supervisor（管理坐席）",
    ))
}
