//! What a process that reads a photograph tells the node, line by line.
//!
//! ```text
//!  ready ─┬─► found, found, … ─► end
//!         └─► damaged | too_many_pixels
//! ```

use serde::{Deserialize, Serialize};

use super::barcode_search::FoundTexts;
use super::photograph_error::PhotographError;
use base::Private;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhotographReport {
    /// The process runs, within its limits.
    Ready,
    /// What it found in a part of the photograph.
    Found(FoundTexts),
    /// All attempts have been made.
    End,
    /// The photograph is damaged, or no picture.
    Damaged,
    /// It is larger than is decoded.
    TooManyPixels,
}

/// A line as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Ready,
    Found { texts: Vec<String>, ends_attempt: bool },
    End,
    Damaged,
    TooManyPixels,
}

impl PhotographReport {
    /// The line, with its end.
    pub fn to_line(&self) -> String {
        let line = match self {
            PhotographReport::Ready => Line::Ready,
            PhotographReport::Found(FoundTexts { texts, ends_attempt }) => {
                let texts = texts.iter().map(|text| text.expose().clone()).collect();
                Line::Found { texts, ends_attempt: *ends_attempt }
            }
            PhotographReport::End => Line::End,
            PhotographReport::Damaged => Line::Damaged,
            PhotographReport::TooManyPixels => Line::TooManyPixels,
        };
        let json = serde_json::to_string(&line).expect("strings serialise");
        format!("{json}\n")
    }

    /// Reads a line; `None` where it is none.
    pub fn read(line: &str) -> Option<PhotographReport> {
        Some(match serde_json::from_str(line).ok()? {
            Line::Ready => PhotographReport::Ready,
            Line::Found { texts, ends_attempt } => {
                let texts = texts.into_iter().map(Private::new).collect();
                PhotographReport::Found(FoundTexts { texts, ends_attempt })
            }
            Line::End => PhotographReport::End,
            Line::Damaged => PhotographReport::Damaged,
            Line::TooManyPixels => PhotographReport::TooManyPixels,
        })
    }
}

impl From<PhotographError> for PhotographReport {
    /// The node has checked the format before, and judges what was found.
    fn from(error: PhotographError) -> PhotographReport {
        match error {
            PhotographError::TooManyPixels { .. } => PhotographReport::TooManyPixels,
            PhotographError::NoPicture | PhotographError::Kind(_) | PhotographError::Damaged => {
                PhotographReport::Damaged
            }
            PhotographError::NoBarcode | PhotographError::SeveralReceipts | PhotographError::TimeOver => {
                PhotographReport::End
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let texts = ["440126112300018", "a\nb \u{4e2d}"].map(|text| Private::new(text.to_owned())).to_vec();
        for report in [
            PhotographReport::Ready,
            PhotographReport::Found(FoundTexts { texts, ends_attempt: true }),
            PhotographReport::End,
            PhotographReport::Damaged,
            PhotographReport::TooManyPixels,
        ] {
            let line = report.to_line();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(PhotographReport::read(line.trim_end()), Some(report));
        }
        for other in ["", "{}", "jindu 0.1.0", "\"found\"", "[]"] {
            assert_eq!(PhotographReport::read(other), None, "{other}");
        }
    }
}
