//! Slots, takes, sound, publications.

use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;

use super::access::{Peer, STUDIO};
use super::account;
use super::replies::{Line, SlotDetail, SlotSummary, Take, json, refused};
use super::service::{Asked, StudioService};
use crate::reply::{self, Reply};
use base::Lang;
use speech::Clip;
use studio::{Operator, TakeName, TakeSource};
use studio_store::{PublicationPlan, Rejection, ReleaseRow, Sound, SoundForm, SoundSource, Studio, TakeRow, Upload};
use web::RequestError;
use web::studio::{Api, Presence, Publish, Query, Restore, Rollback, StudioError, TakeNames};

/// What may be done with a take.
type Action = fn(&Studio, &Operator, &TakeName) -> Result<TakeRow, Rejection>;

#[derive(Serialize)]
struct TakesTold<'a> {
    takes: Vec<Take<'a>>,
}

impl StudioService {
    /// Requests that change nothing.
    pub(super) async fn read(&self, asked: Api, request: Asked) -> Result<Reply, StudioError> {
        match asked {
            Api::Me => Ok(self.me(&request.session)),
            Api::Sessions => self.sessions(request).await,
            Api::Slots => self.slots(request).await,
            Api::Slot => self.slot(request).await,
            Api::Drafts => self.drafts().await,
            Api::Sound => self.sound(request).await,
            Api::Publication => {
                let pending = self.blocking(|stores| stores.studio.pending().map_err(refused)).await?;
                Ok(json(&pending))
            }
            Api::Releases => self.releases().await,
            Api::Audit => self.audit(request).await,
            Api::Script => self.script(request).await,
            Api::Export => self.export(request).await,
            Api::SignIn
            | Api::SignOut
            | Api::Password
            | Api::Pin
            | Api::EndSession
            | Api::Take
            | Api::Keep
            | Api::Discard
            | Api::Approve
            | Api::Restore
            | Api::Presence
            | Api::Publish
            | Api::Rollback
            | Api::Import => Err(RequestError::NotFound.into()),
        }
    }

    /// Requests that change something.
    pub(super) async fn change(
        &self,
        asked: Api,
        peer: &Peer,
        request: Asked,
        body: &[u8],
    ) -> Result<Reply, StudioError> {
        match asked {
            Api::SignOut => self.sign_out(&STUDIO, request, peer).await,
            Api::Password => self.new_password(request, body).await,
            Api::Pin => self.new_pin(request, body).await,
            Api::EndSession => self.end_session(request, body).await,
            Api::Keep => self.each(request, body, Studio::keep).await,
            Api::Discard => self.each(request, body, Studio::discard).await,
            Api::Approve => self.approve(request, body).await,
            Api::Restore => self.restore(request, body).await,
            Api::Presence => self.note_presence(&request, body),
            Api::Publish => self.publish(request, body).await,
            Api::Rollback => self.rollback(request, body).await,
            Api::SignIn
            | Api::Me
            | Api::Sessions
            | Api::Slots
            | Api::Slot
            | Api::Take
            | Api::Drafts
            | Api::Sound
            | Api::Publication
            | Api::Releases
            | Api::Audit
            | Api::Script
            | Api::Export
            | Api::Import => Err(RequestError::NotFound.into()),
        }
    }

