//! The vocabulary: every word that values are spoken with, as recordings and as text.

use std::sync::Arc;

use jiff::civil::Date;

use super::sentence::SlotType;
use super::spoken::{Spoken, Unit, YEARS};
use base::{Key, Lang};

/// A recording that a release can play: language, id, and the text that it is read from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClipText {
    /// The language it is read in.
    pub lang: Lang,
    /// The recording's id, as in [`Clip`](super::Clip).
    pub id: Arc<str>,
    /// The text that the speaker reads.
    pub text: String,
}

impl Spoken {
    /// The recording; pauses have none.
    pub fn clip_id(self) -> Option<String> {
        Some(match self {
            Spoken::DigitMedial(d) => format!("digit.m.{d}"),
            Spoken::DigitFinal(d) => format!("digit.f.{d}"),
            Spoken::X => "word.x".into(),
            Spoken::Num(n) => format!("num.{n}"),
            Spoken::TwoCount => "num.two_count".into(),
            Spoken::Hundreds(n) => format!("hundreds.{n}"),
            Spoken::Thousands(n) => format!("thousands.{n}"),
            Spoken::Unit(unit) => unit.clip_id().into(),
            Spoken::Year(year) => format!("year.{year}"),
            Spoken::Month(month) => format!("month.{month}"),
            Spoken::Day(day) => format!("day.{day}"),
            Spoken::Key(Key::Digit(d)) => format!("key.{d}"),
            Spoken::Key(Key::Star) => "key.star".into(),
            Spoken::Key(Key::Pound) => "key.pound".into(),
            Spoken::GroupPause | Spoken::ClausePause => return None,
        })
    }

    /// The text that the recording is read from; empty for a pause.
    pub fn text(self, lang: Lang) -> String {
        match self {
            Spoken::DigitMedial(1) | Spoken::DigitFinal(1) if lang == Lang::Zh => "幺".into(),
            Spoken::DigitMedial(d) | Spoken::DigitFinal(d) | Spoken::Key(Key::Digit(d)) | Spoken::Num(d) => {
                below_100(lang, d)
            }
            Spoken::X => "X".into(),
            Spoken::TwoCount => in_lang(lang, "两", "兩", "two"),
            Spoken::Hundreds(n) => format!("{}{}", below_100(lang, n), in_lang(lang, "百", "百", " hundred")),
            Spoken::Thousands(2) => in_lang(lang, "两千", "兩千", "two thousand"),
            Spoken::Thousands(n) => format!("{}{}", below_100(lang, n), in_lang(lang, "千", "千", " thousand")),
            Spoken::Unit(unit) => unit.text(lang),
            Spoken::Year(year) => year_text(lang, year),
            Spoken::Month(month) => month_text(lang, month),
            Spoken::Day(day) => day_text(lang, day),
            Spoken::Key(Key::Star) => in_lang(lang, "星号键", "星字掣", "star"),
            Spoken::Key(Key::Pound) => in_lang(lang, "井号键", "井字掣", "pound"),
            Spoken::GroupPause | Spoken::ClausePause => String::new(),
        }
    }
}

