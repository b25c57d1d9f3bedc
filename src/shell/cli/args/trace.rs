//! `jindu trunk trace`

use std::path::PathBuf;

use clap::Args;

use base::Bilingual;

/// Which call is traced, and where to.
#[derive(Clone, Debug, Args)]
pub(crate) struct TraceArguments {
    #[command(flatten)]
    pub call: Call,
    /// The longest time in seconds, the wait for the call included: up to 600
    #[arg(long = "for", value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub for_s: u64,
    /// The largest file in megabytes: up to 100
    #[arg(long, value_name = "MB", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub max_mb: u64,
    /// Show pressed keys, digest responses and keys of SRTP; the audit log says so
    #[arg(long)]
    pub unmasked: bool,
    /// Also the headers of RTP and RTCP packets, without sound and keys: what came and left, when and from where
    #[arg(long)]
    pub rtp: bool,
    /// The file to write, which only you may read
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace FILE if there is one
    #[arg(long)]
    pub overwrite: bool,
    /// Who asks for it, for the audit log
    #[arg(long, value_name = "NAME", value_parser = said)]
    pub who: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", value_parser = said)]
    pub why: String,
}

/// One of three.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Call {
    /// The call with this Call-ID, also if it is in progress
    #[arg(long, value_name = "ID", value_parser = said)]
    pub call_id: Option<String>,
    /// The next call of this trunk
    #[arg(long, value_name = "NAME")]
    pub trunk: Option<String>,
    /// The next call from or to this number
    #[arg(long, value_name = "NUMBER", value_parser = said)]
    pub number: Option<String>,
}

/// `120` or `120s`.
fn seconds(text: &str) -> Result<u64, Bilingual> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok();
    seconds
        .filter(|seconds| (1..=600).contains(seconds))
        .ok_or(Bilingual::fixed("must be 1 to 600 seconds", "应为 1 至 600 秒"))
}

fn said(text: &str) -> Result<String, Bilingual> {
    match text.trim() {
        "" => Err(Bilingual::fixed("must not be empty", "不得为空")),
        text => Ok(text.to_owned()),
    }
}
