//! The part of JSON Schema 2020-12 that the shipped schemas use. A keyword that is not known here is a panic, so that no
//! schema says what nothing checks.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

/// Schema documents by their names.
pub(crate) struct Schemas(BTreeMap<String, Value>);

/// Whether an object may have properties that its schema does not name and does not forbid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Allowed,
    /// For replies of this version of the program: each field is described.
    Refused,
}

struct Check<'a> {
    schemas: &'a Schemas,
    document: &'a str,
    others: Others,
}

impl Schemas {
    pub(crate) fn new(documents: impl IntoIterator<Item = (&'static str, Value)>) -> Schemas {
        Schemas(documents.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn document(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no document {name}"))
    }

    /// Why a value does not fit the schema at `document#/pointer`; nothing when it does.
    pub(crate) fn faults(&self, at: &str, value: &Value, others: Others) -> Vec<String> {
        let (document, schema) = self.find("", at);
        Check { schemas: self, document, others }.faults(schema, value, "")
    }

    fn find<'a>(&'a self, document: &'a str, reference: &'a str) -> (&'a str, &'a Value) {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if name.is_empty() { document } else { name };
        let schema = self.document(document).pointer(pointer);
        (document, schema.unwrap_or_else(|| panic!("{reference} names nothing in {document}")))
    }
}

impl Check<'_> {
    fn faults(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let schema = schema.as_object().expect("a schema is an object");
        let mut faults = Vec::new();
        for (keyword, rule) in schema {
            let holds = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" | "format" | "x-status" => true,
                "$ref" => {
                    let (document, target) = self.schemas.find(self.document, text(rule));
                    faults.extend(Check { document, ..*self }.faults(target, value, at));
                    true
                }
                "anyOf" => list(rule).iter().any(|schema| self.fits(schema, value)),
                "oneOf" => list(rule).iter().filter(|schema| self.fits(schema, value)).count() == 1,
                "type" => types(rule).iter().any(|name| is_type(name, value)),
                "enum" => list(rule).contains(value),
                "const" => rule == value,
                "minimum" => value.as_i64().is_none_or(|n| n >= rule.as_i64().expect("a number")),
                "maximum" => value.as_u64().is_none_or(|n| n <= rule.as_u64().expect("a number")),
                "pattern" => value.as_str().is_none_or(|text| pattern(rule).is_match(text)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size(rule)),
                "minItems" => value.as_array().is_none_or(|items| items.len() >= size(rule)),
                "maxItems" => value.as_array().is_none_or(|items| items.len() <= size(rule)),
                "items" => {
                    let items = value.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
                    faults.extend(items.flat_map(|(n, item)| self.faults(rule, item, &format!("{at}/{n}"))));
                    true
                }
                "properties" => {
                    faults.extend(self.properties(schema, value, at));
                    true
                }
                "required" => {
                    value.as_object().is_none_or(|object| list(rule).iter().all(|name| object.contains_key(text(name))))
                }
                // With "properties", above.
                "additionalProperties" => *rule == Value::Bool(false) && schema.contains_key("properties"),
                other => panic!("{at}: this test does not know the keyword {other}"),
            };
            if !holds {
                faults.push(format!("{at}: {keyword} {rule}"));
            }
        }
        faults
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        self.faults(schema, value, "").is_empty()
    }

    fn properties(&self, schema: &Map<String, Value>, value: &Value, at: &str) -> Vec<String> {
        let Some(object) = value.as_object() else { return Vec::new() };
        let rules = schema["properties"].as_object().expect("properties");
        let closed = schema.contains_key("additionalProperties") || self.others == Others::Refused;
        let fault = |(name, value): (&String, &Value)| match rules.get(name) {
            Some(rule) => self.faults(rule, value, &format!("{at}/{name}")),
            None if closed => vec![format!("{at}/{name} is not described")],
            None => Vec::new(),
        };
        object.iter().flat_map(fault).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn size(value: &Value) -> usize {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).expect("a size")
}

fn types(rule: &Value) -> Vec<&str> {
    rule.as_array().map_or_else(|| vec![text(rule)], |names| names.iter().map(text).collect())
}

fn pattern(rule: &Value) -> Regex {
    Regex::new(text(rule)).unwrap_or_else(|error| panic!("{rule}: {error}"))
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}
