//! Why the studio rejected a request, in both languages of its page.

use base::Bilingual;
use studio::{Message, TakeState};

/// A rejected request. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No slot has this id or number.
    #[error("there is no slot {0}; see jindu prompts coverage")]
    NoSlot(String),
    /// No take has this name.
    #[error("there is no take {0}")]
    NoTake(String),
    /// The file is no readable recording, or no acceptable archive.
    #[error("{0}")]
    Unreadable(Message),
    /// The file is too large; sizes in bytes.
    #[error("the file has {bytes} bytes; the limit is {most} (studio.upload_bytes_max)")]
    TooLarge {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The checks reject the take.
    #[error("this take cannot be kept: {0}")]
    ChecksFailed(Message),
    /// Only approvers may do this.
    #[error("only an approver may approve, publish and roll back")]
    NotApprover,
    /// An operator cannot approve their own take.
    #[error("you recorded this take: another person must approve it")]
    OwnTake,
    /// Only the operator who recorded the take, named here, or an approver may do this.
    #[error("this take is another operator's: ask {0} or an approver")]
    NotYours(String),
    /// The take's state does not allow it.
    #[error("the take is {}: {wanted} is not possible", .state.code())]
    State {
        /// The take's state.
        state: TakeState,
        /// What was requested.
        wanted: &'static str,
    },
    /// The take was read from another text.
    #[error("the take was read from a text that differs from the script: record it again, or publish the text first")]
    OtherText,
    /// The factory has no recording of the words that the slot, named here, has.
    #[error("the factory's recording of {0} is of other words: record it again")]
    FactoryWords(String),
    /// Callers hear the take.
    #[error("callers hear this take: publish another one, or restore the factory's recording")]
    IsLive,
    /// A publication needs a reason.
    #[error("give a reason: it goes into the audit log")]
    NoReason,
    /// No take is approved.
    #[error(
        "no take is approved, so there is nothing to publish; {waiting} takes wait for an approval by another person"
    )]
    NothingApproved {
        /// Takes that wait for an approval.
        waiting: usize,
    },
    /// A set would be recorded in part only; the request may be repeated with a confirmation.
    #[error("{}", list(.0))]
    HalfRecorded(Vec<Message>),
    /// Another program holds the publication lock.
    #[error("another publication is running; try again in a moment")]
    Busy,
    /// No stored release has this name.
    #[error("there is no release {0} to roll back to; see jindu releases")]
    NoRelease(String),
    /// There is no release before the live one.
    #[error(
        "no older release is stored than the live one, so there is none to go back to; jindu rollback HASH makes any release of jindu releases live; to undo an edit, restore the files and publish again"
    )]
    NothingBefore,
    /// The studio's allowance is used up; figures in MB.
    #[error(
        "the studio's recordings take {used} MB, and studio.disk_mb_max allows {most}: raise it, or run jindu prompts tidy"
    )]
    Full {
        /// What the recordings take.
        used: u64,
        /// The allowance.
        most: u64,
    },
    /// The disk has less than this many MB free.
    #[error("the disk has less than {0} MB free: free some before recording more")]
    DiskFull(u64),
    /// The files of the flow have errors, a line each.
    #[error("the flow cannot be read: {}", Bilingual::list(.0, "; ", "；"))]
    Flow(Vec<Bilingual>),
    /// Who signs is not known, or has not proven it.
    #[error("{0}")]
    Unproven(Bilingual),
    /// The node is at fault, not the request.
    #[error("the studio's store failed: {0}")]
    Fault(Bilingual),
}

