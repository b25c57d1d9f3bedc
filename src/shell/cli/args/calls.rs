//! `jindu calls` and `jindu call`

use base::Bilingual;
use clap::Args;
use jiff::tz::TimeZone;

use crate::local_time;

/// Which calls are counted, and how that is printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct CallsArguments {
    /// Calls of the last hour; without it, of the last 24 hours
    #[arg(long, conflicts_with = "since")]
    pub hour: bool,
    /// Calls since a time: 2026-01-05, "2026-01-05 09:30", 09:30 (today, or yesterday where that is still to come) or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<String>,
    /// Only calls that were not served: hung up before the answer or in a queue, refused, failed, or not connected with a person
    #[arg(long)]
    pub failed: bool,
    /// Only calls of this trunk
    #[arg(long, value_name = "NAME")]
    pub trunk: Option<String>,
    /// List the calls in place of counting them: the newest, with the names that jindu call takes
    #[arg(long)]
    pub list: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which call.
#[derive(Clone, Debug, Args)]
pub(crate) struct CallArguments {
    /// call= in the log, a Call-ID, or the number of the row of the journal
    #[arg(value_name = "TAG")]
    pub tag: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A time as written; what it is depends on the office's zone.
pub(crate) fn time(word: &str) -> Result<String, Bilingual> {
    local_time::read(word, &TimeZone::UTC).map(|_| word.to_owned())
}
