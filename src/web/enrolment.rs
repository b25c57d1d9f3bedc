//! The register of kiosks: which browsers are kiosks, and how a browser becomes one.
//!
//! ```text
//!  add (command line) ──► a one-time code, in an address ──► redeem (in the kiosk's browser) ──► a token, in a cookie
//!                             │ 30 minutes, then worthless                                          │ until revoked
//! ```
//! Codes and tokens are random. The register holds keyed hashes of them only; their key lies in the register, so that a
//! copy of the file serves at every node behind a balancer. A token has 256 random bits: its hash gives nothing away.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Kiosk;
use base::{Bilingual, Network, bilingual};
use inquiry::Keys;

/// The kiosks of an office.
pub struct KioskRegister {
    keys: Keys,
    written: Written,
}

/// An enrolled kiosk, or one that waits for its browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolledKiosk {
    /// Its name in records, metrics and the log.
    pub name: String,
    /// The hall that it stands in.
    pub hall: String,
    /// The networks that it may ask from; empty: any.
    #[serde(default)]
    addresses: Vec<String>,
    /// When it was added, in seconds since 1970.
    added_s: i64,
    /// When a browser became this kiosk, in seconds since 1970.
    #[serde(default)]
    enrolled_s: Option<i64>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    code: Option<Code>,
}

/// A one-time code that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Code {
    hash: String,
    expires_s: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Written {
    format: u32,
    key: String,
    kiosks: Vec<EnrolledKiosk>,
}

/// What is to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKiosk {
    /// 1 to 32 of letters, digits, `.`, `_` and `-`, with at most six digits.
    pub name: String,
    /// The same.
    pub hall: String,
    /// The networks that it may ask from; empty: any.
    pub addresses: Vec<Network>,
    /// How long the one-time code is valid.
    pub valid: Duration,
    /// Whether a kiosk of this name gets another browser; its old one stays until the code is used.
    pub renew: bool,
}

/// Why a register cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum EnrolmentError {
    /// The file is no register of this version.
    Format,
    /// A name that records could not hold.
    Name(&'static str),
    /// A kiosk has this name.
    Taken,
    /// No kiosk has this name.
    Unknown,
    /// There are as many kiosks as metrics may name.
    Full,
    /// No open code is this one: mistyped, used, expired, or sent from another address.
    Code,
}

impl EnrolmentError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            EnrolmentError::Format => {
                bilingual!("it is not a register of kiosks that this version reads", "不是本版本可读的查询机登记册")
            }
            EnrolmentError::Name(what) => {
                let zh = if *what == HALL { "大厅" } else { "名称" };
                bilingual!(
                    "{what} must be 1 to 32 of A-Z a-z 0-9 . _ - with at most six digits",
                    "{zh}应为 1 至 32 个 A-Z a-z 0-9 . _ -，数字最多六位"
                )
            }
            EnrolmentError::Taken => bilingual!(
                "there is a kiosk of this name: revoke it, or give it another browser with --renew",
                "已有同名查询机：请先撤销，或用 --renew 换浏览器"
            ),
            EnrolmentError::Unknown => bilingual!(
                "there is no kiosk of this name; see jindu kiosk list",
                "没有这个名称的查询机；见 jindu kiosk list"
            ),
            EnrolmentError::Full => bilingual!(
                "there are {KIOSKS_MAX} kiosks: revoke those that are gone",
                "已有 {KIOSKS_MAX} 台查询机：请撤销不再使用的"
            ),
            EnrolmentError::Code => bilingual!("the code is not valid", "代码无效"),
        }
    }
}

impl KioskRegister {
    /// An empty register; `key` is random.
    pub fn new(key: &[u8; 32]) -> KioskRegister {
        let written = Written { format: FORMAT, key: base::hex(key), kiosks: Vec::new() };
        KioskRegister { keys: Keys::new(key), written }
    }