impl Rejection {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::NoSlot(_) => "no_slot",
            Rejection::NoTake(_) => "no_take",
            Rejection::Unreadable(_) => "unreadable",
            Rejection::TooLarge { .. } => "too_large",
            Rejection::ChecksFailed(_) => "not_good",
            Rejection::NotApprover => "not_approver",
            Rejection::OwnTake => "own_take",
            Rejection::NotYours(_) => "not_yours",
            Rejection::State { .. } => "state",
            Rejection::OtherText => "other_text",
            Rejection::FactoryWords(_) => "factory_words",
            Rejection::IsLive => "is_live",
            Rejection::NoReason => "no_reason",
            Rejection::NothingApproved { .. } => "nothing",
            Rejection::HalfRecorded(_) => "mixed",
            Rejection::Busy => "busy",
            Rejection::NoRelease(_) | Rejection::NothingBefore => "no_release",
            Rejection::Full { .. } => "full",
            Rejection::DiskFull(_) => "disk_full",
            Rejection::Flow(_) => "flow",
            Rejection::Unproven(_) => "unproven",
            Rejection::Fault(_) => "fault",
        }
    }

    /// The message in both languages, for people at the command line.
    pub fn text(&self) -> Bilingual {
        Bilingual::new(self.to_string(), self.words().zh.trim_end_matches('。'))
    }

    /// The message in both languages, for people at the page, who have no command line.
    pub fn words(&self) -> Message {
        let en = match self {
            Rejection::NoSlot(slot) => format!("there is no slot {slot}"),
            Rejection::NoRelease(name) => format!("there is no release {name}"),
            Rejection::Full { used, most } => {
                format!("the studio's recordings take {used} MB of {most} MB: ask the administrator for room")
            }
            Rejection::TooLarge { bytes, most } => format!("the file has {bytes} bytes; the limit is {most}"),
            Rejection::NothingApproved { waiting: 0 } => {
                "no take is approved or waits for an approval, so there is nothing to publish".into()
            }
            other => other.to_string(),
        };
        let zh = match self {
            Rejection::NoSlot(slot) => format!("没有录音条目 {slot}。"),
            Rejection::NoTake(take) => format!("没有录音 {take}。"),
            Rejection::Unreadable(words) => words.zh.clone(),
            Rejection::TooLarge { bytes, most } => {
                format!("文件有 {bytes} 字节，最多只收 {most} 字节。")
            }
            Rejection::ChecksFailed(words) => format!("这条录音不能保留：{}", words.zh),
            Rejection::NotApprover => "只有审核员可以审核、发布和重新启用版本。".into(),
            Rejection::OwnTake => "这条录音是您自己录的，须由另一位同事审核。".into(),
            Rejection::NotYours(name) => format!("这是 {name} 的录音，请本人或审核员处理。"),
            Rejection::State { state, .. } => format!("录音当前状态为“{}”，不能这样操作。", state_zh(*state)),
            Rejection::OtherText => "录音所读文字与现行文案不同：请重录，或先发布新文案。".into(),
            Rejection::FactoryWords(slot) => format!("{slot} 的出厂录音与现行文案不同，不能恢复：请重录。"),
            Rejection::IsLive => "来电人听到的正是这条录音：请先发布另一条，或恢复出厂录音。".into(),
            Rejection::NoReason => "请写明原因，原因会记入审计日志。".into(),
            Rejection::NothingApproved { waiting: 0 } => "没有已审核的录音可发布，也没有等待审核的录音。".into(),
            Rejection::NothingApproved { waiting } => {
                format!("没有已审核的录音可发布；还有 {waiting} 条等待另一位同事审核。")
            }
            Rejection::HalfRecorded(warnings) => warnings.iter().map(|words| &*words.zh).collect::<Vec<_>>().join("\n"),
            Rejection::Busy => "另一次发布正在进行，请稍后再试。".into(),
            Rejection::NoRelease(name) => format!("没有版本 {name}。"),
            Rejection::NothingBefore => {
                "没有比当前版本更早的版本，无可退回；jindu rollback 版本号 可启用 jindu releases 列出的任一版本；要撤销修改，请恢复文件后再次发布。"
                    .into()
            }
            Rejection::Full { used, most } => {
                format!("录音已占用 {used} MB，上限 {most} MB：请联系系统管理员清理。")
            }
            Rejection::DiskFull(most) => format!("磁盘剩余不足 {most} MB，请先腾出空间再录音。"),
            Rejection::Flow(errors) => format!("流程文件无法读取：{:#}", Bilingual::list(errors, "; ", "；")),
            Rejection::Unproven(why) => format!("{why:#}"),
            Rejection::Fault(fault) => format!("录音库出错：{fault:#}"),
        };
        Message { zh, en }
    }
}

impl From<rusqlite::Error> for Rejection {
    fn from(error: rusqlite::Error) -> Rejection {
        Rejection::Fault(error.to_string().into())
    }
}

fn list(words: &[Message]) -> String {
    words.iter().map(|words| &*words.en).collect::<Vec<_>>().join("; ")
}

/// A take's state in Chinese.
pub fn state_zh(state: TakeState) -> &'static str {
    match state {
        TakeState::Fresh => "未保留",
        TakeState::Draft => "待审核",
        TakeState::Approved => "已审核",
        TakeState::Published => "已发布",
        TakeState::Discarded => "已弃用",
    }
}