impl Unit {
    fn clip_id(self) -> &'static str {
        match self {
            Unit::TenThousand => "unit.ten_thousand",
            Unit::Thousand => "unit.thousand",
            Unit::Million => "unit.million",
            Unit::And => "unit.and",
            Unit::Hour => "unit.hour",
            Unit::Year => "unit.year",
            Unit::Minute => "unit.minute",
            Unit::Dawn => "time.dawn",
            Unit::Am => "time.am",
            Unit::Noon => "time.noon",
            Unit::Pm => "time.pm",
            Unit::Evening => "time.evening",
            Unit::Midnight => "time.midnight",
            Unit::HalfPast => "time.half",
            Unit::Oh => "time.oh",
            Unit::Yuan => "money.yuan",
            Unit::Jiao => "money.jiao",
            Unit::Fen => "money.fen",
        }
    }

    pub(super) fn text(self, lang: Lang) -> String {
        match self {
            Unit::TenThousand => in_lang(lang, "万", "萬", ""),
            Unit::Thousand => in_lang(lang, "", "", "thousand"),
            Unit::Million => in_lang(lang, "", "", "million"),
            Unit::And => in_lang(lang, "", "", "and"),
            Unit::Hour => in_lang(lang, "点", "點", ""),
            Unit::Year => in_lang(lang, "年", "年", ""),
            Unit::Minute => in_lang(lang, "分", "分", ""),
            Unit::Dawn => in_lang(lang, "凌晨", "凌晨", ""),
            Unit::Am => in_lang(lang, "上午", "上晝", "a.m."),
            Unit::Noon => in_lang(lang, "中午", "中午", "noon"),
            Unit::Pm => in_lang(lang, "下午", "下晝", "p.m."),
            Unit::Evening => in_lang(lang, "晚上", "夜晚", ""),
            Unit::Midnight => in_lang(lang, "", "", "midnight"),
            Unit::HalfPast => in_lang(lang, "半", "半", ""),
            Unit::Oh => in_lang(lang, "", "", "oh"),
            Unit::Yuan => in_lang(lang, "元", "蚊", "yuan"),
            Unit::Jiao => in_lang(lang, "角", "毫", "jiao"),
            Unit::Fen => in_lang(lang, "分", "分", "fen"),
        }
    }
}

/// The words that a slot of a type may need.
pub(super) fn words_of(lang: Lang, kind: SlotType) -> Vec<Spoken> {
    match kind {
        SlotType::Word | SlotType::Words | SlotType::Opt => Vec::new(),
        SlotType::Digits => {
            let digits = (0..10).flat_map(|d| [Spoken::DigitMedial(d), Spoken::DigitFinal(d)]);
            digits.chain([Spoken::X]).collect()
        }
        SlotType::Key => (0..10).map(Key::Digit).chain([Key::Star, Key::Pound]).map(Spoken::Key).collect(),
        SlotType::Count | SlotType::Number => numbers(lang),
        SlotType::Date => dates(lang),
        SlotType::Time => dates(lang).into_iter().chain(clock(lang)).collect(),
        SlotType::Money => {
            let units = [Unit::Yuan, Unit::Jiao, Unit::Fen].map(Spoken::Unit);
            numbers(lang).into_iter().chain(units).collect()
        }
    }
}

/// Every word of a language.
pub fn vocabulary(lang: Lang) -> Vec<ClipText> {
    let all = [SlotType::Digits, SlotType::Key, SlotType::Money, SlotType::Time];
    let mut needed: Vec<ClipText> =
        all.into_iter().flat_map(|kind| words_of(lang, kind)).filter_map(|word| word.needed(lang)).collect();
    needed.sort();
    needed.dedup();
    needed
}

impl Spoken {
    /// The recording of this word in a language.
    pub fn needed(self, lang: Lang) -> Option<ClipText> {
        Some(ClipText { lang, id: self.clip_id()?.into(), text: self.text(lang) })
    }
}

fn numbers(lang: Lang) -> Vec<Spoken> {
    let high = (1..10).flat_map(|n| [Spoken::Hundreds(n), Spoken::Thousands(n)]);
    let own = match lang {
        Lang::Zh | Lang::Yue => vec![Spoken::TwoCount, Spoken::Unit(Unit::TenThousand)],
        Lang::En => [Unit::Thousand, Unit::Million, Unit::And].map(Spoken::Unit).to_vec(),
    };
    (0..100).map(Spoken::Num).chain(high).chain(own).collect()
}

