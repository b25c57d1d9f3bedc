//! How many messages a number and a node may send.

use base::{Bilingual, bilingual};

/// Why a message is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The settings allow no message to this number.
    #[error("no message may be sent to this number (sms.allow, sms.deny)")]
    Number,
    /// The number has got as many messages as it may within a day.
    #[error("this number has had as many messages within 24 hours as it may (sms.per_number_per_day)")]
    NumberLimit,
    /// The node has sent as many as it may within a day.
    #[error("as many messages as there may be were sent within 24 hours (sms.per_day)")]
    DayLimit,
    /// Too many wait.
    #[error("too many messages wait (sms.waiting_max)")]
    Full,
    /// The text is empty, or longer than a message can be.
    #[error("the text is empty, or too long for a message")]
    Text,
    /// It could not be stored.
    #[error("the message could not be stored")]
    Store,
    /// The node has no carrier.
    #[error("this node sends no text messages (sms.carrier)")]
    Off,
}

impl Refusal {
    /// A stable name.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Number => "number",
            Refusal::NumberLimit => "number_limit",
            Refusal::DayLimit => "day_limit",
            Refusal::Full => "full",
            Refusal::Text => "text",
            Refusal::Store => "store",
            Refusal::Off => "off",
        }
    }

    /// The refusal of this name.
    pub fn of_name(name: &str) -> Option<Refusal> {
        Refusal::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    const ALL: [Refusal; 7] = [
        Refusal::Number,
        Refusal::NumberLimit,
        Refusal::DayLimit,
        Refusal::Full,
        Refusal::Text,
        Refusal::Store,
        Refusal::Off,
    ];

    /// The same in both languages.
    pub fn text(self) -> Bilingual {
        match self {
            Refusal::Number => bilingual!("{self}", "不允许向此号码发送短信（sms.allow、sms.deny）"),
            Refusal::NumberLimit => bilingual!("{self}", "此号码 24 小时内的短信已达上限（sms.per_number_per_day）"),
            Refusal::DayLimit => bilingual!("{self}", "24 小时内发送的短信已达上限（sms.per_day）"),
            Refusal::Full => bilingual!("{self}", "等待发送的短信过多（sms.waiting_max）"),
            Refusal::Text => bilingual!("{self}", "短信内容为空或过长"),
            Refusal::Store => bilingual!("{self}", "短信无法保存"),
            Refusal::Off => bilingual!("{self}", "此节点不发送短信（sms.carrier）"),
        }
    }
}
