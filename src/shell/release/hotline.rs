//! Reads the files of a hotline: flow, words, calendar, recordings.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use audio::Bank;
use base::{Bilingual, bilingual};
use config::Settings;
use flow::{self, AnswerTime, Calendar, Environment, Release, Sources};
use inquiry::{FormatError, Formats, NumberError, Receipt, Rules, RulesError, ScanRuleError, ScanRules, WorkingDays};
use os::clock;
use replica::sample;
use speech::Diagnostic;

pub use crate::clips::{needed, recorded};
use crate::overlay::Overlay;
use crate::recordings::{self, From, MissingPolicy, Recordings};

/// A hotline as read and checked: what every answer is made of.
pub struct Hotline {
    /// The name (hash) of the published release, else the hash of the flow's own files.
    pub name: String,
    /// Flow and words.
    pub release: Arc<Release>,
    /// The recordings, encoded.
    pub bank: Arc<Bank>,
    /// Receipt formats, time limits and working days.
    pub rules: Arc<Rules>,
    /// Prefixes, suffixes and QR patterns that scanners add.
    pub scan_rules: ScanRules,
    /// The office's working days.
    pub working: WorkingDays,
    /// The office's time zone.
    pub zone: TimeZone,
    /// Sample cases of the built-in replica, one per state.
    pub examples: Vec<sample::Example>,
    /// How long callers wait for a result, in each language.
    pub answer_times: Vec<AnswerTime>,
    /// Warnings: they do not stop a start.
    pub remarks: Vec<Bilingual>,
    /// Errors of newer releases that were skipped because they cannot be read.
    pub skipped: Vec<Bilingual>,
}

impl Hotline {
    /// The first characters of the name, as status, releases, journal and log show it.
    pub fn short_name(&self) -> &str {
        self.name.get(..12).unwrap_or(&self.name)
    }

    /// `E43`: callers wait longer for a result than the flow allows; a line for each language.
    pub fn too_slow(&self, settings: &Settings) -> Vec<Bilingual> {
        let slow = self.release.too_slow(&settings.hotline.flow.display().to_string(), &self.answer_times);
        lines(&slow, Diagnostic::line)
    }
}

/// A hotline in text: without recordings.
pub struct Wording {
    /// Flow and words.
    pub release: Arc<Release>,
    /// Receipt formats, time limits and working days.
    pub rules: Rules,
    /// The office's working days.
    pub working: WorkingDays,
    /// The office's time zone.
    pub zone: TimeZone,
}

/// Reads flow, words and days.
///
/// # Errors
/// All errors of the files, a line each.
pub fn wording(settings: &Settings) -> Result<Wording, Vec<Bilingual>> {
    let release = release(settings)?;
    let (rules, working) = rules(settings, &release)?;
    let zone = TimeZone::get(&release.calendar.zone)
        .map_err(|error| vec![format!("{}: zone: {error}", settings.hotline.calendar.display()).into()])?;
    Ok(Wording { release, rules, working, zone })
}

/// Reads and checks flow, words and days.
///
/// # Errors
/// All errors of the files, a line each.
pub fn release(settings: &Settings) -> Result<Arc<Release>, Vec<Bilingual>> {
    let environment = environment(settings)?;
    let loaded = with_sources(settings, |sources| Release::load(sources, environment))?;
    let release = loaded.map_err(|found| {
        // Remarks stop nothing: beside errors they would be counted as errors.
        let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
        lines(&errors, Diagnostic::line)
    })?;
    let unannounced = unannounced(settings, &release.flow);
    if unannounced.is_empty() { Ok(release) } else { Err(lines(&unannounced, Diagnostic::line)) }
}

/// `E50`: where conversations are recorded and the flow does not say so before.
fn unannounced(settings: &Settings, flow: &flow::model::Flow) -> Vec<Diagnostic> {
    if !settings.phone.recording.is_on() {
        return Vec::new();
    }
    let desk_waits = settings.phone.desk.as_ref().is_some_and(|desk| desk.starts_with("queue:"));
    flow::unannounced(flow, &settings.hotline.flow.display().to_string(), desk_waits)
}

/// The flow as written, and its errors.
///
/// # Errors
/// A file cannot be read.
pub fn draft(settings: &Settings) -> Result<(flow::model::Flow, Vec<Diagnostic>), Vec<Bilingual>> {
    let environment = environment(settings)?;
    with_sources(settings, |sources| flow::draft(sources, environment))
}

