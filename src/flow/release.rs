//! A release: flow, script and calendar, checked together and immutable.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::calendar::Calendar;
use super::check;
use super::model::{Flow, Kind, music_id};
use base::{Bilingual, bilingual};
use inquiry::{AgeLimits, NumberError, ReceiptFormat};
use speech::{Clip, ClipText, Diagnostic, Piece, Script, closest_match};

/// The files of a release: their names for diagnostics, and their texts.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The flow: nodes, keys, limits.
    pub flow: (&'a str, &'a str),
    /// The script: every sentence in every language.
    pub script: (&'a str, &'a str),
    /// The calendar: desk hours, seasons, working days.
    pub calendar: (&'a str, &'a str),
}

/// Checks a typed number: its normalised form and the lengths of its groups, or what is wrong with it.
pub type ReceiptCheck = Box<dyn Fn(&str) -> Result<(String, Vec<u8>), NumberError> + Send + Sync>;

/// What a release takes from the settings of the node.
pub struct Environment {
    /// Checks what a caller types as a receipt number.
    pub receipt: ReceiptCheck,
    /// The formats that the check knows, for lengths and prefixes.
    pub receipt_formats: Vec<ReceiptFormat>,
    /// The desk's telephone number; its digits are read out.
    pub desk_number: String,
}

impl Environment {
    /// The smallest and the largest length of a receipt number.
    pub fn receipt_lengths(&self) -> (u8, u8) {
        let lengths = || self.receipt_formats.iter().map(|format| format.length);
        (lengths().min().unwrap_or(1), lengths().max().unwrap_or(32))
    }

    /// Whether further digits could make a number of what has been typed.
    pub(crate) fn more_may_come(&self, typed: &str) -> bool {
        let fits = |format: &ReceiptFormat| {
            usize::from(format.length) > typed.len()
                && (typed.starts_with(&format.prefix) || format.prefix.starts_with(typed))
        };
        self.receipt_formats.is_empty() || self.receipt_formats.iter().any(fits)
    }
}

/// What a conversation runs: immutable, shared, named by the hash of its sources.
pub struct Release {
    name: String,
    /// The graph.
    pub flow: Flow,
    /// The sentences.
    pub script: Script,
    /// The days and hours.
    pub calendar: Calendar,
    /// What the node's settings add.
    pub environment: Environment,
    /// Diagnostics that do not stop a release.
    pub warnings: Vec<Diagnostic>,
    /// Missing recordings; sentences that need one are said in the first language.
    lacking: BTreeSet<Clip>,
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Release({})", self.short_name())
    }
}

impl Release {
    /// Reads and checks all files together.
    ///
    /// # Errors
    /// Every diagnostic, warnings included, sorted by severity, file and line.
    pub fn load(sources: Sources<'_>, environment: Environment) -> Result<Arc<Release>, Vec<Diagnostic>> {
        let (flow, mut diagnostics) = Flow::parse(sources.flow.1, sources.flow.0);
        let (script, more) = Script::parse_recoverable(sources.script.1, sources.script.0);
        diagnostics.extend(more);
        let (calendar, more) = Calendar::parse(sources.calendar.1, sources.calendar.0);
        diagnostics.extend(more);
        if diagnostics.iter().any(|diagnostic| diagnostic.code == UNREADABLE) {
            // The rest of that file may be missing, and what follows from that is no fault.
            diagnostics.retain(|diagnostic| SYNTAX.contains(&diagnostic.code));
        } else {
            let file = sources.flow.0.into();
            let subject = check::Subject { flow: &flow, file: &file, script: &script, calendar: &calendar };
            let broken = diagnostics.iter().any(|diagnostic| ASTRAY.contains(&diagnostic.code));
            diagnostics.extend(check::all(&subject, broken));
        }
        drop_consequences(&mut diagnostics, sources.calendar.0);
        diagnostics
            .sort_by(|a, b| (!a.is_error(), &a.file, a.line, a.code).cmp(&(!b.is_error(), &b.file, b.line, b.code)));
        diagnostics.dedup();
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        let name = name_of(sources);
        Ok(Arc::new(Release {
            name,
            flow,
            script,
            calendar,
            environment,
            warnings: diagnostics,
            lacking: BTreeSet::new(),
        }))
    }

