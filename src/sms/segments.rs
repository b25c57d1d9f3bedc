//! A message in the parts that one short message each can hold.

use crate::alphabet::Alphabet;

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its text.
    pub text: String,
    /// Which part it is, from 1.
    pub number: u8,
    /// How many parts the message has.
    pub of: u8,
}

/// The parts of a text, which together are the text. A character is never divided between two. What is beyond 255 parts, more
/// than any message can have, is left out.
pub fn segments(text: &str, alphabet: Alphabet) -> Vec<Segment> {
    let (single, part) = alphabet.capacity();
    let units = |c: char| alphabet.units(c).unwrap_or(1);
    let whole: usize = text.chars().map(units).sum();
    let room = if whole <= single { single } else { part };
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        if used + units(c) > room {
            parts.push(String::new());
            used = 0;
        }
        used += units(c);
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.truncate(usize::from(u8::MAX));
    let of = u8::try_from(parts.len()).unwrap_or(u8::MAX);
    (1..=of).zip(parts).map(|(number, text)| Segment { text, number, of }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths(text: &str) -> Vec<usize> {
        segments(text, Alphabet::of(text)).iter().map(|part| part.text.chars().count()).collect()
    }

    #[test]
    fn a_part_less_than_one_more_is_one_message() {
        assert_eq!(lengths(&"a".repeat(160)), [160]);
        assert_eq!(lengths(&"a".repeat(161)), [153, 8]);
        assert_eq!(lengths(&"证".repeat(70)), [70]);
        assert_eq!(lengths(&"证".repeat(71)), [67, 4]);
        assert_eq!(lengths(""), [0]);
    }

    #[test]
    fn a_character_of_two_units_is_not_divided() {
        assert_eq!(lengths(&format!("{}€{}", "a".repeat(152), "a".repeat(50))), [152, 51]);
        assert_eq!(lengths(&format!("{}😀{}", "证".repeat(66), "证".repeat(50))), [66, 51]);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text_and_each_fits(text in "([a-z€{}]|[\u{4e00}-\u{9fff}]|😀){0,400}") {
            let alphabet = Alphabet::of(&text);
            let parts = segments(&text, alphabet);
            prop_assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), text);
            let most = match alphabet { Alphabet::Gsm7 => 160, Alphabet::Ucs2 => 140 };
            let header = if parts.len() == 1 { 0 } else if alphabet == Alphabet::Gsm7 { 7 } else { 6 };
            for (n, part) in (1u8..).zip(&parts) {
                prop_assert!(alphabet.encode(&part.text).len() + header <= most);
                prop_assert_eq!((part.number, usize::from(part.of)), (n, parts.len()));
            }
        }
    }
}
