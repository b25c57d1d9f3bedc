//! Why the studio did not do what it was asked to, for the person who asked.

use studio::{Message, TakeState};

/// Each says what would do, in the two languages of the studio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no slot {0}; see jindu prompts coverage")]
    NoSlot(String),
    #[error("there is no take {0}")]
    NoTake(String),
    /// The bytes are no recording that can be read.
    #[error("{0}")]
    Unreadable(Message),
    #[error("the file has {bytes} bytes; at most {most} (studio.upload_bytes_max) are taken")]
    TooLarge { bytes: u64, most: u64 },
    /// Its checks said that it will not do.
    #[error("this take cannot be kept: {0}")]
    NotGood(Message),
    #[error("only an approver may approve, publish and roll back")]
    NotApprover,
    #[error("you recorded this take: another person must approve it")]
    OwnTake,
    #[error("another operator's take: ask {0}, or an approver")]
    NotYours(String),
    #[error("the take is {}: {wanted} is not possible", .state.code())]
    State { state: TakeState, wanted: &'static str },
    #[error(
        "the take was read from another text than the script has today: record it again, or publish the text first"
    )]
    OtherText,
    #[error("callers hear this take: publish another one, or restore the factory's recording")]
    IsLive,
    #[error("say why: it stands in the audit")]
    NoReason,
    #[error(
        "nothing is approved, so there is nothing to publish; {waiting} takes wait for an approval by another person"
    )]
    Nothing { waiting: usize },
    /// To be confirmed by asking again with the confirmation.
    #[error("{}", list(.0))]
    Mixed(Vec<Message>),
    #[error("another publication is under way: try again in a moment")]
    Busy,
    #[error("there is no release {0} to go back to; see jindu releases")]
    NoRelease(String),
    #[error(
        "the studio's recordings take {used} MB, and studio.disk_mb_max allows {most}: raise it, or run jindu prompts tidy"
    )]
    Full { used: u64, most: u64 },
    #[error("the disk has less than {0} MB left: free some before recording goes on")]
    DiskFull(u64),
    /// The files of the flow cannot be read, so that nobody knows what is to be recorded.
    #[error("the flow cannot be read: {}", .0.join("; "))]
    Flow(Vec<String>),
    /// The node is broken, not the request.
    #[error("the studio's store failed: {0}")]
    Fault(String),
}

impl Refusal {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoSlot(_) => "no_slot",
            Refusal::NoTake(_) => "no_take",
            Refusal::Unreadable(_) => "unreadable",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::NotGood(_) => "not_good",
            Refusal::NotApprover => "not_approver",
            Refusal::OwnTake => "own_take",
            Refusal::NotYours(_) => "not_yours",
            Refusal::State { .. } => "state",
            Refusal::OtherText => "other_text",
            Refusal::IsLive => "is_live",
            Refusal::NoReason => "no_reason",
            Refusal::Nothing { .. } => "nothing",
            Refusal::Mixed(_) => "mixed",
            Refusal::Busy => "busy",
            Refusal::NoRelease(_) => "no_release",
            Refusal::Full { .. } => "full",
            Refusal::DiskFull(_) => "disk_full",
            Refusal::Flow(_) => "flow",
            Refusal::Fault(_) => "fault",
        }
    }

    /// What the operator is told.
    pub fn words(&self) -> Message {
        let en = self.to_string();
        let zh = match self {
            Refusal::NoSlot(slot) => format!("没有录音位置 {slot}。"),
            Refusal::NoTake(take) => format!("没有录音 {take}。"),
            Refusal::Unreadable(words) => words.zh.clone(),
            Refusal::TooLarge { bytes, most } => {
                format!("文件有 {bytes} 字节，最多只收 {most} 字节（studio.upload_bytes_max）。")
            }
            Refusal::NotGood(words) => format!("这条录音不能保留：{}", words.zh),
            Refusal::NotApprover => "只有审核员可以审核、发布和回退。".into(),
            Refusal::OwnTake => "这条录音是您自己录的，须由另一位同事审核。".into(),
            Refusal::NotYours(name) => format!("这是 {name} 的录音，请本人或审核员处理。"),
            Refusal::State { state, .. } => format!("录音当前状态为「{}」，不能这样操作。", state_zh(*state)),
            Refusal::OtherText => "录音所读文字与现行文案不同：请重录，或先发布新文案。".into(),
            Refusal::IsLive => "来电者正在听这条录音：请先发布另一条，或恢复出厂录音。".into(),
            Refusal::NoReason => "请写明原因，原因会记入审计。".into(),
            Refusal::Nothing { waiting } => format!("没有已审核的录音可发布；还有 {waiting} 条等待另一位同事审核。"),
            Refusal::Mixed(warnings) => warnings.iter().map(|words| &*words.zh).collect::<Vec<_>>().join("\n"),
            Refusal::Busy => "另一次发布正在进行，请稍后再试。".into(),
            Refusal::NoRelease(name) => format!("没有可以退回的版本 {name}。"),
            Refusal::Full { used, most } => format!(
                "录音已占用 {used} MB，上限 {most} MB（studio.disk_mb_max）：请调高上限或运行 jindu prompts tidy。"
            ),
            Refusal::DiskFull(most) => format!("磁盘剩余不足 {most} MB，请先腾出空间再录音。"),
            Refusal::Flow(complaints) => format!("流程文件无法读取：{}", complaints.join("；")),
            Refusal::Fault(fault) => format!("录音库出错：{fault}"),
        };
        Message { zh, en }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        Refusal::Fault(error.to_string())
    }
}

fn list(words: &[Message]) -> String {
    words.iter().map(|words| &*words.en).collect::<Vec<_>>().join("; ")
}

/// A state as operators call it.
pub fn state_zh(state: TakeState) -> &'static str {
    match state {
        TakeState::Fresh => "新录",
        TakeState::Draft => "草稿",
        TakeState::Approved => "已审核",
        TakeState::Published => "已发布",
        TakeState::Discarded => "已弃用",
    }
}
