//! Where the parts of a message are, as ranges of its octets: to change it in place, whatever is wrong with it.

use std::ops::Range;

use crate::lexer::head_end;

/// The parts of a message.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The first line.
    pub start: Range<usize>,
    /// The header lines in order, each with its folds (RFC 3261 §7.3.1).
    pub fields: Vec<Field>,
    /// Where the body begins.
    pub body: usize,
}

/// A header line.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The name without white space; empty where the line has no colon.
    pub name: Range<usize>,
    /// All that follows the colon; the whole line where there is none.
    pub value: Range<usize>,
}

impl Layout {
    /// Finds the parts of a message. The head ends where the parser's does; without an empty line all of it is head.
    pub(super) fn of(octets: &[u8]) -> Layout {
        let skipped = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let (end, body) = head_end(&octets[skipped..], 0)
            .map_or((octets.len(), octets.len()), |(end, body)| (skipped + end, skipped + body));
        let mut lines = lines(octets, skipped..end);
        let start = lines.next().unwrap_or(skipped..skipped);
        Layout { start, fields: lines.map(|line| Field::of(octets, line)).collect(), body }
    }

    /// The fields of a head without a first line, as of a part of a multipart body.
    pub(super) fn of_part(octets: &[u8]) -> Layout {
        let (end, body) = match octets {
            [b'\n', ..] => (0, 1),
            [b'\r', b'\n', ..] => (0, 2),
            _ => head_end(octets, 0).unwrap_or((octets.len(), octets.len())),
        };
        let fields = lines(octets, 0..end).map(|line| Field::of(octets, line)).collect();
        Layout { start: 0..0, fields, body }
    }

    /// The first value of a field under one of its spellings, in lower case.
    pub(super) fn value<'a>(&self, octets: &'a [u8], spellings: &[&str]) -> Option<&'a [u8]> {
        let is = |field: &&Field| {
            spellings.iter().any(|spelling| octets[field.name.clone()].eq_ignore_ascii_case(spelling.as_bytes()))
        };
        self.fields.iter().find(is).map(|field| octets[field.value.clone()].trim_ascii())
    }
}

impl Field {
    fn of(octets: &[u8], line: Range<usize>) -> Field {
        let Some(colon) = octets[line.clone()].iter().position(|octet| *octet == b':') else {
            return Field { name: line.start..line.start, value: line };
        };
        let colon = line.start + colon;
        let written = &octets[line.start..colon];
        let start = line.start + (written.len() - written.trim_ascii_start().len());
        Field { name: start..start + written.trim_ascii().len(), value: colon + 1..line.end }
    }
}

/// Lines without their ends, a fold being part of the line before it.
fn lines(octets: &[u8], within: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = within.start;
    std::iter::from_fn(move || {
        if at >= within.end {
            return None;
        }
        let from = at;
        loop {
            let Some(length) = octets[at..within.end].iter().position(|octet| *octet == b'\n') else {
                at = within.end;
                return Some(from..within.end);
            };
            at += length + 1;
            if !matches!(octets[..within.end].get(at), Some(b' ' | b'\t')) {
                let end = at - 1;
                let end = if end > from && octets[end - 1] == b'\r' { end - 1 } else { end };
                return Some(from..end);
            }
        }
    })
}

/// The Call-ID of a message as written; `None` without one in UTF-8.
pub fn call_id(octets: &[u8]) -> Option<&str> {
    let value = Layout::of(octets).value(octets, &["call-id", "i"])?;
    std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
}