fn dates(lang: Lang) -> Vec<Spoken> {
    let months = (1..=12).map(Spoken::Month);
    // The words from which the other years are put together.
    let parts = match lang {
        Lang::Zh | Lang::Yue => (0..10).map(Spoken::Num).chain([Spoken::Unit(Unit::Year)]).collect(),
        Lang::En => {
            let high = [Spoken::Thousands(2), Spoken::Hundreds(1), Spoken::Hundreds(2), Spoken::Unit(Unit::And)];
            (0..100).map(Spoken::Num).chain(high).collect::<Vec<_>>()
        }
    };
    months.chain((1..=31).map(Spoken::Day)).chain(YEARS.map(Spoken::Year)).chain(parts).collect()
}

fn clock(lang: Lang) -> Vec<Spoken> {
    let own = match lang {
        Lang::Zh | Lang::Yue => {
            let parts = [Unit::Dawn, Unit::Am, Unit::Noon, Unit::Pm, Unit::Evening];
            let clock = [Unit::Hour, Unit::Minute, Unit::HalfPast];
            parts.into_iter().chain(clock).map(Spoken::Unit).chain([Spoken::TwoCount]).collect()
        }
        Lang::En => [Unit::Am, Unit::Pm, Unit::Oh, Unit::Noon, Unit::Midnight].map(Spoken::Unit).to_vec(),
    };
    (0..60).map(Spoken::Num).chain(own).collect()
}

fn in_lang(lang: Lang, zh: &str, yue: &str, en: &str) -> String {
    match lang {
        Lang::Zh => zh.into(),
        Lang::Yue => yue.into(),
        Lang::En => en.into(),
    }
}

/// 0 to 99.
fn below_100(lang: Lang, n: u8) -> String {
    let (tens, ones) = (usize::from(n / 10), usize::from(n % 10));
    match lang {
        Lang::Zh | Lang::Yue if n < 10 => HAN[ones].into(),
        Lang::Zh | Lang::Yue => {
            let ten = if tens == 1 { "" } else { HAN[tens] };
            format!("{ten}十{}", if ones == 0 { "" } else { HAN[ones] })
        }
        Lang::En if n < 20 => ONES[usize::from(n)].into(),
        Lang::En if ones == 0 => TENS[tens].into(),
        Lang::En => format!("{}-{}", TENS[tens], ONES[ones]),
    }
}

fn year_text(lang: Lang, year: i16) -> String {
    match lang {
        Lang::Zh | Lang::Yue => {
            let digits: String = year.to_string().bytes().map(|b| HAN[usize::from(b - b'0')]).collect();
            format!("{digits}年")
        }
        Lang::En => format!("twenty {}", below_100(lang, (year % 100) as u8)),
    }
}

fn month_text(lang: Lang, month: i8) -> String {
    match lang {
        Lang::Zh | Lang::Yue => format!("{}月", below_100(lang, month as u8)),
        Lang::En => month_name(month).into(),
    }
}

/// The English name of a month.
fn month_name(month: i8) -> &'static str {
    MONTHS[usize::from(month as u8) - 1]
}

fn day_text(lang: Lang, day: i8) -> String {
    match lang {
        Lang::Zh => format!("{}日", below_100(lang, day as u8)),
        Lang::Yue => format!("{}號", below_100(lang, day as u8)),
        Lang::En => format!("the {}", ordinal(day as u8)),
    }
}

fn ordinal(day: u8) -> String {
    match day {
        20 => "twentieth".into(),
        30 => "thirtieth".into(),
        1..20 => ORDINALS[usize::from(day)].into(),
        _ => format!("{}-{}", TENS[usize::from(day / 10)], ORDINALS[usize::from(day % 10)]),
    }
}

/// A date as a screen shows it: its year only if it is not the current one.
pub(super) fn date_text(lang: Lang, date: Date, today: Date) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let same = year == today.year();
    match lang {
        Lang::Zh | Lang::Yue if same => format!("{month}月{day}日"),
        Lang::Zh | Lang::Yue => format!("{year}年{month}月{day}日"),
        Lang::En if same => format!("{} {day}", month_name(month)),
        Lang::En => format!("{} {day}, {year}", month_name(month)),
    }
}

const HAN: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ORDINALS: [&str; 20] = [
    "",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
