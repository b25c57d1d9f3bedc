//! Values as they are spoken, held against references that share nothing with the code: the number-to-words libraries
//! `chinese-number` and `num2words`, and tables written out here (GB/T 15835-2011 for numerals, 普通话 telephone usage
//! for 幺, Hart's Rules for "and"). Each value is composed as a call composes it; the texts of its recordings, joined,
//! are what is compared, so that the list of recordings is proven with the words.

use std::collections::HashMap;
use std::sync::Arc;

use base::Lang;
use chinese_number::{ChineseCase, ChineseCountMethod, ChineseVariant, NumberToChinese};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use num2words::Num2Words;
use speech::{Piece, Script, Value};

const SCRIPT: &str = "
[prompt]
count  = { zh = '{n:count}', yue = '{n:count}', en = '{n:count}' }
number = { zh = '{n:number}', yue = '{n:number}', en = '{n:number}' }
money  = { zh = '{n:money}', yue = '{n:money}', en = '{n:money}' }
digits = { zh = '{n:digits}', yue = '{n:digits}', en = '{n:digits}' }
date   = { zh = '{n:date}', yue = '{n:date}', en = '{n:date}' }
time   = { zh = '{n:time}', yue = '{n:time}', en = '{n:time}' }
";
const TODAY: Date = date(2026, 11, 24);

/// Says values, and reads back what its recordings were read from.
struct Mouth {
    script: Script,
    texts: HashMap<(Lang, Arc<str>), String>,
}

impl Mouth {
    fn new() -> Mouth {
        let script = Script::parse(SCRIPT, "values.toml").expect("a script");
        let needed = Lang::ALL.into_iter().flat_map(|lang| script.vocabulary(lang));
        let texts = needed.map(|needed| ((needed.lang, needed.id), needed.text)).collect();
        Mouth { script, texts }
    }

    /// The texts of the recordings, joined as they are heard; none where the value cannot be said.
    fn says(&self, lang: Lang, kind: &str, value: &Value) -> Option<String> {
        let said = self.script.compose(lang, &format!("prompt.{kind}"), &|_| Some(value.clone()), TODAY).ok()?;
        let clips = said.pieces.iter().filter_map(|piece| match piece {
            Piece::Clip(clip) => Some(&*self.texts[&(clip.lang, clip.id.clone())]),
            Piece::Silence(_) | Piece::Tone(_) | Piece::Ringing(_) | Piece::Message => None,
        });
        let clips: Vec<&str> = clips.collect();
        Some(clips.join(if lang == Lang::En { " " } else { "" }))
    }

    fn number(&self, lang: Lang, kind: &str, n: u32) -> String {
        self.says(lang, kind, &Value::Number(n)).unwrap_or_else(|| panic!("{n} in {}", lang.code()))
    }
}

/// All to 99,999; every turn of every decimal place with its neighbours; then a stride of a prime, and a seeded walk.
fn numbers() -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..=99_999).collect();
    for place in [100_000_u32, 1_000_000, 10_000_000] {
        for digit in 1..=9 {
            for offset in
                [0, 1, 2, 9, 10, 11, 12, 19, 20, 99, 100, 101, 110, 111, 200, 222, 999, 1000, 1001, 1010, 2000]
            {
                numbers.extend([
                    place * digit + offset,
                    place * digit + offset * 1000,
                    (place * digit).saturating_sub(offset),
                ]);
            }
            numbers.extend((0..10_000).step_by(367).map(|rest| place * digit + rest * 10_000 % place));
        }
    }
    numbers.extend((100_000..=99_999_999).step_by(1867));
    let mut state = 7_u64;
    numbers.extend((0..30_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 100_000_000) as u32
    }));
    numbers.push(99_999_999);
    numbers.retain(|n| *n <= 99_999_999);
    numbers
}

