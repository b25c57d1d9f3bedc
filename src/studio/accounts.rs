//! Rules of studio accounts: names, roles, passwords, and number and PIN for the telephone.
//!
//! Passwords follow NIST SP 800-63B §5.1.1: long, not common, and otherwise unrestricted.

use serde::Serialize;

use base::{Bilingual, bilingual};

/// An account of the studio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// Never reused, so that the audit log stays true after an account is removed.
    pub id: i64,
    /// The name to sign in with, shown to others.
    pub name: String,
    /// The operator number, keyed in by telephone.
    pub number: String,
    /// What the account may do.
    pub role: Role,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Records, imports, keeps and discards takes.
    Operator,
    /// Also approves takes of others, publishes and rolls back.
    Approver,
    /// Answers callers who wait in a queue; does nothing in the studio.
    Agent,
    /// Opens and closes queues, moves callers, changes what agents do, and comes into their conversations; does nothing in the studio.
    Supervisor,
}

impl Role {
    /// Its name in files and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Approver => "approver",
            Role::Agent => "agent",
            Role::Supervisor => "supervisor",
        }
    }

    /// The role of that name.
    pub fn named(word: &str) -> Option<Role> {
        let all = [Role::Operator, Role::Approver, Role::Agent, Role::Supervisor];
        all.into_iter().find(|role| role.code() == word)
    }

    /// Whether it may record, and see what others recorded.
    pub fn may_record(self) -> bool {
        match self {
            Role::Operator | Role::Approver => true,
            Role::Agent | Role::Supervisor => false,
        }
    }

    /// Whether it may open the agents' page.
    pub fn may_answer(self) -> bool {
        matches!(self, Role::Agent | Role::Supervisor)
    }

    /// Whether it may change queues and what agents do.
    pub fn may_supervise(self) -> bool {
        self == Role::Supervisor
    }

    /// Whether it may approve, publish and roll back.
    pub fn may_approve(self) -> bool {
        self == Role::Approver
    }
}

/// Why a name, number, password or PIN is refused. The text says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum RuleError {
    /// Empty, too long, or with other characters.
    Name,
    /// Not 2 to 6 digits.
    Number,
    /// Fewer than 10 characters.
    PasswordShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    PasswordLong,
    /// On the list of common passwords, a run of keys, or of fewer than five different characters.
    PasswordCommon,
    /// The account's name is part of it.
    PasswordName,
    /// The password that it replaces.
    PasswordSame,
    /// Not 6 to 8 digits.
    PinDigits,
    /// A run, a repetition, a year, or the operator number.
    PinCommon,
}

impl RuleError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            RuleError::Name => bilingual!(
                "a name has 1 to {NAME_CHARS_MAX} letters, digits, '.', '-' or '_'",
                "账号名为 1 到 {NAME_CHARS_MAX} 个字母、数字或 . - _"
            ),
            RuleError::Number => bilingual!("the number of an account has 2 to 6 digits", "账号的编号为 2 到 6 位数字"),
            RuleError::PasswordShort => bilingual!(
                "a password has at least {PASSWORD_CHARS_MIN} characters: several words are long and easy to remember",
                "密码至少 {PASSWORD_CHARS_MIN} 个字符：几个不相干的词最好记"
            ),
            RuleError::PasswordLong => {
                bilingual!("a password has at most {PASSWORD_BYTES_MAX} bytes", "密码最多 {PASSWORD_BYTES_MAX} 字节")
            }
            RuleError::PasswordCommon => bilingual!(
                "this password is too common: choose several unrelated words",
                "这个密码太常见，请换几个不相干的词"
            ),
            RuleError::PasswordName => {
                bilingual!("a password must not contain the name of its account", "密码里不能有账号名")
            }
            RuleError::PasswordSame => {
                bilingual!("the new password is the old one: choose another", "新密码不能与原密码相同")
            }
            RuleError::PinDigits => bilingual!("a PIN has 6 to 8 digits", "PIN 为 6 到 8 位数字"),
            RuleError::PinCommon => bilingual!(
                "this PIN is too easy to guess: avoid runs, repeats, years and the operator number",
                "这个 PIN 太容易猜到：不要用连号、重复、年份和操作员编号"
            ),
        }
    }
}

