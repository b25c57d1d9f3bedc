//! `jindu calls`: how many calls there were and why callers were not served, in English or Chinese.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::{Bilingual, OfficeLang, bilingual, padded, plural};
use config::Settings;
use journal::{CallFilter, CallLine, CallStatistics, DAY, HOUR, Mean, call_list, call_statistics};
use os::{clock, language};
use phone::TrunksStatus;
use release::hotline;

use crate::args::calls::CallsArguments;
use crate::call::transfer;
use crate::call_words::{Words, code, word};
use crate::exit::print;
use crate::local_time::{read_past, rfc3339, shown, zone};
use crate::say::say;

/// So many calls are listed at most.
const LISTED_MAX: usize = 1000;

/// Prints the table.
///
/// # Errors
/// The time or the trunk is wrong, there is no journal, or it cannot be read.
pub(crate) fn calls(settings: &Settings, arguments: CallsArguments) -> Result<(), Bilingual> {
    let zone = zone(settings);
    let since = match &arguments.since {
        Some(word) => read_past(word, &zone)?,
        None => before(if arguments.hour { HOUR } else { DAY }),
    };
    if let Some(name) = arguments.trunk.as_ref().filter(|name| !is_trunk(settings, name)) {
        return Err(unknown_trunk(settings, name));
    }
    let release = hotline::release(settings).ok();
    let called_back = release.as_ref().and_then(|release| release.flow.called_back_node()).map(str::to_owned);
    let filter = CallFilter { since, failed: arguments.failed, trunk: arguments.trunk, called_back };
    let folder = &settings.data.folder;
    if arguments.list {
        let lines = call_list(folder, &filter, LISTED_MAX)?.ok_or_else(|| no_journal(folder))?;
        print_list(&lines, &zone, arguments.json);
        return Ok(());
    }
    let counted = call_statistics(folder, &filter)?.ok_or_else(|| no_journal(folder))?;
    // What was refused before it began has no record: the node counts it.
    let mut trunks = phone::trunk_status(folder, &settings.phone)?;
    trunks.trunks.retain(|trunk| filter.trunk.as_ref().is_none_or(|name| trunk.name == *name));
    let report = Report { counted, filter, trunks, zone };
    if arguments.json {
        let text = serde_json::to_string_pretty(&report.to_json()).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else {
        print(report.to_text(language::current()));
    }
    Ok(())
}

fn print_list(calls: &[CallLine], zone: &TimeZone, as_json: bool) {
    if as_json {
        let line = |call: &CallLine| {
            json!({
                "row": call.id,
                "call": call.tag,
                "at": rfc3339(call.at, zone),
                "trunk": call.trunk,
                "outcome": call.outcome,
                "cause": call.cause,
                "last": call.last,
                "duration_s": call.duration_ms as f64 / 1000.0,
            })
        };
        print(format!("{:#}\n", calls.iter().map(line).collect::<Value>()));
        return;
    }
    if !calls.is_empty() {
        print(list_text(calls, zone, language::current()));
    }
    let (n, s) = (calls.len(), plural(calls.len()));
    if n == LISTED_MAX {
        say!(
            "the newest {n} calls; a later --since, --failed or --trunk narrows the list",
            "仅列出最近 {n} 次来电；可用较晚的 --since、--failed 或 --trunk 缩小范围"
        );
    }
    say!("{n} call{s}; jindu call TAG shows one, step by step", "共 {n} 次来电；jindu call 编号 可查看每一步");
}

/// The calls as a table, the newest last.
fn list_text(calls: &[CallLine], zone: &TimeZone, lang: OfficeLang) -> String {
    let row = |cells: [&str; 8]| {
        let widths = [8, 12, 26, 10, 10, lang.choose(12, 26), 14, 0];
        let cells = cells.iter().zip(widths).map(|(cell, width)| padded(cell, width));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let heads = lang.choose(
        ["row", "call", "at", "trunk", "seconds", "ended", "last node", "cause"],
        ["行号", "编号", "时间", "中继", "时长（秒）", "结果", "最后节点", "原因"],
    );
    let lines = calls.iter().map(|call| {
        let (id, at, seconds) =
            (format!("#{}", call.id), shown(call.at, zone), format!("{:.1}", call.duration_ms as f64 / 1000.0));
        let (tag, cause) = (call.tag.as_deref().unwrap_or("-"), code(&call.cause));
        row([&id, tag, &at, &call.trunk, &seconds, code(&call.outcome).of(lang), &call.last, cause.of(lang)])
    });
    std::iter::once(row(heads)).chain(lines).collect()
}

fn no_journal(folder: &Path) -> Bilingual {
    bilingual!(
        "{}: no journal in this folder; no call was answered yet",
        "{}：此文件夹中没有通话记录；尚未接听过来电",
        folder.display()
    )
}

fn before(span: Duration) -> Timestamp {
    clock::timestamp().checked_sub(span).unwrap_or(Timestamp::MIN)
}

fn unknown_trunk(settings: &Settings, name: &str) -> Bilingual {
    let names: Vec<&str> = settings.phone.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    bilingual!(
        "there is no trunk {name}; there is {} [trunk.unknown]",
        "没有中继 {name}；现有 {} [trunk.unknown]",
        names.join(", ")
    )
}

fn is_trunk(settings: &Settings, name: &str) -> bool {
    settings.phone.trunks.iter().any(|trunk| trunk.name == name)
}

struct Report {
    counted: CallStatistics,
    filter: CallFilter,
    trunks: TrunksStatus,
    zone: TimeZone,
}

impl Report {
    fn to_json(&self) -> Value {
        let CallStatistics { calls, outcomes, causes, left_at, look_ups, trunks, .. } = &self.counted;
        let seconds = |mean: Mean| mean.value().map(|ms| ms.round() / 1000.0);
        let mos = self.counted.mos_hundredths;
        json!({
            "since": rfc3339(self.filter.since, &self.zone),
            "failed_only": self.filter.failed,
            "trunk": self.filter.trunk,
            "calls": calls,
            "outcomes": outcomes,
            "causes": causes,
            "left_at": left_at,
            "transfers": self.counted.transfers,
            "look_ups": look_ups,
            "trunks": trunks,
            "answered_s_mean": seconds(self.counted.answered_ms),
            "duration_s_mean": seconds(self.counted.duration_ms),
            "mos_mean": mos.value().map(|mos| mos.round() / 100.0),
            "mos_calls": mos.count,
            "mos_poor_calls": self.counted.mos_poor,
            "refused_before_they_began": {
                "since": self.trunks.serving_since.map(|since| rfc3339(since, &self.zone)),
                "reasons": self.refused(),
            },
        })
    }

    /// Refusals of all trunks, by reason.
    fn refused(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (reason, count) in self.trunks.trunks.iter().flat_map(|trunk| &trunk.refused) {
            *sums.entry(reason.to_owned()).or_default() += count;
        }
        sums
    }

    fn to_text(&self, lang: OfficeLang) -> String {
        let words = Words::of(lang);
        let counted = &self.counted;
        let mut text = format!("{}{}\n", words.since, shown(self.filter.since, &self.zone));
        if let Some(trunk) = &self.filter.trunk {
            let _ = writeln!(text, "{}{trunk}", words.trunk);
        }
        let counts = if self.filter.failed { words.failed } else { words.calls };
        let _ = writeln!(text, "{:>8}  {}", counted.calls, counts[usize::from(counted.calls != 1)]);
        for (title, counts, name) in [
            (words.outcomes, &counted.outcomes, word as fn(&str) -> Bilingual),
            (words.causes, &counted.causes, word),
            (words.left_at, &counted.left_at, word),
            (words.transfers, &counted.transfers, transfer),
            (words.look_ups, &counted.look_ups, word),
            (words.trunks, &counted.trunks, word),
        ] {
            section(&mut text, lang, title, counts, name);
        }
        let refused = self.refused();
        if let Some(since) = self.trunks.serving_since.filter(|_| !refused.is_empty()) {
            let title = format!("{}{}", words.refused, shown(since, &self.zone));
            section(&mut text, lang, &title, &refused, word);
        }
        if counted.calls > 0 {
            let _ = writeln!(text, "\n{}", words.means);
        }
        let means = [
            (counted.answered_ms, 1000.0, words.answered),
            (counted.duration_ms, 1000.0, words.duration),
            (counted.mos_hundredths, 100.0, words.mos),
        ];
        for (mean, unit, title) in means {
            if let Some(value) = mean.value() {
                let _ = writeln!(text, "{:>8.2}  {title}", value / unit);
            }
        }
        if counted.mos_hundredths.count > 0 {
            let _ = writeln!(text, "{:>8}  {}", counted.mos_poor, words.mos_poor);
        }
        text
    }
}

/// A title and its counts, the highest first; nothing without a count.
fn section(
    text: &mut String,
    lang: OfficeLang,
    title: &str,
    counts: &BTreeMap<String, u64>,
    name: impl Fn(&str) -> Bilingual,
) {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for (code, count) in counts.iter().take(ROWS_MAX) {
        let _ = writeln!(text, "{count:>8}  {}", name(code).of(lang));
    }
    if let Some(rest) = counts.get(ROWS_MAX..).filter(|rest| !rest.is_empty()) {
        let _ = writeln!(text, "{:>8}  …", rest.iter().map(|(_, count)| **count).sum::<u64>());
    }
}

/// Rows of one section.
const ROWS_MAX: usize = 20;