/// The library's numeral, with 两 where speech has it: before 千 and 万, and not before 十 and 百.
fn chinese(lang: Lang, n: u32) -> String {
    let plain = match lang {
        Lang::Zh | Lang::En => {
            n.to_chinese(ChineseVariant::Simple, ChineseCase::Lower, ChineseCountMethod::TenThousand)
        }
        Lang::Yue => n.to_chinese(ChineseVariant::Traditional, ChineseCase::Lower, ChineseCountMethod::TenThousand),
    };
    let (two, wan) = if lang == Lang::Zh { ("两", "万") } else { ("兩", "萬") };
    let spoken = plain.expect("below a hundred million").replace("二千", &format!("{two}千"));
    match spoken.strip_prefix(&format!("二{wan}")) {
        Some(rest) => format!("{two}{wan}{rest}"),
        None => spoken,
    }
}

/// The library's words, with "and" before the tens and ones that follow hundreds or more.
fn english(n: u32) -> String {
    let group = |n: u32| -> String {
        let (hundreds, rest) = (n / 100, n % 100);
        let words = |n: u32| Num2Words::new(n).to_words().expect("a small number");
        match (hundreds, rest) {
            (0, rest) => words(rest),
            (hundreds, 0) => format!("{} hundred", words(hundreds)),
            (hundreds, rest) => format!("{} hundred and {}", words(hundreds), words(rest)),
        }
    };
    let (millions, thousands, rest) = (n / 1_000_000, n / 1000 % 1000, n % 1000);
    let mut parts = Vec::new();
    if millions > 0 {
        parts.push(format!("{} million", group(millions)));
    }
    if thousands > 0 {
        parts.push(format!("{} thousand", group(thousands)));
    }
    if rest > 0 || n == 0 {
        let and = if n > 999 && rest < 100 { "and " } else { "" };
        parts.push(format!("{and}{}", group(rest)));
    }
    parts.join(" ")
}

#[test]
fn numbers_to_a_hundred_million_are_those_of_the_libraries() {
    let mouth = Mouth::new();
    for n in numbers() {
        for lang in [Lang::Zh, Lang::Yue] {
            assert_eq!(mouth.number(lang, "number", n), chinese(lang, n), "{n} in {}", lang.code());
        }
        assert_eq!(mouth.number(Lang::En, "number", n), english(n), "{n}");
    }
}

/// The library never writes "and"; without it, the wording must equal the library's for the whole number.
#[test]
fn english_without_and_is_the_librarys_own_wording() {
    let mouth = Mouth::new();
    let bare = |text: &str| text.replace(" and ", " ").replace([',', '-'], " ").replace("  ", " ");
    for n in numbers().into_iter().step_by(11) {
        let library = Num2Words::new(n).to_words().expect("a number");
        assert_eq!(bare(&mouth.number(Lang::En, "number", n)), bare(&library), "{n}");
    }
}

#[test]
fn a_count_differs_from_a_number_by_a_lone_two_alone() {
    let mouth = Mouth::new();
    for n in numbers().into_iter().step_by(7).chain([2]) {
        for lang in Lang::ALL {
            let (count, number) = (mouth.number(lang, "count", n), mouth.number(lang, "number", n));
            match (n, lang) {
                (2, Lang::Zh) => assert_eq!((&*count, &*number), ("两", "二")),
                (2, Lang::Yue) => assert_eq!((&*count, &*number), ("兩", "二")),
                _ => assert_eq!(count, number, "{n}"),
            }
        }
    }
}

