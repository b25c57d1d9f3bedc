//! Which numbers may be called.

use base::allowed_number;

use crate::settings::CallBackSettings;

impl CallBackSettings {
    /// The number as it is dialled, if it may be called: without spaces, hyphens and parentheses.
    pub fn allowed(&self, number: &str) -> Option<String> {
        allowed_number(number, &self.allow, &self.deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::NumberPattern;

    fn pattern(text: &str) -> NumberPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_denied_number_is_not_called_though_it_is_allowed() {
        let allow = vec![pattern("020XXXXXXXX")];
        let settings = CallBackSettings { allow, deny: vec![pattern("02096XXXXXX")], ..CallBackSettings::default() };
        assert_eq!(settings.allowed("020-8312 3456").as_deref(), Some("02083123456"));
        assert_eq!(settings.allowed("02096123456"), None);
        assert_eq!(settings.allowed("00441234567"), None);
        assert_eq!(settings.allowed(&"1".repeat(4_000)), None);
    }
}
