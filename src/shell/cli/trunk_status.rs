//! `jindu trunk status`: what each trunk is doing, as text.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use base::{Bilingual, bilingual};
use config::Settings;
use os::language;
use phone::{RegistrationReport, TrunkStatus, TrunksStatus};

use crate::call_words::code;
use crate::exit::print;
use crate::local_time::{shown, zone};
use crate::say::Lines;

/// Prints the state of all trunks.
///
/// # Errors
/// A node serves and does not answer.
pub(crate) fn trunk_status(settings: &Settings, json: bool) -> Result<(), Bilingual> {
    let status = phone::trunk_status(&settings.data.folder, &settings.phone)?;
    let text = if json {
        serde_json::to_string_pretty(&status).map_err(|error| error.to_string())?
    } else {
        to_text(&status, &zone(settings))
    };
    print(format!("{}\n", text.trim_end()));
    Ok(())
}

fn to_text(status: &TrunksStatus, zone: &TimeZone) -> String {
    let mut lines = Lines::new(language::current(), 13);
    lines.plain(&match status.serving_since.map(|since| shown(since, zone)) {
        Some(since) => bilingual!("counted since {since}", "统计自 {since}"),
        None => Bilingual::fixed(
            "no node serves from this data folder; the settings:",
            "没有节点使用此数据文件夹；以下为设置：",
        ),
    });
    for trunk in &status.trunks {
        of_trunk(trunk, status.serving_since.is_some(), zone, &mut lines);
    }
    lines.into_text()
}

fn of_trunk(trunk: &TrunkStatus, serving: bool, zone: &TimeZone, lines: &mut Lines) {
    lines.plain(&format!("\n{}", trunk.name).into());
    let mut line = |en: &str, zh: &str, value: Bilingual| {
        lines.line(&Bilingual::new(format!("  {en}"), format!("  {zh}")), &value);
    };
    let over = trunk.transport.as_ref().map_or_else(Bilingual::default, |transport| {
        let name = transport.to_string().to_uppercase();
        bilingual!(" over {transport}", "，仅 {name}")
    });
    let (calls, most, addresses) = (trunk.calls, trunk.calls_max, trunk.addresses.join(", "));
    line("addresses", "地址", bilingual!("{addresses}{over}", "{addresses}{over:#}"));
    if !serving {
        return line("calls", "通话", bilingual!("at most {most}", "最多 {most} 路"));
    }
    line("calls", "通话", bilingual!("{calls} of {most}", "{most} 路中使用 {calls} 路"));
    line("ended", "已结束", counted(&trunk.ended));
    line("not taken", "未受理", counted(&trunk.refused));
    let last = trunk.last_call.map(|at| shown(at, zone).into());
    line("last call", "最近来电", last.unwrap_or_else(|| Bilingual::fixed("none", "无")));
    if let Some(registration) = &trunk.registration {
        line("registered", "注册", registered(registration));
    }
    for peer in &trunk.peers {
        let since = peer.since.map(|since| shown(since, zone));
        let since = since.map_or_else(Bilingual::default, |since| bilingual!(" since {since}", "，自 {since} 起"));
        let (address, state) = (&peer.address, code(peer.state.name()));
        line("peer", "对端", bilingual!("{address} {state}{since}", "{address} {state:#}{since:#}"));
    }
}

fn registered(report: &RegistrationReport) -> Bilingual {
    let mut text = match (&report.registrar, report.expires_s) {
        (Some(registrar), Some(left)) => {
            bilingual!("at {registrar} for {left} s more", "已在 {registrar} 注册，还有 {left} 秒到期")
        }
        _ => Bilingual::fixed("no", "未注册"),
    };
    if let Some(error) = &report.error {
        let zh = report.error_zh.as_ref().unwrap_or(error);
        text = bilingual!("{text}; {error}", "{text:#}；{zh}");
        if let Some(next) = report.next_s {
            text = bilingual!("{text}, next attempt in {next} s", "{text:#}，{next} 秒后再试");
        }
    }
    text
}

/// `3: hung_up 2, failed 1`
pub(crate) fn counted(counts: &BTreeMap<String, u64>) -> Bilingual {
    let sum = counts.values().sum::<u64>();
    let each: Vec<Bilingual> = counts
        .iter()
        .map(|(name, count)| {
            let name = code(name);
            bilingual!("{name} {count}", "{name:#} {count}")
        })
        .collect();
    let list = Bilingual::list(&each, ", ", "、");
    if each.is_empty() { sum.to_string().into() } else { bilingual!("{sum}: {list}", "{sum}：{list:#}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_listed_behind_their_sum() {
        let counts = BTreeMap::from([("failed".to_owned(), 1), ("hung_up".to_owned(), 2)]);
        assert_eq!(counted(&counts).en, "3: failed 1, hung_up 2");
        assert!(counted(&counts).zh.starts_with("3："));
        assert_eq!(counted(&BTreeMap::new()).zh, "0");
    }
}
