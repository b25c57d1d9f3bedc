//! Texts that only a screen shows: names of stages, and messages for codes that are not receipts.
//!
//! Answers about a case use the sentences of the hotline; the texts here have no counterpart by telephone. Those for
//! Cantonese are standard Chinese in traditional characters, shown where `web.cantonese_characters` asks for them.

use serde::{Serialize, Serializer};

use base::Lang;
use inquiry::{FactorError, NumberError, ScanFault, Scanned, SecondFactor, Stage};

/// A text in three languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wording {
    /// Simplified Chinese, for Mandarin.
    pub zh: String,
    /// Traditional Chinese, for Cantonese.
    pub yue: String,
    /// English.
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

/// A page or a file that does not exist, or that this client may not open.
pub(super) fn nothing_here() -> Wording {
    Wording::new(
        "此网址下没有页面，请核对网址。查询机页面在 /kiosk，公众查询页面在 /public。",
        "此網址下沒有頁面，請核對網址。查詢機頁面在 /kiosk，公眾查詢頁面在 /public。",
        "There is no page at this address. Please check it. The kiosk page is at /kiosk, the public page at /public.",
    )
}

/// What a scanned text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeKind {
    /// A number in one of the configured formats.
    Receipt,
    /// A courier's waybill.
    Waybill,
    /// An identity document's number.
    IdCard,
    /// Digits, but too few or too many.
    WrongLength {
        /// How many a receipt number has.
        expected: u8,
    },
    /// None of these: a smudged label, another code, or a typing error.
    Unreadable,
}

impl CodeKind {
    /// The kind of what a scanner sent.
    pub fn of(scanned: &Scanned) -> CodeKind {
        match scanned {
            Scanned::Receipt(_) => CodeKind::Receipt,
            Scanned::Waybill => CodeKind::Waybill,
            Scanned::IdCard => CodeKind::IdCard,
            Scanned::Unreadable(ScanFault::Number(NumberError::Length { expected, .. })) => {
                CodeKind::WrongLength { expected: *expected }
            }
            Scanned::Unreadable(_) => CodeKind::Unreadable,
        }
    }

    /// The code in JSON and logs.
    pub fn code(self) -> &'static str {
        match self {
            CodeKind::Receipt => "receipt",
            CodeKind::Waybill => "waybill",
            CodeKind::IdCard => "id_card",
            CodeKind::WrongLength { .. } => "wrong_length",
            CodeKind::Unreadable => "unreadable",
        }
    }

    /// Tells the applicant what to scan; empty for a receipt.
    pub fn words(self) -> Wording {
        match self {
            CodeKind::Receipt => Wording::default(),
            CodeKind::Waybill => Wording::new(
                "这是快递单号。请使用受理回执上的条形码或编号。",
                "這是快遞單號。請使用受理回執上的條形碼或編號。",
                "This is a courier's waybill. Please use the barcode or the number on your receipt.",
            ),
            CodeKind::IdCard => Wording::new(
                "这是证件号码。请使用受理回执上的条形码或编号。",
                "這是證件號碼。請使用受理回執上的條形碼或編號。",
                "This is an identity document. Please use the barcode or the number on your receipt.",
            ),
            CodeKind::WrongLength { expected } => Wording::new(
                &format!("编号的位数不对，应该是{expected}位。请核对后重试。"),
                &format!("編號的位數不對，應該是{expected}位。請核對後重試。"),
                &format!(
                    "That number does not have the right length. It should have {expected} digits. Please check it and try again."
                ),
            ),
            CodeKind::Unreadable => Wording::new(
                "这不是受理回执编号。请核对后重试。",
                "這不是受理回執編號。請核對後重試。",
                "This is not a receipt number. Please check it and try again.",
            ),
        }
    }
}

impl Serialize for CodeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A step of the progress line: a public stage, or the delivery before it is known whether by hall or by post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The application was accepted.
    Accepted,
    /// Under review.
    Review,
    /// The applicant must supply something; the time limit is suspended.
    Supplement,
    /// The document is being made.
    Production,
    /// Collected at a hall or posted.
    Delivery,
    /// Ready to collect at a hall.
    Ready,
    /// Handed to the courier.
    Posted,
    /// The applicant has it.
    Collected,
}

/// The names of all stages and steps, in the words of the hotline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageNames {
    /// Of [`Stage::Accepted`].
    pub accepted: Wording,
    /// Of [`Stage::Review`].
    pub review: Wording,
    /// Of [`Stage::Supplement`].
    pub supplement: Wording,
    /// Of [`Stage::Production`].
    pub production: Wording,
    /// Of [`Step::Delivery`].
    pub delivery: Wording,
    /// Of [`Stage::Ready`].
    pub ready: Wording,
    /// Of [`Stage::Posted`].
    pub posted: Wording,
    /// Of [`Stage::Collected`].
    pub collected: Wording,
    /// Of [`Stage::Contact`].
    pub contact: Wording,
}

impl StageNames {
    /// The name of a stage.
    pub(super) fn of(&self, stage: Stage) -> &Wording {
        match stage {
            Stage::Accepted => &self.accepted,
            Stage::Review => &self.review,
            Stage::Supplement => &self.supplement,
            Stage::Production => &self.production,
            Stage::Ready => &self.ready,
            Stage::Posted => &self.posted,
            Stage::Collected => &self.collected,
            Stage::Contact => &self.contact,
        }
    }

