//! Secrets of a command: typed without echo on a terminal, or a line of the standard input or of a file. Never an option's
//! value, which other users of the machine can read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use base::Private;

/// Asks for a new secret: twice on a terminal, one line of the standard input otherwise.
pub(crate) fn ask_new(what: &str, needed: bool) -> Result<Private<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock(), what, needed);
    }
    let secret = prompted(what, needed)?;
    let again = if secret.expose().is_empty() { secret.clone() } else { prompted("the same again", needed)? };
    if secret == again { Ok(secret) } else { Err("the two entries differ: try again".into()) }
}

/// Asks for a secret that exists: the first line of `file`, else once on a terminal, else one line of the standard input.
pub(crate) fn ask(what: &str, file: Option<&Path>) -> Result<Private<String>, String> {
    if let Some(path) = file {
        return read_file(what, path);
    }
    let stdin = io::stdin();
    if stdin.is_terminal() { prompted(what, true) } else { line(&mut stdin.lock(), what, true) }
}

/// A secret that is the first line of a file.
pub(crate) fn read_file(what: &str, path: &Path) -> Result<Private<String>, String> {
    let opened = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    line(&mut BufReader::new(opened), what, true)
}

fn prompted(what: &str, needed: bool) -> Result<Private<String>, String> {
    let typed = rpassword::prompt_password(format!("{what}: "));
    let typed = typed.map_err(|error| format!("the {what} cannot be read from the terminal: {error}"))?;
    checked(typed, what, needed)
}

fn line(from: &mut impl BufRead, what: &str, needed: bool) -> Result<Private<String>, String> {
    let mut bytes = Vec::new();
    let read = io::Read::take(from, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    read.map_err(|error| format!("the {what} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the {what} must be UTF-8"))?;
    checked(text.trim_end_matches(['\r', '\n']).to_owned(), what, needed)
}

fn checked(secret: String, what: &str, needed: bool) -> Result<Private<String>, String> {
    if needed && secret.is_empty() {
        return Err(format!("a {what} is needed: type it, or give it on the standard input, one line"));
    }
    Ok(Private::new(secret))
}

const LINE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_the_standard_input() {
        let mut input = &b"correct horse\r\n730518\n"[..];
        assert_eq!(line(&mut input, "password", true).unwrap().expose(), "correct horse");
        assert_eq!(line(&mut input, "PIN", true).unwrap().expose(), "730518");
        assert!(line(&mut input, "password", true).unwrap_err().contains("a password is needed"));
        assert_eq!(line(&mut input, "PIN", false).unwrap().expose(), "");
        assert!(line(&mut &b"\xff\xfe\n"[..], "password", true).is_err());
    }
}
