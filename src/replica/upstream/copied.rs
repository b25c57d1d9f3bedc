//! The rows of `COPY … TO STDOUT` in its text format: a line a row, tabs between values, `\N` for NULL.
//!
//! Source: PostgreSQL documentation, "COPY", Text Format.

use super::message::Field;

/// Takes chunks of bytes, gives rows.
#[derive(Debug, Default)]
pub struct CopiedRows {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// A row's values, with their escapes taken out.
    text: Vec<u8>,
    /// Where each value stands in `text`; none is NULL.
    values: Vec<Option<(usize, usize)>>,
}

/// Why bytes are no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// A row exceeds the limit.
    #[error("a row of the copy is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The last row has no end.
    #[error("the copy ends inside of a row")]
    Torn,
}

impl CopiedRows {
    /// Takes the next bytes; gives every row that is whole with them.
    pub fn take<E>(&mut self, mut bytes: &[u8], mut row: impl FnMut(&[Field<'_>]) -> Result<(), E>) -> Result<(), E>
    where
        E: From<CopyError>,
    {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, after) = bytes.split_at(end);
            if self.rest.is_empty() {
                self.row(line, &mut row)?;
            } else {
                self.rest.extend(line);
                let line = std::mem::take(&mut self.rest);
                self.row(&line, &mut row)?;
            }
            bytes = &after[1..];
        }
        if self.rest.len() + bytes.len() > LINE_BYTES_MAX {
            return Err(CopyError::TooLong.into());
        }
        self.rest.extend(bytes);
        Ok(())
    }

    /// The copy is over.
    pub fn end(self) -> Result<(), CopyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CopyError::Torn) }
    }

    fn row<E>(&mut self, line: &[u8], row: &mut impl FnMut(&[Field<'_>]) -> Result<(), E>) -> Result<(), E> {
        self.text.clear();
        self.values.clear();
        for value in line.split(|byte| *byte == b'\t') {
            if value == b"\\N" {
                self.values.push(None);
                continue;
            }
            let start = self.text.len();
            unescape(value, &mut self.text);
            self.values.push(Some((start, self.text.len())));
        }
        let field = |value: &Option<(usize, usize)>| match value {
            Some((start, end)) => Field::Text(&self.text[*start..*end]),
            None => Field::Null,
        };
        let fields: Vec<Field<'_>> = self.values.iter().map(field).collect();
        row(&fields)
    }
}

fn unescape(value: &[u8], out: &mut Vec<u8>) {
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(other) => *other,
            None => b'\\',
        });
    }
}

/// Only mapped columns are copied; their values together have some hundred bytes.
const LINE_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(chunks: &[&[u8]]) -> Result<Vec<Vec<Option<String>>>, CopyError> {
        let mut copied = CopiedRows::default();
        let mut rows = Vec::new();
        for chunk in chunks {
            copied.take(chunk, |row| {
                let text = |field: &Field<'_>| match field {
                    Field::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                    Field::Null | Field::Unchanged => None,
                };
                rows.push(row.iter().map(text).collect());
                Ok::<(), CopyError>(())
            })?;
        }
        copied.end().map(|()| rows)
    }

    #[test]
    fn values_nulls_and_escapes_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let found = rows(&[b"a\t\\N\tb\\tc\\\\\\nd\n\t\n"]).unwrap();
        assert_eq!(found, [vec![some("a"), None, some("b\tc\\\nd")], vec![some(""), some("")]]);
        assert_eq!(rows(&[b"a\tb"]), Err(CopyError::Torn));
    }

    proptest! {
        #[test]
        fn chunks_may_end_anywhere(text in "[a-z\\\\\tN\n]{0,80}", cut in 0usize..80) {
            let whole = format!("{text}\n");
            let cut = cut.min(whole.len());
            prop_assert_eq!(rows(&[whole.as_bytes()]), rows(&[&whole.as_bytes()[..cut], &whole.as_bytes()[cut..]]));
        }
    }
}
