//! `--who` and `--why`.

use std::path::PathBuf;

use os::clock;
use release::releases::Entry;

/// The actor and the reason, for the audit log.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct By {
    /// Who does it, for the audit log; the user of the terminal where none is given
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

/// `--who` and `--why` of what only an approver's account may do.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ByApprover {
    #[command(flatten)]
    pub by: By,
    /// A file whose first line is the password of the approver's account; asked for where none is given
    #[arg(long, value_name = "PATH")]
    pub password_file: Option<PathBuf>,
}

impl By {
    /// `--who`, else the user of the terminal, else its number.
    pub(crate) fn name(&self) -> String {
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        // SAFETY: it takes no argument and always succeeds (POSIX).
        let number = || format!("uid {}", unsafe { libc::getuid() });
        self.who.clone().or_else(user).unwrap_or_else(number)
    }

    /// A line of the audit log, at the present time.
    pub(crate) fn entry(&self, what: &str, release: Option<&str>) -> Entry {
        self.entry_of(self.name(), what, release)
    }

    /// The same of a person who is known otherwise.
    pub(crate) fn entry_of(&self, who: String, what: &str, release: Option<&str>) -> Entry {
        Entry {
            at: clock::timestamp(),
            what: what.into(),
            release: release.map(str::to_owned),
            who,
            why: self.why.clone().unwrap_or_default(),
        }
    }
}
