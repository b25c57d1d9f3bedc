//! How many messages callers may leave: each of them within a day, all within a day, at once, and on the disk.
//!
//! A message is asked for twice: before it is recorded, and before it is kept. A caller who withholds the number is one of
//! a trunk's pool of such callers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The limits of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Messages of one caller within a day.
    pub per_caller: u32,
    /// Messages of all callers within a day.
    pub per_day: u32,
    /// Recordings in progress at once.
    pub recordings: u32,
    /// Bytes of all messages on the disk.
    pub bytes: u64,
    /// Bytes of the disk that must stay free.
    pub free_bytes: u64,
}

/// Why no message can be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRefusal {
    /// This caller has left as many as may be left in a day.
    Caller,
    /// All callers together have.
    Day,
    /// As many are being recorded as may be at once.
    Recordings,
    /// The messages take as much of the disk as they may, or too little of it is free.
    Disk,
}

impl MessageRefusal {
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            MessageRefusal::Caller => "caller",
            MessageRefusal::Day => "day",
            MessageRefusal::Recordings => "recordings",
            MessageRefusal::Disk => "disk",
        }
    }
}

/// Who leaves a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageCaller {
    /// By a keyed hash of trunk and number.
    Known(u64),
    /// One who withholds the number, by a hash of the trunk.
    Withheld(u64),
}

/// What is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageDisk {
    /// Bytes of all messages.
    pub stored: u64,
    /// Bytes that are free; none if that cannot be read.
    pub free: Option<u64>,
}

/// The messages of the last day, and the recordings in progress.
#[derive(Debug)]
pub struct MessageQuota {
    limits: MessageLimits,
    day: Option<Instant>,
    kept: u32,
    callers: HashMap<MessageCaller, u32>,
    recordings: u32,
}

impl MessageQuota {
    /// No message yet.
    pub fn new(limits: MessageLimits) -> MessageQuota {
        MessageQuota { limits, day: None, kept: 0, callers: HashMap::new(), recordings: 0 }
    }

    /// Counts messages that were left before this start, the first of them at `since`; none: their caller is not known.
    pub fn count(&mut self, since: Instant, caller: Option<MessageCaller>, count: u32) {
        self.day = Some(self.day.map_or(since, |day| day.min(since)));
        self.kept = self.kept.saturating_add(count);
        if let Some(caller) = caller {
            let kept = self.callers.entry(caller).or_default();
            *kept = kept.saturating_add(count);
        }
    }

    /// Begins a recording, which ends with [`MessageQuota::end`].
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn begin(&mut self, now: Instant, caller: MessageCaller, disk: MessageDisk) -> Result<(), MessageRefusal> {
        self.check(now, caller, disk)?;
        if self.recordings >= self.limits.recordings {
            return Err(MessageRefusal::Recordings);
        }
        self.recordings += 1;
        Ok(())
    }

    /// Counts a message that is about to be kept.
    ///
    /// # Errors
    /// The limit that was reached while it was recorded.
    pub fn keep(&mut self, now: Instant, caller: MessageCaller, disk: MessageDisk) -> Result<(), MessageRefusal> {
        self.check(now, caller, disk)?;
        self.kept += 1;
        *self.callers.entry(caller).or_default() += 1;
        Ok(())
    }

    /// A message that was counted could not be kept.
    pub fn unkeep(&mut self, caller: MessageCaller) {
        self.kept = self.kept.saturating_sub(1);
        if let Some(kept) = self.callers.get_mut(&caller) {
            *kept = kept.saturating_sub(1);
        }
    }

    /// A recording is over, kept or not.
    pub fn end(&mut self) {
        self.recordings = self.recordings.saturating_sub(1);
    }

    fn check(&mut self, now: Instant, caller: MessageCaller, disk: MessageDisk) -> Result<(), MessageRefusal> {
        if self.day.is_none_or(|day| now.saturating_duration_since(day) >= DAY) {
            (self.day, self.kept) = (Some(now), 0);
            self.callers.clear();
        }
        let most = match caller {
            MessageCaller::Known(_) => self.limits.per_caller,
            MessageCaller::Withheld(_) => self.limits.per_caller.saturating_mul(WITHHELD),
        };
        if self.callers.get(&caller).is_some_and(|kept| *kept >= most) {
            return Err(MessageRefusal::Caller);
        }
        if self.kept >= self.limits.per_day {
            return Err(MessageRefusal::Day);
        }
        if disk.stored >= self.limits.bytes || disk.free.is_some_and(|free| free < self.limits.free_bytes) {
            return Err(MessageRefusal::Disk);
        }
        Ok(())
    }
}