/// What is wrong with flow, words and calendar, and what is remarked on them. They can be checked without the formats of
/// receipts, where the settings have these wrong.
pub fn findings(settings: &Settings, with_formats: bool) -> (Vec<Bilingual>, Vec<Bilingual>) {
    let mut errors = Vec::new();
    let environment = match environment(settings) {
        Ok(environment) => environment,
        Err(wrong) => {
            errors.extend(wrong.into_iter().filter(|_| with_formats));
            Environment {
                receipt: Box::new(|_| Err(NumberError::Prefix)),
                receipt_formats: Vec::new(),
                desk_number: settings.phone.desk_number.clone(),
            }
        }
    };
    let mut remarks = Vec::new();
    if let Some(unknown) = unknown_hours(settings) {
        // Hours that are not used yet are remarked on, so that they are right when a line is there.
        let list = if settings.phone.call_back.is_some() { &mut errors } else { &mut remarks };
        list.push(unknown);
    }
    let diagnostics = match with_sources(settings, |sources| flow::draft(sources, environment)) {
        Ok((flow, mut diagnostics)) => {
            diagnostics.extend(unannounced(settings, &flow));
            errors.extend(unknown_documents(settings, &flow));
            diagnostics
        }
        Err(more) => {
            errors.extend(more);
            Vec::new()
        }
    };
    let (wrong, mild): (Vec<&Diagnostic>, Vec<&Diagnostic>) = diagnostics.iter().partition(|found| found.is_error());
    errors.extend(wrong.into_iter().map(Diagnostic::line));
    remarks.extend(mild.into_iter().map(Diagnostic::line));
    (errors, remarks)
}

/// The documents of time limits are those that the flow has words for: else a limit holds for no case, and its cases have none.
fn unknown_documents(settings: &Settings, flow: &flow::model::Flow) -> Vec<Bilingual> {
    let Some((_, known)) = flow
        .nodes
        .iter()
        .find_map(flow::model::Node::lookup)
        .and_then(|lookup| flow.members(&format!("{}.doc", lookup.gives)))
    else {
        return Vec::new();
    };
    let unknown = settings.inquiry.limits.iter().filter(|limit| flow::fit(&limit.document, known).is_none());
    unknown
        .map(|limit| {
            let (document, known) = (&limit.document, known.join(", "));
            bilingual!(
                "[[inquiry.limit]] document = \"{document}\": the flow has no such document, so that the limit would hold for no case; it has {known}",
                "[[inquiry.limit]] document = \"{document}\"：流程中没有此证件，期限将不适用于任何案件；现有 {known}"
            )
        })
        .collect()
}

/// The hours of call-backs are those of a calendar that there is: else no number is ever called.
fn unknown_hours(settings: &Settings) -> Option<Bilingual> {
    // Without call-backs the usual calendar need not exist.
    let is_used = |hours: &&String| settings.phone.call_back.is_some() || *hours != config::USUAL_HOURS;
    let hours = settings.phone.call_back_hours.as_ref().filter(is_used)?;
    let file = settings.hotline.calendar.display().to_string();
    let (calendar, _) = Calendar::parse(&text(&settings.hotline.calendar).ok()?, &file);
    if calendar.opening(hours, DateTime::MIN).is_some() {
        return (!calendar.ever_opens(hours)).then(|| {
            bilingual!(
                "call_back.hours = \"{hours}\": [{hours}] of {file} has no hours, so that no number would be called; give it hours, or name another of its tables",
                "call_back.hours = \"{hours}\"：{file} 的 [{hours}] 没有写时间，将不会回拨任何号码；请写明时间，或改用其他表名"
            )
        });
    }
    Some(bilingual!(
        "call_back.hours = \"{hours}\": {file} has no such calendar, so that no number would be called; name one of its tables",
        "call_back.hours = \"{hours}\"：{file} 中没有此日历，将不会回拨任何号码；请写其中一个表名"
    ))
}

