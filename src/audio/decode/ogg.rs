//! The pages of an Ogg file (RFC 3533): a page that its checksum rejects takes its sound with it, and the decoder tells
//! nothing. The positions of the pages around it tell how much is missing.

use super::damage::{Gap, time};
use super::stream::Stream;

/// The pages of an Ogg file; `None` for another kind of file.
pub(super) fn sound(bytes: &[u8]) -> Option<Stream<'_>> {
    if !bytes.starts_with(MARK) {
        return None;
    }
    let mut scan = Scan::default();
    let (mut at, mut unread) = (0, 0);
    while let Some(next) = mark(bytes, at).filter(|_| unread < UNREAD_MAX) {
        at = next + MARK.len();
        let Some(page) = Page::read(&bytes[next..]) else { continue };
        match page.state {
            State::Whole => {
                at = next + page.octets;
                scan.end = at;
            }
            State::Damaged | State::CutOff => unread += 1,
        }
        scan.page(&page, &bytes[next..]);
    }
    Some(scan.stream(bytes))
}

fn mark(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(MARK.len()).position(|four| four == MARK).map(|at| from + at)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Its checksum is wrong.
    Damaged,
    /// The file ends within it.
    CutOff,
}

#[derive(Clone, Copy)]
struct Page {
    is_first: bool,
    is_last: bool,
    /// The samples up to its end; `None` if no packet ends in it.
    position: Option<u64>,
    serial: u32,
    sequence: u32,
    head: usize,
    octets: usize,
    state: State,
}

impl Page {
    fn read(bytes: &[u8]) -> Option<Page> {
        let head = bytes.get(..HEAD)?;
        let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let position = u64::from_le_bytes(head[6..14].try_into().ok()?);
        let segments = usize::from(head[26]);
        let table = bytes.get(HEAD..).map(|rest| &rest[..rest.len().min(segments)])?;
        let octets = HEAD + segments + table.iter().map(|size| usize::from(*size)).sum::<usize>();
        let state = match bytes.get(..octets) {
            None => State::CutOff,
            Some(page) if checksum(page) == word(22)? => State::Whole,
            Some(_) => State::Damaged,
        };
        let position = Some(position).filter(|position| *position <= i64::MAX as u64);
        Some(Page {
            is_first: head[5] & 2 != 0,
            is_last: head[5] & 4 != 0,
            position,
            serial: word(14)?,
            sequence: word(18)?,
            head: HEAD + segments,
            octets,
            state,
        })
    }
}

/// The stream of sound as its pages come.
#[derive(Default)]
struct Scan {
    rate: u32,
    serial: Option<u32>,
    /// Samples that are dropped from the start.
    skip: u64,
    /// Samples of the streams before this one, in a chain.
    before: u64,
    sequence: u32,
    position: u64,
    /// Samples of the longest page so far.
    step: u64,
    /// Where the last page before the next whole one ends, by its own header.
    damaged: Option<u64>,
    cut_off: Option<u64>,
    ended: bool,
    /// Octets up to the end of the last whole page.
    end: usize,
    gaps: Vec<Gap>,
}

impl Scan {
    fn page(&mut self, page: &Page, bytes: &[u8]) {
        if page.is_first && page.state == State::Whole {
            self.begin(page, &bytes[page.head..page.octets]);
        } else if self.serial == Some(page.serial) && page.sequence > self.sequence {
            match page.state {
                State::Whole => self.follow(page),
                State::Damaged => self.damaged = Some(self.sane(page)),
                State::CutOff => self.cut_off = Some(self.sane(page)),
            }
        }
    }

    /// A stream begins: the first of a file, or the next of a chain.
    fn begin(&mut self, page: &Page, packet: &[u8]) {
        let number = |at: usize| packet.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
        let (rate, skip) = match packet {
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _, _, low, high, ..] => {
                (super::opus::RATE, u64::from(u16::from_le_bytes([*low, *high])))
            }
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => (number(12).unwrap_or_default(), 0),
            // The mapping of FLAC: nine octets, `fLaC`, a head, and the stream's description.
            [0x7F, b'F', b'L', b'A', b'C', ..] => {
                (packet.get(27..31).map_or(0, |rate| u32::from_be_bytes([0, rate[0], rate[1], rate[2]]) >> 4), 0)
            }
            _ => return,
        };
        if self.serial.is_some() && !self.ended {
            return;
        }
        let before = self.before + self.played(self.position);
        let gaps = std::mem::take(&mut self.gaps);
        let (serial, sequence, end) = (Some(page.serial), page.sequence, self.end);
        *self = Scan { rate, skip, serial, before, gaps, sequence, end, ..Scan::default() };
    }

    fn follow(&mut self, page: &Page) {
        let lost = page.sequence - self.sequence > 1;
        self.sequence = page.sequence;
        self.ended = page.is_last;
        let damaged = self.damaged.take();
        let Some(position) = page.position else { return };
        let step = position.saturating_sub(self.position);
        if lost {
            let samples = match damaged {
                Some(end) => end.min(position).saturating_sub(self.position),
                None => step.saturating_sub(self.step),
            };
            self.lose(samples);
        } else if self.position > 0 {
            self.step = self.step.max(step);
        }
        self.position = position;
    }

    fn lose(&mut self, samples: u64) {
        self.gaps.push(Gap { at: self.before + self.played(self.position), samples });
    }

    fn played(&self, position: u64) -> u64 {
        position.saturating_sub(self.skip)
    }

    /// Where a page ends by its own header, if the header can be true.
    fn sane(&self, page: &Page) -> u64 {
        let most = self.position + u64::from(self.rate) * PAGE_S_MAX;
        page.position.filter(|end| (self.position..=most).contains(end)).unwrap_or(self.position)
    }

    fn stream(mut self, bytes: &[u8]) -> Stream<'_> {
        let mut stated = None;
        if self.ended || self.serial.is_none() {
            // What follows a last page is not part of the stream.
        } else if let Some(end) = self.damaged {
            self.lose(end - self.position);
        } else if let Some(end) = self.cut_off {
            stated = Some(time(self.before + self.played(end), self.rate));
        } else if bytes.len() > self.end {
            self.lose(0);
        }
        Stream { gaps: self.gaps, stated, ..Stream::of(bytes) }
    }
}

/// The checksum of a page, whose own field counts as zero: CRC-32 of the polynomial 0x04C11DB7, not reflected.
pub(super) fn checksum(page: &[u8]) -> u32 {
    let table = &TABLE;
    page.iter().enumerate().fold(0, |sum, (at, octet)| {
        let octet = if (22..26).contains(&at) { 0 } else { *octet };
        sum << 8 ^ table[(sum >> 24) as usize ^ usize::from(octet)]
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut sum, mut bit) = ((at as u32) << 24, 0);
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

static TABLE: [u32; 256] = table();
const MARK: &[u8] = b"OggS";
/// Octets of a page's header before its table of segments.
const HEAD: usize = 27;
/// Seconds of a page: 255 packets of 120 ms.
const PAGE_S_MAX: u64 = 31;
/// Pages with a wrong checksum: octets that only look like pages would take long.
const UNREAD_MAX: usize = 1000;
