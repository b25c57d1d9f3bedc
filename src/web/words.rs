//! Words that only a screen needs: names of stages, and what is said of a code that is no receipt.
//!
//! Everything about a case comes from the hotline's own sentences; what stands here has no counterpart on the phone.

use serde::Serialize;

use base::Lang;
use inquiry::{Scanned, Stage};

/// One text in the three languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wording {
    pub zh: String,
    pub yue: String,
    pub en: String,
}

impl Wording {
    /// Builds a wording by asking for each language in turn.
    pub fn by(mut text: impl FnMut(Lang) -> String) -> Wording {
        Wording { zh: text(Lang::Zh), yue: text(Lang::Yue), en: text(Lang::En) }
    }

    /// The text in one language.
    pub fn text(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::Yue => &self.yue,
            Lang::En => &self.en,
        }
    }

    pub(super) fn new(zh: &str, yue: &str, en: &str) -> Wording {
        Wording { zh: zh.into(), yue: yue.into(), en: en.into() }
    }
}

/// What a scanned text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeKind {
    Receipt,
    /// A courier's waybill.
    Waybill,
    IdCard,
    /// Neither: a smudged label, a stranger's code, or a slip of the finger.
    Unreadable,
}

impl CodeKind {
    /// The kind of what a scanner sent.
    pub fn of(scanned: &Scanned) -> CodeKind {
        match scanned {
            Scanned::Receipt(_) => CodeKind::Receipt,
            Scanned::Waybill => CodeKind::Waybill,
            Scanned::IdCard => CodeKind::IdCard,
            Scanned::Unreadable(_) => CodeKind::Unreadable,
        }
    }

    /// The code on the wire and in logs.
    pub fn code(self) -> &'static str {
        match self {
            CodeKind::Receipt => "receipt",
            CodeKind::Waybill => "waybill",
            CodeKind::IdCard => "id_card",
            CodeKind::Unreadable => "unreadable",
        }
    }

    /// What a person with such a code in hand should do.
    pub fn words(self) -> Wording {
        match self {
            CodeKind::Receipt => Wording::default(),
            CodeKind::Waybill => Wording::new(
                "这是快递单号。请扫描受理回执上的条形码。",
                "呢個係速遞單號。請掃描受理回執上面嘅條碼。",
                "This is a courier's waybill. Please scan the barcode on your receipt.",
            ),
            CodeKind::IdCard => Wording::new(
                "这是证件号码。请扫描受理回执上的条形码。",
                "呢個係證件號碼。請掃描受理回執上面嘅條碼。",
                "This is an identity document. Please scan the barcode on your receipt.",
            ),
            CodeKind::Unreadable => Wording::new(
                "这不是受理回执的编号。请核对后再扫描或输入一次。",
                "呢個唔係受理回執嘅編號。請核對之後再掃描或者輸入一次。",
                "This is not a receipt number. Please check it, and scan or type it again.",
            ),
        }
    }
}

/// A step of the progress line: a public stage, or the hand-over before it is known whether by counter or by post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Accepted,
    Review,
    Supplement,
    Production,
    /// Collected at a hall or posted.
    Delivery,
    Ready,
    Posted,
    Collected,
}

/// The names of all stages and steps. The stages' names are the hotline's words for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageNames {
    pub accepted: Wording,
    pub review: Wording,
    pub supplement: Wording,
    pub production: Wording,
    pub delivery: Wording,
    pub ready: Wording,
    pub posted: Wording,
    pub collected: Wording,
    pub contact: Wording,
}

impl StageNames {
    /// Asks for the name of each stage; the step before collection or posting has a built-in name.
    pub fn by(name: impl Fn(Stage) -> Wording) -> StageNames {
        StageNames {
            accepted: name(Stage::Accepted),
            review: name(Stage::Review),
            supplement: name(Stage::Supplement),
            production: name(Stage::Production),
            delivery: Wording::new("领取或寄送", "領取或寄送", "collection or post"),
            ready: name(Stage::Ready),
            posted: name(Stage::Posted),
            collected: name(Stage::Collected),
            contact: name(Stage::Contact),
        }
    }
}

pub(super) fn limited() -> Wording {
    Wording::new(
        "多次未查询到相符记录，请稍等几分钟再试，或到窗口咨询。",
        "多次查唔到相符嘅紀錄，請等幾分鐘再試，或者去窗口問。",
        "No matching record was found after several tries. Please wait a few minutes, or ask at a counter.",
    )
}

pub(super) fn no_barcode() -> Wording {
    Wording::new(
        "照片里没有找到条形码。请靠近些，让条形码平整、清晰、占满画面，再拍一次。",
        "相入面搵唔到條碼。請影近啲，條碼要平、要清、佔滿畫面，再影一次。",
        "No barcode was found in the photograph. Please hold it flat, move closer until it fills the picture, and try again.",
    )
}

pub(super) fn busy() -> Wording {
    Wording::new(
        "现在查询的人较多，请稍后再试。",
        "而家查詢嘅人比較多，請等陣再試。",
        "The service is busy. Please try again in a moment.",
    )
}