    async fn slots(&self, request: Asked) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Rows<'a> {
            rows: Vec<SlotSummary<'a>>,
        }
        let present: Vec<(Clip, String)> = {
            let mut presence = self.presence.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let all = presence.all(&request.session.operator, Instant::now());
            all.map(|(clip, name)| (clip.clone(), name.to_owned())).collect()
        };
        self.blocking(move |stores| {
            let rows = stores.studio.slots().map_err(refused)?;
            let others = |clip: &Clip| {
                present.iter().filter(|(at, _)| at == clip).map(|(_, name)| name.as_str()).collect::<Vec<_>>()
            };
            Ok(json(&Rows { rows: rows.iter().map(|row| SlotSummary::of(row, others(&row.slot.clip))).collect() }))
        })
        .await
    }

    async fn slot(&self, request: Asked) -> Result<Reply, StudioError> {
        let clip = clip(&request.query)?;
        let others = self.others(&request.session, Some(&clip));
        self.blocking(move |stores| {
            let row = stores.studio.slot(&clip).map_err(refused)?;
            let takes = stores.studio.history(&clip).map_err(refused)?;
            Ok(json(&SlotDetail::of(&row, &takes, &others)))
        })
        .await
    }

    pub(super) async fn submit(&self, bytes: Bytes, request: Asked) -> Result<Reply, StudioError> {
        let Asked { session, query, .. } = request;
        let clip = clip(&query)?;
        let kind = match query.get("kind") {
            Some("browser") | None => TakeSource::Browser,
            Some("file") => TakeSource::File,
            Some(_) => return Err(RequestError::Field { field: "kind", must: "must be browser or file" }.into()),
        };
        let short =
            |name, chars| query.get(name).unwrap_or("").chars().filter(|c| !c.is_control()).take(chars).collect();
        let upload = Upload { bytes: bytes.into(), kind, label: short("label", 120), sitting: short("sitting", 64) };
        let operator = session.operator;
        self.recording(move |studio| {
            let take = studio.submit(&operator, &clip, upload).map_err(refused)?;
            Ok(json(&Take::of(&take)))
        })
        .await
    }

    async fn drafts(&self) -> Result<Reply, StudioError> {
        self.blocking(|stores| {
            let takes = stores.studio.to_approve().map_err(refused)?;
            Ok(json(&TakesTold { takes: takes.iter().map(Take::of).collect() }))
        })
        .await
    }

    /// Does an action with each take; the first refusal ends it, and the actions before it stay done.
    async fn each(&self, request: Asked, body: &[u8], action: Action) -> Result<Reply, StudioError> {
        let TakeNames { takes, .. } = TakeNames::read(body)?;
        let names: Vec<TakeName> = takes.iter().map(|name| take_name(name)).collect::<Result<_, _>>()?;
        let operator = request.session.operator;
        self.blocking(move |stores| {
            let done: Result<Vec<TakeRow>, Rejection> =
                names.iter().map(|name| action(&stores.studio, &operator, name)).collect();
            let done = done.map_err(refused)?;
            Ok(json(&TakesTold { takes: done.iter().map(Take::of).collect() }))
        })
        .await
    }

    async fn approve(&self, request: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let TakeNames { takes, unheard } = TakeNames::read(body)?;
        let names: Vec<(TakeName, bool)> = takes
            .iter()
            .map(|name| Ok((take_name(name)?, unheard.contains(name))))
            .collect::<Result<_, StudioError>>()?;
        let operator = request.session.operator;
        self.blocking(move |stores| {
            let approve = |(name, is_unheard): &(TakeName, bool)| match is_unheard {
                true => stores.studio.approve_unheard(&operator, name),
                false => stores.studio.approve(&operator, name),
            };
            let done: Result<Vec<TakeRow>, Rejection> = names.iter().map(approve).collect();
            let done = done.map_err(refused)?;
            Ok(json(&TakesTold { takes: done.iter().map(Take::of).collect() }))
        })
        .await
    }

    async fn restore(&self, request: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let Restore { lang, slot, on } = Restore::read(body)?;
        let operator = request.session.operator;
        let clip = Clip { lang, id: slot.into() };
        self.blocking(move |stores| {
            let row = stores.studio.restore(&operator, &clip, on).map_err(refused)?;
            Ok(json(&SlotSummary::of(&row, Vec::new())))
        })
        .await
    }

    fn note_presence(&self, request: &Asked, body: &[u8]) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Others {
            others: Vec<String>,
        }
        let Presence { lang, slot } = Presence::read(body)?;
        let clip = Clip { lang, id: slot.chars().take(SLOT_CHARS_MAX).collect::<String>().into() };
        {
            let mut presence = self.presence.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            presence.note(&request.session.operator, clip.clone(), Instant::now());
        }
        Ok(json(&Others { others: self.others(&request.session, Some(&clip)) }))
    }

    async fn sound(&self, request: Asked) -> Result<Reply, StudioError> {
        let query = request.query;
        let which = match query.get("take") {
            Some(name) => SoundSource::Take(take_name(name)?),
            None => SoundSource::Live(clip(&query)?),
        };
        let form = form(&query)?;
        let Sound { bytes, media_type, text } =
            self.blocking(move |stores| stores.studio.sound(&which, &form).map_err(refused)).await?;
        let mut reply = reply::studio(StatusCode::OK, media_type, bytes);
        if let Some(text) = text
            && let Ok(value) = HeaderValue::from_str(&escaped(&text))
        {
            reply.headers_mut().insert(HeaderName::from_static("x-studio-text"), value);
        }
        Ok(reply)
    }

    async fn publish(&self, request: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Published {
            release: String,
            #[serde(flatten)]
            publication: PublicationPlan,
        }
        let Publish { why, confirmed } = Publish::read(body)?;
        let operator = request.session.operator;
        self.blocking(move |stores| {
            let why = reason(&why)?;
            let (release, publication) = stores.studio.publish(&operator, &why, confirmed).map_err(refused)?;
            Ok(json(&Published { release, publication }))
        })
        .await
    }

    async fn releases(&self) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Rows {
            releases: Vec<ReleaseRow>,
        }
        self.blocking(|stores| Ok(json(&Rows { releases: stores.studio.releases() }))).await
    }

    async fn rollback(&self, request: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Back {
            release: String,
        }
        let Rollback { release, why } = Rollback::read(body)?;
        let operator = request.session.operator;
        self.blocking(move |stores| {
            let why = reason(&why)?;
            let release = stores.studio.rollback(&operator, release.as_deref(), &why).map_err(refused)?;
            Ok(json(&Back { release }))
        })
        .await
    }

    /// The audit log, the newest line first; only approvers see who signed in.
    async fn audit(&self, request: Asked) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Rows {
            rows: Vec<Line>,
        }
        let approves = request.session.operator.role.may_approve();
        self.blocking(move |stores| {
            let takes = stores.studio.audit(None, AUDIT_ROWS).map_err(refused)?;
            let mut rows: Vec<Line> = takes.into_iter().map(Line::from).collect();
            if approves {
                let events = stores.accounts.events(AUDIT_ROWS).map_err(account::trouble)?;
                rows.extend(events.into_iter().map(Line::from));
            }
            rows.sort_by_key(|row| std::cmp::Reverse(row.at));
            rows.truncate(AUDIT_ROWS as usize);
            Ok(json(&Rows { rows }))
        })
        .await
    }
}

