//! `jindu call`: one call step by step, from its record. The record names no person and holds no digits.

use std::fmt::Write;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use config::Settings;
use flow::{PastStep, past_steps};
use journal::{CallName, PastCall, past_call};
use release::{hotline, releases};

use crate::args::calls::CallArguments;
use crate::exit::print;
use crate::local_time::{rfc3339, shown, zone};
use crate::replica_commands::keys;

/// Prints the call.
///
/// # Errors
/// There is no such call, or the journal cannot be read.
pub(crate) fn call(settings: &Settings, arguments: &CallArguments) -> Result<(), String> {
    let call = find(settings, &arguments.tag)?
        .ok_or_else(|| format!("no call {} in the journal; give call= as a line of the log names it", arguments.tag))?;
    let release = release_of(settings, &call.release);
    let steps = past_steps(release.as_ref().map(|release| &release.flow), &call.path);
    let zone = zone(settings);
    if arguments.json {
        let value = to_json(&call, &steps, &zone);
        let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else {
        print(to_text(&call, &steps, release.is_some(), &zone));
    }
    Ok(())
}

fn find(settings: &Settings, name: &str) -> Result<Option<PastCall>, String> {
    let folder = &settings.data.folder;
    if let Some(id) = name.strip_prefix('#').and_then(|id| id.parse().ok()) {
        return past_call(folder, CallName::Id(id));
    }
    let found = past_call(folder, CallName::Tag(name))?;
    if found.is_some() || !folder.join("secret.key").exists() {
        return Ok(found);
    }
    base::set_tag_key(keys(settings)?.tag_key());
    past_call(folder, CallName::Tag(&base::tag(name)))
}

/// The release that a call began with, if it is stored or the files of the settings are it.
fn release_of(settings: &Settings, name: &str) -> Option<std::sync::Arc<flow::Release>> {
    let short = name.get(..12)?;
    let stored = releases::find(settings, short).ok().map(|name| releases::settings_of(settings, &name));
    let stored = stored.and_then(|settings| hotline::release(&settings).ok());
    stored.or_else(|| hotline::release(settings).ok().filter(|release| release.short_name() == short))
}

fn to_json(call: &PastCall, steps: &[PastStep], zone: &TimeZone) -> Value {
    let steps: Vec<Value> =
        steps.iter().map(|step| json!({"node": step.node, "kind": step.kind, "way": step.way})).collect();
    json!({
        "row": call.id,
        "call": call.tag,
        "started": rfc3339(call.started, zone),
        "trunk": call.trunk,
        "answered_s": call.answered_after.map(|after| after.as_secs_f64()),
        "duration_s": call.duration.as_secs_f64(),
        "outcome": call.outcome,
        "cause": call.cause,
        "lang": call.lang,
        "release": call.release,
        "steps": steps,
        "keys": call.keys,
        "look_ups": call.look_ups,
        "rating": call.rating,
        "mos": call.mos_hundredths.map(|mos| f64::from(mos) / 100.0),
        "peer_packets_lost": call.peer_packets_lost,
        "round_trip_ms": call.round_trip.map(|time| time.as_secs_f64() * 1000.0),
        "srtp": call.srtp,
        "queue": call.queue,
        "queue_wait_s": call.queue_wait.map(|wait| wait.as_secs_f64()),
        "queue_outcome": call.queue_outcome,
        "agent": call.agent,
    })
}

fn to_text(call: &PastCall, steps: &[PastStep], release_is_known: bool, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:<11} {what}");
    };
    line("call", &format!("{} (row #{})", call.tag.as_deref().unwrap_or("without a tag"), call.id));
    line("started", &shown(call.started, zone));
    line("trunk", &call.trunk);
    let answered = call.answered_after.map(|after| format!("after {:.3} s", after.as_secs_f64()));
    line("answered", answered.as_deref().unwrap_or("no"));
    line("language", call.lang.as_deref().unwrap_or("not chosen"));
    line("release", call.release.get(..12).unwrap_or(&call.release));
    if !release_is_known && !steps.is_empty() {
        line("", "this release is not stored here: the steps are shown by name only");
    }
    // Results are in the order of the look-ups; which node made one is known from its release.
    let mut results = call.look_ups.iter();
    for (n, step) in steps.iter().enumerate() {
        let kind = step.kind.map_or_else(String::new, |kind| format!("{kind} "));
        let way = step.way.as_ref().map_or_else(String::new, |way| format!("  (by {way})"));
        let result = (step.kind == Some("lookup")).then(|| results.next()).flatten();
        let result = result.map_or_else(String::new, |result| format!(": {result}"));
        line(if n == 0 { "steps" } else { "" }, &format!("{:>3}. {kind}{}{result}{way}", n + 1, step.node));
    }
    if steps.is_empty() {
        line("steps", "none recorded");
    }
    if !call.look_ups.is_empty() {
        line("look-ups", &call.look_ups.join(", "));
    }
    line("keys", &format!("{} pressed (which is not recorded)", call.keys));
    if let Some(rating) = call.rating {
        line("rating", &rating.to_string());
    }
    if let (Some(queue), Some(outcome)) = (&call.queue, &call.queue_outcome) {
        let agent = call.agent.as_ref().map_or_else(String::new, |agent| format!(" by {agent}"));
        let wait = call.queue_wait.unwrap_or_default().as_secs_f64();
        line("queue", &format!("{queue}: {outcome}{agent} after {wait:.1} s"));
    }
    line("sound", &sound(call));
    let cause = call.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
    line("ended", &format!("{}{cause}, after {:.1} s", call.outcome, call.duration.as_secs_f64()));
    text
}

fn sound(call: &PastCall) -> String {
    let mut parts = Vec::new();
    parts.extend(call.mos_hundredths.map(|mos| format!("score {:.2}", f64::from(mos) / 100.0)));
    parts.extend(call.peer_packets_lost.map(|lost| format!("{lost} packets lost on the way to the caller")));
    parts.extend(call.round_trip.map(|time| format!("round trip {:.1} ms", time.as_secs_f64() * 1000.0)));
    parts.extend(call.srtp.as_ref().map(|suite| format!("SRTP {suite}")));
    if parts.is_empty() { "not measured".into() } else { parts.join(", ") }
}
