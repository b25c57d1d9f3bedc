//! The reference here goes another way than the code: numerals are built digit by digit from the decimal
//! string and then cleaned, as school books teach it (GB/T 15835-2011; Hart's Rules for English).

use super::*;
use jiff::civil::date as day;

use crate::SlotType;
use crate::vocabulary::words_of;

fn heard(lang: Lang, words: &[Spoken]) -> String {
    let parts: Vec<String> = words.iter().map(|w| w.text(lang)).filter(|t| !t.is_empty()).collect();
    parts.join(if lang == Lang::En { " " } else { "" })
}

fn reference_chinese(n: u32) -> String {
    let digits: Vec<u32> = n.to_string().bytes().map(|b| u32::from(b - b'0')).collect();
    let mut text = String::new();
    for (at, d) in digits.iter().enumerate() {
        let place = digits.len() - 1 - at;
        let unit = ["", "十", "百", "千"][place % 4];
        text.push(['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'][*d as usize]);
        if *d > 0 {
            text.push_str(unit);
        }
        if place == 4 {
            text.push('万');
        }
    }
    while text.contains("零零") {
        text = text.replace("零零", "零");
    }
    text = text.replace("零万", "万");
    if n > 0 {
        text = text.trim_end_matches('零').into();
    }
    if let Some(rest) = text.strip_prefix("一十") {
        text = format!("十{rest}");
    }
    text = text.replace("二千", "两千");
    if text.starts_with("二万") {
        text = text.replacen('二', "两", 1);
    }
    text
}

