//! Recorded conversations, for supervisors: the list, and the sound. Each listening is in the audit log before any of it is heard.
//!
//! A browser asks for the sound in parts, and again for what it skipped. What one supervisor asks of one recording within
//! [`LISTENING`] is one listening.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;

use super::AgentService;
use crate::reply::{self, Reply};
use crate::studio::account;
use crate::studio::replies::json;
use crate::studio::service::Asked;
use journal::{RecordingFilter, RecordingSound, StoredRecording, is_recording_id, recording, recordings};
use os::clock;
use web::studio::{Message, Query, StudioError};
use web::{RequestError, WantedRange};

/// Who listens to what, and since when.
#[derive(Default)]
pub(super) struct Listenings(Mutex<HashMap<(String, String), Instant>>);

#[derive(Serialize)]
struct List {
    recordings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    at: String,
    queue: String,
    agent: String,
    call: Option<String>,
    /// None: it is being recorded.
    length_s: Option<f64>,
    pauses: Vec<(f64, f64)>,
    /// False: it was cut short, as the program or the disk failed.
    whole: bool,
    keep_until: String,
}

impl Row {
    fn of(one: StoredRecording) -> Row {
        let seconds = |(from, to): (Duration, Duration)| (from.as_secs_f64(), to.as_secs_f64());
        Row {
            id: one.id,
            at: one.at.to_string(),
            queue: one.queue,
            agent: one.agent,
            call: one.call,
            length_s: one.length.map(|length| length.as_secs_f64()),
            pauses: one.pauses.into_iter().map(seconds).collect(),
            whole: one.is_whole,
            keep_until: one.keep_until.to_string(),
        }
    }
}

impl AgentService {
    /// The newest recordings, by day, queue and agent.
    pub(super) async fn recordings(&self, query: &Query) -> Result<Reply, StudioError> {
        let text = |name: &str| query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let time = |name: &'static str| -> Result<Option<Timestamp>, RequestError> {
            let wrong = |_| RequestError::Field { field: name, must: "must be a time as in 2026-11-30T00:00:00Z" };
            text(name).map(|text| text.parse().map_err(wrong)).transpose()
        };
        let (from, until) = (time("from")?, time("until")?);
        let filter = RecordingFilter { from, until, queue: text("queue"), agent: text("agent") };
        let folder = self.journal.folder().to_owned();
        let found = self.studio.blocking(move |_| recordings(&folder, &filter).map_err(|error| unreadable(&error)));
        Ok(json(&List { recordings: found.await?.into_iter().map(Row::of).collect() }))
    }

    /// A part of the sound of a recording, or all of a short one.
    pub(super) async fn recording(&self, asked: Asked, head: &Parts) -> Result<Reply, StudioError> {
        let Asked { session, origin, query } = asked;
        let supervisor = session.operator.name;
        let id = query.get("id").filter(|id| is_recording_id(id)).map(str::to_owned);
        let id = id.ok_or(RequestError::Field { field: "id", must: "must be the name of a recording" })?;
        let range = head.headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
        let folder = self.journal.folder().to_owned();
        let is_new = !self.listenings.goes_on(&supervisor, &id);
        let (by, wanted) = (supervisor.clone(), id.clone());
        let heard = self.studio.blocking(move |stores| {
            let found = recording(&folder, &wanted).map_err(|error| unreadable(&error))?.ok_or_else(gone)?;
            if found.length.is_none() {
                return Err(in_progress());
            }
            let sound = RecordingSound::open(&found.path, found.is_whole).map_err(|error| lost(&error))?;
            if is_new {
                let call = found.call.as_deref().unwrap_or("-");
                let about = format!("{} recording={wanted} call={call} agent={}", origin.address, found.agent);
                stores.accounts.note_desk("recording_heard", &by, "", &about).map_err(account::trouble)?;
            }
            part(&sound, range.as_deref())
        });
        let reply = heard.await?;
        if is_new {
            self.listenings.begins(supervisor, id);
        }
        Ok(reply)
    }
}

impl Listenings {
    fn goes_on(&self, who: &str, id: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = known.get(&(who.to_owned(), id.to_owned()));
        since.is_some_and(|since| clock::now().saturating_duration_since(*since) < LISTENING)
    }

    fn begins(&self, who: String, id: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        known.retain(|_, since| now.saturating_duration_since(*since) < LISTENING);
        // One that is not remembered is noted more often.
        if known.len() < LISTENINGS_MAX {
            known.insert((who, id), now);
        }
    }
}

/// The part that is asked for, of at most [`PART_MAX`] octets: RFC 9110 §15.3.7 allows a part of a part.
fn part(sound: &RecordingSound, range: Option<&str>) -> Result<Reply, StudioError> {
    let length = sound.length();
    let (first, last, status) = match WantedRange::read(range, length) {
        WantedRange::Part(first, last) => (first, last.min(first + PART_MAX - 1), StatusCode::PARTIAL_CONTENT),
        WantedRange::All if length <= PART_MAX => (0, length - 1, StatusCode::OK),
        WantedRange::All => {
            return Err(
                RequestError::Field { field: "Range", must: "must ask for one part, as in bytes=0-1048575" }.into()
            );
        }
        WantedRange::None => {
            let mut reply = reply::studio(StatusCode::RANGE_NOT_SATISFIABLE, WAVE, "");
            put(&mut reply, header::CONTENT_RANGE, &format!("bytes */{length}"));
            return Ok(reply);
        }
    };
    let most = usize::try_from(last + 1 - first).unwrap_or(usize::MAX);
    let octets = sound.read(first, most).map_err(|error| lost(&error))?;
    let mut reply = reply::studio(status, WAVE, octets);
    put(&mut reply, header::ACCEPT_RANGES, "bytes");
    put(&mut reply, header::CONTENT_DISPOSITION, "inline");
    if status == StatusCode::PARTIAL_CONTENT {
        put(&mut reply, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
    }
    Ok(reply)
}

fn put(reply: &mut Reply, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn unreadable(error: &str) -> StudioError {
    tracing::error!(error, "the recordings of conversations cannot be read");
    StudioError::Unavailable
}

fn lost(error: &std::io::Error) -> StudioError {
    tracing::error!(%error, "the recording of a conversation cannot be read");
    let words = Message {
        zh: "录音无法读取：文件缺失、损坏或密钥不符，请联系系统管理员。".into(),
        en: "The recording cannot be read: its file is missing, damaged, or sealed under another key. Ask the administrator.".into(),
    };
    StudioError::Refused { status: 500, code: "recording_lost", words }
}

fn gone() -> StudioError {
    let words = Message {
        zh: "没有该录音，可能已到期删除。".into(),
        en: "There is no such recording; it may have been deleted.".into(),
    };
    StudioError::Refused { status: 404, code: "no_recording", words }
}

fn in_progress() -> StudioError {
    let words = Message {
        zh: "通话仍在录音，结束后可听。".into(),
        en: "It is still being recorded; it can be heard afterwards.".into(),
    };
    StudioError::Refused { status: 409, code: "in_progress", words }
}

/// For so long a supervisor who began to hear a recording goes on with it.
const LISTENING: Duration = Duration::from_secs(600);
const LISTENINGS_MAX: usize = 1000;
/// A megabyte: half a minute.
const PART_MAX: u64 = 1 << 20;
const WAVE: &str = "audio/wav";