    /// The name of a step.
    pub(super) fn of_step(&self, step: Step) -> &Wording {
        match step {
            Step::Accepted => &self.accepted,
            Step::Review => &self.review,
            Step::Supplement => &self.supplement,
            Step::Production => &self.production,
            Step::Delivery => &self.delivery,
            Step::Ready => &self.ready,
            Step::Posted => &self.posted,
            Step::Collected => &self.collected,
        }
    }

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

/// What a stranger reads where number and second factor match no case; it does not say which of them is wrong. `factors`
/// are those that the receipts ask for.
pub fn no_match(factors: &[SecondFactor]) -> Wording {
    let (zh, yue, en) = match factors {
        [SecondFactor::IdTail] | [] => {
            ("证件号码后四位", "證件號碼後四位", "the last four characters of the identity document")
        }
        [SecondFactor::BirthDate] => ("出生日期", "出生日期", "the date of birth"),
        _ => ("证件信息", "證件信息", "the detail about the applicant"),
    };
    Wording::new(
        &format!("编号或申请人{zh}不相符，请核对后重新查询。"),
        &format!("編號或申請人{yue}不相符，請核對後重新查詢。"),
        &format!("The receipt number and {en} do not match an application. Please check both and try again."),
    )
}

pub(super) fn factor(error: FactorError) -> Wording {
    match error {
        FactorError::IdTail => Wording::new(
            "请输入申请人身份证件号码的后四位：数字，最后一位可以是字母 X。",
            "請輸入申請人身份證件號碼的後四位：數字，最後一位可以是字母 X。",
            "Please enter the last four characters of the applicant's identity document: digits, and perhaps an X at the end.",
        ),
        FactorError::BirthDate => Wording::new(
            "请输入申请人的出生日期，共八位数字，例如 19900131。",
            "請輸入申請人的出生日期，共八位數字，例如 19900131。",
            "Please enter the applicant's date of birth in eight digits, for example 19900131.",
        ),
    }
}

pub(super) fn limited() -> Wording {
    Wording::new(
        "查询次数过多，请您稍等几分钟再试，或到受理窗口咨询。",
        "查詢次數過多，請您稍等幾分鐘再試，或到受理窗口諮詢。",
        "There were too many enquiries. Please wait a few minutes and try again, or ask at a counter.",
    )
}

pub(super) fn not_enrolled() -> Wording {
    Wording::new(
        "本机尚未登记为大厅自助查询机。请到受理窗口咨询，或使用网上进度查询。",
        "本機尚未登記為大廳自助查詢機。請到受理窗口諮詢，或使用網上進度查詢。",
        "This machine is not enrolled as a kiosk of a hall. Please ask at a counter, or check online.",
    )
}

pub(super) fn enrolment_code() -> Wording {
    Wording::new(
        "登记码无效：可能已使用、已过期，或不适用于本机。请工作人员重新生成。",
        "登記碼無效：可能已使用、已過期，或不適用於本機。請工作人員重新生成。",
        "The enrolment code is not valid: it was used, has expired, or is for another machine. Please ask for a new one.",
    )
}

pub(super) fn no_barcode() -> Wording {
    Wording::new(
        "照片中没有识别到条形码。请将回执放平，靠近拍摄，使条形码清晰并占满画面，再拍一次。",
        "照片中沒有識別到條形碼。請將回執放平，靠近拍攝，使條形碼清晰並佔滿畫面，再拍一次。",
        "No barcode was found. Please lay the receipt flat, move closer until the barcode fills the picture, and try again.",
    )
}

pub(super) fn picture_time() -> Wording {
    Wording::new(
        "这张照片识别时间过长，未能识别到条形码。请靠近拍摄，使条形码占满画面，再拍一次，或输入编号。",
        "這張照片識別時間過長，未能識別到條形碼。請靠近拍攝，使條形碼佔滿畫面，再拍一次，或輸入編號。",
        "Reading this photograph took too long. Please move closer until the barcode fills the picture, or type the number.",
    )
}

pub(super) fn several_receipts() -> Wording {
    Wording::new(
        "照片中有多张回执的条形码。请每次只拍一张回执。",
        "照片中有多張回執的條形碼。請每次只拍一張回執。",
        "The photograph shows the barcodes of several receipts. Please photograph one receipt at a time.",
    )
}

pub(super) fn picture_kind() -> Wording {
    Wording::new(
        "无法读取这种格式的图片。请直接拍照，或使用 JPEG、PNG、WebP 格式的照片。",
        "無法讀取這種格式的圖片。請直接拍照，或使用 JPEG、PNG、WebP 格式的照片。",
        "This kind of picture cannot be read. Please take a photograph, or use a JPEG, PNG or WebP file.",
    )
}

pub(super) fn picture_damaged() -> Wording {
    Wording::new(
        "照片已损坏，无法打开。请再拍一次。",
        "照片已損壞，無法打開。請再拍一次。",
        "The photograph is damaged. Please take it again.",
    )
}

pub(super) fn picture_too_large() -> Wording {
    Wording::new(
        "照片尺寸过大。请调低相机的分辨率，或截取条形码部分，再试一次。",
        "照片尺寸過大。請調低相機的分辨率，或截取條形碼部分，再試一次。",
        "The photograph is too large. Please lower the camera's resolution or crop it to the barcode, and try again.",
    )
}

pub(super) fn busy() -> Wording {
    Wording::new(
        "当前查询人数较多，请稍后再试。",
        "當前查詢人數較多，請稍後再試。",
        "The service is busy. Please try again in a moment.",
    )
}
