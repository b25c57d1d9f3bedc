//! Telephone numbers, compared as numbers and not as spellings (RFC 3261 §19.1.6, RFC 3966 §5).
//!
//! ```text
//! user of a URI ─► unescaped ─► parameters ─► separators ─► Number: + country … │ local digits (with a context)
//!                                                                    └─ NumberPlan ─► national form ─► same? key
//! ```
//!
//! Two numbers are the same where their digits are the same after the plan has taken away what may stand before them:
//!
//! | written | means |
//! |---|---|
//! | `+86…`, `0086…`, or `86…` with at least eight digits after it | a number of the country, in its national form |
//! | `0…` | the national form: area code and local number |
//! | other digits | a local number, in the `phone-context` if there is one, else of the configured area |
//! | `+852…`, `00852…`, or a foreign `phone-context` | a number of another country: the same as itself alone |
//!
//! A national number equals a local one with the same digits (`+8696110110` and `96110110`: numbers that the whole
//! country dials without an area code), and one that has only the configured area code before it (`+862096110110`, if the
//! area code is `20`). Without an area code the last is another number, because other cities may have it.

use std::fmt;

use super::uri;

/// What stands before the digits of a local number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    /// The country code, without `+`.
    pub country: String,
    /// The area code of local numbers, without the national prefix 0; `None`: no area's numbers are local.
    pub area: Option<String>,
}

impl Default for NumberPlan {
    /// China, without an area.
    fn default() -> NumberPlan {
        NumberPlan { country: "86".into(), area: None }
    }
}

/// The user part of a `sip:` or `tel:` URI that is a telephone number.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    /// After `+`: the country code and the national number.
    global: bool,
    /// 0 to 9, `*`, `#`; at least one digit.
    digits: String,
    /// The digits of a `phone-context=+…`.
    context: Option<String>,
}

/// Prints no digit.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(_)")
    }
}

/// A number without what may stand before it.
#[derive(PartialEq, Eq)]
enum Form {
    /// Of another country: all its digits.
    Foreign(String),
    /// Area code and local number, or a number that the whole country dials.
    National(String),
    /// As dialled in its own area.
    Local(String),
}

impl Number {
    /// Reads a user part as written: escaped, with separators and parameters. `None` if it is a name.
    pub fn read(user: &str) -> Option<Number> {
        Number::read_with(user, "")
    }

    /// As [`Number::read`], with the parameters that follow the number of a `tel:` URI.
    pub(super) fn read_with(user: &str, params: &str) -> Option<Number> {
        let user = uri::unescape(user);
        let (number, own_params) = user.split_at(user.find(';').unwrap_or(user.len()));
        let bare: String = number.trim().chars().filter(|c| !VISUAL_SEPARATORS.contains(c)).collect();
        let (global, digits) = match bare.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, bare.trim_end_matches('#')),
        };
        // A `#` after the digits ends the dialling; alone it is a name.
        let dialled = |c: char| c.is_ascii_digit() || !global && matches!(c, '*' | '#');
        if !digits.chars().all(dialled) || !digits.contains(|c: char| c.is_ascii_digit()) || digits.len() > DIGITS_MAX {
            return None;
        }
        let context = [own_params, &*uri::unescape(params)].iter().find_map(|params| global_context(params));
        Some(Number { global, digits: digits.to_owned(), context })
    }

    /// Whether both are the same number.
    pub fn is_same(&self, other: &Number, plan: &NumberPlan) -> bool {
        have_one_in_common(&self.forms(plan), &other.forms(plan), plan)
    }

    /// The number in the one form that all its spellings share: for telling callers apart.
    pub fn canonical(&self, plan: &NumberPlan) -> String {
        match self.form(plan) {
            Form::Foreign(digits) => format!("+{digits}"),
            Form::National(digits) => digits,
            Form::Local(digits) => match &plan.area {
                Some(area) if SUBSCRIBER.contains(&digits.len()) => format!("{area}{digits}"),
                Some(_) | None => digits,
            },
        }
    }

    /// The number as people of the country dial it, for what is said, shown and called back: in China a 0 before the area code, which
    /// numbers of the configured area get as well. In other countries the canonical form.
    pub fn dialled(&self, plan: &NumberPlan) -> String {
        let canonical = self.canonical(plan);
        if plan.country == CHINA && has_area_code(&canonical) { format!("0{canonical}") } else { canonical }
    }

    /// Whether it is no subscriber's: zeros, or a word for "withheld" keyed on a telephone's letters, as some networks send.
    pub(super) fn stands_for_none(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0') || self.spells_withheld() || self.spells_unknown()
    }

    /// Whether it is a word for "withheld" keyed on a telephone's letters.
    pub(super) fn spells_withheld(&self) -> bool {
        WITHHELD.contains(&self.digits.as_str())
    }

    /// The same for a caller that the network does not know. Seven digits without `+` are some subscriber's local number.
    fn spells_unknown(&self) -> bool {
        self.digits == UNAVAILABLE || self.global && self.digits == UNKNOWN
    }

    /// The national or foreign form where what is written says so, else the local one.
    fn form(&self, plan: &NumberPlan) -> Form {
        let country = plan.country.as_str();
        if self.global {
            return international(&self.digits, country);
        }
        if let Some(rest) = self.digits.strip_prefix("00").filter(|rest| rest.len() >= NATIONAL_MIN) {
            return international(rest, country);
        }
        if let Some(rest) = self.digits.strip_prefix('0').filter(|rest| rest.len() >= NATIONAL_MIN) {
            return Form::National(rest.to_owned());
        }
        if let Some(rest) = self.digits.strip_prefix(country).filter(|rest| rest.len() >= NATIONAL_MIN) {
            return Form::National(rest.to_owned());
        }
        match &self.context {
            Some(context) => match context.strip_prefix(country) {
                Some(area) if !area.is_empty() => Form::National(format!("{area}{}", self.digits)),
                Some(_) => Form::Local(self.digits.clone()),
                None => Form::Foreign(format!("{context}{}", self.digits)),
            },
            None => Form::Local(self.digits.clone()),
        }
    }

    /// Its form, and the digits alone where their context is the configured area, or where none is configured to say that
    /// it is another one.
    fn forms(&self, plan: &NumberPlan) -> Vec<Form> {
        let form = self.form(plan);
        let area = self.context.as_deref().and_then(|context| context.strip_prefix(plan.country.as_str()));
        let here = area.is_some_and(|area| plan.area.as_deref().is_none_or(|ours| ours == area));
        let local = here && matches!(&form, Form::National(digits) if digits.ends_with(&self.digits));
        let alone = local.then(|| Form::Local(self.digits.clone()));
        std::iter::once(form).chain(alone).collect()
    }
}

