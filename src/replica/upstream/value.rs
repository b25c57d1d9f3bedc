//! The text forms of PostgreSQL's values that a mapped column may have.
//!
//! Sessions pin ISO dates and the office's time zone, so a date, a timestamp and a timestamp with time zone all begin
//! with the day as the office counts it.

use jiff::civil::Date;

use inquiry::Pause;

/// A day: of a date, of any timestamp, or yyyymmdd.
pub(super) fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return date(&text[..4], &text[4..6], &text[6..8]);
    }
    // Of a year before Christ the text ends in " BC".
    if text.ends_with("BC") {
        return None;
    }
    let day = text.split([' ', 'T']).next()?;
    let mut parts = day.split(['-', '/']);
    let date = date(parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() { None } else { date }
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let digits = |text: &str, most: usize| {
        ((1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())?
    };
    let (year, month, day): (i16, i16, i16) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Yes or no, as a boolean, a number or a letter.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim() {
        "t" | "true" | "T" | "TRUE" | "1" | "y" | "Y" | "yes" | "是" => Some(true),
        "f" | "false" | "F" | "FALSE" | "0" | "n" | "N" | "no" | "否" | "" => Some(false),
        _ => None,
    }
}

/// A list of words: `{a,b}` (an array), `["a","b"]` (JSON), or `a,b`.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text == JSON_NULL {
        return Some(Vec::new());
    }
    if text.starts_with('[') {
        let words: Vec<Option<String>> = serde_json::from_str(text).ok()?;
        return Some(words.into_iter().flatten().collect());
    }
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let words = inside.split([',', ';', ' ', '、', '，']).map(|word| word.trim().trim_matches('"'));
    Some(words.filter(|word| !word.is_empty() && *word != "NULL").map(str::to_owned).collect())
}

/// Pauses: `[{"from":"2026-11-03","to":"2026-11-05"}]` (JSON), or ranges of dates, one or more: `[2026-11-03,2026-11-06)`.
pub(super) fn pauses(text: &str) -> Option<Vec<Pause>> {
    let text = text.trim();
    if text.is_empty() || text == "empty" || text == "{}" || text == JSON_NULL {
        return Some(Vec::new());
    }
    // A range begins with a bracket, too.
    let is_json = text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(['{', ']']));
    if is_json {
        return serde_json::from_str(text).ok();
    }
    let mut pauses = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['[', '(']) {
        let end = start + rest[start..].find([']', ')'])?;
        pauses.extend(range(&rest[start..=end])?);
        rest = &rest[end + 1..];
    }
    (!pauses.is_empty()).then_some(pauses)
}

/// What some programs store in a `json` column for nothing at all.
const JSON_NULL: &str = "null";

/// A range of dates; PostgreSQL writes them as from the first day to before the last. None inside: an empty range.
fn range(text: &str) -> Option<Option<Pause>> {
    let (from, to) = text.get(1..text.len() - 1)?.split_once(',')?;
    let bound = |text: &str| day(text.trim_matches('"'));
    let first = bound(from)?;
    let first = if text.starts_with('(') { first.tomorrow().ok()? } else { first };
    let open = matches!(to.trim(), "" | "infinity");
    let last = match (open, text.ends_with(')')) {
        (true, _) => None,
        (false, true) => Some(bound(to)?.yesterday().ok()?),
        (false, false) => Some(bound(to)?),
    };
    Some((last.is_none_or(|last| last >= first)).then_some(Pause { from: first, to: last }))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as on;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_of_writing_a_day_is_one_day() {
        for text in ["2026-11-03", "2026-11-03 23:59:59.5+08", "2026-11-03T00:00:00", "20261103", " 2026/11/03 "] {
            assert_eq!(day(text), Some(on(2026, 11, 3)), "{text}");
        }
        for text in ["", "infinity", "-infinity", "0044-03-15 BC", "2026-13-01", "12026-01-01", "2026-11", "03.11.2026"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn an_array_json_and_plain_words_are_one_list() {
        for text in ["{photo,id_copy}", "{\"photo\",\"id_copy\"}", "[\"photo\",\"id_copy\"]", "photo, id_copy"] {
            assert_eq!(words(text), Some(vec!["photo".to_owned(), "id_copy".to_owned()]), "{text}");
        }
        for text in ["{}", "", "[]", "{NULL}", "null"] {
            assert_eq!(words(text), Some(vec![]), "{text}");
        }
        assert_eq!(words(r#"["photo",null]"#), Some(vec!["photo".to_owned()]));
        assert_eq!(words("[1,2]"), None);
        assert_eq!(words("{photo"), None);
    }

    #[test]
    fn json_ranges_and_many_ranges_are_pauses() {
        let pause = |to| Pause { from: on(2026, 11, 3), to };
        let closed = vec![pause(Some(on(2026, 11, 5)))];
        for text in [
            "[{\"from\":\"2026-11-03\",\"to\":\"2026-11-05\"}]",
            "[2026-11-03,2026-11-06)",
            "{[2026-11-03,2026-11-06)}",
            "{\"[2026-11-03,2026-11-06)\"}",
        ] {
            assert_eq!(pauses(text), Some(closed.clone()), "{text}");
        }
        assert_eq!(pauses("[2026-11-03,)"), Some(vec![pause(None)]));
        assert_eq!(pauses("{[2026-11-03,2026-11-06),[2026-11-09,)}").map(|pauses| pauses.len()), Some(2));
        for none in ["empty", "null", "[]", "[ ]", "{}"] {
            assert_eq!(pauses(none), Some(vec![]), "{none}");
        }
        assert_eq!(pauses(r#"[ {"from":"2026-11-03","to":null}]"#), Some(vec![pause(None)]));
        for text in ["yes", "[2026-11-03", "(,2026-11-06)", "[{\"from\":1}]"] {
            assert_eq!(pauses(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\](){}\",:a-z0-9 -]{0,60}|\\PC{0,30}") {
            let _ = (day(&text), truth(&text), words(&text), pauses(&text));
        }
    }
}
