//! The codecs of telephone calls.

/// A G.711 companding law, at 8000 samples a second, one octet a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// PCMA, A-law (ITU-T G.711), static payload 8.
    Alaw,
    /// PCMU, µ-law (ITU-T G.711), static payload 0.
    Ulaw,
}