#[test]
fn the_numerals_that_slips_are_made_of() {
    let mouth = Mouth::new();
    let table = [
        (0, "零", "zero"),
        (10, "十", "ten"),
        (12, "十二", "twelve"),
        (20, "二十", "twenty"),
        (22, "二十二", "twenty-two"),
        (101, "一百零一", "one hundred and one"),
        (110, "一百一十", "one hundred and ten"),
        (112, "一百一十二", "one hundred and twelve"),
        (200, "二百", "two hundred"),
        (202, "二百零二", "two hundred and two"),
        (1001, "一千零一", "one thousand and one"),
        (1010, "一千零一十", "one thousand and ten"),
        (2000, "两千", "two thousand"),
        (2222, "两千二百二十二", "two thousand two hundred and twenty-two"),
        (10_000, "一万", "ten thousand"),
        (10_010, "一万零一十", "ten thousand and ten"),
        (12_000, "一万两千", "twelve thousand"),
        (20_000, "两万", "twenty thousand"),
        (20_020, "两万零二十", "twenty thousand and twenty"),
        (100_000, "十万", "one hundred thousand"),
        (120_000, "十二万", "one hundred and twenty thousand"),
        (1_000_001, "一百万零一", "one million and one"),
        (20_020_002, "两千零二万零二", "twenty million twenty thousand and two"),
    ];
    for (n, zh, en) in table {
        assert_eq!(mouth.number(Lang::Zh, "number", n), zh);
        assert_eq!(mouth.number(Lang::En, "number", n), en);
        // Cantonese shares the numeral, with its own characters, and has no 廿.
        let yue = zh.replace('两', "兩").replace('万', "萬");
        assert_eq!(mouth.number(Lang::Yue, "number", n), yue);
    }
    assert_eq!(mouth.says(Lang::Zh, "number", &Value::Number(100_000_000)), None, "no number is guessed");
}

