//! The octets that the decoder reads, and what was found out about them before.

use std::borrow::Cow;
use std::time::Duration;

use base::Bilingual;

use super::damage::Gap;

/// A stream without what does not belong to it.
pub(super) struct Stream<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// Where sound is missing, in order.
    pub gaps: Vec<Gap>,
    /// The playing time by the file's own count.
    pub stated: Option<Duration>,
    /// What it is where the decoder cannot read it.
    pub name: Option<Bilingual>,
}

impl<'a> Stream<'a> {
    /// A stream of which nothing else is known.
    pub(super) fn of(bytes: impl Into<Cow<'a, [u8]>>) -> Stream<'a> {
        Stream { bytes: bytes.into(), gaps: Vec::new(), stated: None, name: None }
    }
}
