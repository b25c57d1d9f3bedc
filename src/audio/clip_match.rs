//! Finds known clips in received octets. A gateway that plays recordings as they were encoded delivers them octet for
//! octet, except for lost packets.

use std::ops::Range;

/// A sequence of clips, each with the octets of silence before it.
#[derive(Clone, Debug, Default)]
pub struct ClipSequence {
    sounds: Vec<(usize, Vec<u8>)>,
    gap: usize,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipMatch {
    /// The octets from the first clip to the end of the last.
    Found(Range<usize>),
    /// Not in the octets so far.
    NotYet,
}

impl ClipSequence {
    /// Adds a clip after the ones before.
    pub fn sound(&mut self, octets: Vec<u8>) {
        if !octets.is_empty() {
            self.sounds.push((std::mem::take(&mut self.gap), octets));
        }
    }

    /// Adds silence before the next sound.
    pub fn silence(&mut self, octets: usize) {
        self.gap += octets;
    }

    /// Whether there is no clip to search for.
    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }

    /// At most the first `most` octets of the first clip.
    pub fn shortened(mut self, most: usize) -> ClipSequence {
        self.sounds.truncate(1);
        self.sounds.iter_mut().for_each(|(_, octets)| octets.truncate(most));
        self
    }

    /// Searches for the whole sequence from `from` on; moves `from` past the octets that cannot begin it.
    pub fn find(&self, heard: &[u8], from: &mut usize) -> ClipMatch {
        let Some((_, first)) = self.sounds.first() else { return ClipMatch::Found(*from..*from) };
        while *from + first.len() <= heard.len() {
            if may_match(&heard[*from..], first) && matches(&heard[*from..], first) {
                match self.rest(heard, *from + first.len()) {
                    Some(ClipMatch::Found(all)) => return ClipMatch::Found(*from..all.end),
                    Some(ClipMatch::NotYet) => return ClipMatch::NotYet,
                    None => {}
                }
            }
            *from += 1;
        }
        ClipMatch::NotYet
    }

    /// Searches for the clips after a first one that ends at `end`; `None` if something else follows.
    fn rest(&self, heard: &[u8], mut end: usize) -> Option<ClipMatch> {
        for (gap, sound) in &self.sounds[1..] {
            let due = end + gap;
            let mut places = due.saturating_sub(SLACK).max(end)..=due + SLACK;
            let found = places.find(|at| {
                heard
                    .get(*at..)
                    .is_some_and(|rest| rest.len() >= sound.len() && may_match(rest, sound) && matches(rest, sound))
            });
            match found {
                Some(at) => end = at + sound.len(),
                None if heard.len() < due + SLACK + sound.len() => return Some(ClipMatch::NotYet),
                None => return None,
            }
        }
        Some(ClipMatch::Found(end..end))
    }
}

/// Whether any of three short stretches matches, which rules out most places.
fn may_match(heard: &[u8], sound: &[u8]) -> bool {
    let length = ANCHOR.min(sound.len());
    [1, 2, 3].into_iter().any(|quarter| {
        let at = (sound.len() * quarter / 4).min(sound.len() - length);
        let pairs = heard[at..at + length].iter().zip(&sound[at..at + length]);
        pairs.filter(|(a, b)| a != b).take(ANCHOR_MISSES + 1).count() <= ANCHOR_MISSES
    })
}

/// Whether nearly all octets are equal. `heard` is at least as long as `sound`.
fn matches(heard: &[u8], sound: &[u8]) -> bool {
    let most = sound.len() / ONE_IN;
    heard.iter().zip(sound).filter(|(a, b)| a != b).take(most + 1).count() <= most
}

/// How much earlier or later than due a clip may begin: two packets.
const SLACK: usize = 320;
const ANCHOR: usize = 24;
const ANCHOR_MISSES: usize = 2;
/// One octet in this many may differ: one or two lost packets in a sentence.
const ONE_IN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u8, length: usize) -> Vec<u8> {
        let mut state = u32::from(seed) + 1;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    fn sought(parts: &[(usize, &[u8])]) -> ClipSequence {
        let mut sought = ClipSequence::default();
        for (gap, sound) in parts {
            sought.silence(*gap);
            sought.sound(sound.to_vec());
        }
        sought
    }

    const IDLE: u8 = 0xD5;

    #[test]
    fn a_sentence_is_found_in_its_place_and_not_before_it_is_complete() {
        let (a, b) = (noise(1, 2000), noise(2, 1000));
        let heard = [vec![IDLE; 500], a.clone(), vec![IDLE; 400], b.clone(), vec![IDLE; 700]].concat();
        let sought = sought(&[(0, &a), (400, &b)]);
        let mut from = 0;
        assert_eq!(sought.find(&heard[..3000], &mut from), ClipMatch::NotYet);
        assert_eq!(sought.find(&heard, &mut from), ClipMatch::Found(500..3900));
        let mut past = 600;
        assert_eq!(sought.find(&heard, &mut past), ClipMatch::NotYet);
    }

    #[test]
    fn a_different_word_is_a_different_sentence() {
        let (a, b, c) = (noise(1, 2000), noise(2, 1000), noise(3, 1000));
        let heard = [a.clone(), vec![IDLE; 400], c, vec![IDLE; 2000]].concat();
        assert_eq!(sought(&[(0, &a), (400, &b)]).find(&heard, &mut 0), ClipMatch::NotYet);
        let apart = [a.clone(), vec![IDLE; 4000], b.clone(), vec![IDLE; 2000]].concat();
        assert_eq!(sought(&[(0, &a), (400, &b)]).find(&apart, &mut 0), ClipMatch::NotYet, "a pause too long");
    }

    #[test]
    fn a_lost_packet_is_tolerated_and_lost_words_are_not() {
        let a = noise(1, 4000);
        let mut heard = a.clone();
        heard[800..960].fill(IDLE);
        assert_eq!(sought(&[(0, &a)]).find(&heard, &mut 0), ClipMatch::Found(0..4000));
        heard[2000..2600].fill(IDLE);
        assert_eq!(sought(&[(0, &a)]).find(&heard, &mut 0), ClipMatch::NotYet);
    }

    #[test]
    fn silence_alone_is_no_clip() {
        let sought = sought(&[(100, &[])]);
        assert!(sought.is_empty());
        let a = noise(4, 500);
        assert_eq!(self::sought(&[(0, &a)]).find(&vec![IDLE; 9000], &mut 0), ClipMatch::NotYet);
    }
}
