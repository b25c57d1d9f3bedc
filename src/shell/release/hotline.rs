//! Reads the files that make a conversation: flow, words, days, recordings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::recordings::{self, From, Missing, Recordings};
use super::releases::Overlay;
use audio::Bank;
use base::Lang;
use call::{line_test_clips, studio_clips};
use config::Settings;
use flow::{self, Environment, Release, Sources};
use inquiry::{Formats, NumberError, Receipt, Rules, ScanRules, WorkingDays};
use os::clock;
use replica::sample;
use speech::{Clip, ClipText, Diagnostic, Piece};

/// Everything that answers are made of.
pub struct Hotline {
    /// The hash of the published release, else of the flow's own files.
    pub name: String,
    pub release: Arc<Release>,
    pub bank: Arc<Bank>,
    pub rules: Arc<Rules>,
    pub scan_rules: ScanRules,
    pub working: WorkingDays,
    pub zone: TimeZone,
    pub examples: Vec<sample::Example>,
    /// What does not stop a start, but should be known.
    pub remarks: Vec<String>,
    /// Recordings that are not there.
    pub unrecorded: usize,
    /// Why a release that should have been served is not.
    pub passed_over: Vec<String>,
}

/// What answers are made of in text: no recording is read.
pub struct Wording {
    pub release: Arc<Release>,
    pub rules: Rules,
    pub working: WorkingDays,
    pub zone: TimeZone,
}

/// Reads what answers in text need; every complaint at once.
pub fn wording(settings: &Settings) -> Result<Wording, Vec<String>> {
    let release = release(settings)?;
    let (rules, working) = rules(settings, &release)?;
    let zone = TimeZone::get(&release.calendar.zone)
        .map_err(|error| vec![format!("{}: zone: {error}", settings.hotline.calendar.display())])?;
    Ok(Wording { release, rules, working, zone })
}

/// Reads and checks flow, words and days; every complaint at once.
pub fn release(settings: &Settings) -> Result<Arc<Release>, Vec<String>> {
    with_sources(settings, Release::load)?.map_err(lines)
}

/// The flow as it is written, whatever is wrong with it, and that.
pub fn draft(settings: &Settings) -> Result<(flow::model::Flow, Vec<Diagnostic>), Vec<String>> {
    with_sources(settings, flow::draft)
}

fn with_sources<T>(settings: &Settings, work: impl FnOnce(Sources<'_>, Environment) -> T) -> Result<T, Vec<String>> {
    let files = &settings.hotline;
    let (flow, script, calendar) = (text(&files.flow), text(&files.script), text(&files.calendar));
    let unread: Vec<String> = [&flow, &script, &calendar].into_iter().filter_map(|read| read.clone().err()).collect();
    let (Ok(flow), Ok(script), Ok(calendar)) = (flow, script, calendar) else { return Err(unread) };
    let name = |path: &Path| path.display().to_string();
    let names = (name(&files.flow), name(&files.script), name(&files.calendar));
    let sources = Sources { flow: (&names.0, &flow), script: (&names.1, &script), calendar: (&names.2, &calendar) };
    let formats = Formats::new(settings.inquiry.formats.clone()).map_err(lines)?;
    let environment = environment(settings, formats);
    Ok(work(sources, environment))
}

/// Reads and checks all files of a hotline; every complaint at once.
pub fn read(settings: &Settings, missing: Missing) -> Result<Hotline, Vec<String>> {
    read_from(settings, &Overlay::new(), &From::Disk, missing)
}

/// The same, with operators' takes above the folder's recordings.
pub fn read_with(settings: &Settings, above: &Overlay, missing: Missing) -> Result<Hotline, Vec<String>> {
    read_from(settings, above, &From::Disk, missing)
}

/// The same, with recordings that are in memory already.
pub fn read_from(
    settings: &Settings,
    above: &Overlay,
    from: &From<'_>,
    missing: Missing,
) -> Result<Hotline, Vec<String>> {
    let Wording { release, rules, working, zone } = wording(settings)?;
    let scanner = &settings.inquiry.scanner;
    let scan_rules = ScanRules::new(scanner.prefixes.clone(), scanner.suffixes.clone(), &scanner.qr_patterns);
    let scan_rules = scan_rules.map_err(lines)?;
    let Recordings { bank, lacking, mut remarks } = recordings::read(settings, &release, above, from, missing)?;
    let unrecorded = lacking.len();
    let release = release.without_recordings(lacking);
    remarks.extend(release.warnings.iter().map(ToString::to_string));
    remarks.extend(settings.warnings());
    let today = clock::local(&zone).date();
    let examples = sample::examples(SAMPLE_SEED, today, &working);
    let rules = Arc::new(rules);
    let (name, passed_over) = (release.name().to_owned(), Vec::new());
    Ok(Hotline {
        name,
        release,
        bank: Arc::new(bank),
        rules,
        scan_rules,
        working,
        zone,
        examples,
        remarks,
        unrecorded,
        passed_over,
    })
}

/// The rules of dates and numbers that go with a release.
pub fn rules(settings: &Settings, release: &Release) -> Result<(Rules, WorkingDays), Vec<String>> {
    let working = release.calendar.working.days();
    let rules = Rules::new(settings.inquiry.formats.clone(), &settings.inquiry.limits, working.clone());
    Ok((rules.map_err(lines)?, working))
}

/// Those of them that are there.
pub fn recorded(release: &Release) -> BTreeSet<ClipText> {
    let is_there =
        |needed: &ClipText| release.is_recorded(&[Piece::Clip(Clip { lang: needed.lang, id: needed.id.clone() })]);
    needed(release).into_iter().filter(is_there).collect()
}

/// Every recording that the hotline can play, those of the line test and of the recording service included.
pub fn needed(release: &Release) -> BTreeSet<ClipText> {
    let mut needed = release.clips_needed();
    let line_test: Vec<_> = line_test_clips().collect();
    let vocabulary = release.script.vocabulary(Lang::ALL[0]);
    needed.extend(vocabulary.into_iter().filter(|word| line_test.contains(&word.id)));
    needed.extend(studio_clips(&release.flow.langs));
    needed
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn lines<T: ToString>(complaints: Vec<T>) -> Vec<String> {
    complaints.iter().map(ToString::to_string).collect()
}

fn environment(settings: &Settings, formats: Formats) -> Environment {
    let receipt = move |typed: &str| -> Result<(String, Vec<u8>), NumberError> {
        let receipt: Receipt = formats.from_keys(typed)?;
        let groups = formats.groups(&receipt);
        Ok((receipt.number.into_inner(), groups))
    };
    Environment {
        receipt: Box::new(receipt),
        receipt_formats: settings.inquiry.formats.clone(),
        desk_number: settings.phone.desk_number.clone(),
    }
}

/// The sample is the same everywhere, so that a README can name its receipts.
pub const SAMPLE_SEED: u64 = 1;
