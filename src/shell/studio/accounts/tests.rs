//! Sign-in, lockout and sessions over a real file, at given times.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use base::Private;
use studio::Role;
use studio::accounts::RuleError;
use support::folder::Folder;

const PASSWORD: &str = "荔枝湾 correct horse";
const PIN: &str = "730518";

struct Office {
    _folder: Folder,
    accounts: Accounts,
    now: Timestamp,
}

impl Office {
    fn new() -> Office {
        let folder = Folder::new();
        let ages = SessionAges { idle: Duration::from_secs(3600), longest: Duration::from_secs(12 * 3600) };
        let accounts = Accounts::open(folder.path(), ages).expect("a writable folder");
        let new = |name: &str, role| NewAccount {
            name: name.into(),
            role,
            number: None,
            password: private(PASSWORD),
            pin: Some(private(PIN)),
        };
        accounts.add(&new("li", Role::Operator), "test").expect("a new account");
        accounts.add(&new("chen", Role::Approver), "test").expect("a new account");
        Office { _folder: folder, accounts, now: Timestamp::now() }
    }

    fn later(&mut self, seconds: u64) -> &mut Office {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn try_in(&self, name: &str, password: &str, from: &Origin) -> Result<SignedIn, SignInError> {
        self.accounts.sign_in_at(self.now, name, &private(password), from)
    }

    fn who(&self, signed_in: &SignedIn) -> Option<String> {
        let session =
            self.accounts.by_token_at(self.now, &signed_in.token, RequestBy::Person).expect("a readable file");
        session.map(|session| session.operator.name)
    }
}

fn caller(number: &str) -> PhoneCaller {
    PhoneCaller { trunk: "office".into(), number: Some(number.into()) }
}

fn private(text: &str) -> Private<String> {
    Private::new(text.to_owned())
}

fn from(address: &str) -> Origin {
    Origin { address: address.parse().expect("an address"), agent: "Browser 1.0".into(), device: None }
}

fn home() -> Origin {
    from("192.0.2.1")
}

#[test]
fn the_right_password_opens_a_session_and_its_end_closes_it() {
    let office = Office::new();
    let signed_in = office.try_in(" LI ", PASSWORD, &home()).expect("right");
    assert_eq!(signed_in.token.expose().len(), 64);
    assert_eq!(office.who(&signed_in).as_deref(), Some("li"));
    let session = office.accounts.by_token_at(office.now, &signed_in.token, RequestBy::Person).unwrap().unwrap();
    assert_eq!((session.id, &session.csrf), (signed_in.session.id, &signed_in.session.csrf));
    assert_ne!(session.csrf, signed_in.token);
    assert!(office.accounts.end_session(&session.operator, session.id, "sign_out").unwrap());
    assert_eq!(office.who(&signed_in), None);
}

#[test]
fn nothing_that_opens_a_session_lies_in_the_file() {
    let office = Office::new();
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    let _ = office.try_in(PASSWORD, "in the wrong field", &home());
    office.accounts.lock().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let file = std::fs::read(office._folder.path().join("studio/accounts.sqlite3")).unwrap();
    let csrf = &signed_in.session.csrf;
    for secret in [PASSWORD, PIN, signed_in.token.expose(), signed_in.device.expose(), csrf.expose()] {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    }
}

#[test]
fn a_wrong_name_and_a_wrong_password_give_the_same_error() {
    let office = Office::new();
    for (name, password) in [("li", "wrong horse"), ("nobody", PASSWORD), ("", ""), ("<li>", PASSWORD), ("li", "")] {
        let refused = office.try_in(name, password, &home()).unwrap_err();
        assert!(matches!(refused, SignInError::Credentials), "{name} {refused}");
    }
    let long = "x".repeat(1_000_000);
    assert!(matches!(office.try_in("li", &long, &home()), Err(SignInError::Credentials)));
}

#[test]
fn after_a_few_wrong_passwords_even_the_right_one_must_wait_and_then_will_do() {
    let mut office = Office::new();
    for name in ["li", "nobody"] {
        for _ in 0..5 {
            assert!(matches!(office.try_in(name, "wrong", &home()), Err(SignInError::Credentials)));
        }
        let Err(SignInError::LockedOut { retry_after }) = office.try_in(name, PASSWORD, &home()) else {
            panic!("no wait")
        };
        assert_eq!(retry_after.as_secs(), 30, "{name}");
    }
    office.later(31);
    assert!(office.try_in("li", PASSWORD, &home()).is_ok());
    assert!(matches!(office.try_in("li", "wrong", &home()), Err(SignInError::Credentials)), "forgiven by the success");
}

#[test]
fn guesses_from_elsewhere_do_not_lock_out_a_known_browser() {
    let office = Office::new();
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    let known = Origin { device: Some(signed_in.device), ..home() };
    for _ in 0..20 {
        let _ = office.try_in("li", "wrong", &from("198.51.100.7"));
    }
    assert!(matches!(office.try_in("li", PASSWORD, &from("198.51.100.7")), Err(SignInError::LockedOut { .. })));
    assert!(office.try_in("li", PASSWORD, &known).is_ok());
    let stranger = Origin { device: Some(private("made up")), ..home() };
    assert!(matches!(office.try_in("li", PASSWORD, &stranger), Err(SignInError::LockedOut { .. })));
    for _ in 0..5 {
        let _ = office.try_in("li", "wrong", &known);
    }
    assert!(
        matches!(office.try_in("li", PASSWORD, &known), Err(SignInError::LockedOut { .. })),
        "stolen browsers wait too"
    );
}

#[test]
fn one_address_cannot_try_name_after_name() {
    let office = Office::new();
    for n in 0..30 {
        assert!(matches!(office.try_in(&format!("name{n}"), "wrong", &home()), Err(SignInError::Credentials)));
    }
    assert!(matches!(office.try_in("li", PASSWORD, &home()), Err(SignInError::LockedOut { .. })));
    assert!(office.try_in("li", PASSWORD, &from("192.0.2.2")).is_ok());
    for n in 0..30 {
        let _ = office.try_in(&format!("other{n}"), "wrong", &from(&format!("2001:db8::{n:x}")));
    }
    assert!(matches!(office.try_in("li", PASSWORD, &from("2001:db8::ffff")), Err(SignInError::LockedOut { .. })));
}

#[test]
fn a_session_ends_when_it_is_idle_and_in_any_case_after_its_longest_time() {
    let mut office = Office::new();
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    for _ in 0..12 {
        assert!(office.later(3500).who(&signed_in).is_some());
    }
    assert_eq!(office.later(3500).who(&signed_in), None, "twelve hours");
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    assert_eq!(office.later(3601).who(&signed_in), None, "idle");
}

#[test]
fn a_new_password_ends_the_other_sessions_and_needs_the_old_one() {
    let office = Office::new();
    let (here, there) =
        (office.try_in("li", PASSWORD, &home()).unwrap(), office.try_in("li", PASSWORD, &home()).unwrap());
    let change = |old, new| office.accounts.change_password(&here.session, &private(old), &private(new), &home());
    assert!(matches!(change("wrong", "a new long one 9"), Err(SignInError::Credentials)));
    assert!(matches!(change(PASSWORD, "short"), Err(SignInError::Account(AccountError::Rule(_)))));
    change(PASSWORD, "a new long one 9").expect("right");
    assert!(office.who(&here).is_some() && office.who(&there).is_none());
    assert!(office.try_in("li", PASSWORD, &home()).is_err());
    assert!(office.try_in("li", "a new long one 9", &home()).is_ok());
}

#[test]
fn a_role_counts_from_the_next_request_and_a_removed_account_is_gone_at_once() {
    let office = Office::new();
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    office.accounts.set_role("li", Role::Approver, "test").unwrap();
    let session = office.accounts.by_token_at(office.now, &signed_in.token, RequestBy::Person).unwrap().unwrap();
    assert_eq!(session.operator.role, Role::Approver);
    office.accounts.remove("li", "test").unwrap();
    assert_eq!(office.who(&signed_in), None);
    assert!(matches!(office.try_in("li", PASSWORD, &home()), Err(SignInError::Credentials)));
    assert!(matches!(
        office.accounts.sign_in_by_phone("101", &private(PIN), &caller("c")),
        Err(SignInError::Credentials)
    ));
    assert!(matches!(office.accounts.remove("li", "test"), Err(AccountError::Unknown(_))));
}

#[test]
fn names_and_numbers_are_distinguished() {
    let office = Office::new();
    let mut new =
        NewAccount { name: "Li".into(), role: Role::Operator, number: None, password: private(PASSWORD), pin: None };
    assert!(matches!(office.accounts.add(&new, "test"), Err(AccountError::NameTaken(_))));
    new.name = "wang".into();
    new.number = Some("101".into());
    assert!(matches!(office.accounts.add(&new, "test"), Err(AccountError::NumberTaken(_))));
    new.number = None;
    assert_eq!(office.accounts.add(&new, "test").unwrap().number, "103");
}

#[test]
fn a_pin_opens_the_telephone_and_few_may_be_tried() {
    let mut office = Office::new();
    let key = |office: &Office, number: &str, pin: &str, by: &str| {
        office.accounts.pin_at(office.now, number, &private(pin), &caller(by))
    };
    assert_eq!(key(&office, "101", PIN, "a").expect("right").name, "li");
    for n in 0..5 {
        assert!(matches!(key(&office, "101", "000000", &format!("caller{n}")), Err(SignInError::Credentials)));
    }
    assert!(matches!(key(&office, "101", PIN, "elsewhere"), Err(SignInError::LockedOut { .. })));
    assert_eq!(key(&office, "102", PIN, "elsewhere").expect("another's number").name, "chen");
    assert_eq!(key(&office, "101", PIN, "a").expect("a telephone used before").name, "li");
    office.later(61);
    assert_eq!(key(&office, "101", PIN, "elsewhere").expect("after the wait").name, "li");
    for n in 0..10 {
        let _ = key(&office, &format!("{}", 500 + n), PIN, "robot");
    }
    assert!(matches!(key(&office, "101", PIN, "robot"), Err(SignInError::LockedOut { .. })));
}

#[test]
fn strangers_lock_no_telephone_that_an_operator_uses_and_no_other_trunk() {
    let office = Office::new();
    let key = |pin: &str, by: &PhoneCaller| office.accounts.pin_at(office.now, "101", &private(pin), by);
    let withheld = PhoneCaller { trunk: "office".into(), number: None };
    assert_eq!(key(PIN, &caller("desk")).expect("right").name, "li");
    assert_eq!(key(PIN, &withheld).expect("right").name, "li");
    for n in 0..50 {
        let _ = key("000000", &caller(&format!("stranger{n}")));
        let _ = key("000000", &withheld);
    }
    assert!(matches!(key(PIN, &withheld), Err(SignInError::LockedOut { .. })), "no telephone of its own");
    assert_eq!(key(PIN, &caller("desk")).expect("known").name, "li");
    let elsewhere = PhoneCaller { trunk: "carrier".into(), ..caller("mobile") };
    assert_eq!(key(PIN, &elsewhere).expect("another trunk").name, "li");
    for _ in 0..5 {
        let _ = key("000000", &caller("desk"));
    }
    assert!(matches!(key(PIN, &caller("desk")), Err(SignInError::LockedOut { .. })), "guessed at the desk itself");
    office.accounts.unlock("li", "test").unwrap();
    assert!(key(PIN, &caller("desk")).is_ok() && key(PIN, &caller("new")).is_ok(), "unlocked on every trunk");
}

#[test]
fn an_account_without_a_pin_has_no_telephone() {
    let office = Office::new();
    let new =
        NewAccount { name: "wang".into(), role: Role::Operator, number: None, password: private(PASSWORD), pin: None };
    let number = office.accounts.add(&new, "test").unwrap().number;
    for pin in ["", "000000", PASSWORD] {
        assert!(matches!(
            office.accounts.sign_in_by_phone(&number, &private(pin), &caller("c")),
            Err(SignInError::Credentials)
        ));
    }
}

#[test]
fn what_happened_is_in_the_audit_and_a_mistyped_name_is_not() {
    let office = Office::new();
    let _ = office.try_in("my secret password", "x", &home());
    let _ = office.try_in("li", "wrong", &home());
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    office.accounts.end_session(&signed_in.session.operator, signed_in.session.id, "sign_out").unwrap();
    let events = office.accounts.events(100).unwrap();
    let recorded: Vec<(&str, &str)> = events.iter().rev().map(|event| (&*event.what, &*event.who)).collect();
    assert_eq!(
        recorded,
        [
            ("add", "li"),
            ("add", "chen"),
            ("sign_in_failed", "-"),
            ("sign_in_failed", "li"),
            ("sign_in", "li"),
            ("sign_out", "li")
        ]
    );
    assert!(office.accounts.lock().execute("UPDATE events SET who = 'x'", []).is_err());
}

#[test]
fn the_command_line_unlocks_beside_a_serving_node() {
    let office = Office::new();
    for _ in 0..5 {
        let _ = office.try_in("li", "wrong", &home());
    }
    let other = Accounts::open(office._folder.path(), office.accounts.ages).unwrap();
    other.unlock("li", "test").unwrap();
    assert!(office.try_in("li", PASSWORD, &home()).is_ok());
}

#[test]
fn parallel_guesses_are_counted_before_they_are_verified() {
    let office = Office::new();
    let refused = std::thread::scope(|scope| {
        let guess = || matches!(office.try_in("li", "wrong", &home()), Err(SignInError::Credentials));
        let guesses: Vec<_> = (0..12).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).filter(|wrong| *wrong).count()
    });
    assert_eq!(refused, 5, "the others wait");
}

