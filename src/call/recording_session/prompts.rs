//! The words of the recording service: its own sentences, in every language that it can be used in.
//!
//! They are recordings as all others are: a release needs them, and an operator can record them.

use std::sync::Arc;

use base::Lang;
use speech::spoken::Spoken;
use speech::{Clip, ClipText, Piece};

/// A sentence of the recording service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Welcome,
    Pin,
    Refused,
    Locked,
    Language,
    Slot,
    Unknown,
    NothingLeft,
    Number,
    Missing,
    Speak,
    Review,
    Unusable,
    Kept,
    Discarded,
    Silent,
    Quiet,
    Loud,
    Noisy,
    Cut,
    Length,
    Lossy,
    OtherVoice,
    Failed,
    Bye,
}

impl Prompt {
    /// In order of their first use.
    pub(super) const ALL: [Prompt; 25] = [
        Prompt::Welcome,
        Prompt::Pin,
        Prompt::Refused,
        Prompt::Locked,
        Prompt::Language,
        Prompt::Slot,
        Prompt::Unknown,
        Prompt::NothingLeft,
        Prompt::Number,
        Prompt::Missing,
        Prompt::Speak,
        Prompt::Review,
        Prompt::Unusable,
        Prompt::Kept,
        Prompt::Discarded,
        Prompt::Silent,
        Prompt::Quiet,
        Prompt::Loud,
        Prompt::Noisy,
        Prompt::Cut,
        Prompt::Length,
        Prompt::Lossy,
        Prompt::OtherVoice,
        Prompt::Failed,
        Prompt::Bye,
    ];

    /// The sentence as something to play.
    pub(super) fn piece(self, lang: Lang) -> Piece {
        Piece::Clip(Clip { lang, id: self.id() })
    }

    fn id(self) -> Arc<str> {
        self.written().0.into()
    }

    fn text(self, lang: Lang) -> &'static str {
        let (_, zh, yue, en) = self.written();
        match lang {
            Lang::Zh => zh,
            Lang::Yue => yue,
            Lang::En => en,
        }
    }

    /// Its recording's id, and its words in Mandarin, Cantonese and English.
    fn written(self) -> (&'static str, &'static str, &'static str, &'static str) {
        PROMPTS[self as usize]
    }
}

/// The recordings that the recording service needs to be used in these languages: its sentences, and digits to spell
/// numbers with.
pub fn studio_clips(langs: &[Lang]) -> Vec<ClipText> {
    let sentence = |lang, word: Prompt| ClipText { lang, id: word.id(), text: word.text(lang).into() };
    let digits = || (0..10).flat_map(|digit| [Spoken::DigitMedial(digit), Spoken::DigitFinal(digit)]);
    let all = |lang: &Lang| {
        let lang = *lang;
        let sentences = Prompt::ALL.into_iter().map(move |word| sentence(lang, word));
        sentences.chain(digits().filter_map(move |digit| digit.needed(lang)))
    };
    langs.iter().flat_map(all).collect()
}

/// A number, digit by digit.
pub(super) fn spelled(lang: Lang, number: u32) -> Vec<Piece> {
    let digits: Vec<u8> = number.to_string().bytes().map(|digit| digit - b'0').collect();
    let last = digits.len() - 1;
    let spoken = digits.into_iter().enumerate().map(|(n, digit)| match n == last {
        true => Spoken::DigitFinal(digit),
        false => Spoken::DigitMedial(digit),
    });
    spoken.filter_map(|word| Some(Piece::Clip(Clip { lang, id: word.clip_id()?.into() }))).collect()
}