/// How long a message counts.
pub const DAY: Duration = Duration::from_secs(86_400);
/// Callers who withhold their number cannot be told apart: all of a trunk have the share of so many.
const WITHHELD: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    const LIMITS: MessageLimits =
        MessageLimits { per_caller: 2, per_day: 30, recordings: 3, bytes: 1000, free_bytes: 500 };
    const ROOM: MessageDisk = MessageDisk { stored: 0, free: Some(500) };

    #[test]
    fn a_caller_leaves_so_many_in_a_day_and_others_may_still() {
        let (mut quota, now, caller) = (MessageQuota::new(LIMITS), start(), MessageCaller::Known(1));
        assert_eq!((0..2).map(|_| quota.keep(now, caller, ROOM)).collect::<Vec<_>>(), [Ok(()); 2]);
        assert_eq!(quota.begin(now, caller, ROOM), Err(MessageRefusal::Caller));
        assert_eq!(quota.keep(now, caller, ROOM), Err(MessageRefusal::Caller));
        assert_eq!(quota.begin(now, MessageCaller::Known(2), ROOM), Ok(()));
        assert_eq!(quota.begin(now + DAY, caller, ROOM), Ok(()));
    }

    #[test]
    fn a_message_that_could_not_be_kept_does_not_count() {
        let limits = MessageLimits { per_day: 2, ..LIMITS };
        let (mut quota, now, caller) = (MessageQuota::new(limits), start(), MessageCaller::Known(1));
        assert_eq!((0..2).map(|_| quota.keep(now, caller, ROOM)).collect::<Vec<_>>(), [Ok(()); 2]);
        quota.unkeep(caller);
        assert_eq!(quota.keep(now, caller, ROOM), Ok(()));
        quota.unkeep(caller);
        assert_eq!(quota.keep(now, MessageCaller::Known(2), ROOM), Ok(()));
        assert_eq!(quota.keep(now, MessageCaller::Known(3), ROOM), Err(MessageRefusal::Day));
    }

    #[test]
    fn withheld_callers_share_a_pool_and_all_callers_a_day() {
        let (mut quota, now) = (MessageQuota::new(LIMITS), start());
        let kept = (0..100).filter(|_| quota.keep(now, MessageCaller::Withheld(1), ROOM).is_ok()).count();
        assert_eq!(kept, 20);
        let kept = (0..100).filter(|n| quota.keep(now, MessageCaller::Known(*n), ROOM).is_ok()).count();
        assert_eq!(kept, 10);
        assert_eq!(quota.begin(now, MessageCaller::Known(100), ROOM), Err(MessageRefusal::Day));
    }

    #[test]
    fn messages_from_before_a_start_count_until_their_day_is_over() {
        let (mut quota, now, caller) = (MessageQuota::new(LIMITS), start() + DAY, MessageCaller::Known(1));
        quota.count(now - DAY / 2, Some(caller), 2);
        quota.count(now - DAY / 4, None, 27);
        assert_eq!(quota.begin(now, caller, ROOM), Err(MessageRefusal::Caller));
        assert_eq!(quota.keep(now, MessageCaller::Known(2), ROOM), Ok(()));
        assert_eq!(quota.begin(now, MessageCaller::Known(3), ROOM), Err(MessageRefusal::Day));
        assert_eq!(quota.begin(now + DAY / 2, caller, ROOM), Ok(()));
    }

    #[test]
    fn recordings_at_once_are_counted_until_they_end() {
        let (mut quota, now, caller) = (MessageQuota::new(LIMITS), start(), MessageCaller::Known(1));
        assert!((0..3).all(|_| quota.begin(now, caller, ROOM).is_ok()));
        assert_eq!(quota.begin(now, caller, ROOM), Err(MessageRefusal::Recordings));
        quota.end();
        assert_eq!(quota.begin(now, caller, ROOM), Ok(()));
    }

    #[test]
    fn a_disk_that_is_full_takes_none() {
        let (mut quota, now, caller) = (MessageQuota::new(LIMITS), start(), MessageCaller::Known(1));
        let (stored, free) = (MessageDisk { stored: 1000, ..ROOM }, MessageDisk { free: Some(499), ..ROOM });
        assert_eq!(quota.begin(now, caller, stored), Err(MessageRefusal::Disk));
        assert_eq!(quota.begin(now, caller, free), Err(MessageRefusal::Disk));
        assert_eq!(quota.begin(now, caller, MessageDisk { free: None, ..ROOM }), Ok(()));
    }
}
