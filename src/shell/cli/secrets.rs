//! Secrets of a command: typed without echo on a terminal, or a line of the standard input or of a file. Never an option's
//! value, which other users of the machine can read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use base::{Bilingual, Private, bilingual};
use os::io_fault;

use crate::exit::aside;
use crate::say::text;

/// Asks for a new secret: twice on a terminal, after its rules, until one `fits` and both are the same; one line of the standard input
/// otherwise.
pub(crate) fn ask_new(
    what: &Bilingual,
    rules: Option<&Bilingual>,
    needed: bool,
    fits: impl Fn(&str) -> Result<(), Bilingual>,
) -> Result<Private<String>, Bilingual> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock(), what, needed);
    }
    if let Some(rules) = rules {
        aside(&bilingual!("{what}: {rules}", "{what:#}：{rules:#}"));
    }
    asked_twice(what, needed, fits, prompted)
}

fn asked_twice(
    what: &Bilingual,
    needed: bool,
    fits: impl Fn(&str) -> Result<(), Bilingual>,
    mut prompted: impl FnMut(&Bilingual, bool) -> Result<Private<String>, Bilingual>,
) -> Result<Private<String>, Bilingual> {
    let again = Bilingual::fixed("the same again", "请再输入一次");
    let mut tries = 1;
    loop {
        let secret = prompted(what, needed)?;
        if secret.expose().is_empty() {
            return Ok(secret);
        }
        let error = match fits(secret.expose()) {
            Err(error) => error,
            Ok(()) if secret == prompted(&again, false)? => return Ok(secret),
            Ok(()) => Bilingual::fixed("the two entries differ: try again", "两次输入不一致，请重试"),
        };
        if tries == TRIES {
            return Err(error);
        }
        tries += 1;
        aside(&error);
    }
}

/// Asks for a secret that exists: the first line of `file`, else once on a terminal, else one line of the standard input.
pub(crate) fn ask(what: &Bilingual, file: Option<&Path>) -> Result<Private<String>, Bilingual> {
    if let Some(path) = file {
        return read_file(what, path);
    }
    let stdin = io::stdin();
    if stdin.is_terminal() { prompted(what, true) } else { line(&mut stdin.lock(), what, true) }
}

/// A secret that is the first line of a file.
pub(crate) fn read_file(what: &Bilingual, path: &Path) -> Result<Private<String>, Bilingual> {
    let opened = File::open(path).map_err(|error| io_fault(path, &error))?;
    line(&mut BufReader::new(opened), what, true)
}

fn prompted(what: &Bilingual, needed: bool) -> Result<Private<String>, Bilingual> {
    let typed = rpassword::prompt_password(text!("{what}: ", "{what:#}："));
    let typed = typed.map_err(|error| {
        bilingual!("the {what} cannot be read from the terminal: {error}", "无法从终端读取{what:#}：{error}")
    })?;
    checked(typed, what, needed)
}

fn line(from: &mut impl BufRead, what: &Bilingual, needed: bool) -> Result<Private<String>, Bilingual> {
    let mut bytes = Vec::new();
    let read = io::Read::take(from, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    read.map_err(|error| bilingual!("the {what} cannot be read: {error}", "无法读取{what:#}：{error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| bilingual!("the {what} must be UTF-8", "{what:#}须为 UTF-8"))?;
    checked(text.trim_end_matches(['\r', '\n']).to_owned(), what, needed)
}

fn checked(secret: String, what: &Bilingual, needed: bool) -> Result<Private<String>, Bilingual> {
    if needed && secret.is_empty() {
        return Err(bilingual!(
            "a {what} is needed: type it, or give it on the standard input, one line",
            "缺少：{what:#}。请输入，或由标准输入提供一行"
        ));
    }
    Ok(Private::new(secret))
}

const LINE_BYTES_MAX: u64 = 4096;
/// How often a secret is asked for.
const TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_asked_for_until_it_fits_and_is_typed_twice_and_three_times_at_most() {
        let long = |secret: &str| if secret.len() > 5 { Ok(()) } else { Err("short".into()) };
        let typed = |lines: &[&str]| {
            let mut lines = lines.iter();
            let secret = asked_twice(&"password".into(), true, long, |_, _| {
                Ok(Private::new((*lines.next().expect("a line")).to_owned()))
            });
            secret.map(|secret| secret.expose().clone())
        };
        assert_eq!(typed(&["abc", "abcdef", "abcdeg", "abcdef", "abcdef"]).as_deref(), Ok("abcdef"));
        assert_eq!(typed(&["abcdef", "", "abcdef", "abcdef"]).as_deref(), Ok("abcdef"));
        assert_eq!(typed(&["abc", "abc", "abd"]), Err("short".into()));
    }

    #[test]
    fn a_secret_is_one_line_of_the_standard_input() {
        let mut input = &b"correct horse\r\n730518\n"[..];
        assert_eq!(line(&mut input, &"password".into(), true).unwrap().expose(), "correct horse");
        assert_eq!(line(&mut input, &"PIN".into(), true).unwrap().expose(), "730518");
        assert!(line(&mut input, &"password".into(), true).unwrap_err().en.contains("a password is needed"));
        assert_eq!(line(&mut input, &"PIN".into(), false).unwrap().expose(), "");
        assert!(line(&mut &b"\xff\xfe\n"[..], &"password".into(), true).is_err());
    }
}
