//! Values as they are spoken: words in the order of the language. `vocabulary` names their recordings.
//!
//! ```text
//!  Value ──► Vec<Spoken> ──► clip ids         (this file and `vocabulary`)
//! ```
//! Reading rules: numerals with 零 where a place is skipped (GB/T 15835-2011), 一十 as 十 at the start, 两/兩 for a
//! lone 2 that counts something, for 2 of the clock and before 千 and 万; digits one by one; English numbers with
//! "and" after the hundreds.

use jiff::civil::{Date, DateTime};

use base::{Key, Lang};

/// A word of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spoken {
    /// A digit with another one of its group after it.
    DigitMedial(u8),
    /// The last digit of a group.
    DigitFinal(u8),
    /// X in a number.
    X,
    /// 0 to 99.
    Num(u8),
    /// 两, 兩.
    TwoCount,
    /// 1 to 9 hundreds.
    Hundreds(u8),
    /// 1 to 9 thousands.
    Thousands(u8),
    /// A measure or a connecting word.
    Unit(Unit),
    /// A year of [`YEARS`].
    Year(i16),
    /// A month, 1 to 12.
    Month(i8),
    /// A day of the month, 1 to 31.
    Day(i8),
    /// A key of the telephone.
    Key(Key),
    /// The pause between two groups of digits.
    GroupPause,
    /// The pause between a date and a time.
    ClausePause,
}

/// Words that go with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 万, 萬.
    TenThousand,
    /// English only: after more than nine of them.
    Thousand,
    /// English only.
    Million,
    /// English only: before tens and ones, and before small change.
    And,
    /// 点, 點.
    Hour,
    /// 年 after the digits of a year; Chinese only.
    Year,
    /// 分 of the clock.
    Minute,
    /// 凌晨; Chinese only.
    Dawn,
    /// 上午, 上晝, a.m.
    Am,
    /// 中午, noon.
    Noon,
    /// 下午, 下晝, p.m.
    Pm,
    /// 晚上, 夜晚; Chinese only.
    Evening,
    /// Midnight; English only.
    Midnight,
    /// 半: thirty minutes past; Chinese only.
    HalfPast,
    /// English only: the zero of ten oh five.
    Oh,
    /// 元, 蚊, yuan.
    Yuan,
    /// A tenth of a yuan: 角, 毫, jiao.
    Jiao,
    /// A hundredth of a yuan: 分, fen.
    Fen,
}

/// The largest number that is spoken.
pub const NUMBER_MAX: u32 = 99_999_999;
/// The years that have a recording of their own. Others are put together.
pub const YEARS: std::ops::RangeInclusive<i16> = 2024..=2035;

/// The years that can be put together of other recordings: those that a case may have.
pub const YEARS_PUT_TOGETHER: std::ops::RangeInclusive<i16> = 1980..=2200;

/// A number; `counting` when a measure word follows. None above [`NUMBER_MAX`].
pub fn number(lang: Lang, n: u32, counting: bool) -> Option<Vec<Spoken>> {
    if n > NUMBER_MAX {
        return None;
    }
    let mut out = Vec::new();
    match lang {
        Lang::Zh | Lang::Yue if counting && n == 2 => out.push(Spoken::TwoCount),
        Lang::Zh | Lang::Yue => chinese(n, &mut out),
        Lang::En => english(n, &mut out),
    }
    Some(out)
}

fn chinese(n: u32, out: &mut Vec<Spoken>) {
    let (high, low) = (n / 10_000, n % 10_000);
    match high {
        0 => {}
        2 => out.push(Spoken::TwoCount),
        _ => chinese_low(high, true, out),
    }
    if high > 0 {
        out.push(Spoken::Unit(Unit::TenThousand));
        if low == 0 {
            return;
        }
        if low < 1000 {
            out.push(Spoken::Num(0));
        }
    }
    chinese_low(low, high == 0, out);
}

/// Below ten thousand; `start` when no word of the number stands before it.
fn chinese_low(n: u32, start: bool, out: &mut Vec<Spoken>) {
    let (thousands, hundreds, rest) = (n / 1000, n / 100 % 10, n % 100);
    if thousands > 0 {
        out.push(Spoken::Thousands(thousands as u8));
    }
    if hundreds > 0 {
        out.push(Spoken::Hundreds(hundreds as u8));
    }
    if rest == 0 && n > 0 {
        return;
    }
    let above = thousands + hundreds > 0;
    if above && (hundreds == 0 || rest < 10) {
        out.push(Spoken::Num(0));
    }
    if (10..20).contains(&rest) && (above || !start) {
        out.push(Spoken::Num(1));
    }
    out.push(Spoken::Num(rest as u8));
}