#[test]
fn telephones_prove_themselves_with_a_password_of_their_own() {
    let office = Office::new();
    let set = office.accounts.set_sip_password("li", &private("telefon im amt 7"), "desk", "test");
    assert_eq!(set.expect("a new password"), "101");
    let [account] = &office.accounts.sip_accounts("desk").expect("a readable file")[..] else { panic!("one") };
    assert_eq!(account.user, "101");
    let md5 = ::sip::digest::Ha1::new(::sip::digest::Algorithm::Md5, "101", "desk", "telefon im amt 7");
    assert!(account.ha1.contains(&md5) && account.ha1.len() == 2);
    assert!(office.accounts.sip_accounts("other").expect("a readable file").is_empty());
    let listed = office.accounts.list().expect("a readable file");
    let realms: Vec<_> = listed.iter().map(|row| row.sip_realm.as_deref()).collect();
    assert_eq!(realms, [None, Some("desk")]);
    assert!(office.accounts.set_sip_password("li", &private("short"), "desk", "test").is_err());
    office.accounts.remove("li", "test").expect("removed");
    assert!(office.accounts.sip_accounts("desk").expect("a readable file").is_empty(), "a removed account");
}

#[test]
fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let folder = Folder::new();
    let ages = SessionAges { idle: Duration::from_secs(3600), longest: Duration::from_secs(12 * 3600) };
    drop(Accounts::open(folder.path(), ages).expect("a writable folder"));
    let file = folder.join("studio/accounts.sqlite3");
    let connection = rusqlite::Connection::open(file).expect("a file");
    let older = "DROP TABLE sip_passwords; DROP TABLE agents; ALTER TABLE accounts DROP COLUMN must_change; PRAGMA user_version = 1";
    connection.execute_batch(older).expect("schema 1");
    drop(connection);
    let accounts = Accounts::open(folder.path(), ages).expect("a file of schema 1");
    assert!(accounts.sip_accounts("desk").expect("the table").is_empty() && accounts.list().expect("all").is_empty());
}

