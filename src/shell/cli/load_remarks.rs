//! What is to be said of single lines of a file that was loaded: which cannot be used, and which no caller can ask for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use base::{Bilingual, bilingual};
use inquiry::{Formats, ReceiptFormat};
use replica::FeedLine;

/// A line for each of the first lines of a batch that deserve one, and how to find the others. None for files that are packed.
pub(crate) fn of_file(file: &Path, formats: &[ReceiptFormat]) -> Vec<Bilingual> {
    let formats = Formats::new(formats.to_vec()).ok();
    let Ok(opened) = File::open(file) else { return Vec::new() };
    let mut reader = BufReader::new(opened.take(READ_MAX));
    let (mut remarks, mut more, mut unusable, mut line) = (Vec::new(), 0_u64, false, Vec::new());
    for number in 1.. {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        if line.starts_with(PACKED) {
            return Vec::new();
        }
        let read = FeedLine::read(line.trim_ascii_end(), number);
        unusable |= read.is_err();
        let Some(why) = remark(&read, formats.as_ref()) else { continue };
        if remarks.len() == SHOWN {
            more += 1;
            continue;
        }
        let file = file.display();
        remarks.push(bilingual!("  {file}:{number}: {why}", "  {file}:{number}：{why:#}"));
    }
    if more > 0 {
        remarks.push(bilingual!("  and {more} more lines", "  另有 {more} 行"));
    }
    if unusable {
        remarks.push(Bilingual::fixed(
            "  lines that cannot be used are kept: jindu replica quarantine list; correct them and load the file again",
            "  无法使用的行已隔离：见 jindu replica quarantine list；请改正后重新加载",
        ));
    }
    remarks
}

fn remark(read: &Result<FeedLine, replica::LineError>, formats: Option<&Formats>) -> Option<Bilingual> {
    match read {
        Err(error) => Some(error.to_string().into()),
        Ok(FeedLine::Case(case)) if formats.is_some_and(|formats| !case.can_be_asked_for(formats)) => {
            Some(Bilingual::fixed(
                "its number or second factor is of no [[inquiry.receipt]]: it is stored, and no caller can ask for it",
                "编号或第二要素不符合任何 [[inquiry.receipt]]：已保存，但无法查询",
            ))
        }
        Ok(_) => None,
    }
}

/// Lines that are shown.
const SHOWN: usize = 10;
/// Octets that are looked through.
const READ_MAX: u64 = 64 << 20;
/// How a file compressed with Zstandard begins (RFC 8878 section 3.1.1).
const PACKED: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn each_line_that_deserves_a_remark_has_its_number_and_the_first_ten_are_shown() {
        let folder = Folder::new();
        let formats = [ReceiptFormat {
            name: "city".into(),
            length: 15,
            prefix: "4401".into(),
            groups: vec![],
            check: inquiry::CheckDigit::None,
            second_factor: inquiry::SecondFactor::IdTail,
        }];
        let case = |receipt: &str| {
            format!(
                "{{\"receipt\":\"{receipt}\",\"id_tail\":\"0590\",\"stage\":\"ready\",\"document\":\"passport\",\"case_type\":\"first\",\
                 \"hall\":\"north\",\"accepted_on\":\"2026-01-05\",\"stage_on\":\"2026-01-09\",\"version\":1}}\n"
            )
        };
        let right = folder.file(
            "right.jsonl",
            &format!("{{\"batch\":{{\"as_of\":\"2026-01-10T00:00:00Z\"}}}}\n{}", case("440112345678901")),
        );
        assert_eq!(of_file(Path::new(&right), &formats), []);
        let text = format!("{}{}not JSON\n", case("440112345678901"), case("123"));
        let wrong = of_file(Path::new(&folder.file("wrong.jsonl", &text)), &formats);
        let numbers: Vec<bool> =
            [":2: ", ":3: "].iter().zip(&wrong).map(|(at, remark)| remark.en.contains(at)).collect();
        assert_eq!((wrong.len(), numbers), (3, vec![true, true]), "{wrong:?}");
        let many = of_file(Path::new(&folder.file("many.jsonl", &"x\n".repeat(25))), &formats);
        assert_eq!(many.len(), 12, "ten, how many more, and what to do");
        let packed = folder.path().join("packed");
        std::fs::write(&packed, [PACKED, b"\nx\n"].concat()).expect("a file");
        assert_eq!(of_file(&packed, &formats), []);
    }
}
