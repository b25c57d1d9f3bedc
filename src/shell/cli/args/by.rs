//! `--who` and `--why`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use base::Bilingual;
use os::clock;
use os::language::shown;
use release::releases::Entry;

use crate::say::text;

/// The actor and the reason, for the audit log.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct By {
    /// Who does it, for the audit log; where none is given, a terminal asks; else a program's user counts, or an approver must be named
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

    /// What was not given, asked for where a person types; a program is asked nothing.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(crate) fn asked(&self) -> Result<By, Bilingual> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(self.clone());
        }
        let who = match &self.who {
            Some(who) => Some(who.clone()),
            None => typed(&WHO, Some(&self.name()))?,
        };
        let why = match &self.why {
            Some(why) => Some(why.clone()),
            None => typed(&WHY, None)?,
        };
        Ok(By { who, why })
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

/// A line that a person types at a question; nothing where it is left empty.
fn typed(question: &Bilingual, otherwise: Option<&str>) -> Result<Option<String>, Bilingual> {
    let otherwise = otherwise.map_or_else(String::new, |otherwise| format!(" [{otherwise}]"));
    let failed = |error: io::Error| Bilingual::from(error.to_string());
    write!(io::stderr(), "{}{otherwise}{}", shown(question), text!(": ", "：")).map_err(failed)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(failed)?;
    Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
}

const WHO: Bilingual = Bilingual::fixed("Your name, for the audit log", "您的姓名（写入审计日志）");
const WHY: Bilingual = Bilingual::fixed("The reason, for the audit log", "原因（写入审计日志）");