    /// The same release without some recordings.
    ///
    /// # Panics
    /// If the release is shared already.
    pub fn without_recordings(mut self: Arc<Release>, clips: BTreeSet<Clip>) -> Arc<Release> {
        Arc::get_mut(&mut self).expect("a release that was just read is not shared").lacking = clips;
        self
    }

    /// Whether every clip among the pieces is recorded.
    pub fn is_recorded(&self, pieces: &[Piece]) -> bool {
        self.lacking.is_empty()
            || pieces.iter().all(|piece| match piece {
                Piece::Clip(clip) => !self.lacking.contains(clip),
                Piece::Silence(_) | Piece::Tone(_) | Piece::Ringing(_) | Piece::Message => true,
            })
    }

    /// SHA-256 of the sources, in hex.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The age limits of the first look-up: the answers of both doors go by them.
    pub fn age_limits(&self) -> AgeLimits {
        let stale = self.flow.nodes.iter().find_map(|node| match &node.kind {
            Kind::Lookup(lookup) => Some(&lookup.stale),
            _ => None,
        });
        stale.map_or_else(AgeLimits::default, |stale| AgeLimits {
            tell_after: stale.tell_after,
            refuse_after: stale.refuse_after,
        })
    }

    /// Every recording that a call on this release can ask for.
    pub fn clips_needed(&self) -> BTreeSet<ClipText> {
        let used = check::used(&self.flow, &self.script);
        self.script.clips_of(&self.flow.langs, used.iter().map(String::as_str))
    }

    /// The recordings of music that callers hear while they wait. They are no speech: nobody reads them.
    pub fn music(&self) -> BTreeSet<ClipText> {
        let lang = self.flow.langs[0];
        let names = self.flow.nodes.iter().flat_map(|node| match &node.kind {
            Kind::Queue(queue) => &queue.music[..],
            _ => &[],
        });
        names.map(|name| ClipText { lang, id: music_id(name), text: MUSIC_TEXT.into() }).collect()
    }

    /// The queues that the flow names and the settings do not, each with its line. Without any queue in the settings there is
    /// nothing to compare: callers take the outcome `nobody`.
    pub fn unknown_queues(&self, file: &str, known: &[Arc<str>]) -> Vec<Diagnostic> {
        let named = self.flow.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Queue(queue) => Some((node, &queue.queue)),
            Kind::Callback(callback) => Some((node, &callback.queue)),
            _ => None,
        });
        let unknown = named.filter(|(_, queue)| !known.is_empty() && !known.contains(queue));
        unknown
            .map(|(node, queue)| {
                let near = closest_match(queue, known.iter().map(|name| &**name));
                let remedy = near.map_or_else(
                    || Bilingual::fixed("add the queue to the settings", "请在设置中添加该队列"),
                    |near| bilingual!("did you mean {near:?}?", "是否应为 {near:?}？"),
                );
                let (kind, name) = (node.kind_name(), &node.name);
                let message = bilingual!(
                    "{kind} {name}: the settings have no queue {queue:?}",
                    "{kind} {name}：设置中没有队列 {queue:?}"
                );
                Diagnostic { code: "E25", file: file.into(), line: node.line, message, remedy }
            })
            .collect()
    }

    /// The first characters of the name, for logs and records.
    pub fn short_name(&self) -> &str {
        &self.name[..12]
    }
}

/// The flow of files that may have faults, and all that is wrong with them: for a picture.
pub fn draft(sources: Sources<'_>, environment: Environment) -> (Flow, Vec<Diagnostic>) {
    let (flow, _) = Flow::parse(sources.flow.1, sources.flow.0);
    let diagnostics = match Release::load(sources, environment) {
        Ok(release) => release.warnings.clone(),
        Err(diagnostics) => diagnostics,
    };
    (flow, diagnostics)
}