/// Prints no digit.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form(_)")
    }
}

impl Form {
    fn equals(&self, other: &Form, plan: &NumberPlan) -> bool {
        match (self, other) {
            (Form::National(national), Form::Local(local)) | (Form::Local(local), Form::National(national)) => {
                let in_area = plan.area.as_deref().and_then(|area| national.strip_prefix(area));
                national == local || in_area == Some(local.as_str())
            }
            (Form::Foreign(a), Form::Foreign(b))
            | (Form::National(a), Form::National(b))
            | (Form::Local(a), Form::Local(b)) => a == b,
            (Form::Foreign(_), Form::National(_) | Form::Local(_))
            | (Form::National(_) | Form::Local(_), Form::Foreign(_)) => false,
        }
    }
}

/// Whether a user part is one of the numbers or names that are configured: numbers as numbers, names as written.
pub fn matches_user(configured: &str, user: &str, plan: &NumberPlan) -> bool {
    UserPart::read(configured, plan).is_same(&UserPart::read(user, plan), plan)
}

/// A user part, read once to be compared with others: a number in its forms, or a name without its parameters.
#[derive(Debug)]
pub struct UserPart(Spelling);

#[derive(Debug)]
enum Spelling {
    Number(Vec<Form>),
    Name(String),
}

impl UserPart {
    /// Reads a user part as written.
    pub fn read(user: &str, plan: &NumberPlan) -> UserPart {
        UserPart(match Number::read(user) {
            Some(number) => Spelling::Number(number.forms(plan)),
            None => Spelling::Name(uri::unescape(user).split(';').next().unwrap_or("").to_owned()),
        })
    }

    /// Whether both are the same number, or the same name. Both were read by this plan.
    pub fn is_same(&self, other: &UserPart, plan: &NumberPlan) -> bool {
        match (&self.0, &other.0) {
            (Spelling::Number(ours), Spelling::Number(theirs)) => have_one_in_common(ours, theirs, plan),
            (Spelling::Name(ours), Spelling::Name(theirs)) => ours == theirs,
            (Spelling::Number(_), Spelling::Name(_)) | (Spelling::Name(_), Spelling::Number(_)) => false,
        }
    }
}

fn have_one_in_common(ours: &[Form], theirs: &[Form], plan: &NumberPlan) -> bool {
    ours.iter().any(|form| theirs.iter().any(|other| form.equals(other, plan)))
}

