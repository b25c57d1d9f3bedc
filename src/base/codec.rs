//! The codecs of telephone calls, and which of them a trunk uses.

/// A G.711 companding law, at 8000 samples a second, one octet a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// PCMA, A-law (ITU-T G.711), static payload 8.
    Alaw,
    /// PCMU, µ-law (ITU-T G.711), static payload 0.
    Ulaw,
}

impl Codec {
    /// Every codec, A-law first, as the networks of this country use it.
    pub const ALL: [Codec; 2] = [Codec::Alaw, Codec::Ulaw];

    /// The encoding name that is registered for RTP (RFC 3551 §6), as settings and session descriptions write it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Alaw => "PCMA",
            Codec::Ulaw => "PCMU",
        }
    }

    /// The codec of an encoding name, in any case.
    pub fn named(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Its static payload type (RFC 3551 §6).
    pub fn static_payload(self) -> u8 {
        match self {
            Codec::Alaw => 8,
            Codec::Ulaw => 0,
        }
    }
}

/// The codecs that may be used: at least one, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codecs {
    list: [Option<Codec>; Codec::ALL.len()],
    /// Whether the first is preferred; otherwise an offer's own order counts.
    ordered: bool,
}

/// Why a list of codecs cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecsError {
    /// It names none.
    Empty,
    /// It names this one more than once.
    Repeated(Codec),
}

impl Codecs {
    /// Every codec. Offers list them in the order of [`Codec::ALL`]; answers follow the offer's order, as RFC 3264 §6.1
    /// recommends.
    pub const ALL: Codecs = Codecs { list: [Some(Codec::Alaw), Some(Codec::Ulaw)], ordered: false };

    /// These codecs in this order of preference.
    ///
    /// # Errors
    /// The list is empty, or names a codec twice.
    pub fn new(list: &[Codec]) -> Result<Codecs, CodecsError> {
        if list.is_empty() {
            return Err(CodecsError::Empty);
        }
        let mut codecs = [None; Codec::ALL.len()];
        for (n, codec) in list.iter().enumerate() {
            if list[..n].contains(codec) {
                return Err(CodecsError::Repeated(*codec));
            }
            codecs[n] = Some(*codec);
        }
        Ok(Codecs { list: codecs, ordered: true })
    }

    /// The codecs in their order.
    pub fn iter(&self) -> impl Iterator<Item = Codec> + '_ {
        self.list.iter().flatten().copied()
    }

    /// Whether a codec may be used.
    pub fn contains(&self, codec: Codec) -> bool {
        self.list.contains(&Some(codec))
    }

    /// The place of a codec in the order of preference, 0 for the first; none: it may not be used, or there is no order.
    pub fn rank(&self, codec: Codec) -> Option<usize> {
        self.list.iter().position(|known| *known == Some(codec)).filter(|_| self.ordered)
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Codecs::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_at_least_one_codec_and_each_once() {
        assert_eq!(Codecs::new(&Codec::ALL).map(|codecs| codecs.rank(Codec::Ulaw)), Ok(Some(1)));
        assert_eq!(Codecs::ALL.rank(Codec::Ulaw), None);
        assert_eq!(Codecs::new(&[]), Err(CodecsError::Empty));
        assert_eq!(Codecs::new(&[Codec::Ulaw; 3]), Err(CodecsError::Repeated(Codec::Ulaw)));
        let one = Codecs::new(&[Codec::Ulaw]).expect("a list");
        assert_eq!((one.rank(Codec::Ulaw), one.rank(Codec::Alaw)), (Some(0), None));
        assert_eq!(one.iter().collect::<Vec<_>>(), [Codec::Ulaw]);
    }

    #[test]
    fn names_are_read_in_any_case() {
        for codec in Codec::ALL {
            assert_eq!(Codec::named(&codec.name().to_lowercase()), Some(codec));
        }
        assert_eq!(Codec::named("G729"), None);
    }
}
