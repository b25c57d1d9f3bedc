//! Performs one call: does what a caller does when it is time, and listens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::gateway::Gateway;
use super::outcome::Outcome;
use super::telephone::Telephone;
use super::transcript::transcript;
use audio::{Bank, ClipSequence, Playlist, Span, Take, samples_in};
use base::{Bilingual, Codec, bilingual};
use flow::sheet::{Act, Cue, Expected, Failure, Script, Sound, Step};
use flow::{Release, joined};
use speech::{ClipText, Piece};

/// The called gateway, and how its recordings sound.
pub(super) struct Called<'a> {
    pub address: SocketAddr,
    pub number: &'a str,
    pub bank: &'a Bank,
    pub texts: &'a BTreeSet<ClipText>,
    /// The gateway itself if it is a private one, whose cases and switches can be set.
    pub private: Option<&'a Gateway>,
}

/// Makes the call.
pub(super) fn perform(called: &Called<'_>, release: &Arc<Release>, part: &Script) -> Outcome {
    let mut caller = Caller { called, release, phone: None, from: 0, heard: Vec::new() };
    for step in &part.steps {
        if let Err(what) = caller.step(step) {
            let so_far = caller.transcript();
            return Outcome::Failed(Failure { line: step.line, what }, so_far);
        }
    }
    if let Some(phone) = caller.phone {
        phone.hang_up();
    }
    Outcome::Passed
}

struct Caller<'a> {
    called: &'a Called<'a>,
    release: &'a Arc<Release>,
    phone: Option<Telephone>,
    /// What was heard before this octet has been asked for.
    from: usize,
    heard: Vec<String>,
}

