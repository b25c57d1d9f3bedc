//! Writes down what was heard, by the recordings in it: shows why a call went another way than its sheet.

use std::collections::{BTreeSet, HashMap};

use audio::Bank;
use base::Codec;
use speech::ClipText;

/// The texts of the recordings in a stretch of sound, in their order, those that were cut short included.
pub(super) fn transcript(bank: &Bank, texts: &BTreeSet<ClipText>, codec: Codec, heard: &[u8]) -> Vec<String> {
    let clips: Vec<(&str, &[u8])> = texts
        .iter()
        .filter_map(|needed| Some((needed.text.as_str(), bank.octets(needed.lang, &needed.id, codec)?)))
        .collect();
    let mut marks: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (clip, (_, octets)) in clips.iter().enumerate() {
        if let Some(at) = mark(octets) {
            marks.insert(&octets[at..at + MARK], (clip, at));
        }
    }
    let (mut said, mut at) = (Vec::new(), 0);
    while at + MARK <= heard.len() {
        let Some((clip, place)) = marks.get(&heard[at..at + MARK]) else {
            at += 1;
            continue;
        };
        let (text, octets) = clips[*clip];
        said.push(text.to_owned());
        at += octets.len() - place;
    }
    said
}

/// A stretch near the middle of a recording that is no silence.
fn mark(octets: &[u8]) -> Option<usize> {
    let middle = octets.len() / 3;
    (middle..octets.len().saturating_sub(MARK)).find(|at| {
        let distinct: BTreeSet<&u8> = octets[*at..*at + MARK].iter().collect();
        distinct.len() * 2 > MARK
    })
}

const MARK: usize = 24;