    /// Reads a register's file.
    ///
    /// # Errors
    /// [`EnrolmentError::Format`].
    pub fn read(json: &[u8]) -> Result<KioskRegister, EnrolmentError> {
        let written: Written = serde_json::from_slice(json).map_err(|_| EnrolmentError::Format)?;
        let key = unhex(&written.key).ok_or(EnrolmentError::Format)?;
        let is_right = |kiosk: &EnrolledKiosk| {
            is_name(&kiosk.name) && is_name(&kiosk.hall) && kiosk.networks().count() == kiosk.addresses.len()
        };
        match written.format == FORMAT && written.kiosks.len() <= KIOSKS_MAX && written.kiosks.iter().all(is_right) {
            true => Ok(KioskRegister { keys: Keys::new(&key), written }),
            false => Err(EnrolmentError::Format),
        }
    }

    /// The register's file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(&self.written).expect("strings and numbers serialise");
        json.push(b'\n');
        json
    }

    /// All kiosks, in the order in which they were added.
    pub fn kiosks(&self) -> &[EnrolledKiosk] {
        &self.written.kiosks
    }

    /// Adds a kiosk that becomes one with `code`.
    ///
    /// # Errors
    /// [`EnrolmentError::Name`], [`EnrolmentError::Taken`], [`EnrolmentError::Unknown`] or [`EnrolmentError::Full`].
    pub fn add(&mut self, new: &NewKiosk, code: &str, now: Timestamp) -> Result<(), EnrolmentError> {
        for (what, name) in [("the name", &new.name), (HALL, &new.hall)] {
            if !is_name(name) {
                return Err(EnrolmentError::Name(what));
            }
        }
        let valid_s = i64::try_from(new.valid.as_secs()).unwrap_or(i64::MAX);
        let expires_s = now.as_second().saturating_add(valid_s);
        let code = Some(Code { hash: base::hex(&self.keys.token(CODE, &plain(code))), expires_s });
        let known = self.written.kiosks.iter().position(|kiosk| kiosk.name == new.name);
        let addresses: Vec<String> = new.addresses.iter().map(Network::to_string).collect();
        match (known, new.renew) {
            (Some(_), false) => Err(EnrolmentError::Taken),
            (None, true) => Err(EnrolmentError::Unknown),
            (Some(at), true) => {
                let kiosk = &mut self.written.kiosks[at];
                (kiosk.hall, kiosk.addresses, kiosk.code) = (new.hall.clone(), addresses, code);
                Ok(())
            }
            (None, false) if self.written.kiosks.len() >= KIOSKS_MAX => Err(EnrolmentError::Full),
            (None, false) => {
                self.written.kiosks.push(EnrolledKiosk {
                    name: new.name.clone(),
                    hall: new.hall.clone(),
                    addresses,
                    added_s: now.as_second(),
                    enrolled_s: None,
                    token: None,
                    code,
                });
                Ok(())
            }
        }
    }

    /// Makes the browser that will hold `token` the kiosk that a code was made for. The code is used up, and another
    /// browser that was this kiosk is one no longer. Gives the kiosk's name.
    ///
    /// # Errors
    /// [`EnrolmentError::Code`].
    pub fn redeem(&mut self, code: &str, token: &str, from: IpAddr, now: Timestamp) -> Result<Kiosk, EnrolmentError> {
        let hash = self.keys.token(CODE, &plain(code));
        let token = base::hex(&self.keys.token(TOKEN, token));
        let is_open = |kiosk: &&mut EnrolledKiosk| {
            let open = kiosk.code.as_ref().filter(|code| code.expires_s > now.as_second());
            open.is_some_and(|code| same(&code.hash, &hash)) && kiosk.may_ask_from(from)
        };
        let kiosk = self.written.kiosks.iter_mut().find(is_open).ok_or(EnrolmentError::Code)?;
        (kiosk.code, kiosk.token, kiosk.enrolled_s) = (None, Some(token), Some(now.as_second()));
        Ok(Kiosk::named(&kiosk.name))
    }

    /// Removes a kiosk: its browser is a stranger's from then on.
    ///
    /// # Errors
    /// [`EnrolmentError::Unknown`].
    pub fn revoke(&mut self, name: &str) -> Result<(), EnrolmentError> {
        let before = self.written.kiosks.len();
        self.written.kiosks.retain(|kiosk| kiosk.name != name);
        if self.written.kiosks.len() < before { Ok(()) } else { Err(EnrolmentError::Unknown) }
    }

    /// The kiosk that holds a token, if it asks from its addresses. Every kiosk's hash is compared, each in constant time.
    pub fn kiosk_of(&self, token: &str, from: IpAddr) -> Option<&EnrolledKiosk> {
        let hash = self.keys.token(TOKEN, token);
        let holds = |kiosk: &EnrolledKiosk| kiosk.token.as_ref().is_some_and(|token| same(token, &hash));
        let found =
            self.written.kiosks.iter().fold(None, |found, kiosk| if holds(kiosk) { Some(kiosk) } else { found });
        found.filter(|kiosk| kiosk.may_ask_from(from))
    }
}

