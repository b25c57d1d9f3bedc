//! The answer to an inquiry as HTML: the stage, the hotline's sentences, the steps, the facts.

use jiff::civil::Date;

use base::Lang;
use inquiry::Stage;

use super::html::escaped;
use super::words::PageWords;
use crate::ScanAnswer;
use crate::scan_answer::progress;

/// The answer; `lang` is the language that is read.
pub(super) fn answer(shown: &ScanAnswer, lang: Lang, words: &PageWords, desk_number: &str) -> String {
    let (label, heading) = match shown.stage {
        Some(stage) => (words.state, sentence(shown.stages.of(stage).text(lang))),
        None if shown.unavailable => (words.result, words.wait.to_owned()),
        None => (words.result, words.no_result.to_owned()),
    };
    let tone = match shown.stage {
        Some(Stage::Ready | Stage::Posted | Stage::Collected) => "good",
        Some(Stage::Supplement) => "wait",
        Some(Stage::Accepted | Stage::Review | Stage::Production) => "way",
        Some(Stage::Contact) | None => "calm",
    };
    let stale = if shown.stale { " stale" } else { "" };
    let as_of = shown.as_of.as_ref().map(|at| {
        let when = format!("{} {}", day(at.date(), lang), at.strftime("%H:%M"));
        format!("<p class=\"as-of{stale}\">{}{}</p>\n", words.as_of, escaped(&when))
    });
    format!(
        "<div class=\"columns\"><div><div class=\"stage {tone}\"><p>{label}</p><h1>{}</h1></div>\n\
         <p class=\"wording\">{}</p>\n{}</div><div>{}{}</div></div>",
        escaped(&heading),
        escaped(shown.wording.text(lang)),
        facts(shown, lang, words, desk_number),
        shown.stage.map_or(String::new(), |stage| steps(shown, stage, lang, words)),
        as_of.unwrap_or_default(),
    )
}

fn facts(shown: &ScanAnswer, lang: Lang, words: &PageWords, desk_number: &str) -> String {
    let mut facts = String::new();
    let mut fact = |name: &str, lines: &[String]| {
        let lines: String = lines.iter().map(|line| format!("<dd>{}</dd>", escaped(line))).collect();
        facts.push_str(&format!("<div><dt>{name}</dt>{lines}</div>"));
    };
    if let Some(date) = shown.expected_by {
        fact(words.expected, &[day(date, lang)]);
    }
    if let Some(date) = shown.posted_on {
        fact(words.posted, &[day(date, lang)]);
    }
    if let Some(hall) = &shown.hall {
        let place = if shown.stage == Some(Stage::Ready) { words.collect_at } else { words.bring_to };
        let lines: Vec<String> = [Some(&hall.name), hall.address.as_ref(), hall.hours.as_ref()]
            .into_iter()
            .flatten()
            .map(|line| sentence(line.text(lang)))
            .collect();
        fact(place, &lines);
    }
    // The sentences may name the number already.
    let names_it = shown.wording.text(lang).contains(desk_number);
    if !names_it && (shown.stage == Some(Stage::Contact) || shown.unavailable) {
        fact(words.desk_fact, &[desk_number.to_owned()]);
    }
    if facts.is_empty() { facts } else { format!("<dl>{facts}</dl>\n") }
}

fn steps(shown: &ScanAnswer, stage: Stage, lang: Lang, words: &PageWords) -> String {
    let Some(progress) = progress(stage) else { return String::new() };
    let last = progress.steps.len() - 1;
    let items: String = progress
        .steps
        .iter()
        .enumerate()
        .map(|(n, step)| {
            let name = escaped(&sentence(shown.stages.of_step(*step).text(lang)));
            let is_here = n == progress.at;
            let is_done = n < progress.at || (is_here && n == last);
            let class = match (is_done, is_here) {
                (true, true) => " class=\"done here\"",
                (true, false) => " class=\"done\"",
                (false, true) => " class=\"here\"",
                (false, false) => "",
            };
            let current = if is_here { " aria-current=\"step\"" } else { "" };
            let tag = match (is_done, is_here) {
                (_, true) if progress.paused => words.paused,
                (_, true) => words.now,
                (true, false) => words.done,
                (false, false) => words.later,
            };
            format!("<li{class}{current}>{name} <span class=\"tag\">{tag}</span></li>")
        })
        .collect();
    format!("<section aria-labelledby=\"steps\"><h2 id=\"steps\">{}</h2><ol>{items}</ol></section>\n", words.progress)
}

/// The words of the hotline are made for the middle of a sentence; here they begin one.
fn sentence(text: &str) -> String {
    let text = text.strip_prefix("the ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn day(date: Date, lang: Lang) -> String {
    match lang {
        Lang::Zh | Lang::Yue => format!("{}年{}月{}日", date.year(), date.month(), date.day()),
        Lang::En => date.strftime("%-d %B %Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::super::words::page_words;
    use super::*;
    use crate::{FoundCase, StageNames, Wording};
    use inquiry::Case;

    fn shown(stage: Stage) -> ScanAnswer {
        let case = Case {
            stage,
            document: "passport".into(),
            case_type: "new".into(),
            hall: "north".into(),
            accepted_on: date(2026, 11, 20),
            stage_on: date(2026, 11, 21),
            pauses: Vec::new(),
            items: Vec::new(),
            waybill_tail: None,
            minor: false,
            version: 1,
        };
        let as_of = "2026-11-23T02:00:30Z".parse::<jiff::Timestamp>().unwrap();
        let found = FoundCase {
            case: &case,
            expected_by: Some(date(2026, 12, 1)),
            hall: None,
            as_of: as_of.to_zoned_datetime(TimeZone::get("Asia/Shanghai").unwrap()),
            stale: false,
            wording: Wording::by(|lang| format!("words {}", lang.code())),
        };
        ScanAnswer::found(found, Arc::new(StageNames::by(|stage| Wording::by(|_| format!("the {stage:?}")))))
    }

    #[test]
    fn an_answer_has_stage_words_steps_date_and_age() {
        let html = answer(&shown(Stage::Review), Lang::En, page_words(Lang::En), "");
        for part in ["<h1>Review</h1>", "words en", "1 December 2026", "23 November 2026 10:00"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("aria-current=\"step\"").count(), 1);
        assert!(answer(&shown(Stage::Review), Lang::Zh, page_words(Lang::Zh), "").contains("2026年12月1日"));
    }

    #[test]
    fn a_case_that_needs_a_person_shows_no_step_and_the_desk() {
        let html = answer(&shown(Stage::Contact), Lang::En, page_words(Lang::En), "96110110");
        assert!(!html.contains("<ol>") && html.contains("96110110"));
    }
}
