//! The messages of PostgreSQL's `pgoutput` plugin, protocol version 1, as they come inside a replication stream.
//!
//! ```text
//!  R relation │ I insert │ U update (K key or O old row, then N new row) │ D delete (K or O) │ T truncate
//! ```
//!
//! Source: PostgreSQL documentation, "Logical Replication Message Formats". Begin and Commit are taken off before.
//! Values stay as bytes: only those of mapped columns need be text.

/// One message, borrowed from the bytes it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// What a table looks like from here on.
    Relation(Relation),
    /// A row was inserted.
    Insert {
        /// The table's object id.
        relation: u32,
        /// The row as it is.
        new: Tuple<'a>,
    },
    /// A row was updated; `old` is sent where the replica identity asks for it.
    Update {
        /// The table's object id.
        relation: u32,
        /// The row as it was.
        old: Option<Tuple<'a>>,
        /// The row as it is.
        new: Tuple<'a>,
    },
    /// Only the columns of the replica identity hold values, unless that is the full row.
    Delete {
        /// The table's object id.
        relation: u32,
        /// The row as it was.
        old: Tuple<'a>,
    },
    /// Tables were emptied.
    Truncate {
        /// The tables' object ids.
        relations: Vec<u32>,
    },
    /// A type, an origin, or something else that holds no row.
    Other,
}

/// A table as the stream describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// Its object id, by which changes name it.
    pub id: u32,
    /// Its schema; empty for `pg_catalog`.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its columns, in the order of a [`Tuple`].
    pub columns: Vec<StreamColumn>,
}

/// A column as the stream describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamColumn {
    /// Its name.
    pub name: String,
    /// Its type's object id.
    pub type_id: u32,
    /// Whether a delete carries its value.
    pub is_identity: bool,
}

/// The values of one row, in the order of the relation's columns.
pub(super) type Tuple<'a> = Vec<Field<'a>>;

/// One value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// SQL NULL.
    Null,
    /// A large value that the update did not touch, and so is not sent.
    Unchanged,
    /// The value's text form.
    Text(&'a [u8]),
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The message ends too early.
    #[error("a message of the upstream is cut short: is a proxy between it and this node?")]
    Short,
    /// A byte that the protocol does not allow there.
    #[error("a message of the upstream holds what protocol version 1 does not have")]
    Form,
}

