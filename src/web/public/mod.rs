//! The public page: the office's inquiry page on the web, for everybody who is no kiosk. Plain HTML that needs no script:
//! a form for number and second factor, and its answer in the words and stages of the hotline.
//!
//! A script, where it runs, reads the barcode with the telephone's camera into the form's field.

mod answer;
mod html;
mod words;

use base::{Characters, Lang};

use self::answer::answer;
use self::html::escaped;
use self::words::{PageWords, page_words};
use super::{RequestError, ScanAnswer};
use inquiry::SecondFactor;

/// What the public page is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicSettings {
    /// The second factors that receipts ask for.
    pub factors: Vec<SecondFactor>,
    /// The desk's telephone number; empty: not shown.
    pub desk_number: String,
    /// Whether the page shows a notice in place of its form.
    pub maintenance: bool,
    /// The characters for speakers of Cantonese.
    pub cantonese_characters: Characters,
}

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub enum Shows<'a> {
    /// The form alone.
    Form,
    /// The answer to an inquiry.
    Answer(&'a ScanAnswer),
    /// Why an inquiry has no answer.
    Problem(&'a RequestError),
}

/// The public page, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct PublicPage<'a> {
    /// Its language.
    pub lang: Lang,
    /// What it is set to.
    pub settings: &'a PublicSettings,
    /// What it shows.
    pub shows: Shows<'a>,
}

