//! The part of a file that a request asks for (RFC 9110 §14).

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedRange {
    /// All of it: there is no range, or one that this node need not read.
    All,
    /// From this octet to this one, both included.
    Part(u64, u64),
    /// Nothing that the file has: 416.
    None,
}

impl WantedRange {
    /// Reads the `Range` header of a request for a file of so many octets. Several ranges at once are answered with the whole file, as
    /// RFC 9110 §14.2 allows.
    pub fn read(header: Option<&str>, length: u64) -> WantedRange {
        let Some((unit, set)) = header.and_then(|header| header.split_once('=')) else { return WantedRange::All };
        let Some((first, last)) = set.trim().split_once('-') else { return WantedRange::All };
        if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
            return WantedRange::All;
        }
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        let (first, last) = match (first.trim(), last.trim()) {
            ("", suffix) => match number(suffix) {
                Some(0) => return WantedRange::None,
                Some(suffix) => (length.saturating_sub(suffix), length.saturating_sub(1)),
                None => return WantedRange::All,
            },
            (first, "") => match number(first) {
                Some(first) => (first, length.saturating_sub(1)),
                None => return WantedRange::All,
            },
            (first, last) => match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
                _ => return WantedRange::All,
            },
        };
        if first < length { WantedRange::Part(first, last) } else { WantedRange::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_within_the_file_and_others_mean_all_of_it() {
        for (header, wanted) in [
            (None, WantedRange::All),
            (Some("bytes=0-"), WantedRange::Part(0, 99)),
            (Some("bytes=10-19"), WantedRange::Part(10, 19)),
            (Some("Bytes= 90-500"), WantedRange::Part(90, 99)),
            (Some("bytes=-30"), WantedRange::Part(70, 99)),
            (Some("bytes=-300"), WantedRange::Part(0, 99)),
            (Some("bytes=100-"), WantedRange::None),
            (Some("bytes=-0"), WantedRange::None),
            (Some("bytes=9-3"), WantedRange::All),
            (Some("bytes=0-1,5-6"), WantedRange::All),
            (Some("pages=1-2"), WantedRange::All),
            (Some("bytes=+1-2"), WantedRange::All),
            (Some("bytes=99999999999999999999-"), WantedRange::All),
            (Some("bytes"), WantedRange::All),
        ] {
            assert_eq!(WantedRange::read(header, 100), wanted, "{header:?}");
        }
        assert_eq!(WantedRange::read(Some("bytes=0-"), 0), WantedRange::None);
    }
}