fn with_sources<T>(settings: &Settings, work: impl FnOnce(Sources<'_>) -> T) -> Result<T, Vec<Bilingual>> {
    let files = &settings.hotline;
    let (flow, script, calendar) = (text(&files.flow), text(&files.script), text(&files.calendar));
    let unread: Vec<Bilingual> =
        [&flow, &script, &calendar].into_iter().filter_map(|read| read.clone().err()).collect();
    let (Ok(flow), Ok(script), Ok(calendar)) = (flow, script, calendar) else { return Err(unread) };
    let name = |path: &Path| path.display().to_string();
    let names = (name(&files.flow), name(&files.script), name(&files.calendar));
    let sources = Sources { flow: (&names.0, &flow), script: (&names.1, &script), calendar: (&names.2, &calendar) };
    Ok(work(sources))
}

/// Reads and checks all files of a hotline.
///
/// # Errors
/// All errors of the files, a line each.
pub fn read(settings: &Settings, missing: MissingPolicy) -> Result<Hotline, Vec<Bilingual>> {
    read_from(settings, &Overlay::new(), &From::Disk, missing)
}

/// Like [`read`], with the recordings of `above` in place of the folder's.
///
/// # Errors
/// All errors of the files, a line each.
pub fn read_with(settings: &Settings, above: &Overlay, missing: MissingPolicy) -> Result<Hotline, Vec<Bilingual>> {
    read_from(settings, above, &From::Disk, missing)
}

/// Like [`read_with`], with recordings that may be in memory already.
pub(crate) fn read_from(
    settings: &Settings,
    above: &Overlay,
    from: &From<'_>,
    policy: MissingPolicy,
) -> Result<Hotline, Vec<Bilingual>> {
    let Wording { release, rules, working, zone } = wording(settings)?;
    let scanner = &settings.inquiry.scanner;
    let scan_rules = ScanRules::new(scanner.prefixes.clone(), scanner.suffixes.clone(), &scanner.qr_patterns);
    let scan_rules = scan_rules.map_err(|errors| lines(&errors, ScanRuleError::text))?;
    let read = recordings::read(settings, &release, above, from, policy)?;
    let Recordings { bank, missing, mut remarks } = read;
    let release = match policy {
        // No sentence stands in for another one: what is tried are the words.
        MissingPolicy::Unrecorded => release,
        MissingPolicy::Reject | MissingPolicy::Substitute | MissingPolicy::Tolerate => {
            release.without_recordings(missing)
        }
    };
    let answer_times = flow::answer_times(&release, &|clip| bank.duration(clip.lang, &clip.id));
    remarks.extend(lines(&release.warnings, Diagnostic::line));
    remarks.extend(settings.warnings());
    remarks.extend(unknown_hours(settings).filter(|_| settings.phone.call_back.is_none()));
    let today = clock::local(&zone).date();
    let examples = sample::examples(SAMPLE_SEED, today, &working);
    let rules = Arc::new(rules);
    Ok(Hotline {
        name: release.name().to_owned(),
        release,
        bank: Arc::new(bank),
        rules,
        scan_rules,
        working,
        zone,
        examples,
        answer_times,
        remarks,
        skipped: Vec::new(),
    })
}

/// The rules of numbers and dates for a release, and the office's working days.
///
/// # Errors
/// All errors of the settings' formats and time limits, a line each.
pub fn rules(settings: &Settings, release: &Release) -> Result<(Rules, WorkingDays), Vec<Bilingual>> {
    let working = release.calendar.working.days();
    let rules = Rules::new(settings.inquiry.formats.clone(), &settings.inquiry.limits, working.clone());
    Ok((rules.map_err(|errors| lines(&errors, RulesError::text))?, working))
}

fn text(path: &Path) -> Result<String, Bilingual> {
    fs::read_to_string(path).map_err(|error| os::io_fault(path, &error))
}

fn lines<T>(errors: &[T], line: impl Fn(&T) -> Bilingual) -> Vec<Bilingual> {
    errors.iter().map(line).collect()
}

fn environment(settings: &Settings) -> Result<Environment, Vec<Bilingual>> {
    let formats = Formats::new(settings.inquiry.formats.clone());
    let formats = formats.map_err(|errors| lines(&errors, FormatError::text))?;
    let receipt = move |typed: &str| -> Result<(String, Vec<u8>), NumberError> {
        let receipt: Receipt = formats.from_keys(typed)?;
        let groups = formats.groups(&receipt);
        Ok((receipt.number.into_inner(), groups))
    };
    Ok(Environment {
        receipt: Box::new(receipt),
        receipt_formats: settings.inquiry.formats.clone(),
        desk_number: settings.phone.desk_number.clone(),
    })
}

/// Seed of the built-in sample. It is the same everywhere, so that a README can name its receipts.
pub const SAMPLE_SEED: u64 = 1;