impl PublicPage<'_> {
    /// The page. It never holds what was typed.
    pub fn to_html(&self) -> String {
        let written = self.settings.cantonese_characters.written(self.lang);
        let words = page_words(written);
        let (title, body, bar) = match self.shows {
            _ if self.settings.maintenance => {
                (words.title.to_owned(), notice(words.heading, words.maintenance), String::new())
            }
            Shows::Form => {
                (words.title.to_owned(), format!("<h1>{}</h1>\n{}", words.heading, self.form(words)), submit(words))
            }
            Shows::Problem(problem) => {
                let text =
                    problem.wording().map_or_else(|| words.failed.to_owned(), |text| text.text(written).to_owned());
                let box_of = format!("<p class=\"problem\" role=\"alert\">{}</p>\n", escaped(&text));
                let title = format!("{} – {}", words.failed_title, words.title);
                (title, format!("<h1>{}</h1>\n{box_of}{}", words.heading, self.form(words)), submit(words))
            }
            Shows::Answer(shown) => {
                let answer = answer(shown, written, words, &self.settings.desk_number);
                let (next, class) = if shown.found { (words.again, "again") } else { (words.retry, "again retry") };
                let again = format!("<a class=\"{class}\" href=\"/public?lang={}\">{next}</a>", self.lang.code());
                (format!("{} – {}", words.result, words.title), answer, again)
            }
        };
        self.page(words, &title, &body, &bar)
    }

    /// The page of a body and of the action that stays in sight below it.
    fn page(&self, words: &PageWords, title: &str, body: &str, bar: &str) -> String {
        let tag = self.tag_of(self.lang);
        let desk = match self.settings.desk_number.as_str() {
            "" => String::new(),
            number => format!("<p>{}{}</p>", words.desk, escaped(number)),
        };
        let langs: String = Lang::ALL.into_iter().map(|lang| self.language_link(lang)).collect();
        format!(
            "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light\">\n<title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <link rel=\"stylesheet\" href=\"/public/style.css\">\n\
             <script src=\"/public/app.js\" type=\"module\"></script>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">{skip}</a>\n\
             <header><p class=\"name\">{name}</p><nav aria-label=\"{languages}\"><ul>{langs}</ul></nav></header>\n\
             <main id=\"main\" tabindex=\"-1\">\n{body}\n</main>\n<footer><p>{privacy}</p>{desk}</footer>\n<div class=\"bar\">{bar}</div>\n</body>\n</html>\n",
            title = escaped(title),
            skip = words.skip,
            name = words.title,
            languages = words.languages,
            privacy = words.privacy,
        )
    }

    fn language_link(&self, lang: Lang) -> String {
        let name = match lang {
            Lang::Zh => "普通话",
            Lang::Yue => match self.settings.cantonese_characters {
                Characters::Simplified => "广东话",
                Characters::Traditional => "廣東話",
            },
            Lang::En => "English",
        };
        let current = if lang == self.lang { " aria-current=\"true\"" } else { "" };
        let (code, tag) = (lang.code(), self.tag_of(lang));
        format!("<li><a href=\"/public?lang={code}\" lang=\"{tag}\" hreflang=\"{tag}\"{current}>{name}</a></li>")
    }

    fn tag_of(&self, lang: Lang) -> &'static str {
        tag_of(lang, self.settings.cantonese_characters)
    }

    fn form(&self, words: &PageWords) -> String {
        let (tail, hint, pattern) = match self.settings.factors.as_slice() {
            [SecondFactor::BirthDate] => (words.birth_date, words.birth_date_hint, String::new()),
            // A slip is seen before the page is sent, which forgets what was typed.
            [SecondFactor::IdTail] | [] => {
                let hint = words.id_tail_hint;
                (words.id_tail, hint, format!(" pattern=\"{ID_TAIL}\" title=\"{hint}\""))
            }
            _ => (words.any_factor, words.any_factor_hint, String::new()),
        };
        format!(
            "<p>{intro}</p>\n<form id=\"inquiry\" method=\"post\" action=\"/public/inquiry?lang={lang}\" autocomplete=\"off\">\n\
             <div class=\"field\"><label for=\"code\">{number}</label>\n<p class=\"hint\" id=\"code-hint\">{number_hint}</p>\n\
             <input id=\"code\" name=\"code\" type=\"text\" inputmode=\"numeric\" autocomplete=\"off\" spellcheck=\"false\" \
             maxlength=\"64\" required aria-describedby=\"code-hint\">\n\
             <div id=\"camera\" hidden><label class=\"photo\" for=\"photo\">{photo}</label>\
             <input id=\"photo\" type=\"file\" accept=\"image/*\" capture=\"environment\"></div>\n\
             <p id=\"said\" role=\"status\" data-reading=\"{reading}\" data-read=\"{read}\" data-failed=\"{unread}\"></p></div>\n\
             <div class=\"field\"><label for=\"tail\">{tail}</label>\n<p class=\"hint\" id=\"tail-hint\">{hint}</p>\n\
             <input id=\"tail\" name=\"tail\" type=\"text\" autocomplete=\"off\" autocapitalize=\"characters\" \
             spellcheck=\"false\" maxlength=\"24\" required{pattern} aria-describedby=\"tail-hint\"></div>\n</form>",
            intro = words.intro,
            lang = self.lang.code(),
            number = words.number,
            number_hint = words.number_hint,
            photo = words.photo,
            reading = words.reading,
            read = words.read,
            unread = words.unread,
        )
    }
}

/// Four digits or letters, as the node reads them: with a star for X, with spaces, and in full width.
const ID_TAIL: &str = r"(\s*[A-Za-z0-9*Ａ-Ｚａ-ｚ０-９＊]){4}\s*";

fn notice(heading: &str, text: &str) -> String {
    format!("<h1>{heading}</h1>\n<p class=\"problem\">{text}</p>")
}

/// The form's button, which is outside of it.
fn submit(words: &PageWords) -> String {
    format!("<button type=\"submit\" form=\"inquiry\">{}</button>", words.look_up)
}