/// Normalizes a name: trimmed, full-width forms made narrow, lower case.
///
/// # Errors
/// [`RuleError::Name`]
pub fn normalized_name(written: &str) -> Result<String, RuleError> {
    let narrow = written.trim().chars().map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    });
    let name: String = narrow.flat_map(char::to_lowercase).collect();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    let clean = name.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
    if fits && clean { Ok(name) } else { Err(RuleError::Name) }
}

/// Checks an operator number.
///
/// # Errors
/// [`RuleError::Number`]
pub fn check_number(number: &str) -> Result<(), RuleError> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (2..=6).contains(&number.len()) { Ok(()) } else { Err(RuleError::Number) }
}

/// Checks a password for the account of this name.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_password(password: &str, name: &str) -> Result<(), RuleError> {
    let chars: Vec<char> = password.to_lowercase().chars().collect();
    let folded: String = chars.iter().collect();
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(RuleError::PasswordShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(RuleError::PasswordLong);
    }
    if name.chars().count() >= 3 && folded.contains(name) {
        return Err(RuleError::PasswordName);
    }
    let mut different = chars.clone();
    different.sort_unstable();
    different.dedup();
    let common = COMMON.iter().any(|word| folded == *word || (word.len() >= 10 && folded.starts_with(word)));
    if different.len() < 5 || common || is_run(&chars) || is_short_word_repeated(&chars) {
        Err(RuleError::PasswordCommon)
    } else {
        Ok(())
    }
}

/// Checks a PIN for the account of this number.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_pin(pin: &str, number: &str) -> Result<(), RuleError> {
    if !(6..=8).contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RuleError::PinDigits);
    }
    let digits: Vec<char> = pin.chars().collect();
    let half =
        |n: usize| pin.len().is_multiple_of(n) && pin.as_bytes().chunks(n).all(|part| part == &pin.as_bytes()[..n]);
    let repeated = half(1) || half(2) || half(3) || half(4);
    let year = ["19", "20"].iter().any(|century| pin.len() == 8 && pin.starts_with(century));
    let numbered = number.len() >= 4 && pin.contains(number);
    if repeated || year || numbered || is_run(&digits) { Err(RuleError::PinCommon) } else { Ok(()) }
}

/// Whether a word too short for a password stands in it again and again, as in `passwordpassword`.
fn is_short_word_repeated(chars: &[char]) -> bool {
    let repeated =
        |word: &[char]| chars.len() >= 2 * word.len() && chars.chunks(word.len()).all(|part| word.starts_with(part));
    (1..PASSWORD_CHARS_MIN).any(|length| chars.get(..length).is_some_and(repeated))
}

/// Whether each character follows the one before it, up, down or along a row of the keyboard.
fn is_run(chars: &[char]) -> bool {
    let step =
        |by: i64| chars.windows(2).all(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == by);
    let rows = ["1234567890", "0987654321", "qwertyuiop", "asdfghjkl", "zxcvbnm", "0147258369"];
    let text: String = chars.iter().collect();
    let along = |row: &&str| {
        let twice = format!("{row}{row}");
        text.len() <= twice.len() && twice.contains(&text)
    };
    step(1) || step(-1) || rows.iter().any(along)
}

/// What a password must be, told before one is chosen.
pub const PASSWORD_RULES: Bilingual = Bilingual::fixed(
    "at least 10 characters, no common password, without the account's name: several unrelated words are easy to remember",
    "至少 10 个字符，不用常见密码，不含账号名；几个互不相关的词容易记住",
);
/// What a PIN must be, told before one is chosen.
pub const PIN_RULES: Bilingual =
    Bilingual::fixed("6 to 8 digits, no run, repeat or year", "6 到 8 位数字，不用连号、重复数字或年份");

