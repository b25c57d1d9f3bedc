//! The query of a request: `lang=yue&slot=digit.m.7`.

use std::collections::BTreeMap;

use crate::RequestError;

/// Parameters by name, decoded (WHATWG URL §5.1). If a name comes twice, the last value counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the text after the question mark.
    ///
    /// # Errors
    /// [`RequestError::Field`] for more than 32 parameters and for text that is not UTF-8.
    pub fn read(text: &str) -> Result<Query, RequestError> {
        let wrong = || RequestError::Field { field: "the query", must: "must be at most 32 pairs NAME=VALUE in UTF-8" };
        let mut pairs = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = decoded(name).zip(decoded(value)).ok_or_else(wrong)?;
            pairs.insert(name, value);
            if pairs.len() > PAIRS_MAX {
                return Err(wrong());
            }
        }
        Ok(Query(pairs))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All parameters except these.
    pub fn others<'a>(&'a self, but: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| !but.contains(name))
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

const PAIRS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::read("lang=yue&slot=digit.m.7&label=%E9%BA%A6+a%2Bb&x").unwrap();
        assert_eq!((query.get("lang"), query.get("label")), (Some("yue"), Some("麦 a+b")));
        assert_eq!((query.get("x"), query.get("y")), (Some(""), None));
        assert_eq!(query.others(&["lang", "slot", "label"]).collect::<Vec<_>>(), [("x", "")]);
    }

    #[test]
    fn hostile_queries_are_refused() {
        let many = (0..40).map(|n| format!("{n}=1")).collect::<Vec<_>>().join("&");
        for wrong in ["%", "%4", "%zz", "a=%ff", "a=%00", &many] {
            assert!(Query::read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Query::read("&&&=&").unwrap().get(""), Some(""));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = Query::read(&text);
        }
    }
}
