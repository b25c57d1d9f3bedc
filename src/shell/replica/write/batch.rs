//! A batch of changes, what applying it did, and why it was not applied.

use std::io;
use std::path::PathBuf;

use base::Bilingual;
use inquiry::Formats;
use replica::{CaseRecord, Change, LineError, Mark};

use crate::file::held::HeldReason;

/// Where a batch comes from.
pub(crate) enum Batch {
    /// A batch file: plain or compressed lines of cases.
    File(PathBuf),
    Changes(Changes),
    /// Quarantined rows that are retried, under their ids.
    Retry(Vec<(String, Change)>),
}

/// Changes of an upstream: whole transactions, in order.
pub(crate) struct Changes {
    /// The upstream's position after them. A batch whose position the replica has reached changes nothing.
    pub mark: Mark,
    /// The deletes of its largest transaction, by which the batch may be held. [`Change::Truncate`] is judged by itself.
    pub deletes: u64,
    pub changes: Box<dyn Iterator<Item = Result<Change, ApplyError>> + Send>,
}

impl Changes {
    /// One transaction in memory.
    #[cfg(test)]
    pub(crate) fn of(mark: Mark, changes: Vec<Change>) -> Changes {
        let deletes = changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count();
        Changes { mark, deletes: deletes as u64, changes: Box::new(changes.into_iter().map(Ok)) }
    }
}

/// What applying a batch did, in numbers of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Inserted.
    pub new: u64,
    /// Updated.
    pub changed: u64,
    /// Stored already, as new or newer.
    pub unchanged: u64,
    /// Deleted.
    pub deleted: u64,
    /// Unusable rows, quarantined or beyond its limit.
    pub quarantined: u64,
    /// New or updated, but of no receipt format of the settings: stored, yet no caller can ask for them.
    pub of_no_format: u64,
}

/// Why a batch was not applied. The rows and the mark are unchanged, except for committed parts of a large batch.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The batch file cannot be read.
    #[error("cannot read the batch: {0}")]
    Read(#[from] io::Error),
    /// SQLite or the disk failed.
    #[error("cannot write the replica: {0}; if the disk is full, free some space")]
    Store(#[from] rusqlite::Error),
    /// The compressed file is damaged.
    #[error("damaged: it cannot be decompressed ({0}); send it again")]
    Packing(String),
    /// The header line is malformed.
    #[error("line 1: {0}")]
    Header(LineError),
    /// The file is incomplete.
    #[error("incomplete: the header announces {announced} cases, the file holds {held}; send the whole file again")]
    Count {
        /// Cases by the header.
        announced: u64,
        /// Cases in the file.
        held: u64,
    },
    /// No line is usable: the number of lines, and what is wrong with the first.
    #[error("no line of the file is a case; lines: {0}; the first: {1}")]
    Nothing(u64, String),
    /// Neither a header nor a case.
    #[error(
        "empty: it holds neither a header nor a case; the first line of a file may be \
         {{\"batch\":{{\"as_of\":\"2026-01-01T00:00:00Z\"}}}}"
    )]
    Empty,
    /// The replica is empty, and the batch has no `as_of`.
    #[error(
        "`as_of` is missing: begin the file with {{\"batch\":{{\"as_of\":\"2026-01-01T00:00:00Z\"}}}} and the upstream's time"
    )]
    NoAge,
    /// It deletes too many cases without an operator's decision.
    #[error(
        "held: it deletes {deletes} of {rows} cases ({}); if that is intended, run jindu replica held apply, otherwise held drop",
        what.name()
    )]
    Held {
        /// Why it is held.
        what: HeldReason,
        /// Cases that it deletes.
        deletes: u64,
        /// Cases in the replica.
        rows: u64,
    },
    /// An operator decided against it.
    #[error("dropped by an operator (jindu replica held drop)")]
    Dropped,
    /// A reader blocks the truncation of the write-ahead log.
    #[error(
        "the write-ahead log is full and cannot be truncated, because a reader is stuck; check the disk of the data folder"
    )]
    Crowded,
    /// The file could not be opened for writing.
    #[error("the replica is not open for writing; see jindu replica status")]
    Closed,
    /// Another rebuild is running.
    #[error("another rebuild is running")]
    Busy,
    /// The source failed while the batch was read.
    #[error("{0}")]
    Source(String),
    /// A panic while the batch was applied.
    #[error("the program failed on this batch; keep the file and report it")]
    Fault,
    /// The program is stopping.
    #[error("the program is stopping")]
    Ending,
}