fn english(n: u32, out: &mut Vec<Spoken>) {
    let (millions, thousands, rest) = (n / 1_000_000, n / 1000 % 1000, n % 1000);
    if millions > 0 {
        english_low(millions, out);
        out.push(Spoken::Unit(Unit::Million));
    }
    match thousands {
        0 => {}
        1..=9 => out.push(Spoken::Thousands(thousands as u8)),
        _ => {
            english_low(thousands, out);
            out.push(Spoken::Unit(Unit::Thousand));
        }
    }
    if rest > 0 || n == 0 {
        if n > 999 && rest < 100 {
            out.push(Spoken::Unit(Unit::And));
        }
        english_low(rest, out);
    }
}

fn english_low(n: u32, out: &mut Vec<Spoken>) {
    let (hundreds, rest) = (n / 100, n % 100);
    if hundreds > 0 {
        out.push(Spoken::Hundreds(hundreds as u8));
        if rest == 0 {
            return;
        }
        out.push(Spoken::Unit(Unit::And));
    }
    out.push(Spoken::Num(rest as u8));
}

/// Digits one by one, in groups; absent or wrong group lengths mean groups of four. None if a character has no word.
pub fn digits(text: &str, groups: &[u8]) -> Option<Vec<Spoken>> {
    let mut out = Vec::new();
    for (nth, group) in grouped(text, groups).into_iter().enumerate() {
        if nth > 0 {
            out.push(Spoken::GroupPause);
        }
        let last = group.chars().count() - 1;
        for (at, c) in group.chars().enumerate() {
            out.push(match c.to_digit(10) {
                Some(d) if at == last => Spoken::DigitFinal(d as u8),
                Some(d) => Spoken::DigitMedial(d as u8),
                None if c.eq_ignore_ascii_case(&'x') => Spoken::X,
                None => return None,
            });
        }
    }
    Some(out)
}

/// Cuts a number into its groups.
pub fn grouped(text: &str, groups: &[u8]) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let fits = groups.iter().all(|g| *g > 0) && groups.iter().map(|g| usize::from(*g)).sum::<usize>() == chars.len();
    let mut rest = &chars[..];
    let mut out = Vec::new();
    let mut lengths = groups.iter().map(|g| usize::from(*g)).filter(|_| fits);
    while !rest.is_empty() {
        // A lone digit left over is read with the group before it: five are as easy to follow as four.
        let length = lengths.next().unwrap_or(if rest.len() == 5 { 5 } else { 4 }).min(rest.len());
        out.push(rest[..length].iter().collect());
        rest = &rest[length..];
    }
    out
}

/// A date; its year only where it is not this year's. None for a year outside of [`YEARS_PUT_TOGETHER`].
pub fn date(lang: Lang, date: Date, today: Date) -> Option<Vec<Spoken>> {
    let day = [Spoken::Month(date.month()), Spoken::Day(date.day())];
    if date.year() == today.year() {
        return Some(day.to_vec());
    }
    let year = year(lang, date.year())?;
    Some(match lang {
        Lang::Zh | Lang::Yue => year.into_iter().chain(day).collect(),
        Lang::En => day.into_iter().chain(year).collect(),
    })
}

/// 二零二三年, nineteen ninety-eight, two thousand and five.
fn year(lang: Lang, year: i16) -> Option<Vec<Spoken>> {
    if YEARS.contains(&year) {
        return Some(vec![Spoken::Year(year)]);
    }
    let n = u32::from(year.unsigned_abs());
    let (century, rest) = ((n / 100) as u8, (n % 100) as u8);
    if !YEARS_PUT_TOGETHER.contains(&year) {
        return None;
    }
    let mut out = Vec::new();
    match lang {
        // In numbers, not as in a receipt's digits: 一, not 幺.
        Lang::Zh | Lang::Yue => {
            out.extend([century / 10, century % 10, rest / 10, rest % 10].map(Spoken::Num));
            out.push(Spoken::Unit(Unit::Year));
        }
        Lang::En if rest < 10 => english(n, &mut out),
        Lang::En => out.extend([Spoken::Num(century), Spoken::Num(rest)]),
    }
    Some(out)
}

