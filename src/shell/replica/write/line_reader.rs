//! Reads a batch file line by line; the length of a line is bounded before it is read.

use std::io::{self, BufRead, Read};

use replica::LINE_BYTES_MAX;

/// Reads lines into one reused buffer.
pub(crate) struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(input: R) -> Self {
        LineReader { input, line: Vec::new(), number: 0 }
    }

    /// The next line without its line feed, and its number from 1. A line that is too long is cut one byte past the limit.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.line.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        if self.input.by_ref().take(most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > LINE_BYTES_MAX {
            self.input.skip_until(b'\n')?;
        }
        Ok(Some((self.number, &self.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_costs_no_more_than_the_limit() {
        let mut text = vec![b'x'; 5 * LINE_BYTES_MAX];
        text.extend(b"\nsecond\nlast");
        let mut lines = LineReader::new(io::Cursor::new(text));
        assert_eq!(lines.next().unwrap().map(|(number, line)| (number, line.len())), Some((1, LINE_BYTES_MAX + 1)));
        assert_eq!(lines.next().unwrap(), Some((2, &b"second"[..])));
        assert_eq!(lines.next().unwrap(), Some((3, &b"last"[..])));
        assert_eq!(lines.next().unwrap(), None);
    }
}