/// One row for each of [`Prompt::ALL`], in that order.
const PROMPTS: [(&str, &str, &str, &str); 25] = [
    (
        "studio.welcome",
        "录音服务。请输入操作员编号，按井号键结束。",
        "錄音服務。請輸入操作員編號，撳井字掣結束。",
        "Recording service. Please enter your operator number, then press pound.",
    ),
    (
        "studio.pin",
        "请输入密码，按井号键结束。",
        "請輸入密碼，撳井字掣結束。",
        "Please enter your code, then press pound.",
    ),
    (
        "studio.refused",
        "编号或密码不正确，请重新输入操作员编号。",
        "編號或者密碼唔正確，請再入過操作員編號。",
        "That number or code is not right. Please enter your operator number again.",
    ),
    (
        "studio.locked",
        "尝试次数过多，请稍后再试。",
        "試咗太多次，請遲啲再試。",
        "There were too many tries. Please try again later.",
    ),
    ("studio.language", "普通话，请按1。", "廣東話，請撳2。", "For English, press 3."),
    (
        "studio.slot",
        "请输入录音编号，按井号键结束。录下一条，请按星号键。换语言，直接按井号键。结束，请按0。",
        "請輸入錄音編號，撳井字掣結束。錄下一條，請撳星字掣。轉語言，直接撳井字掣。結束，請撳0。",
        "Please enter the number of the recording, then press pound. For the next one to record, press star. For another \
         language, press pound alone. To finish, press 0.",
    ),
    ("studio.unknown", "没有这个编号。", "冇呢個編號。", "There is no recording with that number."),
    ("studio.none_left", "没有待录的录音了。", "冇要錄嘅錄音喇。", "Nothing is left to record."),
    ("studio.number", "录音编号", "錄音編號", "Recording number"),
    (
        "studio.missing",
        "这一条还没有录音，请照文本朗读。",
        "呢一條仲未有錄音，請照文本朗讀。",
        "It has no recording yet. Please read it from the script.",
    ),
    (
        "studio.speak",
        "请在提示音后朗读，读完请按井号键。",
        "請喺提示音之後朗讀，讀完請撳井字掣。",
        "Please read it after the tone, and press pound when you finish.",
    ),
    (
        "studio.review",
        "试听请按1，保存请按2，重录请按3，放弃请按4，结束请按0。",
        "試聽請撳1，儲存請撳2，重錄請撳3，放棄請撳4，結束請撳0。",
        "To listen, press 1. To keep it, press 2. To record again, press 3. To discard it, press 4. To finish, press 0.",
    ),
    (
        "studio.unusable",
        "这一条不能用，请重录。",
        "呢一條用唔到，請重錄。",
        "It cannot be used. Please record it again.",
    ),
    ("studio.kept", "已保存，等待审核。", "已經儲存，等待審核。", "It is kept, and waits for approval."),
    ("studio.discarded", "已放弃。", "已經放棄。", "It is discarded."),
    ("studio.silent", "没有听到声音，请重录。", "聽唔到聲音，請重錄。", "Nothing was heard. Please record it again."),
    ("studio.quiet", "声音太小，请靠近话筒。", "聲音太細，請靠近話筒。", "It is too quiet. Please speak closer."),
    ("studio.loud", "声音太大，或者失真。", "聲音太大，或者失真。", "It is too loud, or distorted."),
    ("studio.noisy", "背景噪音太大。", "背景噪音太大。", "There is too much noise behind it."),
    ("studio.cut", "开头或结尾不完整。", "開頭或者結尾唔完整。", "The beginning or the end is cut off."),
    (
        "studio.length",
        "长短和文本不符，请核对。",
        "長短同文本唔啱，請核對。",
        "Its length does not fit the text. Please check it.",
    ),
    ("studio.lossy", "线路丢失了部分声音。", "條線冇咗部分聲音。", "The line lost some of the sound."),
    ("studio.voice", "声音和其他录音不同。", "聲音同其他錄音唔同。", "The voice is not that of the other recordings."),
    (
        "studio.failed",
        "系统暂时不可用，请稍后再试。",
        "系統暫時用唔到，請遲啲再試。",
        "The system is not available at the moment. Please try later.",
    ),
    ("studio.bye", "再见。", "再見。", "Goodbye."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_an_id_of_its_own_and_stands_in_its_row() {
        let ids: std::collections::BTreeSet<Arc<str>> = Prompt::ALL.into_iter().map(Prompt::id).collect();
        assert_eq!(ids.len(), Prompt::ALL.len());
        for (place, word) in Prompt::ALL.into_iter().enumerate() {
            assert_eq!(word as usize, place);
        }
        assert_eq!(
            (&*Prompt::Bye.id(), &*Prompt::Cut.id(), &*Prompt::Pin.id()),
            ("studio.bye", "studio.cut", "studio.pin")
        );
    }
}