fn international(digits: &str, country: &str) -> Form {
    match digits.strip_prefix(country) {
        // `+86 020 …`: the national prefix that some put after the country code.
        Some(rest) => Form::National(rest.strip_prefix('0').unwrap_or(rest).to_owned()),
        None => Form::Foreign(digits.to_owned()),
    }
}

/// The digits of `phone-context=+…`; a domain as context says nothing about the digits (RFC 3966 §5.1.5).
fn global_context(params: &str) -> Option<String> {
    let context = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("phone-context").then_some(value.trim())
    })?;
    let digits: String = context.strip_prefix('+')?.chars().filter(|c| !VISUAL_SEPARATORS.contains(c)).collect();
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// Whether a canonical number of China begins with an area code: 10 or another of two digits before eight, or three digits before
/// seven or eight. Mobile numbers (1 and ten digits), short numbers and those of 400 and 800 do not.
fn has_area_code(canonical: &str) -> bool {
    let is_geographic = match canonical.len() {
        10 => true,
        11 => !canonical.starts_with('1'),
        _ => false,
    };
    is_geographic && !canonical.starts_with(['0', '+', '*']) && !SERVICES.iter().any(|code| canonical.starts_with(code))
}

/// RFC 3966 §3 `visual-separator`, and the space that others write.
const VISUAL_SEPARATORS: [char; 5] = ['-', '.', '(', ')', ' '];
/// ANONYMOUS and RESTRICTED, as networks send them.
const WITHHELD: [&str; 2] = ["266696687", "7378742833"];
const UNAVAILABLE: &str = "86282452253";
const UNKNOWN: &str = "8656696";
/// E.164 allows 15 digits; prefixes and service codes add some.
const DIGITS_MAX: usize = 32;
/// What is left after a prefix is a number of at least so many digits; shorter ones are dialled as they stand.
const NATIONAL_MIN: usize = 8;
const CHINA: &str = "86";
/// Numbers whose owner pays for the call; they are dialled without a 0.
const SERVICES: [&str; 2] = ["400", "800"];
/// Digits of a subscriber's local number, to which the area code belongs.
const SUBSCRIBER: std::ops::RangeInclusive<usize> = 7..=8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(area: Option<&str>) -> NumberPlan {
        NumberPlan { area: area.map(Into::into), ..NumberPlan::default() }
    }

    fn hotline(user: &str, area: Option<&str>) -> bool {
        matches_user("96110110", user, &plan(area))
    }

    #[test]
    fn every_spelling_of_a_local_number_is_the_number() {
        for user in [
            "96110110",
            "96110110;phone-context=+8620",
            "96110110;phone-context=+86-20",
            "96110110;phone-context=+86",
            "96110110;phone-context=gd.ims.example",
            "96110110;npdi",
            "96110110;npdi;rn=+862096110",
            "96110110;rn=+862096110",
            "96110110;isub=1",
            "96110110;ext=12",
            "96110110;cic=+86898",
            "96110110;isub=1;phone-context=+8620;npdi",
            "9-611-0110",
            "9611.0110",
            "(9611)0110",
            "9611%200110",
            "%39%36110110",
            "96110110%3Bnpdi",
            "96110110#",
            "96110110%23",
            "+8696110110",
            "+86-9611-0110",
            "008696110110",
            "8696110110",
            "096110110",
        ] {
            assert!(hotline(user, None), "{user}");
            assert!(hotline(user, Some("20")), "{user} in area 20");
        }
    }

    #[test]
    fn the_area_code_is_taken_away_only_where_it_is_configured() {
        for user in ["+862096110110", "00862096110110", "862096110110", "02096110110", "+86 (0)20 9611 0110"] {
            assert!(hotline(user, Some("20")), "{user}");
            assert!(!hotline(user, None), "{user} may be of any city");
            assert!(!hotline(user, Some("755")), "{user}");
        }
        assert!(!hotline("96110110;phone-context=+8610", Some("20")), "of Beijing");
        assert!(matches_user("+862096110110", "96110110", &plan(Some("20"))));
        assert!(matches_user("+862096110110", "020-96110110", &plan(None)));
        assert!(!matches_user("+862096110110", "96110110", &plan(None)));
    }

    #[test]
    fn a_number_is_called_back_as_people_dial_it() {
        let cases = [
            ("02088880003", None, "02088880003"),
            ("+862088880003", None, "02088880003"),
            ("862088880003", Some("20"), "02088880003"),
            ("88880003", Some("20"), "02088880003"),
            ("2088880003", None, "02088880003"),
            ("88880003", None, "88880003"),
            ("+86 10 8888 0003", None, "01088880003"),
            ("+867562212345", None, "07562212345"),
            ("+8613800138000", None, "13800138000"),
            ("013800138000", Some("20"), "13800138000"),
            ("13800138000", None, "13800138000"),
            ("+864008001234", None, "4008001234"),
            ("+8696110110", None, "96110110"),
            ("1001", Some("20"), "1001"),
            ("+861064123456789", None, "1064123456789"),
            ("+85291234567", None, "+85291234567"),
            ("0085291234567", None, "+85291234567"),
        ];
        for (written, area, dialled) in cases {
            let number = Number::read(written).expect("a number");
            assert_eq!(number.dialled(&plan(area)), dialled, "{written} in {area:?}");
            let again = Number::read(dialled).expect("a number");
            assert_eq!(number.canonical(&plan(area)), again.canonical(&plan(area)), "{written} in {area:?}");
        }
        let elsewhere = NumberPlan { country: "1".into(), area: None };
        assert_eq!(Number::read("+12125551234").expect("a number").dialled(&elsewhere), "2125551234");
    }

    #[test]
    fn other_numbers_are_other_numbers() {
        for user in [
            "110",
            "9611011",
            "961101100",
            "+85296110110",
            "0085296110110",
            "96110110;phone-context=+852",
            "+96110110",
            "1096110110",
            "96110110a",
            "",
            "+",
            "#",
            "*#",
            ";npdi",
            "hotline",
        ] {
            assert!(!hotline(user, Some("20")), "{user}");
        }
        // A local number that begins with the country code's digits.
        assert!(!matches_user("123456", "86123456", &plan(None)));
        assert!(matches_user("86123456", "86123456", &plan(None)));
        assert!(!matches_user("9196", "09196", &plan(None)), "short numbers have no prefix");
    }

    #[test]
    fn names_are_compared_as_written() {
        assert!(matches_user("hotline", "hotline;x=y", &plan(None)));
        assert!(matches_user("j.doe", "j%2Edoe", &plan(None)));
        assert!(!matches_user("hotline", "Hotline", &plan(None)));
        assert!(!matches_user("jdoe", "j.doe", &plan(None)));
        assert!(matches_user("*98", "*98", &plan(None)));
    }

    #[test]
    fn one_caller_has_one_key() {
        let key = |user: &str, area| Number::read(user).expect("a number").canonical(&plan(area));
        for user in
            ["13800000000", "+8613800000000", "008613800000000", "8613800000000", "013800000000", "138-0000-0000"]
        {
            assert_eq!(key(user, None), "13800000000", "{user}");
            assert_eq!(key(user, Some("20")), "13800000000", "{user}");
        }
        for user in ["83331234", "+862083331234", "02083331234", "83331234;phone-context=+8620"] {
            assert_eq!(key(user, Some("20")), "2083331234", "{user}");
        }
        assert_eq!(key("+85225550000", None), "+85225550000");
        assert_eq!(key("0085225550000", None), "+85225550000");
        assert_eq!(key("1001", Some("20")), "1001");
    }

    proptest! {
        #[test]
        fn separators_prefixes_and_parameters_change_no_number(
            subscriber in "[2-8][0-9]{7}",
            gaps in proptest::collection::vec(0usize..9, 0..4),
            prefix in prop_oneof![Just(""), Just("+8620"), Just("008620"), Just("8620"), Just("020")],
            params in prop_oneof![Just(""), Just(";npdi"), Just(";rn=+8610;npdi"), Just(";phone-context=+8620"), Just(";isub=9")],
        ) {
            let mut written = subscriber.clone();
            for gap in gaps {
                written.insert(gap.min(written.len()), '-');
            }
            // A context belongs to a local number only.
            let params = if prefix.is_empty() || !params.contains("context") { params } else { "" };
            let written = format!("{prefix}{written}{params}");
            let plan = plan(Some("20"));
            prop_assert!(matches_user(&subscriber, &written, &plan), "{}", written);
            let key = |user: &str| Number::read(user).map(|number| number.canonical(&plan));
            prop_assert_eq!(key(&subscriber), key(&written));
        }

        #[test]
        fn sameness_is_symmetric_and_no_text_makes_the_reader_panic(a in ".{0,24}", b in "[+0-9();=a-z-]{0,24}") {
            let plan = plan(Some("20"));
            prop_assert_eq!(matches_user(&a, &b, &plan), matches_user(&b, &a, &plan));
            if let Some(number) = Number::read(&b) {
                prop_assert!(number.is_same(&number, &plan));
            }
        }
    }
}
