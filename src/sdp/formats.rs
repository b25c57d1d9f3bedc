//! What the formats of an `m=` line mean: payload types of G.711 and of telephone-event.

use super::description::{Media, payload};
use base::Codec;

/// The formats that are G.711, in their order; a map overrides the static meaning of 0 and 8 (RFC 3551 §6).
pub(super) fn codecs(media: &Media) -> impl Iterator<Item = (u8, Codec)> {
    numbers(media).filter_map(|number| {
        let codec = match media.maps.iter().find(|map| map.payload == number) {
            Some(map) if map.clock != 8000 || map.channels != 1 => None,
            Some(map) => Codec::named(&map.encoding),
            None => Codec::ALL.into_iter().find(|codec| codec.static_payload() == number),
        };
        codec.map(|codec| (number, codec))
    })
}

/// The payload types of telephone-event at the clock rate of G.711 (RFC 4733 §2.1).
pub(super) fn events(media: &Media) -> impl Iterator<Item = u8> {
    numbers(media).filter(|number| match media.maps.iter().find(|map| map.payload == *number) {
        Some(map) => map.clock == 8000 && map.encoding.eq_ignore_ascii_case("telephone-event"),
        None => *number == USUAL_EVENTS && lists_events(media, *number),
    })
}

/// Whether the parameters of a number are a list of events, as `0-15` or `0-11,16`: some senders write them without a map.
fn lists_events(media: &Media, number: u8) -> bool {
    let is_list = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"-, ".contains(&byte))
    };
    media.parameters.iter().any(|(of, text)| *of == number && is_list(text))
}

/// The payload types that an `m=` line lists, each once.
pub(super) fn numbers(media: &Media) -> impl Iterator<Item = u8> {
    let number = move |at: usize| media.formats.get(at).and_then(|format| payload(format));
    (0..media.formats.len()).filter(move |at| (0..*at).all(|before| number(before) != number(*at))).filter_map(number)
}

/// What nearly all senders give telephone-event.
const USUAL_EVENTS: u8 = 101;