impl<'a> Message<'a> {
    /// Reads one message.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let mut left = Bytes(bytes);
        match left.byte()? {
            b'R' => left.relation().map(Message::Relation),
            b'I' => {
                let relation = left.u32()?;
                left.expect(b'N')?;
                Ok(Message::Insert { relation, new: left.tuple()? })
            }
            b'U' => left.update(),
            b'D' => {
                let relation = left.u32()?;
                match left.byte()? {
                    b'K' | b'O' => Ok(Message::Delete { relation, old: left.tuple()? }),
                    _ => Err(MessageError::Form),
                }
            }
            b'T' => {
                let count = left.u32()? as usize;
                let _options = left.byte()?;
                let relations = (0..count.min(COLUMNS_MAX)).map(|_| left.u32()).collect::<Result<_, _>>()?;
                Ok(Message::Truncate { relations })
            }
            b'Y' | b'O' | b'M' => Ok(Message::Other),
            _ => Err(MessageError::Form),
        }
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Field::Null => "Null",
            Field::Unchanged => "Unchanged",
            Field::Text(_) => "Text(_)",
        })
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn update(&mut self) -> Result<Message<'a>, MessageError> {
        let relation = self.u32()?;
        let mut kind = self.byte()?;
        let old = match kind {
            b'K' | b'O' => {
                let old = self.tuple()?;
                kind = self.byte()?;
                Some(old)
            }
            _ => None,
        };
        if kind != b'N' {
            return Err(MessageError::Form);
        }
        Ok(Message::Update { relation, old, new: self.tuple()? })
    }

    fn relation(&mut self) -> Result<Relation, MessageError> {
        let id = self.u32()?;
        let (schema, table) = (self.text()?, self.text()?);
        let _identity = self.byte()?;
        let count = usize::from(self.u16()?);
        let columns = (0..count).map(|_| self.column()).collect::<Result<_, _>>()?;
        // An empty schema stands for pg_catalog.
        Ok(Relation { id, schema, table, columns })
    }

    fn column(&mut self) -> Result<StreamColumn, MessageError> {
        let is_told = self.byte()? & 1 == 1;
        let name = self.text()?;
        let type_id = self.u32()?;
        let _modifier = self.u32()?;
        Ok(StreamColumn { name, type_id, is_identity: is_told })
    }

    fn tuple(&mut self) -> Result<Tuple<'a>, MessageError> {
        let count = usize::from(self.u16()?);
        let mut tuple = Vec::with_capacity(count.min(COLUMNS_MAX));
        for _ in 0..count {
            tuple.push(match self.byte()? {
                b'n' => Field::Null,
                b'u' => Field::Unchanged,
                b't' => {
                    let length = self.u32()? as usize;
                    Field::Text(self.take(length)?)
                }
                _ => return Err(MessageError::Form),
            });
        }
        Ok(tuple)
    }

    fn expect(&mut self, byte: u8) -> Result<(), MessageError> {
        if self.byte()? == byte { Ok(()) } else { Err(MessageError::Form) }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], MessageError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(MessageError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, MessageError> {
        self.take(1).map(|byte| byte[0])
    }

    fn u16(&mut self) -> Result<u16, MessageError> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A text that ends with a zero byte.
    fn text(&mut self) -> Result<String, MessageError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(MessageError::Short)?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

/// A table has at most 1,600 columns.
const COLUMNS_MAX: usize = 1600;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a relation message whose first column is its key, for the tests of this room.
    pub(crate) fn relation(id: u32, schema: &str, table: &str, columns: &[(&str, u32)]) -> Vec<u8> {
        let mut out = vec![b'R'];
        out.extend(id.to_be_bytes());
        for text in [schema, table] {
            out.extend(text.as_bytes());
            out.push(0);
        }
        out.push(b'd');
        out.extend((columns.len() as u16).to_be_bytes());
        for (at, (name, type_id)) in columns.iter().enumerate() {
            out.push(u8::from(at == 0));
            out.extend(name.as_bytes());
            out.push(0);
            out.extend(type_id.to_be_bytes());
            out.extend((-1i32).to_be_bytes());
        }
        out
    }

    /// Writes a row as it stands in a message; `None` is NULL, `"\0"` an unchanged large value.
    pub(crate) fn tuple(values: &[Option<&str>]) -> Vec<u8> {
        let mut out = Vec::from((values.len() as u16).to_be_bytes());
        for value in values {
            match value {
                None => out.push(b'n'),
                Some("\0") => out.push(b'u'),
                Some(text) => {
                    out.push(b't');
                    out.extend((text.len() as u32).to_be_bytes());
                    out.extend(text.as_bytes());
                }
            }
        }
        out
    }

    /// Writes a change: its letter, the relation, and rows each with its own letter.
    pub(crate) fn change(kind: u8, relation: u32, rows: &[(u8, &[Option<&str>])]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend(relation.to_be_bytes());
        for (letter, values) in rows {
            out.push(*letter);
            out.extend(tuple(values));
        }
        out
    }

    #[test]
    fn each_kind_of_message_is_read() {
        let table = relation(7, "public", "cases", &[("a", 25), ("b", 23)]);
        let Ok(Message::Relation(table)) = Message::read(&table) else { panic!("a relation") };
        assert_eq!((table.id, table.columns[1].name.as_str(), table.columns[1].type_id), (7, "b", 23));
        let row: &[Option<&str>] = &[Some("x"), None];
        let insert = change(b'I', 7, &[(b'N', row)]);
        let new = vec![Field::Text(b"x"), Field::Null];
        assert_eq!(Message::read(&insert), Ok(Message::Insert { relation: 7, new: new.clone() }));
        let update = change(b'U', 7, &[(b'K', &[Some("w"), None]), (b'N', row)]);
        let old = Some(vec![Field::Text(b"w"), Field::Null]);
        assert_eq!(Message::read(&update), Ok(Message::Update { relation: 7, old, new: new.clone() }));
        let delete = change(b'D', 7, &[(b'O', row)]);
        assert_eq!(Message::read(&delete), Ok(Message::Delete { relation: 7, old: new }));
        let truncate = [&b"T"[..], &1u32.to_be_bytes(), &[0], &7u32.to_be_bytes()].concat();
        assert_eq!(Message::read(&truncate), Ok(Message::Truncate { relations: vec![7] }));
    }

    #[test]
    fn a_message_cut_anywhere_is_an_error() {
        let whole = change(b'U', 7, &[(b'K', &[Some("w"), None]), (b'N', &[Some("x"), Some("\0")])]);
        assert!(Message::read(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(Message::read(&whole[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 1..200), kind in 0usize..6) {
            bytes[0] = b"RIUDTY"[kind];
            let _ = Message::read(&bytes);
        }
    }
}
