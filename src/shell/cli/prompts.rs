//! `jindu prompts …`: the prompt studio from the command line, with a serving node or without one.
//!
//! To approve, publish and roll back takes the password of an approver's account, which `--who` names: what callers hear
//! needs two people here, too. For the rest `--who` is trusted, since who can run this can read and write the data folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use jiff::tz::TimeZone;
use serde_json::json;

use base::{Bilingual, bilingual, padded, plural};

use crate::approver::approver;
use crate::args::by::{By, ByApprover};
use crate::args::prompts::{PromptCommand, Sound, slot};
use crate::call_words::{code, slot_state};
use crate::exit::{Errors, failed, print};
use crate::local_time::{shown, zone};
use crate::say::say;
use config::Settings;
use os::io_fault;
use os::language::{current, shown as in_language};
use release::hotline;
use speech::{Clip, to_tsv};
use studio::exchange::read_table;
use studio::{Operator, Role, SlotState, TakeSource};
use studio_store::{
    ImportReport, PublicationPlan, Rejection, SlotFilter, SlotRow, SoundForm, SoundSource, Studio, TakeRow, Upload,
};

/// Runs the command.
///
/// # Errors
/// What is wrong with the settings or their files, a line each.
pub(crate) fn run(settings: &Settings, command: &PromptCommand) -> Result<ExitCode, Errors> {
    if let PromptCommand::List = command {
        // The list of recordings must not depend on the recordings.
        let release = hotline::release(settings)?;
        print(to_tsv(&hotline::needed(&release)));
        return Ok(ExitCode::SUCCESS);
    }
    os::folder::create(&settings.data.folder).map_err(|error| vec![error])?;
    let studio = Studio::open(settings).map_err(|error| vec![error.text()])?;
    match perform(settings, &studio, command) {
        Ok(code) => Ok(code),
        Err(Rejection::Flow(errors)) => Err(errors),
        Err(Rejection::Unproven(error)) => Err(vec![error]),
        Err(refusal) => {
            failed(&refusal.text());
            if let Rejection::HalfRecorded(_) = refusal {
                failed(&Bilingual::fixed(
                    "nothing was published; --anyway publishes it as it is",
                    "未发布任何内容；--anyway 表示仍要发布",
                ));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn perform(settings: &Settings, studio: &Studio, command: &PromptCommand) -> Result<ExitCode, Rejection> {
    match command {
        PromptCommand::List => {}
        PromptCommand::Coverage { slots, json } => coverage(studio, &slots.wanted(false), *json)?,
        PromptCommand::Takes { slot, json } => takes(studio, slot.as_ref(), *json, &zone(settings))?,
        PromptCommand::Import { file, slot, by, check, json } => {
            return import(studio, file, slot.as_ref(), &operator(by), *check, *json);
        }
        PromptCommand::Export { file, slots, script } => export(studio, file, &slots.wanted(*script))?,
        PromptCommand::Approve { take, heard, by } => approve(studio, take, *heard, &proven(settings, by)?)?,
        PromptCommand::Discard { take, by } => {
            let take = studio.discard(&operator(by), &studio.find(take)?.name)?;
            say!("{} of {}/{} is discarded", "{}（{}/{}）已弃用", take.name.short(), take.lang.code(), take.slot);
        }
        PromptCommand::Restore { slot, by } => {
            studio.restore(&operator(by), slot, true)?;
            say!(
                "{}/{}: the next publication restores the factory's recording",
                "{}/{}：下次发布时恢复出厂录音",
                slot.lang.code(),
                slot.id
            );
        }
        PromptCommand::Publish { by, anyway, json } => {
            let why = by.by.why.clone().unwrap_or_else(|| "from the command line".into());
            let (release, publication) = studio.publish(&proven(settings, by)?, &why, *anyway)?;
            published(&release, &publication, *json);
        }
        PromptCommand::Rollback { release, by } => {
            let why = by.by.why.clone().unwrap_or_default();
            let release = studio.rollback(&proven(settings, by)?, release.as_deref(), &why)?;
            say!(
                "release {} is live again: new calls take it within a second",
                "版本 {} 已重新启用：新来电一秒内生效",
                &release[..12]
            );
        }
        PromptCommand::Play { what, file, sound, values } => play(studio, what, file, sound.read(), values)?,
        PromptCommand::Tidy { days, by } => {
            let older = jiff::SignedDuration::from_hours(i64::from(*days) * 24);
            let (takes, bytes) = studio.tidy(&operator(by), older)?;
            say!(
                "{takes} discarded takes deleted, {} MB free",
                "已删除 {takes} 条弃用的录音，腾出 {} MB",
                bytes / 1_000_000
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn coverage(studio: &Studio, wanted: &SlotFilter, as_json: bool) -> Result<(), Rejection> {
    let mut rows = studio.slots()?;
    rows.retain(|row| wanted.lang.is_none_or(|lang| row.slot.clip.lang == lang));
    let open = |row: &SlotRow| matches!(row.state, SlotState::Missing | SlotState::Stale | SlotState::Placeholder);
    rows.retain(|row| !wanted.to_record || open(row));
    if as_json {
        let slots: Vec<_> = rows.iter().map(row_json).collect();
        print(format!("{}\n", json!({ "slots": slots, "states": counts(&rows) })));
        return Ok(());
    }
    let mut text = String::new();
    for row in &rows {
        let (lang, number) = (row.slot.clip.lang.code(), row.number);
        let state = slot_state(row.state.code());
        let state = padded(in_language(&state), current().choose(11, 24));
        text.push_str(&format!("{lang:<3} {number:>4} {state} {:<36} {}\n", row.slot.clip.id, row.slot.text));
    }
    print(&text);
    let states: Vec<Bilingual> = counts(&rows)
        .iter()
        .map(|(state, n)| {
            let state = slot_state(state);
            bilingual!("{n} {state}", "{state:#} {n}")
        })
        .collect();
    let (all, states) = (rows.len(), Bilingual::list(&states, ", ", "、"));
    say!("{all} slots: {states}", "共 {all} 个录音条目：{states:#}");
    Ok(())
}

fn counts(rows: &[SlotRow]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.state.code()).or_insert(0) += 1;
    }
    counts
}

fn row_json(row: &SlotRow) -> serde_json::Value {
    let slot = &row.slot;
    let said = slot.said.as_ref();
    let side = |part: &[(Clip, String)]| -> Vec<String> { part.iter().map(|(_, text)| text.clone()).collect() };
    let used_by: Vec<&str> = slot.used_by.iter().map(|node| &**node).collect();
    json!({
        "lang": slot.clip.lang.code(), "slot": &*slot.clip.id, "number": row.number, "text": slot.text,
        "variant": slot.variant.code(), "set": slot.set, "longest_s": slot.longest.as_secs_f64(),
        "used_by": used_by, "state": row.state.code(), "live": row.live, "restored": row.restored,
        "waiting": row.waiting.as_ref().map(|take| take.name.as_str()),
        "sentence": said.map(|said| said.sentence.clone()),
        "before": said.map(|said| side(&said.before)), "after": said.map(|said| side(&said.after)),
    })
}

fn takes(studio: &Studio, slot: Option<&Clip>, as_json: bool, zone: &TimeZone) -> Result<(), Rejection> {
    let takes = match slot {
        Some(slot) => studio.history(slot)?,
        None => studio.waiting()?,
    };
    if as_json {
        print(format!("{}\n", json!({ "takes": takes })));
        return Ok(());
    }
    let mut text = String::new();
    for take in &takes {
        let live = if take.live { '*' } else { ' ' };
        let (lang, name, slot) = (take.lang.code(), take.name.short(), &take.slot);
        let state = code(take.state.code());
        let state = padded(in_language(&state), current().choose(9, 20));
        let (by, at) = (&take.by.name, shown(take.at, zone));
        let unheard = if take.unheard { UNHEARD } else { Bilingual::default() };
        let line = bilingual!(
            "{live} {name} {state} {lang}/{slot} by {by} {at}{unheard}",
            "{live} {name} {state} {lang}/{slot} {by} {at}{unheard:#}"
        );
        text.push_str(&format!("{}\n", in_language(&line)));
        for finding in &take.report.findings {
            text.push_str(&format!("      {}\n", words_of(&finding.words)));
        }
    }
    print(&text);
    let (n, s) = (takes.len(), plural(takes.len()));
    say!("{n} take{s}", "共 {n} 条录音");
    Ok(())
}

fn import(
    studio: &Studio,
    file: &Path,
    slot: Option<&Clip>,
    by: &Operator,
    check: bool,
    as_json: bool,
) -> Result<ExitCode, Rejection> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(slot) = slot {
        let upload = Upload { bytes: read(file)?, kind: TakeSource::File, label: name, sitting: String::new() };
        let verdict = studio.judge(by, slot, upload.clone())?;
        if check || !verdict.report.is_good() {
            return Ok(judged(&verdict, check, as_json));
        }
        let take = studio.submit(by, slot, upload)?;
        return Ok(one(&studio.keep(by, &take.name)?, as_json));
    }
    let imported = if name.to_ascii_lowercase().ends_with(".csv") {
        let lines = read_table(&read(file)?)
            .map_err(|error| Rejection::Unreadable(studio::Message::new(error.to_string(), error.to_string())))?;
        ImportReport { texts: studio.changed_texts(&lines)?, ..ImportReport::default() }
    } else {
        if !name.to_ascii_lowercase().ends_with(".zip") {
            return Err(Rejection::Unreadable(studio::Message::new(
                format!("{name} 不是压缩包（.zip）；导入一条录音请用 --slot 语言/位置 写明位置，如 zh/prompt.welcome"),
                format!(
                    "{name} is not an archive (.zip); one recording needs --slot LANG/SLOT, as in zh/prompt.welcome"
                ),
            )));
        }
        let archive = File::open(file).map_err(|error| fault(file, &error))?;
        studio.import(by, archive, &name, check)?
    };
    Ok(reported(&imported, check, as_json))
}

fn one(take: &TakeRow, as_json: bool) -> ExitCode {
    if as_json {
        print(format!("{}\n", json!(take)));
    } else {
        let (name, lang, slot, state) = (take.name.short(), take.lang.code(), &take.slot, code(take.state.code()));
        say!("{name} of {lang}/{slot}: {state}", "{name}（{lang}/{slot}）：{state:#}");
        print_findings(take);
    }
    ExitCode::SUCCESS
}

/// What a recording would become with `check`, or why it was rejected, and what its checks found.
fn judged(take: &TakeRow, check: bool, as_json: bool) -> ExitCode {
    let good = take.report.is_good();
    if as_json {
        print(format!("{}\n", json!(take)));
    } else {
        let (lang, slot) = (take.lang.code(), &take.slot);
        let fate = if good { Bilingual::fixed("imported", "导入") } else { Bilingual::fixed("rejected", "拒收") };
        if check {
            say!("the recording of {lang}/{slot} would be {fate}", "{lang}/{slot} 的录音将被{fate:#}");
        } else {
            say!(
                "the recording of {lang}/{slot} is rejected: nothing was imported",
                "{lang}/{slot} 的录音被拒收：未导入任何内容"
            );
        }
        print_findings(take);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn reported(imported: &ImportReport, check: bool, as_json: bool) -> ExitCode {
    let refused = imported.files.iter().filter(|file| file.refused).count();
    let taken = imported.files.iter().filter(|file| file.take.is_some() && !file.refused).count();
    let code = if refused > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if as_json {
        print(format!("{}\n", json!(imported)));
        return code;
    }
    for file in &imported.files {
        let mark = match file.refused {
            true => Bilingual::fixed("rejected", "拒收"),
            false => Bilingual::fixed("ok      ", "通过"),
        };
        for words in &file.words {
            let (file, words) = (&file.file, words_of(words));
            say!("{mark} {file}: {words}", "{mark:#} {file}：{words}");
        }
    }
    for change in &imported.texts {
        say!(
            "text of {}/{} (line {}): the script says \"{}\", the table \"{}\"",
            "{}/{} 的文案（第 {} 行）：文案文件为“{}”，表中为“{}”",
            change.lang,
            change.slot,
            change.line,
            change.script,
            change.table
        );
    }
    if !imported.texts.is_empty() {
        say!(
            "{} texts differ: change them in the script, publish, and record the stale slots",
            "{} 处文案不同：请在文案文件中修改并发布，再重录相应位置",
            imported.texts.len()
        );
    }
    let s = plural(taken);
    match (refused, imported.done) {
        (0, true) => say!(
            "{taken} take{s} imported as drafts: another person approves them",
            "已导入 {taken} 条录音，待另一位同事审核"
        ),
        (0, false) if check => say!("{taken} recording{s} would be imported", "可导入 {taken} 条录音"),
        (0, false) => say!("no new recording in the archive", "压缩包中没有新的录音"),
        (n, _) => {
            let s = plural(n);
            say!("{n} file{s} rejected: nothing was imported", "拒收 {n} 个文件：未导入任何内容");
        }
    }
    code
}

fn export(studio: &Studio, file: &Path, wanted: &SlotFilter) -> Result<(), Rejection> {
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase()).unwrap_or_default();
    let text = match ending.to_str() {
        Some("csv") => studio.table(wanted)?,
        Some("html") => studio.page(wanted)?.into_bytes(),
        _ => {
            let new = file.with_extension("new");
            let out = File::create(&new).map_err(|error| fault(&new, &error))?;
            let files = studio.export(&out, wanted)?;
            out.sync_all().and_then(|()| fs::rename(&new, file)).map_err(|error| fault(file, &error))?;
            let s = plural(files);
            say!("{files} file{s} in {}", "已将 {files} 个文件写入 {}", file.display());
            return Ok(());
        }
    };
    fs::write(file, text).map_err(|error| fault(file, &error))?;
    say!("{} written", "已写入 {}", file.display());
    Ok(())
}

fn approve(studio: &Studio, take: &str, heard: bool, by: &Operator) -> Result<(), Rejection> {
    let takes = match take {
        "all" => studio.to_approve()?,
        beginning => vec![studio.find(beginning)?],
    };
    let mut approved = 0;
    for take in &takes {
        match heard {
            true => studio.approve(by, &take.name)?,
            false => studio.approve_unheard(by, &take.name)?,
        };
        approved += 1;
    }
    let unheard = if heard { Bilingual::default() } else { UNHEARD };
    let s = plural(approved);
    say!(
        "{approved} take{s} approved{unheard}; jindu prompts publish makes what is approved live",
        "已审核 {approved} 条录音{unheard:#}；jindu prompts publish 使其生效"
    );
    Ok(())
}

fn published(release: &str, publication: &PublicationPlan, as_json: bool) {
    if as_json {
        print(format!("{}\n", json!({ "release": release, "publication": publication })));
        return;
    }
    for change in &publication.changes {
        let what = change.take.as_ref().map_or_else(
            || Bilingual::fixed("the factory's recording", "出厂录音"),
            |take| take.short().to_owned().into(),
        );
        let unheard = if change.unheard { UNHEARD } else { Bilingual::default() };
        let (lang, slot) = (change.lang.code(), &change.slot);
        say!("  {lang}/{slot}: {what}{unheard}", "  {lang}/{slot}：{what:#}{unheard:#}");
    }
    publication.warnings.iter().for_each(|words| print(format!("{}\n", words_of(words))));
    say!(
        "release {} is live with {} changes: new calls take it within a second, calls in progress keep theirs",
        "版本 {} 已启用，共 {} 处更改：新来电一秒内生效，通话中的来电仍用原版本",
        &release[..12],
        publication.changes.len()
    );
}

fn play(studio: &Studio, what: &str, file: &Path, sound: Sound, values: &[(String, String)]) -> Result<(), Rejection> {
    let which = match slot(what) {
        Ok(slot) => SoundSource::Live(slot),
        Err(_) => SoundSource::Take(studio.find(what)?.name),
    };
    let form = match sound {
        Sound::Phone => SoundForm::Phone,
        Sound::Master => SoundForm::Master,
        Sound::Original => SoundForm::Original,
        Sound::Sentence => {
            let seed = if values.is_empty() { os::clock::random_u64() | 1 } else { 0 };
            SoundForm::InSentence { values: values.iter().cloned().collect(), seed, with: Vec::new() }
        }
    };
    let sound = studio.sound(&which, &form)?;
    if file == Path::new("-") {
        let mut out = io::stdout().lock();
        return out.write_all(&sound.bytes).and_then(|()| out.flush()).map_err(|error| fault(file, &error));
    }
    fs::write(file, &sound.bytes).map_err(|error| fault(file, &error))?;
    let (file, text) = (file.display(), sound.text.map(|text| format!(": {text}")).unwrap_or_default());
    say!("{file} written{text}", "已写入 {file}{text}");
    Ok(())
}

/// A message of the studio in the language of the command line.
fn words_of(words: &studio::Message) -> &str {
    current().choose(&words.en, &words.zh)
}

fn print_findings(take: &TakeRow) {
    take.report.findings.iter().for_each(|finding| print(format!("  {}\n", words_of(&finding.words))));
}

/// What its approver did not listen to, as the studio's page marks it.
const UNHEARD: Bilingual = Bilingual::fixed(" (not listened to)", "（未试听）");

/// The approver that `--who` names, by the account's password.
fn proven(settings: &Settings, by: &ByApprover) -> Result<Operator, Rejection> {
    approver(settings, by).map_err(Rejection::Unproven)
}

/// The person at the machine, as an approver.
fn operator(by: &By) -> Operator {
    Operator { id: 0, name: by.name(), number: String::new(), role: Role::Approver }
}

fn read(file: &Path) -> Result<Vec<u8>, Rejection> {
    fs::read(file).map_err(|error| fault(file, &error))
}

/// A file of the user's, which the studio has no part in.
fn fault(file: &Path, error: &io::Error) -> Rejection {
    let fault = io_fault(file, error);
    Rejection::Unreadable(studio::Message::new(fault.zh, fault.en))
}
