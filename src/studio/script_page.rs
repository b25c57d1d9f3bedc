//! The script as a page to print: the text of every slot, set by set, with its context.

use super::exchange::{context, note};
use super::slot::Slot;
use super::take::SlotState;
use base::Lang;

/// A self-contained HTML page without scripts, pictures or links.
pub fn script_page<'a>(rows: impl Iterator<Item = (&'a Slot, u32, SlotState)>) -> String {
    let mut body = String::new();
    let mut heading = None;
    for (slot, number, state) in rows {
        let here = (slot.clip.lang, &*slot.set);
        if heading != Some(here) {
            if heading.is_some() {
                body.push_str("</table>\n");
            }
            let (lang, set) = (slot.clip.lang, escape(&slot.set));
            body.push_str(&format!("<h2>{} · {set}</h2>\n<table lang=\"{}\">\n{HEAD}", language(lang), tag(lang)));
            heading = Some(here);
        }
        body.push_str(&row(slot, number, state));
    }
    if heading.is_some() {
        body.push_str("</table>\n");
    }
    format!("{TOP}{body}</main></html>\n")
}

fn row(slot: &Slot, number: u32, state: SlotState) -> String {
    format!(
        "<tr><td>{number}<br><small>{}</small></td><td class=\"text\">{}</td><td>{}<br><small>{}</small></td><td>{:.1} s</td><td class=\"{}\">{}</td></tr>\n",
        escape(&slot.clip.id),
        escape(&slot.text),
        escape(&context(slot)),
        escape(&note(slot)),
        slot.longest.as_secs_f64(),
        state.code(),
        if state == SlotState::Live { "✓" } else { "□" },
    )
}

fn language(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => "普通话 Mandarin",
        Lang::Yue => "粵語 Cantonese",
        Lang::En => "English",
    }
}

fn tag(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => "zh-CN",
        Lang::Yue => "yue-HK",
        Lang::En => "en",
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
        safe
    })
}

const HEAD: &str =
    "<tr><th>编号 No.</th><th>读 Read</th><th>前后文 Context</th><th>最长 Longest</th><th>完成 Done</th></tr>\n";
const TOP: &str =
    "<!doctype html>\n<html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>录音稿 · Recording script</title>
<style>
body{font:11pt/1.5 'Noto Sans CJK SC',sans-serif;margin:2em}table{border-collapse:collapse;width:100%}
td,th{border:1px solid #999;padding:.3em .5em;text-align:left;vertical-align:top}tr{break-inside:avoid}
h2{break-after:avoid}.text{font-size:15pt}small{color:#555}.missing,.stale{background:#fdd}.placeholder{background:#ffd}
</style>
<main><h1>录音稿 · Recording script</h1>
<p>方括号内是要读的文字，前后是来电人会听到的内容。每组请由同一人一次录完。<br>
Read the text in brackets; around it is what a caller hears. One person records a whole set in one sitting.</p>
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Intonation;
    use speech::Clip;
    use std::time::Duration;

    #[test]
    fn a_page_holds_every_text_escaped() {
        let slot = Slot {
            clip: Clip { lang: Lang::En, id: "prompt.a".into() },
            text: "<script>alert(1)</script> & \"hello\"".into(),
            variant: Intonation::Final,
            set: "prompt.a".into(),
            longest: Duration::from_millis(2500),
            used_by: Vec::new(),
            said: None,
        };
        let page = script_page([(&slot, 117, SlotState::Missing)].into_iter());
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;hello&quot;"), "{page}");
        assert!(!page.contains("<script") && page.contains("117") && page.contains("2.5 s"));
        assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
    }
}