fn reference_english(n: u32) -> String {
    const SMALL: [&str; 20] = [
        "",
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
    match n {
        0 => "zero".into(),
        1..20 => SMALL[n as usize].into(),
        20..100 if n.is_multiple_of(10) => TENS[n as usize / 10].into(),
        20..100 => format!("{}-{}", TENS[n as usize / 10], SMALL[n as usize % 10]),
        100..1000 => joined(reference_english(n / 100) + " hundred", n % 100),
        1000..1_000_000 => joined(reference_english(n / 1000) + " thousand", n % 1000),
        _ => joined(reference_english(n / 1_000_000) + " million", n % 1_000_000),
    }
}

fn joined(head: String, rest: u32) -> String {
    match rest {
        0 => head,
        1..100 => format!("{head} and {}", reference_english(rest)),
        _ => format!("{head} {}", reference_english(rest)),
    }
}

/// Every number to 120,000, then a stride of a prime to the end.
fn numbers() -> impl Iterator<Item = u32> {
    (0..120_000).chain((120_000..=NUMBER_MAX).step_by(1009)).chain([NUMBER_MAX, 10_000_000, 20_020_002])
}

#[test]
fn chinese_numerals_follow_the_reference() {
    for n in numbers() {
        assert_eq!(heard(Lang::Zh, &number(Lang::Zh, n, false).unwrap()), reference_chinese(n), "{n}");
    }
}

#[test]
fn cantonese_numerals_are_the_same_in_its_own_characters() {
    for n in numbers().step_by(7) {
        let reference = reference_chinese(n).replace('两', "兩").replace('万', "萬");
        assert_eq!(heard(Lang::Yue, &number(Lang::Yue, n, false).unwrap()), reference, "{n}");
    }
}

#[test]
fn english_numerals_follow_the_reference() {
    for n in numbers() {
        assert_eq!(heard(Lang::En, &number(Lang::En, n, true).unwrap()), reference_english(n), "{n}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    assert_eq!(number(Lang::Zh, NUMBER_MAX + 1, false), None);
}

#[test]
fn well_known_numerals() {
    let zh = |n| heard(Lang::Zh, &number(Lang::Zh, n, true).unwrap());
    let table = [
        (0, "零"),
        (2, "两"),
        (10, "十"),
        (12, "十二"),
        (20, "二十"),
        (101, "一百零一"),
        (110, "一百一十"),
        (200, "二百"),
        (1010, "一千零一十"),
        (1001, "一千零一"),
        (2002, "两千零二"),
        (10010, "一万零一十"),
        (20000, "两万"),
        (100000, "十万"),
        (110000, "十一万"),
        (105000, "十万五千"),
        (10050000, "一千零五万"),
        (99999999, "九千九百九十九万九千九百九十九"),
    ];
    for (n, text) in table {
        assert_eq!(zh(n), text);
    }
}

#[test]
fn every_time_of_the_day_is_spoken() {
    let today = day(2026, 11, 24);
    for hour in 0..24 {
        for minute in 0..60 {
            let at = today.at(hour, minute, 0, 0);
            let part = match hour {
                0..=5 => "凌晨",
                6..=11 => "上午",
                12 => "中午",
                13..=17 => "下午",
                _ => "晚上",
            };
            let said = if hour > 12 { hour - 12 } else { hour };
            let zh_hour = if said == 2 { "两".into() } else { reference_chinese(said as u32) };
            let zh_hour = format!("{part}{zh_hour}");
            let zh = match minute {
                30 => format!("{zh_hour}点半"),
                0 => format!("{zh_hour}点"),
                1..=9 => format!("{zh_hour}点零{}分", reference_chinese(minute as u32)),
                _ => format!("{zh_hour}点{}分", reference_chinese(minute as u32)),
            };
            assert_eq!(heard(Lang::Zh, &time(Lang::Zh, at, today).unwrap()), zh);
            let half = if hour < 12 { "a.m." } else { "p.m." };
            let twelve = reference_english(if hour % 12 == 0 { 12 } else { hour as u32 % 12 });
            let en = match minute {
                0 if hour == 0 => "twelve midnight".into(),
                0 if hour == 12 => "twelve noon".into(),
                0 => format!("{twelve} {half}"),
                1..=9 => format!("{twelve} oh {} {half}", reference_english(minute as u32)),
                _ => format!("{twelve} {} {half}", reference_english(minute as u32)),
            };
            assert_eq!(heard(Lang::En, &time(Lang::En, at, today).unwrap()), en);
        }
    }
}

#[test]
fn every_date_of_two_years_is_spoken_and_the_year_only_when_it_differs() {
    let today = day(2026, 11, 24);
    for date_ in day(2026, 1, 1).series(jiff::Span::new().days(1)).take_while(|d| d.year() < 2028) {
        let (m, d) = (reference_chinese(date_.month() as u32), reference_chinese(date_.day() as u32));
        let year = if date_.year() == 2026 { "" } else { "二零二七年" };
        assert_eq!(heard(Lang::Zh, &date(Lang::Zh, date_, today).unwrap()), format!("{year}{m}月{d}日"));
        assert_eq!(heard(Lang::Yue, &date(Lang::Yue, date_, today).unwrap()), format!("{year}{m}月{d}號"));
    }
    assert_eq!(
        heard(Lang::En, &date(Lang::En, day(2027, 1, 23), today).unwrap()),
        "January the twenty-third twenty twenty-seven"
    );
    assert_eq!(date(Lang::En, day(1979, 1, 1), today), None);
}

#[test]
fn years_without_a_recording_of_their_own_are_put_together_of_words_that_a_date_needs() {
    let today = day(2026, 11, 24);
    for (year, zh, en) in [
        (2023, "二零二三年", "twenty twenty-three"),
        (2012, "二零一二年", "twenty twelve"),
        (2005, "二零零五年", "two thousand and five"),
        (2000, "二零零零年", "two thousand"),
        (1998, "一九九八年", "nineteen ninety-eight"),
        (2100, "二一零零年", "two thousand one hundred"),
    ] {
        let said = |lang| heard(lang, &date(lang, day(year, 6, 5), today).expect("a year of a case"));
        assert_eq!(said(Lang::Zh), format!("{zh}六月五日"));
        assert_eq!(said(Lang::Yue), format!("{zh}六月五號"));
        assert_eq!(said(Lang::En), format!("June the fifth {en}"));
    }
    for lang in Lang::ALL {
        let words = words_of(lang, SlotType::Date);
        for year in YEARS_PUT_TOGETHER {
            let said = date(lang, day(year, 6, 5), today).expect("a year of a case");
            assert!(said.iter().all(|word| words.contains(word)), "{year} {said:?}");
        }
    }
}

#[test]
fn money_is_spoken_with_its_small_change() {
    let zh = |fen| heard(Lang::Zh, &money(Lang::Zh, fen).unwrap());
    let table = [
        (0, "零元"),
        (200, "两元"),
        (12_000, "一百二十元"),
        (105, "一元零五分"),
        (150, "一元五角"),
        (5, "五分"),
        (20, "两角"),
        (12_055, "一百二十元五角五分"),
    ];
    for (fen, text) in table {
        assert_eq!(zh(fen), text);
    }
    assert_eq!(heard(Lang::En, &money(Lang::En, 12_055).unwrap()), "one hundred and twenty yuan and fifty-five fen");
    assert_eq!(heard(Lang::En, &money(Lang::En, 1550).unwrap()), "fifteen yuan and five jiao");
}

#[test]
fn digits_are_read_one_by_one_and_one_is_yao_in_mandarin_only() {
    let words = digits("110", &[]).unwrap();
    assert_eq!(words, [Spoken::DigitMedial(1), Spoken::DigitMedial(1), Spoken::DigitFinal(0)]);
    assert_eq!(heard(Lang::Zh, &words), "幺幺零");
    assert_eq!(heard(Lang::Yue, &words), "一一零");
    assert_eq!(heard(Lang::En, &words), "one one zero");
    assert_eq!(digits("12a", &[]), None);
}

#[test]
fn groups_are_those_of_the_format_or_of_four() {
    assert_eq!(grouped("123456789012345", &[3, 4, 4, 4]), ["123", "4567", "8901", "2345"]);
    assert_eq!(grouped("123456789012345", &[9, 9]), ["1234", "5678", "9012", "345"]);
    assert_eq!(grouped("96110110", &[]), ["9611", "0110"]);
    assert_eq!(grouped("12345", &[]), ["12345"]);
    assert!(grouped("", &[]).is_empty());
}