/// The most characters of a name.
const NAME_CHARS_MAX: usize = 32;
/// The fewest characters of a password, counted as Unicode scalar values.
const PASSWORD_CHARS_MIN: usize = 10;
/// The most bytes of a password; longer ones only cost hashing time.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// The most common passwords of ten characters and more, in lower case.
const COMMON: [&str; 34] = [
    "1234567890",
    "123456789a",
    "123456789q",
    "a123456789",
    "q123456789",
    "0123456789",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "1qazxsw23edc",
    "qazwsxedcrfv",
    "qwertyuiop",
    "qwerty123456",
    "qwer123456",
    "password123",
    "password1234",
    "passw0rd123",
    "p@ssw0rd123",
    "administrator",
    "admin123456",
    "admin12345",
    "welcome123",
    "letmein1234",
    "changeme123",
    "iloveyou123",
    "woaini1314",
    "woaini520",
    "woaini5201314",
    "5201314520",
    "zxcvbnm123",
    "asdfghjkl123",
    "abc1234567",
    "abcd123456",
    "aa12345678",
    "12345678910",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_normalized() {
        assert_eq!(normalized_name(" Li.Chen "), Ok("li.chen".into()));
        assert_eq!(normalized_name("ｗａｎｇ-2"), Ok("wang-2".into()));
        assert_eq!(normalized_name("陈丽"), Ok("陈丽".into()));
        for wrong in ["", "  ", "a b", "a/b", "<b>", "a\u{0}", "a\u{202e}b", &"x".repeat(33)] {
            assert_eq!(normalized_name(wrong), Err(RuleError::Name), "{wrong:?}");
        }
    }

    #[test]
    fn a_long_unusual_password_is_accepted_in_any_script() {
        for good in ["correct horse battery", "荔枝湾的船慢慢划过桥", "kq7w-m2xz-9fta-vvbn", "kq7w-m2xzk"] {
            assert_eq!(check_password(good, "li"), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_common_password_is_refused_with_the_reason() {
        assert_eq!(check_password("short", "li"), Err(RuleError::PasswordShort));
        assert_eq!(check_password("一二三四五六七八九", "li"), Err(RuleError::PasswordShort));
        assert_eq!(check_password(&"ab cd ef gh".repeat(30), "li"), Err(RuleError::PasswordLong));
        assert_eq!(check_password("i am Li.Chen 77", "li.chen"), Err(RuleError::PasswordName));
        for common in [
            "aaaaaaaaaaaa",
            "1234567890",
            "Password1234",
            "abcdefghijkl",
            "0987654321",
            "WOAINI1314",
            "abababababab",
            "passwordpassword",
            "Kq7w-M2Kq7w-M2Kq",
        ] {
            assert_eq!(check_password(common, "li"), Err(RuleError::PasswordCommon), "{common}");
        }
    }

    #[test]
    fn a_pin_is_digits_that_are_hard_to_guess() {
        assert_eq!(check_pin("730518", "101"), Ok(()));
        assert_eq!(check_pin("73051894", "101"), Ok(()));
        for wrong in ["", "12345", "123456789", "12a456", "１２３４５６"] {
            assert_eq!(check_pin(wrong, "101"), Err(RuleError::PinDigits), "{wrong}");
        }
        for common in ["111111", "123456", "654321", "121212", "123123", "19840512", "12341234", "890123", "147258"] {
            assert_eq!(check_pin(common, "101"), Err(RuleError::PinCommon), "{common}");
        }
        assert_eq!(check_pin("470815", "4708"), Err(RuleError::PinCommon));
    }

    #[test]
    fn a_role_is_read_from_its_name() {
        for role in [Role::Operator, Role::Approver, Role::Agent, Role::Supervisor] {
            assert_eq!(Role::named(role.code()), Some(role));
        }
        assert_eq!(Role::named("admin"), None);
        assert!(Role::Approver.may_approve() && !Role::Operator.may_approve());
    }
}
