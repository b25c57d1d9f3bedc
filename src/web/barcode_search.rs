//! Judges what the attempts on a photograph find, and says when the search is over.

use super::photograph_error::PhotographError;
use base::Private;

/// The texts that were found in a part of a photograph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTexts {
    /// Those of safer codes first.
    pub texts: Vec<Private<String>>,
    /// Whether the whole picture has been searched in this way.
    pub ends_attempt: bool,
}

/// A search in progress.
#[derive(Clone, Debug, Default)]
pub struct BarcodeSearch {
    receipt: Option<Receipt>,
    has_others: bool,
    second_best: Option<Private<String>>,
}

/// A barcode that is a receipt's.
#[derive(Clone, Debug)]
struct Receipt {
    number: Private<String>,
    text: Private<String>,
}

impl BarcodeSearch {
    /// Takes what was found; the result once an attempt has found a receipt. `receipt_of` reads a text as a receipt
    /// number.
    pub fn take(
        &mut self,
        found: FoundTexts,
        receipt_of: impl Fn(&str) -> Option<Private<String>>,
    ) -> Option<Result<Private<String>, PhotographError>> {
        for text in found.texts {
            match (receipt_of(text.expose()), &self.receipt) {
                (Some(number), None) => self.receipt = Some(Receipt { number, text }),
                (Some(number), Some(first)) => self.has_others |= number != first.number,
                (None, _) => {
                    self.second_best.get_or_insert(text);
                }
            }
        }
        if found.ends_attempt { self.of_receipts() } else { None }
    }

    /// The result where all attempts have been made.
    ///
    /// # Errors
    /// [`PhotographError::NoBarcode`] or [`PhotographError::SeveralReceipts`].
    pub fn exhausted(self) -> Result<Private<String>, PhotographError> {
        self.or(PhotographError::NoBarcode)
    }

    /// The result where the time is over before.
    ///
    /// # Errors
    /// [`PhotographError::TimeOver`] or [`PhotographError::SeveralReceipts`].
    pub fn time_over(self) -> Result<Private<String>, PhotographError> {
        self.or(PhotographError::TimeOver)
    }

    /// The result where the reader failed.
    ///
    /// # Errors
    /// [`PhotographError::Damaged`] or [`PhotographError::SeveralReceipts`].
    pub fn failed(self) -> Result<Private<String>, PhotographError> {
        self.or(PhotographError::Damaged)
    }

    fn or(self, nothing: PhotographError) -> Result<Private<String>, PhotographError> {
        self.of_receipts().unwrap_or_else(|| self.second_best.ok_or(nothing))
    }

    fn of_receipts(&self) -> Option<Result<Private<String>, PhotographError>> {
        let receipt = self.receipt.as_ref()?;
        Some(if self.has_others { Err(PhotographError::SeveralReceipts) } else { Ok(receipt.text.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str], ends_attempt: bool) -> FoundTexts {
        FoundTexts { texts: texts.iter().map(|text| Private::new((*text).to_owned())).collect(), ends_attempt }
    }

    /// A receipt is written alone or at the end of an address.
    fn receipt_of(text: &str) -> Option<Private<String>> {
        let number = text.rsplit('/').next().filter(|number| number.starts_with("4401"))?;
        Some(Private::new(number.to_owned()))
    }

    fn text(result: Result<Private<String>, PhotographError>) -> Result<String, PhotographError> {
        result.map(Private::into_inner)
    }

    #[test]
    fn a_receipt_that_is_printed_twice_is_one_and_two_receipts_are_an_error() {
        let mut same = BarcodeSearch::default();
        let result = same.take(found(&["SF1", "44011", "https://x/44011"], true), receipt_of);
        assert_eq!(text(result.unwrap()), Ok("44011".into()));
        let mut two = BarcodeSearch::default();
        assert_eq!(two.take(found(&["44011", "44012"], true), receipt_of), Some(Err(PhotographError::SeveralReceipts)));
    }

    #[test]
    fn receipts_in_two_tiles_of_an_attempt_are_two() {
        let mut search = BarcodeSearch::default();
        assert_eq!(search.take(found(&["44011"], false), receipt_of), None);
        assert_eq!(text(search.clone().time_over()), Ok("44011".into()));
        assert_eq!(search.take(found(&["44012"], true), receipt_of), Some(Err(PhotographError::SeveralReceipts)));
    }

    #[test]
    fn what_was_found_is_better_than_the_reason_for_the_end() {
        let mut search = BarcodeSearch::default();
        assert_eq!(search.clone().exhausted(), Err(PhotographError::NoBarcode));
        assert_eq!(search.clone().time_over(), Err(PhotographError::TimeOver));
        assert_eq!(search.clone().failed(), Err(PhotographError::Damaged));
        assert_eq!(search.take(found(&["SF1"], true), receipt_of), None);
        assert_eq!(text(search.time_over()), Ok("SF1".into()));
    }
}