/// The page that asks whether this browser shall be a kiosk, or why its code did not make it one. In three languages, since
/// it is the staff's.
pub fn enrol_page(code: &str, problem: Option<&RequestError>) -> String {
    let say = |text: &str, lang: &str| format!("<p lang=\"{lang}\">{text}</p>");
    let body = match problem {
        Some(problem) => {
            let words = problem.wording().unwrap_or_default();
            Lang::ALL
                .into_iter()
                .map(|lang| say(&escaped(words.text(lang)), tag_of(lang, Characters::Traditional)))
                .collect::<String>()
        }
        None => format!(
            "{}{}<form method=\"post\" action=\"/kiosk/enrol\"><input type=\"hidden\" name=\"code\" value=\"{}\">\
             <button type=\"submit\">登记本机 · Enrol this machine</button></form>",
            say("将本机浏览器登记为大厅自助查询机？登记码只能使用一次。", "zh-CN"),
            say("Make this browser a kiosk of the hall? The code works once.", "en"),
            escaped(code),
        ),
    };
    format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>登记查询机 · Enrol a kiosk</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/public/style.css\">\n</head>\n<body>\n\
         <main>\n<h1>登记查询机 <span lang=\"en\">Enrol a kiosk</span></h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

/// BCP 47: what is written, not what is spoken.
fn tag_of(lang: Lang, cantonese: Characters) -> &'static str {
    match (lang, cantonese) {
        (Lang::Zh, _) => "zh-CN",
        (Lang::Yue, Characters::Simplified) => "yue-Hans",
        (Lang::Yue, Characters::Traditional) => "yue-Hant",
        (Lang::En, _) => "en",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::{StageNames, Wording};

    fn settings() -> PublicSettings {
        PublicSettings {
            factors: vec![SecondFactor::IdTail],
            desk_number: "96110110".into(),
            maintenance: false,
            cantonese_characters: Characters::Simplified,
        }
    }

    fn page(lang: Lang, shows: Shows) -> String {
        PublicPage { lang, settings: &settings(), shows }.to_html()
    }

    #[test]
    fn the_form_works_without_script_and_each_field_has_its_label() {
        for lang in Lang::ALL {
            let page = page(lang, Shows::Form);
            assert!(page.contains("method=\"post\"") && page.contains("<button type=\"submit\" form=\"inquiry\">"));
            for field in ["code", "tail", "photo"] {
                assert!(
                    page.contains(&format!("for=\"{field}\"")) && page.contains(&format!("id=\"{field}\"")),
                    "{field}"
                );
            }
            assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains("http"));
            assert!(page.contains(&format!("<html lang=\"{}\">", tag_of(lang, Characters::Simplified))));
        }
    }

    #[test]
    fn a_problem_is_an_alert_with_the_form_below() {
        let page = page(Lang::En, Shows::Problem(&RequestError::Limited { retry_after: Duration::from_secs(9) }));
        assert!(page.contains("role=\"alert\"") && page.contains("<form"));
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let wording = Wording::by(|_| "<b>&\"'".into());
        let shown = ScanAnswer::not_found(wording, Arc::new(StageNames::by(|_| Wording::default())));
        let page = page(Lang::Zh, Shows::Answer(&shown));
        assert!(page.contains("&lt;b&gt;&amp;&quot;&#39;") && !page.contains("<b>"));
        assert!(enrol_page("\"><script>", None).contains("value=\"&quot;&gt;&lt;script&gt;\""));
        assert!(enrol_page("x", Some(&RequestError::EnrolmentCode)).contains("lang=\"en\""));
    }

    #[test]
    fn cantonese_is_read_in_simplified_characters_unless_the_settings_ask_for_traditional_ones() {
        let written = |cantonese_characters| {
            let settings = PublicSettings { cantonese_characters, ..settings() };
            PublicPage { lang: Lang::Yue, settings: &settings, shows: Shows::Form }.to_html()
        };
        let (simplified, traditional) = (written(Characters::Simplified), written(Characters::Traditional));
        assert!(simplified.contains("lang=\"yue-Hans\"") && simplified.contains(page_words(Lang::Zh).intro));
        assert!(simplified.contains("广东话") && !simplified.contains('廣'));
        assert!(traditional.contains("lang=\"yue-Hant\"") && traditional.contains(page_words(Lang::Yue).intro));
    }

    #[test]
    fn in_maintenance_there_is_no_form() {
        let settings = PublicSettings { maintenance: true, ..settings() };
        let page = PublicPage { lang: Lang::Zh, settings: &settings, shows: Shows::Form }.to_html();
        assert!(!page.contains("<form"));
    }
}