impl ApplyError {
    /// Whether the batch itself is at fault, so that a retry fails as well.
    pub fn is_final(&self) -> bool {
        match self {
            ApplyError::Header(_)
            | ApplyError::Packing(_)
            | ApplyError::Count { .. }
            | ApplyError::Nothing(..)
            | ApplyError::Empty
            | ApplyError::NoAge
            | ApplyError::Dropped
            | ApplyError::Fault => true,
            ApplyError::Read(_)
            | ApplyError::Store(_)
            | ApplyError::Held { .. }
            | ApplyError::Crowded
            | ApplyError::Closed
            | ApplyError::Busy
            | ApplyError::Source(_)
            | ApplyError::Ending => false,
        }
    }
}

impl ApplyError {
    /// The same in both languages. Details of a line and of the system's errors are in English.
    pub fn text(&self) -> Bilingual {
        let zh = match self {
            ApplyError::Read(error) => format!("无法读取批次文件：{error}"),
            ApplyError::Store(error) => format!("无法写入副本：{error}；如磁盘已满，请先腾出空间"),
            ApplyError::Packing(error) => format!("文件损坏，无法解压（{error}）；请重新发送"),
            ApplyError::Header(error) => format!("第 1 行：{error}"),
            ApplyError::Count { announced, held } => {
                format!("文件不完整：文件头写明 {announced} 件，实有 {held} 件；请重新发送完整文件")
            }
            ApplyError::Nothing(lines, first) => format!("全部 {lines} 行都不是案件；第一处：{first}"),
            ApplyError::Empty => {
                "空文件：既无文件头也无案件；首行可写 {\"batch\":{\"as_of\":\"2026-01-01T00:00:00Z\"}}".into()
            }
            ApplyError::NoAge => {
                "缺少 `as_of`：请在文件首行写 {\"batch\":{\"as_of\":\"2026-01-01T00:00:00Z\"}}，时间为上游数据时间"
                    .into()
            }
            ApplyError::Held { what, deletes, rows } => format!(
                "已搁置：将删除 {rows} 件中的 {deletes} 件（{}）；如确应删除，请运行 jindu replica held apply，否则 held drop",
                what.name()
            ),
            ApplyError::Dropped => "已由值班人员放弃（jindu replica held drop）".into(),
            ApplyError::Crowded => "预写日志已满且无法截断（有读取未结束）；请检查数据文件夹所在磁盘".into(),
            ApplyError::Closed => "副本未以写入方式打开；见 jindu replica status".into(),
            ApplyError::Busy => "另一次重建正在进行".into(),
            ApplyError::Source(what) => what.clone(),
            ApplyError::Fault => "程序处理此批次时出错；请保留文件并报告".into(),
            ApplyError::Ending => "程序正在停止".into(),
        };
        Bilingual::new(self.to_string(), zh)
    }
}

impl Applied {
    /// What a batch did, from the text of an `Applied` that a node wrote into a note beside the file.
    pub fn in_words(written: &str) -> Bilingual {
        const WORDS: [(&str, &str); 6] = [
            (" new", "新增"),
            (" changed", "更新"),
            (" unchanged", "未变"),
            (" deleted", "删除"),
            (" in quarantine", "隔离"),
            (NO_FORMAT, "不符合任何回执格式（见 inquiry.receipt）、无法查询"),
        ];
        let word = |part: &str| {
            let of = |(en, zh): &(&str, &str)| Some(format!("{zh} {}", part.strip_suffix(en)?));
            WORDS.iter().find_map(of).unwrap_or_else(|| part.to_owned())
        };
        Bilingual::new(written, written.split(", ").map(word).collect::<Vec<_>>().join("，"))
    }

    /// Logs a batch that was made of so many files.
    pub(crate) fn log(&self, batch: &str, files: usize) {
        let Applied { new, changed, unchanged: _, deleted, quarantined, of_no_format } = self;
        tracing::info!(batch, files, new, changed, deleted, quarantined, "batch_applied");
        if *of_no_format > 0 {
            tracing::warn!(
                batch,
                cases = of_no_format,
                "cases_of_no_format: compare [[inquiry.receipt]] with the source"
            );
        }
    }
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Applied { new, changed, unchanged, deleted, quarantined, of_no_format } = self;
        write!(f, "{new} new, {changed} changed, {unchanged} unchanged, ")?;
        if *deleted > 0 {
            write!(f, "{deleted} deleted, ")?;
        }
        write!(f, "{quarantined} in quarantine")?;
        if *of_no_format > 0 {
            write!(f, ", {of_no_format}{NO_FORMAT}")?;
        }
        Ok(())
    }
}

/// Whether a case is of none of the receipt formats; where the settings have no sound set, none is judged.
pub(crate) fn is_of_no_format(formats: Option<&Formats>, case: &CaseRecord) -> bool {
    formats.is_some_and(|formats| !case.can_be_asked_for(formats))
}

const NO_FORMAT: &str = " of no receipt format (inquiry.receipt): no caller can ask for them";