fn clip(query: &Query) -> Result<Clip, StudioError> {
    let lang = query.get("lang").and_then(Lang::from_code);
    let lang = lang.ok_or(RequestError::Field { field: "lang", must: "must be zh, yue or en" })?;
    let id = query.get("slot").filter(|id| !id.is_empty());
    let id = id.ok_or(RequestError::Field { field: "slot", must: "must name a slot, as in digit.m.7" })?;
    Ok(Clip { lang, id: id.into() })
}

fn take_name(text: &str) -> Result<TakeName, RequestError> {
    TakeName::read(text)
        .ok_or(RequestError::Field { field: "take", must: "must be the name of a take: 64 digits in hex" })
}

/// `form`, and for a sentence its values, its seed, and the takes that are heard in it (`with`).
fn form(query: &Query) -> Result<SoundForm, StudioError> {
    match query.get("form") {
        Some("original") => Ok(SoundForm::Original),
        Some("master") => Ok(SoundForm::Master),
        Some("phone") | None => Ok(SoundForm::Phone),
        Some("sentence") => {
            let values = query.others(&["take", "lang", "slot", "form", "seed", "with"]);
            let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let seed = query.get("seed").and_then(|seed| seed.parse().ok()).unwrap_or(0);
            let with = query.get("with").unwrap_or("").split(',').filter(|name| !name.is_empty());
            let with = with.take(WITH_MAX).map(take_name).collect::<Result<_, _>>()?;
            Ok(SoundForm::InSentence { values, seed, with })
        }
        Some(_) => {
            Err(RequestError::Field { field: "form", must: "must be original, master, phone or sentence" }.into())
        }
    }
}

fn reason(why: &str) -> Result<String, StudioError> {
    let why: String = why.trim().chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect();
    if why.is_empty() { Err(refused(Rejection::NoReason)) } else { Ok(why) }
}

/// Text for a header: percent-encoded (RFC 3986 §2.1) but for plain letters and digits.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

const SLOT_CHARS_MAX: usize = 128;
const WHY_CHARS_MAX: usize = 200;
const WITH_MAX: usize = 64;
const AUDIT_ROWS: u32 = 500;
