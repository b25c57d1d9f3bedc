//! Remarks on single lines of a batch that was loaded: lines that cannot be used, and cases that no caller can ask for.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use base::{Bilingual, bilingual};
use feed::text::Text;
use inquiry::{Formats, Keys, ReceiptFormat};
use replica::{FeedLine, LineError, gate};

/// The file, with what its cases are judged by.
pub(crate) struct LoadedFile<'a> {
    pub path: &'a Path,
    pub keys: &'a Keys,
    pub formats: &'a [ReceiptFormat],
}

/// What the lines of a batch are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    /// One for each of the first lines that have one, then what to do.
    pub lines: Vec<Bilingual>,
    /// The file is a batch, not a feed file.
    pub is_batch: bool,
}

impl LoadedFile<'_> {
    /// Reads the file again. A feed file has no remarks: its place is in the log of the feed.
    pub(crate) fn remarks(&self) -> Remarks {
        let formats = Formats::new(self.formats.to_vec()).ok();
        let Ok(text) = self.path.canonicalize().and_then(|path| Text::open(&path)) else { return Remarks::default() };
        let mut reader = BufReader::new(text.take(READ_MAX + 1));
        let (mut lines, mut more, mut unusable, mut octets, mut line) = (Vec::new(), 0_u64, false, 0, Vec::new());
        for number in 1.. {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(read @ 1..) => octets += read as u64,
                Ok(0) | Err(_) => break,
            }
            if number == 1 && gate::is_feed(&line) {
                return Remarks::default();
            }
            if octets > READ_MAX {
                lines.push(bilingual!("  lines from {number} on were not checked", "  第 {number} 行起未检查"));
                break;
            }
            let Some((is_unusable, why)) = self.remark(line.trim_ascii_end(), number, formats.as_ref()) else {
                continue;
            };
            unusable |= is_unusable;
            if lines.len() < SHOWN {
                let file = self.path.display();
                lines.push(bilingual!("  {file}:{number}: {why}", "  {file}:{number}：{why:#}"));
            } else {
                more += 1;
            }
        }
        if more > 0 {
            lines.push(bilingual!("  lines with more remarks: {more}", "  另有 {more} 行"));
        }
        if unusable {
            lines.push(Bilingual::fixed(
                "  lines that cannot be used are in quarantine (jindu replica quarantine list): correct them and load the file again; one \
                 whose number was wrong stays there until jindu replica quarantine drop",
                "  无法使用的行已隔离（见 jindu replica quarantine list）：请改正后重新装入；回执号有误的行须用 jindu replica quarantine drop 删除",
            ));
        }
        Remarks { lines, is_batch: true }
    }

    /// The remark on a line, and whether the line cannot be used.
    fn remark(&self, line: &[u8], number: u64, formats: Option<&Formats>) -> Option<(bool, Bilingual)> {
        let unusable = |error: LineError| Some((true, error.text()));
        let case = match FeedLine::read(line, number) {
            Ok(FeedLine::Case(case)) => case,
            Ok(FeedLine::Header(_) | FeedLine::Blank) => return None,
            Err(error) => return unusable(error),
        };
        if let Err(error) = case.to_row(self.keys) {
            return unusable(error);
        }
        let is_of_no_format = formats.is_some_and(|formats| !case.can_be_asked_for(formats));
        is_of_no_format.then_some((false, NO_FORMAT))
    }
}

const NO_FORMAT: Bilingual = Bilingual::fixed(
    "no [[inquiry.receipt]] has such a number and second factor: the case is stored, and no caller can ask for it",
    "回执号或核验信息（证件号后四位、出生日期）不符合任何 [[inquiry.receipt]]：案件已保存，但无法查询",
);
/// Lines that are shown.
const SHOWN: usize = 10;
/// Octets of text that are checked.
const READ_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use inquiry::{CheckDigit, SecondFactor};
    use support::folder::Folder;

    fn case(receipt: &str, factor: &str) -> String {
        format!(
            "{{\"receipt\":\"{receipt}\",{factor}\"stage\":\"ready\",\"document\":\"passport\",\"case_type\":\"first\",\
             \"hall\":\"north\",\"accepted_on\":\"2026-01-05\",\"stage_on\":\"2026-01-09\",\"version\":1}}\n"
        )
    }

    fn remarks(path: &Path) -> Remarks {
        let formats = [ReceiptFormat {
            name: "city".into(),
            length: 15,
            prefix: "4401".into(),
            groups: vec![],
            check: CheckDigit::None,
            second_factor: SecondFactor::IdTail,
        }];
        LoadedFile { path, keys: &Keys::new(&[7; 32]), formats: &formats }.remarks()
    }

    const TAIL: &str = "\"id_tail\":\"0590\",";
    const RECEIPT: &str = "440112345678901";

    #[test]
    fn each_line_that_has_a_remark_is_named_and_the_first_ten_are_shown() {
        let folder = Folder::new();
        let of = |name: &str, text: &str| remarks(Path::new(&folder.file(name, text)));
        let header = "{\"batch\":{\"as_of\":\"2026-01-10T00:00:00Z\"}}\n";
        assert_eq!(
            of("right", &format!("{header}\n{}", case(RECEIPT, TAIL))),
            Remarks { lines: vec![], is_batch: true }
        );
        let wrong = [case(RECEIPT, TAIL), case("123456", TAIL), case(RECEIPT, ""), "not JSON\n".to_owned()].concat();
        let wrong = of("wrong", &wrong).lines;
        let at: Vec<bool> =
            [":2: ", ":3: ", ":4: "].iter().zip(&wrong).map(|(at, line)| line.en.contains(at)).collect();
        assert_eq!((wrong.len(), at), (4, vec![true; 3]), "{wrong:?}");
        assert_eq!(of("unasked", &case("123456", TAIL)).lines.len(), 1, "it is in no quarantine");
        assert_eq!(of("many", &"x\n".repeat(25)).lines.len(), 12, "ten, how many more, and what to do");
    }

    #[test]
    fn a_compressed_batch_is_read_and_a_feed_file_is_not() {
        let folder = Folder::new();
        let packed = folder.path().join("packed.zst");
        let text = [case(RECEIPT, TAIL), "x\n".to_owned()].concat();
        std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).expect("compressed")).expect("a file");
        assert_eq!(remarks(&packed).lines.len(), 2);
        let feed = folder.file("feed.ndjson", "{\"feed\":1}\n{\"delete\":\"440112345678901\"}\n");
        assert_eq!(remarks(Path::new(&feed)), Remarks::default());
    }
}
