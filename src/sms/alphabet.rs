//! The alphabets of text messages: GSM 7 bit with its extension table (3GPP TS 23.038 §6.2.1), and UCS-2.

/// In what a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7 bit default alphabet: 160 characters in one part.
    Gsm7,
    /// UCS-2: 70 characters in one part. Characters beyond the basic plane take two, as UTF-16.
    Ucs2,
}

impl Alphabet {
    /// The alphabet that a text needs.
    pub fn of(text: &str) -> Alphabet {
        if text.chars().all(|c| septets(c).is_some()) { Alphabet::Gsm7 } else { Alphabet::Ucs2 }
    }

    /// How many units a character takes: septets, or 16-bit units. None: the alphabet has no such character.
    pub(crate) fn units(self, c: char) -> Option<usize> {
        match self {
            Alphabet::Gsm7 => septets(c).map(|(_, units)| units),
            Alphabet::Ucs2 => Some(c.len_utf16()),
        }
    }

    /// Units of a message of one part, and of each part of a longer one: 140 octets, of which six are the header
    /// (3GPP TS 23.040 §9.2.3.24.1).
    pub(crate) fn capacity(self) -> (usize, usize) {
        match self {
            Alphabet::Gsm7 => (160, 153),
            Alphabet::Ucs2 => (70, 67),
        }
    }

    /// The octets of a text: septets one to an octet, as SMPP carries them, or 16-bit units in network order. A character that the
    /// alphabet lacks becomes a question mark.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Alphabet::Gsm7 => {
                let mut octets = Vec::with_capacity(text.len());
                for c in text.chars() {
                    let (code, units) = septets(c).unwrap_or((b'?', 1));
                    if units == 2 {
                        octets.push(ESCAPE);
                    }
                    octets.push(code);
                }
                octets
            }
            Alphabet::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// A character's code, and how many septets it takes.
fn septets(c: char) -> Option<(u8, usize)> {
    if let Some(at) = BASIC.chars().position(|known| known == c) {
        // The escape is no character.
        return u8::try_from(at).ok().filter(|code| *code != ESCAPE).map(|code| (code, 1));
    }
    EXTENSION.iter().find(|(known, _)| *known == c).map(|(_, code)| (*code, 2))
}

const ESCAPE: u8 = 0x1B;
/// The default alphabet in the order of its codes; 0x1B is the escape, which stands here as a private character.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{E000}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: [(char, u8); 10] = [
    ('\u{C}', 0x0A),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2F),
    ('[', 0x3C),
    ('~', 0x3D),
    (']', 0x3E),
    ('|', 0x40),
    ('€', 0x65),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_alphabet_has_its_codes() {
        assert_eq!(BASIC.chars().count(), 128);
        for (c, code) in
            [('@', 0), ('$', 2), ('_', 0x11), (' ', 0x20), ('A', 0x41), ('Ä', 0x5B), ('a', 0x61), ('à', 0x7F)]
        {
            assert_eq!(septets(c), Some((code, 1)), "{c}");
        }
        assert_eq!(septets('€'), Some((0x65, 2)));
        assert_eq!(septets('\u{E000}'), None);
        assert_eq!(Alphabet::Gsm7.encode("a€"), [0x61, 0x1B, 0x65]);
    }

    #[test]
    fn chinese_is_ucs2() {
        assert_eq!(Alphabet::of("Your passport is ready."), Alphabet::Gsm7);
        assert_eq!(Alphabet::of("尾号0018"), Alphabet::Ucs2);
        assert_eq!(Alphabet::Ucs2.encode("号1"), [0x53, 0xF7, 0x00, 0x31]);
    }
}
