//! Text as an input method, a foreign keyboard or a copy brings it → the ASCII text that was meant.

/// The text without invisible characters, each of the others in its ASCII form where it has one.
pub(super) fn narrowed(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect()
}

/// Marks of direction, joiners and the like, which a text that was copied may hold.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
    )
}

/// A character as an input method or a foreign keyboard types it → the ASCII one; dashes and spaces of all kinds → plain
/// ones.
fn narrow(c: char) -> char {
    match c {
        // The keys of full stop and slash with a Chinese input method on.
        '\u{3002}' | '\u{FF61}' => '.',
        '\u{3001}' => '/',
        // Arabic and Persian digits.
        '\u{0660}'..='\u{0669}' => char::from(b'0' + (u32::from(c) - 0x660) as u8),
        '\u{06F0}'..='\u{06F9}' => char::from(b'0' + (u32::from(c) - 0x6F0) as u8),
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{3000}' | '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
}