#[test]
fn every_day_of_every_recorded_year_is_said() {
    let mouth = Mouth::new();
    let mut day = date(2024, 1, 1);
    while day.year() <= 2035 {
        let ordinal = Num2Words::new(day.day() as u32).ordinal().to_words().expect("an ordinal");
        let months = [
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
        let (year, month) = (day.year(), months[day.month() as usize - 1]);
        let plain = |n: i8| chinese(Lang::Zh, n as u32);
        let digits: String =
            year.to_string().chars().map(|c| "零一二三四五六七八九".chars().nth(c as usize - 48).unwrap()).collect();
        let with_year = year != TODAY.year();
        let zh_year = if with_year { format!("{digits}年") } else { String::new() };
        let en_year = format!(" twenty {}", Num2Words::new((year - 2000) as u32).to_words().expect("a year"));
        let value = Value::Date(day);
        let zh = format!("{zh_year}{}月{}日", plain(day.month()), plain(day.day()));
        assert_eq!(mouth.says(Lang::Zh, "date", &value).expect("said"), zh);
        let yue = format!("{zh_year}{}月{}號", plain(day.month()), plain(day.day()));
        assert_eq!(mouth.says(Lang::Yue, "date", &value).expect("said"), yue);
        let en = format!("{month} the {ordinal}{}", if with_year { &en_year } else { "" });
        assert_eq!(mouth.says(Lang::En, "date", &value).expect("said"), en);
        day += 1.day();
    }
    let of = |year| mouth.says(Lang::Zh, "date", &Value::Date(date(year, 1, 1)));
    assert_eq!(of(2036).as_deref(), Some("二零三六年一月一日"), "a year without a recording of its own");
    assert_eq!(of(1979), None);
}

#[test]
fn every_minute_of_a_day_is_said() {
    let mouth = Mouth::new();
    for minute in 0..24 * 60_u32 {
        let (hour, minute) = (minute / 60, minute % 60);
        let value = Value::Time(TODAY.at(hour as i8, minute as i8, 0, 0));
        for (lang, two, point) in [(Lang::Zh, "两", "点"), (Lang::Yue, "兩", "點")] {
            let parts = match lang {
                Lang::Zh | Lang::En => ["凌晨", "上午", "中午", "下午", "晚上"],
                Lang::Yue => ["凌晨", "上晝", "中午", "下晝", "夜晚"],
            };
            let part = parts[[6, 12, 13, 18].iter().filter(|from| hour >= **from).count()];
            let said = if hour > 12 { hour - 12 } else { hour };
            let hour = if said == 2 { two.to_owned() } else { chinese(Lang::Zh, said) };
            let zero = if (1..10).contains(&minute) { "零" } else { "" };
            let rest = match minute {
                0 => String::new(),
                30 => "半".to_owned(),
                _ => format!("{zero}{}分", chinese(Lang::Zh, minute)),
            };
            assert_eq!(mouth.says(lang, "time", &value).expect("said"), format!("{part}{hour}{point}{rest}"));
        }
        let words = |n: u32| Num2Words::new(n).to_words().expect("a number");
        let of_twelve = match hour % 12 {
            0 => 12,
            other => other,
        };
        let half = if hour < 12 { "a.m." } else { "p.m." };
        let en = match minute {
            0 if hour == 0 => "twelve midnight".to_owned(),
            0 if hour == 12 => "twelve noon".to_owned(),
            0 => format!("{} {half}", words(of_twelve)),
            1..10 => format!("{} oh {} {half}", words(of_twelve), words(minute)),
            _ => format!("{} {} {half}", words(of_twelve), words(minute)),
        };
        assert_eq!(mouth.says(Lang::En, "time", &value).expect("said"), en);
    }
    let yesterday = Value::Time(date(2026, 11, 23).at(9, 15, 0, 0));
    assert_eq!(mouth.says(Lang::Zh, "time", &yesterday).expect("said"), "十一月二十三日上午九点十五分");
}

/// Yuan, jiao and fen as a cashier says them: no empty place is named but a skipped jiao, as 零.
#[test]
fn money_is_said_by_yuan_jiao_and_fen() {
    let mouth = Mouth::new();
    let amounts = (0..=30_000_u32).chain((30_000..=4_294_000_000).step_by(1_234_567));
    for fen in amounts {
        let (yuan, jiao, rest) = (fen / 100, fen / 10 % 10, fen % 10);
        for (lang, two, [unit, ten, hundredth]) in
            [(Lang::Zh, "两", ["元", "角", "分"]), (Lang::Yue, "兩", ["蚊", "毫", "分"])]
        {
            let count = |n: u32| if n == 2 { two.to_owned() } else { chinese(lang, n) };
            let mut said = String::new();
            if yuan > 0 || fen == 0 {
                said += &format!("{}{unit}", count(yuan));
            }
            if jiao > 0 {
                said += &format!("{}{ten}", count(jiao));
            } else if rest > 0 && yuan > 0 {
                said += "零";
            }
            if rest > 0 {
                said += &format!("{}{hundredth}", count(rest));
            }
            assert_eq!(mouth.says(lang, "money", &Value::Money(fen)).expect("said"), said, "{fen}");
        }
        let change = match (jiao, rest) {
            (0, 0) => None,
            (jiao, 0) => Some(format!("{} jiao", english(jiao))),
            (jiao, rest) => Some(format!("{} fen", english(jiao * 10 + rest))),
        };
        let whole = (yuan > 0 || fen == 0).then(|| format!("{} yuan", english(yuan)));
        let en: Vec<String> = whole.into_iter().chain(change).collect();
        assert_eq!(mouth.says(Lang::En, "money", &Value::Money(fen)).expect("said"), en.join(" and "), "{fen}");
    }
}

/// 幺 for 1 in Mandarin on the telephone, 一 in Cantonese; 0 is 零; every digit is there in both its places.
#[test]
fn digits_are_said_one_by_one() {
    let mouth = Mouth::new();
    let tables = [(Lang::Zh, "零幺二三四五六七八九"), (Lang::Yue, "零一二三四五六七八九")];
    for n in 0..10_000_u32 {
        for width in [1, 4, 8] {
            let digits = format!("{n:0width$}");
            let value = Value::Digits { digits: digits.clone(), groups: Vec::new() };
            for (lang, table) in tables {
                let expected: String =
                    digits.bytes().map(|d| table.chars().nth(usize::from(d - b'0')).unwrap()).collect();
                assert_eq!(mouth.says(lang, "digits", &value).expect("said"), expected);
            }
            let expected: Vec<String> =
                digits.bytes().map(|d| Num2Words::new(u32::from(d - b'0')).to_words().expect("a digit")).collect();
            assert_eq!(mouth.says(Lang::En, "digits", &value).expect("said"), expected.join(" "));
        }
    }
    let x = Value::Digits { digits: "123X".into(), groups: vec![4] };
    assert_eq!(mouth.says(Lang::Zh, "digits", &x).expect("said"), "幺二三X");
}