/// Drops what only follows from an error elsewhere: remarks about days while the calendar has errors, since days that could not
/// be read seem to be missing; and words that seem to be missing since they could not be read.
fn drop_consequences(diagnostics: &mut Vec<Diagnostic>, calendar: &str) {
    let errors: Vec<(Arc<str>, Bilingual)> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error() && diagnostic.code != NO_WORDS)
        .map(|diagnostic| (Arc::clone(&diagnostic.file), diagnostic.message.clone()))
        .collect();
    let calendar_is_wrong = errors.iter().any(|(file, _)| **file == *calendar);
    diagnostics.retain(|diagnostic| match diagnostic.code {
        NO_WORDS => {
            let path = diagnostic.message.en.split(' ').next().unwrap_or_default();
            !errors.iter().any(|(file, what)| *file == diagnostic.file && what.en.starts_with(&format!("{path}: ")))
        }
        _ => diagnostic.is_error() || !calendar_is_wrong || *diagnostic.file != *calendar,
    });
}

/// A sentence is missing in a language.
const NO_WORDS: &str = "E32";
/// A line that cannot be read.
const UNREADABLE: &str = "E00";
/// Diagnostics of lines, and not of what they mean.
const SYNTAX: [&str; 3] = [UNREADABLE, "E01", "E11"];
/// Diagnostics after which the graph's paths cannot be judged.
const ASTRAY: [&str; 6] = ["E01", "E02", "E04", "E05", "E06", "E12"];

/// What stands in lists of recordings for the text that music does not have.
const MUSIC_TEXT: &str = "♪";

fn name_of(sources: Sources<'_>) -> String {
    let mut hash = Sha256::new();
    for (_, text) in [sources.flow, sources.script, sources.calendar] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    base::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped::{FLOW, environment, sources};

    fn load() -> Result<Arc<Release>, Vec<Diagnostic>> {
        let environment = Environment { desk_number: "020-96110110".into(), ..environment() };
        Release::load(sources(FLOW), environment)
    }

    /// The codes of what a change of the shipped files leads to.
    fn codes(script: &str, calendar: &str) -> Vec<&'static str> {
        let sources =
            Sources { script: ("script.toml", script), calendar: ("calendar.toml", calendar), ..sources(FLOW) };
        let environment = Environment { desk_number: "020-96110110".into(), ..environment() };
        let found = Release::load(sources, environment).expect_err("it has an error");
        found.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn what_only_follows_from_an_error_is_not_reported() {
        let Sources { script: (_, script), calendar: (_, calendar), .. } = sources(FLOW);
        let day = calendar.replacen("2026-10-01..2026-10-07", "2026-13-01..2026-10-07", 1);
        assert_eq!(codes(script, &day).len(), 1, "{:?}", codes(script, &day));
        let slot = script.replacen("{case.limit:count}", "{case.limit:cuont}", 1);
        assert_eq!(codes(&slot, calendar), ["E35"]);
    }

    #[test]
    fn the_hotline_loads_and_its_name_follows_from_its_sources() {
        let release = load().unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
        assert_eq!(release.name().len(), 64);
        assert_eq!(release.name(), load().expect("the same sources").name());
    }

    #[test]
    fn an_entry_is_full_as_soon_as_no_format_can_be_longer() {
        let format = |length, prefix: &str| ReceiptFormat {
            name: prefix.into(),
            length,
            prefix: prefix.into(),
            groups: Vec::new(),
            check: Default::default(),
            second_factor: Default::default(),
        };
        let environment = Environment {
            receipt: Box::new(|typed| Ok((typed.into(), Vec::new()))),
            receipt_formats: vec![format(12, "12"), format(15, "4401")],
            desk_number: String::new(),
        };
        assert_eq!(environment.receipt_lengths(), (12, 15));
        assert!(!environment.more_may_come("120000000000"));
        assert!(environment.more_may_come("440100000000"));
        assert!(environment.more_may_come("44"));
        assert!(!environment.more_may_come("440100000000000"));
    }
}