#[test]
fn a_clock_that_was_a_year_ahead_locks_nobody_out_and_keeps_no_session_longer() {
    let mut office = Office::new();
    office.later(365 * 86_400);
    let signed_in = office.try_in("li", PASSWORD, &home()).expect("right");
    for _ in 0..10 {
        let _ = office.try_in("li", "wrong", &from("198.51.100.7"));
    }
    assert!(matches!(office.try_in("li", PASSWORD, &from("198.51.100.7")), Err(SignInError::LockedOut { .. })));
    office.now = Timestamp::now();
    assert_eq!(office.who(&signed_in), None);
    assert!(office.try_in("li", PASSWORD, &from("198.51.100.7")).is_ok());
}

#[test]
fn a_command_needs_the_password_of_its_operator_and_waits_like_a_sign_in() {
    let office = Office::new();
    let new = NewAccount {
        name: "wang".into(),
        role: Role::Approver,
        number: None,
        password: private("seven green teapots"),
        pin: None,
    };
    office.accounts.add(&new, "test").unwrap();
    let own = private("eight red kettles");
    assert!(matches!(office.accounts.by_password("wang", &new.password), Err(SignInError::MustChange { .. })));
    let refused = office.accounts.replace_password("wang", &new.password, &new.password);
    assert!(matches!(refused, Err(SignInError::Account(AccountError::Rule(RuleError::PasswordSame)))));
    assert!(matches!(office.accounts.replace_password("wang", &own, &own), Err(SignInError::Credentials)));
    office.accounts.replace_password("wang", &new.password, &own).unwrap();
    assert_eq!(office.accounts.by_password("wang", &own).unwrap().name, "wang");
    let new = NewAccount { password: own, ..new };
    for _ in 0..5 {
        assert!(matches!(office.accounts.by_password("wang", &private("wrong")), Err(SignInError::Credentials)));
    }
    assert!(matches!(office.accounts.by_password("wang", &new.password), Err(SignInError::LockedOut { .. })));
}
