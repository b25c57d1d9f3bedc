//! `jindu audit`: what people did, from the three logs of the data folder: of releases and the duty officer, of the studio's
//! takes, and of the accounts of studio and agents' page.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use base::{Bilingual, bilingual, padded, plural};
use config::Settings;
use os::language::{current, shown as in_language};
use release::releases::{self, Entry};
use studio_store::accounts::AccountEvent;
use studio_store::accounts::initial::{self, FIRST_START};
use studio_store::{AuditRow, Studio};

use crate::call_words::{action, detail};
use crate::exit::print;
use crate::local_time::{read_past, rfc3339, shown, zone};
use crate::publish::{after_colon, person, reason};
use crate::say::say;

/// The log that a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Log {
    /// `releases/audit.jsonl`: releases, the emergency notice, messages and recordings heard, traces.
    Releases,
    /// The studio's takes.
    Takes,
    /// The accounts of the studio and of the agents' page.
    Accounts,
}

/// A line of any of the logs.
#[derive(Debug)]
struct Line {
    at: Timestamp,
    log: Log,
    what: String,
    who: String,
    release: Option<String>,
    /// `lang/slot` of the studio.
    slot: Option<String>,
    /// The reason; of accounts, who did it to them, and from where.
    why: Bilingual,
}

/// Prints the lines, newest last.
///
/// # Errors
/// The time is wrong, or a log cannot be read.
pub(crate) fn audit(settings: &Settings, since: Option<&str>, as_json: bool) -> Result<(), Bilingual> {
    let zone = zone(settings);
    let since = since.map(|word| read_past(word, &zone)).transpose()?;
    let mut lines: Vec<Line> = releases::audit(settings).into_iter().map(of_release).collect();
    lines.extend(of_studio(settings)?);
    lines.retain(|line| since.is_none_or(|since| line.at >= since));
    lines.sort_by_key(|line| line.at);
    if as_json {
        let line = |line: &Line| {
            let Line { at, log, what, who, release, slot, why } = line;
            json!({ "at": rfc3339(*at, &zone), "log": log, "action": what, "who": who, "release": release, "slot": slot, "why": why.en })
        };
        print(format!("{:#}\n", lines.iter().map(line).collect::<Value>()));
        return Ok(());
    }
    for Line { at, what, who, release, slot, why, .. } in &lines {
        // A name that no account has is not stored: it may be a password in the wrong field.
        let who = match (who.as_str(), what.ends_with("sign_in_failed")) {
            ("-", true) => Bilingual::fixed("an unknown name", "未知账号名"),
            (who, _) => person(who),
        };
        let what = padded(in_language(&action(what)), current().choose(21, 30));
        let release = release.as_deref().map(|name| format!(" {}", name.get(..12).unwrap_or(name))).unwrap_or_default();
        let slot = slot.as_deref().map(|slot| format!(" {slot}")).unwrap_or_default();
        let at = shown(*at, &zone);
        let why = after_colon(why);
        say!("{at}  {what} {who}{slot}{release}{why}", "{at}  {what} {who:#}{slot}{release}{why:#}");
    }
    let (n, s) = (lines.len(), plural(lines.len()));
    say!("{n} line{s}", "共 {n} 条");
    Ok(())
}

fn of_release(entry: Entry) -> Line {
    let Entry { at, what, release, who, why } = entry;
    Line { at, log: Log::Releases, what, who, release, slot: None, why: reason(&why) }
}

/// The lines of the studio's logs, as far as there are any: a folder without a studio stays without one.
fn of_studio(settings: &Settings) -> Result<Vec<Line>, Bilingual> {
    let folder = settings.data.folder.join("studio");
    let mut lines = Vec::new();
    if folder.join("studio.sqlite3").exists() {
        let studio = Studio::open(settings).map_err(|error| error.text())?;
        let mut before = None;
        loop {
            let rows = studio.audit(before, u32::MAX).map_err(|error| error.text())?;
            let Some(last) = rows.last() else { break };
            before = Some(last.id);
            // What goes live stands in the log of releases.
            lines.extend(rows.into_iter().filter(|row| row.release.is_none() || row.take.is_some()).map(of_take));
        }
    }
    if folder.join("accounts.sqlite3").exists() {
        let accounts = initial::open(settings).map_err(|error| error.text())?;
        let events = accounts.events(u32::MAX).map_err(|error| error.text())?;
        lines.extend(events.into_iter().map(of_account));
    }
    Ok(lines)
}

fn of_take(row: AuditRow) -> Line {
    let AuditRow { at, who, what, lang, slot, release, why, .. } = row;
    let slot = lang.zip(slot).map(|(lang, slot)| format!("{lang}/{slot}"));
    Line { at, log: Log::Takes, what, who: who.name, release, slot, why: reason(&why) }
}

fn of_account(event: AccountEvent) -> Line {
    let AccountEvent { at, what, who, by, from } = event;
    let by = match &*by {
        "" => None,
        by if by == who => None,
        FIRST_START => Some(Bilingual::fixed("at the first start", "首次启动时自动建立")),
        by => {
            let by = person(by);
            Some(bilingual!("by {by}", "操作人 {by:#}"))
        }
    };
    let parts: Vec<Bilingual> = [detail(&from)].into_iter().filter(|part| !part.en.is_empty()).chain(by).collect();
    let why = Bilingual::list(&parts, ", ", "，");
    Line { at, log: Log::Accounts, what, who, release: None, slot: None, why }
}