/// A time of day, after its date where that is not today.
pub fn time(lang: Lang, time: DateTime, today: Date) -> Option<Vec<Spoken>> {
    let mut out = Vec::new();
    if time.date() != today {
        out = date(lang, time.date(), today)?;
        out.push(Spoken::ClausePause);
    }
    let (hour, minute) = (time.hour() as u8, time.minute() as u8);
    match lang {
        Lang::Zh | Lang::Yue => chinese_time(hour, minute, &mut out),
        Lang::En => english_time(hour, minute, &mut out),
    }
    Some(out)
}

/// The part of the day that an hour is said with in Chinese: 凌晨 to five, 上午, 中午 at twelve, 下午 from one, 晚上 from six.
pub(super) fn part_of_day(hour: u8) -> Unit {
    match hour {
        0..6 => Unit::Dawn,
        6..12 => Unit::Am,
        12 => Unit::Noon,
        13..18 => Unit::Pm,
        _ => Unit::Evening,
    }
}

/// The hour as it is said after the part of the day: 零 to 十二.
pub(super) fn hour_of_part(hour: u8) -> u8 {
    if hour > 12 { hour - 12 } else { hour }
}

fn chinese_time(hour: u8, minute: u8, out: &mut Vec<Spoken>) {
    out.push(Spoken::Unit(part_of_day(hour)));
    let said = hour_of_part(hour);
    out.push(if said == 2 { Spoken::TwoCount } else { Spoken::Num(said) });
    out.push(Spoken::Unit(Unit::Hour));
    match minute {
        0 => return,
        30 => return out.push(Spoken::Unit(Unit::HalfPast)),
        _ => {}
    }
    if minute < 10 {
        out.push(Spoken::Num(0));
    }
    out.extend([Spoken::Num(minute), Spoken::Unit(Unit::Minute)]);
}

fn english_time(hour: u8, minute: u8, out: &mut Vec<Spoken>) {
    out.push(Spoken::Num((hour + 11) % 12 + 1));
    match (hour, minute) {
        (0, 0) => return out.push(Spoken::Unit(Unit::Midnight)),
        (12, 0) => return out.push(Spoken::Unit(Unit::Noon)),
        _ => {}
    }
    match minute {
        0 => {}
        1..=9 => out.extend([Spoken::Unit(Unit::Oh), Spoken::Num(minute)]),
        _ => out.push(Spoken::Num(minute)),
    }
    out.push(Spoken::Unit(if hour < 12 { Unit::Am } else { Unit::Pm }));
}

/// Money, in fen.
pub fn money(lang: Lang, fen: u32) -> Option<Vec<Spoken>> {
    let (yuan, rest) = (fen / 100, fen % 100);
    let mut out = Vec::new();
    if yuan > 0 || rest == 0 {
        out.extend(number(lang, yuan, true)?);
        out.push(Spoken::Unit(Unit::Yuan));
    }
    match lang {
        Lang::Zh | Lang::Yue => chinese_change(lang, rest, yuan > 0, &mut out)?,
        Lang::En if rest > 0 => {
            if yuan > 0 {
                out.push(Spoken::Unit(Unit::And));
            }
            let (n, unit) = if rest % 10 == 0 { (rest / 10, Unit::Jiao) } else { (rest, Unit::Fen) };
            out.extend([Spoken::Num(n as u8), Spoken::Unit(unit)]);
        }
        Lang::En => {}
    }
    Some(out)
}

fn chinese_change(lang: Lang, rest: u32, after_yuan: bool, out: &mut Vec<Spoken>) -> Option<()> {
    let (jiao, fen) = (rest / 10, rest % 10);
    if jiao > 0 {
        out.extend(number(lang, jiao, true)?);
        out.push(Spoken::Unit(Unit::Jiao));
    } else if fen > 0 && after_yuan {
        out.push(Spoken::Num(0));
    }
    if fen > 0 {
        out.extend(number(lang, fen, true)?);
        out.push(Spoken::Unit(Unit::Fen));
    }
    Some(())
}

#[cfg(test)]
#[path = "spoken_tests.rs"]
mod tests;