impl Caller<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Bilingual> {
        if let (Act::Db(db), Some(gateway)) = (&step.act, self.called.private)
            && self.phone.is_none()
        {
            gateway.apply(db);
            return Ok(());
        }
        match &step.act {
            Act::At(_)
            | Act::Caller(_)
            | Act::Agent(..)
            | Act::Position(..)
            | Act::Queue(_)
            | Act::CallBacks(_)
            | Act::Recorded(_)
            | Act::Sms(_)
            | Act::ExpectsSms(_)
            | Act::CalledBack => return Ok(()),
            Act::Emergency(_) | Act::Transfer(_) if self.phone.is_none() => {}
            Act::Emergency(_)
            | Act::Transfer(_)
            | Act::Db(_)
            | Act::Lang(_)
            | Act::Press(_)
            | Act::Silence(_)
            | Act::Talk(_)
            | Act::Wait(_)
            | Act::Hear(_)
            | Act::Never(_)
            | Act::AtNode(_)
            | Act::Listen
            | Act::Within(_)
            | Act::Ended => self.dial()?,
        }
        let limit = patience(step.took);
        match &step.wanted {
            Some(Cue::Begins(sound)) => self.hear(sound, Listening::ToItsBeginning, limit)?,
            Some(Cue::Ends(sound)) | Some(Cue::Whole(sound)) => self.hear(sound, Listening::ToItsEnd, limit)?,
            None => {}
        }
        self.act(step, limit)
    }

    fn dial(&mut self) -> Result<(), Bilingual> {
        if self.phone.is_none() {
            self.phone = Some(Telephone::dial(self.called.address, self.called.number, ANSWER)?);
        }
        Ok(())
    }

    fn act(&mut self, step: &Step, limit: Duration) -> Result<(), Bilingual> {
        match (&step.act, self.called.private) {
            (Act::Db(db), Some(gateway)) => gateway.apply(db),
            (Act::Emergency(on), Some(gateway)) => gateway.set_emergency(*on),
            (Act::Lang(lang), Some(gateway)) => {
                gateway.set_lang(*lang);
                self.phone()?.pass(A_MOMENT);
            }
            (Act::Transfer(how), _) => {
                if let Some(phone) = &mut self.phone {
                    phone.transfer = *how;
                } else {
                    self.dial()?;
                    self.phone()?.transfer = *how;
                }
            }
            (Act::Press(keys), _) => {
                let phone = self.phone()?;
                phone.press(keys);
                phone.send_all();
            }
            (Act::Talk(time), _) => {
                let phone = self.phone()?;
                phone.speak(*time);
                phone.send_all();
            }
            (Act::Wait(time), _) => self.phone()?.pass(*time),
            (Act::Never(said), _) => return self.never(said, step.others),
            (Act::Ended, _) => {
                if !self.phone()?.await_end(limit) {
                    return Err(Bilingual::fixed("expected the call to end; it goes on", "通话应已结束，但仍在继续"));
                }
            }
            (Act::Hear(_) | Act::Silence(_) | Act::AtNode(_) | Act::Listen | Act::Within(_), _) => {}
            (Act::At(_) | Act::Caller(_), _) => {}
            // Calls in which agents act are made in text only.
            (
                Act::Agent(..)
                | Act::Position(..)
                | Act::Queue(_)
                | Act::CallBacks(_)
                | Act::Recorded(_)
                | Act::Sms(_)
                | Act::ExpectsSms(_)
                | Act::CalledBack,
                _,
            ) => {}
            (Act::Db(_) | Act::Emergency(_) | Act::Lang(_), None) => {}
        }
        Ok(())
    }

    fn phone(&mut self) -> Result<&mut Telephone, Bilingual> {
        self.phone.as_mut().ok_or_else(|| Bilingual::fixed("the call was not made", "未拨出来电"))
    }

    fn hear(&mut self, sound: &Sound, how: Listening, limit: Duration) -> Result<(), Bilingual> {
        let codec = self.phone()?.codec();
        let whole = sought(self.called.bank, &joined(&sound.lines), codec);
        let sought = match how {
            Listening::ToItsBeginning => whole.shortened(BEGINNING),
            Listening::ToItsEnd => whole,
        };
        if sought.is_empty() {
            return Ok(());
        }
        let from = self.from;
        let phone = self.phone()?;
        match phone.hear(&sought, from, limit) {
            Some(found) => {
                let at = found.start as f64 / f64::from(audio::RATE);
                let text: String = sound.lines.iter().map(|line| line.text.as_str()).collect();
                self.heard.push(format!("{at:7.2} s  {} {text:?}", sound.name()));
                self.from = match how {
                    Listening::ToItsBeginning => found.start,
                    Listening::ToItsEnd => found.end,
                };
                Ok(())
            }
            None => {
                let over = match phone.is_over() {
                    true => Bilingual::fixed("; the call ended before", "；通话已先结束"),
                    false => Bilingual::default(),
                };
                let text: String = sound.lines.iter().map(|line| line.text.as_str()).collect();
                Err(bilingual!(
                    "expected {} {text:?}; its recordings were not heard{over}",
                    "应{:#} {text:?}，但未听到其录音{over:#}",
                    sound.name()
                ))
            }
        }
    }

    /// The first words of a prompt, or the first option of a menu, are not in what was heard.
    fn never(&mut self, said: &Expected, others: usize) -> Result<(), Bilingual> {
        let langs = said.lang.map_or_else(|| self.release.flow.langs.clone(), |lang| vec![lang]);
        let codec = self.phone()?.codec();
        let mut heard = 0;
        for lang in langs {
            let pieces = super::never::first_words(self.release, said, lang);
            let sought = sought(self.called.bank, &pieces, codec);
            let phone = self.phone()?;
            let mut from = 0;
            while let Some(found) = phone.hear(&sought, from, Duration::ZERO).filter(|_| !sought.is_empty()) {
                (from, heard) = (found.end, heard + 1);
            }
        }
        match heard <= others {
            true => Ok(()),
            false => Err(bilingual!("{} was heard, which it must not be", "听到了不应听到的 {}", said.name)),
        }
    }

    /// What came true, and what was heard after it.
    fn transcript(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.heard);
        if let Some(phone) = &self.phone {
            let from = self.from.min(phone.heard().len());
            let heard = transcript(self.called.bank, self.called.texts, phone.codec(), &phone.heard()[from..]);
            let heard = if heard.is_empty() { "nothing".into() } else { heard.join(" ") };
            lines.push(format!("after it was heard: {heard}"));
        }
        lines
    }
}

#[derive(Clone, Copy)]
enum Listening {
    ToItsBeginning,
    ToItsEnd,
}

fn sought(bank: &Bank, pieces: &[Piece], codec: Codec) -> ClipSequence {
    let mut sought = ClipSequence::default();
    for piece in pieces {
        match piece {
            Piece::Clip(clip) => {
                sought.sound(bank.octets(clip.lang, &clip.id, codec).map(<[u8]>::to_vec).unwrap_or_default());
            }
            Piece::Silence(time) => sought.silence(samples_in(*time)),
            Piece::Tone(time) => sought.sound(octets(bank, bank.tone(*time), codec)),
            // It ends when the other side answers: its first second is waited for.
            Piece::Ringing(time) => sought.sound(octets(bank, bank.ringing((*time).min(RINGING)), codec)),
            // What the caller said itself.
            Piece::Message => break,
        }
    }
    sought
}

fn octets(bank: &Bank, spans: Vec<Span>, codec: Codec) -> Vec<u8> {
    let mut octets = vec![0; spans.iter().map(|span| span.length()).sum()];
    Playlist::new(spans).fill(bank, &Take::default(), codec, &mut octets);
    octets
}

/// How long a telephone waits for what took this time in text: recordings are slower than the text estimates.
fn patience(took: Duration) -> Duration {
    (took * 2 + PATIENCE).min(LONGEST)
}

const RINGING: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(300);
const A_MOMENT: Duration = Duration::from_millis(60);
/// As much of a sentence as makes a caller notice it: 300 ms.
const BEGINNING: usize = 2400;