impl EnrolledKiosk {
    /// The networks that it may ask from; empty: any.
    pub fn networks(&self) -> impl Iterator<Item = Network> + '_ {
        self.addresses.iter().filter_map(|text| Network::read(text))
    }

    /// When a browser became this kiosk.
    pub fn enrolled(&self) -> Option<Timestamp> {
        self.enrolled_s.and_then(|second| Timestamp::from_second(second).ok())
    }

    /// Whether a code waits for a browser at that time.
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        self.code.as_ref().is_some_and(|code| code.expires_s > now.as_second())
    }

    fn may_ask_from(&self, from: IpAddr) -> bool {
        self.addresses.is_empty() || self.networks().any(|network| network.contains(from))
    }
}

/// Whether a name is kept as it is where logs and metrics name a kiosk.
fn is_name(name: &str) -> bool {
    !name.is_empty() && Kiosk::named(name).as_str() == name
}

/// A code as a person may type it: in any case, with spaces and hyphens.
fn plain(code: &str) -> String {
    let kept = code.chars().filter(char::is_ascii_alphanumeric).take(CODE_CHARS_MAX);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Whether a stored hash is this one, in a time that does not depend on where they differ.
fn same(stored: &str, hash: &[u8; 32]) -> bool {
    unhex(stored).is_some_and(|stored| stored.iter().zip(hash).fold(0, |all, (a, b)| all | (a ^ b)) == 0)
}

const FORMAT: u32 = 1;
const CODE: &str = "kiosk code";
const TOKEN: &str = "kiosk token";
const CODE_CHARS_MAX: usize = 64;
/// Metrics name every enrolled kiosk.
pub const KIOSKS_MAX: usize = 500;

/// What [`EnrolmentError::Name`] says of the hall.
const HALL: &str = "the hall";

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn new(name: &str) -> NewKiosk {
        NewKiosk { name: name.into(), hall: "north".into(), addresses: Vec::new(), valid: HALF_AN_HOUR, renew: false }
    }

    fn hall() -> IpAddr {
        [10, 1, 2, 3].into()
    }

    #[test]
    fn a_code_makes_one_browser_a_kiosk_until_it_is_revoked() {
        let mut register = KioskRegister::new(&[7; 32]);
        register.add(&new("north-1"), "abcd-efgh", at(0)).unwrap();
        assert!(register.kiosks()[0].is_waiting(at(1799)) && !register.kiosks()[0].is_waiting(at(1800)));
        assert_eq!(register.redeem("wrong", "token", hall(), at(1)), Err(EnrolmentError::Code));
        assert_eq!(register.redeem("ABCD EFGH", "token", hall(), at(1)).unwrap().as_str(), "north-1");
        assert_eq!(register.redeem("abcdefgh", "other", hall(), at(2)), Err(EnrolmentError::Code), "it is used up");
        let mut read = KioskRegister::read(&register.to_json()).unwrap();
        assert_eq!(read.kiosk_of("token", hall()).unwrap().name, "north-1");
        assert!(read.kiosk_of("other", hall()).is_none() && read.kiosk_of("", hall()).is_none());
        read.revoke("north-1").unwrap();
        assert!(read.kiosk_of("token", hall()).is_none());
        assert_eq!(read.revoke("north-1"), Err(EnrolmentError::Unknown));
    }

    #[test]
    fn a_code_expires_and_holds_at_its_addresses_only() {
        let mut register = KioskRegister::new(&[7; 32]);
        let addresses = vec![Network::read("10.1.0.0/16").unwrap()];
        register.add(&NewKiosk { addresses, ..new("north-1") }, "code", at(0)).unwrap();
        assert_eq!(register.redeem("code", "token", [10, 2, 0, 1].into(), at(1)), Err(EnrolmentError::Code));
        assert_eq!(register.redeem("code", "token", hall(), at(1800)), Err(EnrolmentError::Code));
        assert!(register.redeem("code", "token", hall(), at(1799)).is_ok());
        assert!(register.kiosk_of("token", hall()).is_some());
        assert!(register.kiosk_of("token", [10, 2, 0, 1].into()).is_none(), "a stolen cookie elsewhere");
    }

    #[test]
    fn a_kiosk_gets_another_browser_and_keeps_its_own_until_then() {
        let mut register = KioskRegister::new(&[7; 32]);
        assert_eq!(register.add(&NewKiosk { renew: true, ..new("a") }, "x", at(0)), Err(EnrolmentError::Unknown));
        register.add(&new("a"), "one", at(0)).unwrap();
        register.redeem("one", "first", hall(), at(1)).unwrap();
        assert_eq!(register.add(&new("a"), "two", at(2)), Err(EnrolmentError::Taken));
        register.add(&NewKiosk { renew: true, ..new("a") }, "two", at(2)).unwrap();
        assert!(register.kiosk_of("first", hall()).is_some());
        register.redeem("two", "second", hall(), at(3)).unwrap();
        assert!(register.kiosk_of("first", hall()).is_none() && register.kiosk_of("second", hall()).is_some());
    }

    #[test]
    fn neither_code_nor_token_is_in_the_file_and_another_key_knows_neither() {
        let mut register = KioskRegister::new(&[7; 32]);
        register.add(&new("north-1"), "secretcode", at(0)).unwrap();
        register.redeem("secretcode", "secrettoken", hall(), at(1)).unwrap();
        let file = String::from_utf8(register.to_json()).unwrap();
        assert!(!file.contains("secretcode") && !file.contains("secrettoken"));
        let other = KioskRegister::read(file.replace(&"07".repeat(32), &"08".repeat(32)).as_bytes()).unwrap();
        assert!(other.kiosk_of("secrettoken", hall()).is_none());
    }

    #[test]
    fn names_are_fit_for_records_and_kiosks_are_bounded() {
        let mut register = KioskRegister::new(&[7; 32]);
        for name in ["", "north hall", "北", "k-440100123456789", &"a".repeat(33)] {
            assert_eq!(register.add(&new(name), "x", at(0)), Err(EnrolmentError::Name("the name")), "{name}");
        }
        for n in 0..KIOSKS_MAX {
            register.add(&new(&format!("k{n}")), &n.to_string(), at(0)).unwrap();
        }
        assert_eq!(register.add(&new("more"), "x", at(0)), Err(EnrolmentError::Full));
    }

    #[test]
    fn a_file_that_is_no_register_is_refused() {
        let right = String::from_utf8(KioskRegister::new(&[7; 32]).to_json()).unwrap();
        assert!(KioskRegister::read(right.as_bytes()).is_ok());
        for wrong in ["", "{}", "[]", &right.replace("0707", "07"), &right.replace("\"format\": 1", "\"format\": 2")] {
            assert_eq!(KioskRegister::read(wrong.as_bytes()).err(), Some(EnrolmentError::Format), "{wrong}");
        }
    }
}
