//! Texts with places for a message's number, words, identifier and time: the request of a carrier by HTTP.
//!
//! A place is written `{number}`. Braces around anything but small letters are themselves, so that a JSON body needs no escapes.

use std::fmt;
use std::str::FromStr;

use base::{Bilingual, bilingual};

/// What may stand in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The number that gets the message.
    Number,
    /// The words.
    Text,
    /// The identifier, the same at each attempt: 16 hexadecimal digits.
    Id,
    /// The time of the attempt, in seconds since 1970.
    Time,
    /// The secret of the settings' file.
    Secret,
    /// The signature.
    Signature,
    /// The body, in what is signed.
    Body,
}

impl Field {
    const ALL: [(&str, Field); 7] = [
        ("number", Field::Number),
        ("text", Field::Text),
        ("id", Field::Id),
        ("time", Field::Time),
        ("secret", Field::Secret),
        ("signature", Field::Signature),
        ("body", Field::Body),
    ];

    /// As it is written, without braces.
    pub fn name(self) -> &'static str {
        Field::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }
}

/// How values are written where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As they are.
    None,
    /// Percent-encoded: all but unreserved characters (RFC 3986 §2.3), for a URL and a form.
    Percent,
    /// As the inside of a JSON string (RFC 8259 §7).
    Json,
}

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Field),
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no such place.
    #[error(
        "{{{0}}} is not a placeholder; the placeholders are {{number}}, {{text}}, {{id}}, {{time}}, {{secret}}, {{signature}} and {{body}}"
    )]
    Unknown(String),
    /// This place means nothing here.
    #[error("{{{0}}} cannot stand here")]
    Misplaced(&'static str),
}

impl TemplateError {
    /// The same in both languages.
    pub fn text(&self) -> Bilingual {
        match self {
            TemplateError::Unknown(name) => bilingual!(
                "{self}",
                "没有 {{{name}}} 这一项，可用：{{number}}、{{text}}、{{id}}、{{time}}、{{secret}}、{{signature}}、{{body}}"
            ),
            TemplateError::Misplaced(name) => bilingual!("{self}", "此处不能写 {{{name}}}"),
        }
    }
}

/// What stands in the places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The number that gets the message.
    pub number: &'a str,
    /// The words.
    pub text: &'a str,
    /// The identifier.
    pub id: &'a str,
    /// The time of the attempt, in seconds since 1970.
    pub time: &'a str,
    /// The secret.
    pub secret: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// The body.
    pub body: &'a str,
}

impl<'a> Values<'a> {
    fn of(&self, field: Field) -> &'a str {
        match field {
            Field::Number => self.number,
            Field::Text => self.text,
            Field::Id => self.id,
            Field::Time => self.time,
            Field::Secret => self.secret,
            Field::Signature => self.signature,
            Field::Body => self.body,
        }
    }
}

impl Template {
    /// Whether this place is in it.
    pub fn has(&self, field: Field) -> bool {
        self.parts.contains(&Part::Place(field))
    }

    /// The same, if none of these places is in it.
    ///
    /// # Errors
    /// One of them is.
    pub fn without(self, fields: &[Field]) -> Result<Template, TemplateError> {
        match fields.iter().find(|field| self.has(**field)) {
            Some(field) => Err(TemplateError::Misplaced(field.name())),
            None => Ok(self),
        }
    }

    /// The text with values in its places.
    pub fn fill(&self, values: &Values<'_>, escape: Escape) -> String {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place(field) => escaped(&mut filled, values.of(*field), escape),
            }
        }
        filled
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut left = text;
        while let Some((before, behind)) = left.split_once('{') {
            literal.push_str(before);
            let end = behind.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(behind.len());
            let (name, rest) = behind.split_at(end);
            match rest.strip_prefix('}').filter(|_| !name.is_empty()) {
                Some(rest) => {
                    let field = Field::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
                    let field = field.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Place(field));
                    left = rest;
                }
                None => {
                    literal.push('{');
                    left = behind;
                }
            }
        }
        literal.push_str(left);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template { parts })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Place(field) => write!(f, "{{{}}}", field.name()),
        })
    }
}

fn escaped(into: &mut String, value: &str, escape: Escape) {
    match escape {
        Escape::None => into.push_str(value),
        Escape::Percent => {
            for octet in value.bytes() {
                if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                    into.push(char::from(octet));
                } else {
                    into.push_str(&format!("%{octet:02X}"));
                }
            }
        }
        Escape::Json => {
            let quoted = serde_json::to_string(value).expect("a text is JSON");
            into.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        text.parse().expect("a template")
    }

    #[test]
    fn values_are_escaped_where_they_stand() {
        let values = Values { number: "138", text: "\"号\n", ..Values::default() };
        assert_eq!(
            template("{\"to\":\"{number}\",\"t\":\"{text}\"}").fill(&values, Escape::Json),
            "{\"to\":\"138\",\"t\":\"\\\"号\\n\"}"
        );
        assert_eq!(template("to={number}&t={text}").fill(&values, Escape::Percent), "to=138&t=%22%E5%8F%B7%0A");
        assert_eq!(template("{text}").fill(&values, Escape::None), "\"号\n");
    }

    #[test]
    fn a_place_that_there_is_not_is_an_error() {
        assert_eq!("{nummer}".parse::<Template>(), Err(TemplateError::Unknown("nummer".into())));
        assert_eq!(template("{text}").without(&[Field::Body, Field::Text]), Err(TemplateError::Misplaced("text")));
        for literal in ["{", "{}", "{ number }", "{{", "{Number}"] {
            assert_eq!(template(literal).fill(&Values::default(), Escape::None), literal);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(text in "([{}a-z\"]|\\{number\\}|\\{text\\}|\\{id\\}){0,40}") {
            if let Ok(read) = text.parse::<Template>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn a_json_body_stays_json(value in ".*") {
            let filled = template("{\"t\":\"{text}\"}").fill(&Values { text: &value, ..Values::default() }, Escape::Json);
            let read: serde_json::Value = serde_json::from_str(&filled).expect("JSON");
            prop_assert_eq!(read["t"].as_str(), Some(value.as_str()));
        }
    }
}
