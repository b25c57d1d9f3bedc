//! What codes of the journal are called in tables of calls, in English and as a Chinese office says it.

use base::{Bilingual, OfficeLang, bilingual};

/// The titles of a table of calls.
pub(crate) struct Words {
    pub since: &'static str,
    pub trunk: &'static str,
    /// Of one call, and of another number.
    pub calls: [&'static str; 2],
    /// The same.
    pub failed: [&'static str; 2],
    pub outcomes: &'static str,
    pub causes: &'static str,
    pub left_at: &'static str,
    pub transfers: &'static str,
    pub look_ups: &'static str,
    pub trunks: &'static str,
    /// Followed by a time.
    pub refused: &'static str,
    pub means: &'static str,
    pub answered: &'static str,
    pub duration: &'static str,
    pub mos: &'static str,
    pub mos_poor: &'static str,
}

impl Words {
    pub(crate) fn of(lang: OfficeLang) -> &'static Words {
        lang.choose(&ENGLISH, &CHINESE)
    }
}

/// The name of a code; a code without one stands for itself, as nodes and trunks do.
pub(crate) fn word(code: &str) -> Bilingual {
    match NAMES.iter().find(|(known, _, _)| *known == code) {
        // The code stays beside it in Chinese: the log and the metrics have it.
        Some((_, english, chinese)) => bilingual!("{english}", "{chinese}（{code}）"),
        None => code.to_owned().into(),
    }
}

/// A trouble or an alarm of a node in words, with its code, which alerts and `/health` have.
pub(crate) fn trouble(code: &str) -> Bilingual {
    match CODES.iter().find(|(known, _, _)| *known == code) {
        Some((_, english, chinese)) => bilingual!("{english} [{code}]", "{chinese}（{code}）"),
        None => code.to_owned().into(),
    }
}

/// A code with its Chinese name, where English readers have the code alone.
pub(crate) fn code(code: &str) -> Bilingual {
    match NAMES.iter().chain(CODES).find(|(known, _, _)| *known == code) {
        Some((_, _, chinese)) => bilingual!("{code}", "{chinese}（{code}）"),
        None => code.to_owned().into(),
    }
}

/// The state of a slot: whether what callers hear is recorded.
pub(crate) fn slot_state(name: &str) -> Bilingual {
    match name {
        // A replica may be stale, too.
        "stale" => bilingual!("{name}", "文案已修改（{name}）"),
        other => code(other),
    }
}

/// An action of the audit log. What stands behind its words, as a ticket or a number, stays.
pub(crate) fn action(what: &str) -> Bilingual {
    let of = |(known, chinese): &(&str, &str)| {
        let rest = what.strip_prefix(known).filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
        let rest = match *known {
            "trunk trace" => trace_in_chinese(rest),
            "kiosk add" => rest.replace(", ", "，大厅 "),
            _ => rest.to_owned(),
        };
        Some(Bilingual::new(what.replace('_', " "), format!("{chinese}{rest}")))
    };
    ACTIONS.iter().find_map(of).unwrap_or_else(|| code(what))
}

/// What the audit log adds to an action: the state of an agent, a role, a way of monitoring have words, and the names of what is
/// written as `call=… mode=whisper`; all else stays.
pub(crate) fn detail(what: &str) -> Bilingual {
    if let Some((known, chinese)) = DETAILS.iter().find(|(known, _)| *known == what) {
        return Bilingual::new(known.replace('_', " "), *chinese);
    }
    let part = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let (_, chinese) = PARTS.iter().find(|(known, _)| *known == name)?;
        let mode = DETAILS.iter().find(|(known, _)| name == "mode" && *known == value);
        let value = mode.map_or(value, |(_, chinese)| chinese);
        Some(format!("{chinese} {value}"))
    };
    let chinese = what.split(' ').map(|word| part(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>();
    Bilingual::new(what, chinese.join(if what.contains('=') { "，" } else { " " }))
}

/// What the audit log says of a trace, as ` begins, trunk local, masked`.
fn trace_in_chinese(rest: &str) -> String {
    let words = TRACE_WORDS.iter().fold(rest.to_owned(), |text, (en, zh)| text.replace(en, zh));
    words.replace(", ", "，").replace(": ", "：")
}

const TRACE_WORDS: &[(&str, &str)] = &[
    (" begins", "开始"),
    (" ended", "结束"),
    (", trunk ", ", 中继 "),
    (", number ", ", 号码 "),
    ("unmasked", "未遮盖"),
    ("masked", "已遮盖"),
    ("with packet headers", "含包头"),
    (" packet headers", " 个包头"),
    (" messages", " 条信令"),
    (" octets", " 字节"),
    (" lost", " 条丢失"),
    ("no call", "无通话"),
];

const ENGLISH: Words = Words {
    since: "calls since ",
    trunk: "trunk ",
    calls: ["call", "calls"],
    failed: [
        "call that was not served: hung up before the answer or in a queue, refused, failed, or not connected with a person",
        "calls that were not served: hung up before the answer or in a queue, refused, failed, or not connected with a person",
    ],
    outcomes: "how they ended",
    causes: "why callers were not served",
    left_at: "where callers hung up: the last node",
    transfers: "transfers to a person outside the queues",
    look_ups: "look-ups",
    trunks: "by trunk",
    refused: "refused before they began (not in the journal), since ",
    means: "means",
    answered: "seconds to the answer",
    duration: "seconds in all",
    mos: "sound, mean opinion score (1 to 5)",
    mos_poor: "calls with a score below 3.60",
};

const CHINESE: Words = Words {
    since: "来电统计，起始时间：",
    trunk: "中继：",
    calls: ["来电总数"; 2],
    failed: ["未能办理的来电（接通前或排队时挂断、未接入、通话故障、未能转到人工）"; 2],
    outcomes: "来电结果",
    causes: "未能办理的原因",
    left_at: "来电人挂机时所在的步骤",
    transfers: "转人工结果（不含排队）",
    look_ups: "进度查询结果",
    trunks: "各中继来电数",
    refused: "接入前被拒绝的来电（不计入通话记录），起始时间：",
    means: "平均值",
    answered: "接通等待时间（秒）",
    duration: "全程时长（秒）",
    mos: "通话音质（MOS，1 至 5 分）",
    mos_poor: "音质较差的通话数（低于 3.60 分）",
};

/// Code, English, Chinese.
const NAMES: &[(&str, &str, &str)] = &[
    ("finished", "finished by the hotline", "热线办理完毕"),
    ("hung_up", "caller hung up", "来电人挂机"),
    ("transferred", "transferred to a person", "已转人工"),
    ("abandoned", "abandoned before the answer", "接通前挂断"),
    ("next", "next", "顺序进入"),
    ("transfer_failed", "not connected with a person", "未能转到人工"),
    ("queue_abandoned", "hung up while waiting for staff", "排队等候人工时挂机"),
    ("refused", "refused", "未接入"),
    ("failed", "failed", "通话故障"),
    ("-", "not known", "未记录"),
    ("cancelled", "cancelled by the caller's side", "来电方取消"),
    ("fault", "fault of the program", "程序故障"),
    ("drained", "the node was stopped", "节点停机"),
    ("longest call", "longest call reached", "超过最长通话时间"),
    ("media lost", "no sound from the caller's side", "收不到对方语音"),
    ("no ACK", "the answer was not confirmed (no ACK)", "对方未确认接通"),
    ("peer unreachable", "the caller's side cannot be reached", "无法连通对方设备"),
    ("session expired", "session expired", "会话超时"),
    ("transport failed", "transport failed", "信令传输失败"),
    ("no codec in common", "no codec in common", "语音编码不一致"),
    ("no usable media", "no usable media", "语音参数不可用"),
    ("malformed session description", "malformed session description", "语音参数格式有误"),
    ("not_reached", "person called back not reached", "回拨未接通"),
    ("busy", "the person called back was busy", "被回拨人占线"),
    ("no answer", "the person called back did not answer", "被回拨人未接听"),
    ("line failed", "the line for call-backs failed", "回拨线路故障"),
    ("number unreachable", "the number called back cannot be reached", "回拨号码无法接通"),
    ("found", "found", "查到办理进度"),
    ("not_found", "nothing found", "未查到"),
    ("too_old", "data too old", "数据过旧，未答复"),
    ("down", "not possible", "暂时无法查询"),
    ("handed_over", "too many failures", "多次输入有误"),
    ("too_fast", "too many at once", "来电过于集中"),
    ("no_such_number", "number not served", "被叫号码未开通"),
    ("line_test_busy", "line test busy", "测试线路占用"),
    ("studio_busy", "recording service busy", "录音线路占用"),
    ("draining", "the node was stopping", "节点正在退出"),
    ("full", "every line in use", "线路已满"),
    ("trunk_full", "trunk full", "中继已满"),
    ("caller_busy", "caller had too many calls", "同一号码来电过多"),
    ("withheld_busy", "too many withheld numbers", "隐藏号码来电过多"),
    ("overload", "overload", "系统繁忙"),
    ("no_media", "no media port free", "无可用语音端口"),
    ("unsupported", "asked for what is not supported", "对方请求不支持的功能"),
];

/// Troubles of `/health`, alarms of the replica, states of peers, of kiosks and of takes: code, English, Chinese.
const CODES: &[(&str, &str, &str)] = &[
    ("no_copy", "there is no replica", "没有数据副本"),
    ("stale", "the data is old: answers say so or are refused", "数据较旧：答复会说明或被拒绝"),
    ("lines_full", "every line is in use", "线路已满"),
    ("disk_low", "the disk is nearly full", "磁盘空间不足"),
    ("copy", "the replica has alarms", "副本有告警"),
    ("certificate", "the certificate of SIP over TLS expires soon", "电话 TLS 证书即将到期"),
    (
        "registration",
        "a carrier has not registered this node: jindu trunk status",
        "未能在运营商处注册：见 jindu trunk status",
    ),
    ("look_ups", "more look-ups than usual: numbers may be being guessed", "查询次数异常：可能有人在猜号码"),
    ("messages", "messages wait too long: jindu messages list", "留言超时未处理：见 jindu messages list"),
    (
        "calendar",
        "the working calendar ends soon: add the next year's holidays",
        "工作日历即将用完：请录入下一年的放假安排",
    ),
    (
        "recording",
        "a conversation was not recorded: see the log for recording_failed",
        "有通话未能录音：见日志中的 recording_failed",
    ),
    (
        "text_messages",
        "the carrier of text messages has been unreachable for long: see sms below, and the log",
        "短信服务长时间无法连接：见下方 sms 一行及日志",
    ),
    ("deletion", "a mass deletion waits: jindu journal held", "大量删除等待确认：见 jindu journal held"),
    ("held", "batch held", "一批变更暂缓"),
    ("kept", "deleted cases kept", "保留了上游已删除的案件"),
    ("quarantine", "rows in quarantine", "有行被隔离"),
    ("unknown_word", "a case with a word that the flow lacks", "有案件的用词在流程中没有"),
    ("damaged", "file damaged", "文件损坏"),
    ("unwritten", "file cannot be written", "文件无法写入"),
    ("clock", "upstream's clock", "上游时钟超前"),
    ("feed_gap", "gap in the feed", "数据流缺文件"),
    ("feed_no_start", "feed without start", "数据流缺起始快照"),
    ("feed_refused", "feed file refused", "数据文件被拒收"),
    ("feed_newer_format", "feed of a newer format", "数据文件格式较新"),
    ("feed_unreadable", "a file of the spool cannot be opened", "spool 中有文件无法打开"),
    ("feed_clock", "feed's clock", "数据流时间超前"),
    ("feed_stuck", "feed stuck", "数据流停滞"),
    ("feed_snapshot_wanted", "snapshot wanted", "需要完整快照"),
    ("unknown", "unknown", "未知"),
    ("reachable", "reachable", "可达"),
    ("refusing", "refusing", "拒绝呼叫"),
    ("unreachable", "unreachable", "不可达"),
    ("deletes", "deletes", "删除过多"),
    ("truncate", "table emptied", "上游表被清空"),
    ("smaller", "far fewer cases", "案件数大幅减少"),
    ("apply", "apply", "执行删除"),
    ("drop", "drop", "保留案件"),
    ("enrolled", "enrolled", "已登记"),
    ("renewing", "renewing", "更换浏览器中"),
    ("waiting", "waiting", "待打开地址"),
    ("expired", "expired", "地址已过期"),
    ("missing", "missing", "缺录音"),
    ("placeholder", "placeholder", "占位录音"),
    ("recorded", "recorded", "待审核"),
    ("approved", "approved", "已审核"),
    ("live", "live", "正在使用"),
    ("fresh", "fresh", "未保留"),
    ("draft", "draft", "待审核"),
    ("published", "published", "已发布"),
    ("discarded", "discarded", "已弃用"),
    ("operator", "operator", "录音员"),
    ("approver", "approver", "审核员"),
];

/// Why a carrier of text messages cannot be used, in both languages.
pub(crate) fn sms_trouble(why: &str) -> Bilingual {
    let known = SMS_TROUBLES.iter().find(|(known, _)| *known == why);
    known.map_or_else(|| why.to_owned().into(), |(known, chinese)| Bilingual::fixed(known, chinese))
}

const SMS_TROUBLES: &[(&str, &str)] = &[
    ("the carrier refuses this node: see sms.http and its secret", "短信服务拒绝本节点：请检查 sms.http 及其密钥"),
    ("the carrier has no such address: see sms.http.url", "短信服务没有该地址：请检查 sms.http.url"),
    (
        "a status that is not an answer: see sms.http.url and sms.http.ok_status",
        "状态码不是有效应答：请检查 sms.http.url 和 sms.http.ok_status",
    ),
    ("the request cannot be made: see sms.http", "无法生成请求：请检查 sms.http"),
    ("no connection to the carrier", "无法连接短信服务"),
    (
        "no TLS with the carrier: see the log, and sms.http.ca_file",
        "与短信服务的 TLS 未建立：见日志及 sms.http.ca_file",
    ),
    ("no TLS with the carrier in time", "与短信服务的 TLS 超时"),
    ("there is no session with the centre", "与短信中心没有会话"),
    ("the session with the centre has ended", "与短信中心的会话已结束"),
    ("the session does not take messages", "短信中心的会话不接受短信"),
];

/// How entries of the audit log begin; a longer beginning stands before a shorter one.
const ACTIONS: &[(&str, &str)] = &[
    ("publish prompts", "发布录音"),
    ("publish", "发布"),
    ("rollback", "重新启用"),
    ("emergency on", "开启紧急通知"),
    ("emergency off", "关闭紧急通知"),
    ("message play", "播放留言"),
    ("message done", "留言标为已处理"),
    ("message export", "导出留言"),
    ("trunk trace", "信令抓包"),
    ("recording export", "导出通话录音"),
    ("recording delete", "删除通话录音"),
    ("kiosk add", "登记查询机"),
    ("kiosk revoke", "撤销查询机"),
    ("record", "录音"),
    ("keep", "保留录音"),
    ("discard", "弃用录音"),
    ("approve unheard", "审核通过，未试听"),
    ("approve", "审核通过"),
    ("restore", "恢复出厂录音"),
    ("import", "导入录音"),
    ("tidy", "清理录音"),
    ("export", "导出录音"),
    ("sign_in", "登录"),
    ("sign_in_failed", "登录失败"),
    ("sign_out", "退出登录"),
    ("phone_sign_in", "电话登录"),
    ("phone_sign_in_failed", "电话登录失败"),
    ("password_wrong", "当前密码错误"),
    ("password", "修改密码"),
    ("pin", "修改 PIN"),
    ("role", "修改角色"),
    ("add", "新建账号"),
    ("remove", "删除账号"),
    ("unlock", "解锁账号"),
    ("end_session", "结束登录"),
    ("sip_password", "设置话机密码"),
    ("sip_password_removed", "删除话机密码"),
    ("agent", "修改坐席资料"),
    ("look", "查看办理情况"),
    ("agent_state", "更改坐席状态"),
    ("agent_skills", "更改坐席技能"),
    ("queue_opened", "开放队列"),
    ("queue_closed", "关闭队列"),
    ("caller_moved", "转移来电"),
    ("call_back_cancelled", "取消回电"),
    ("consultation", "咨询同事"),
    ("transfer", "转接"),
    ("recording_heard", "收听通话录音"),
    ("monitor", "要求监听"),
    ("monitor_began", "开始监听"),
    ("monitor_changed", "切换监听方式"),
    ("monitor_ended", "结束监听"),
    ("monitor_not_answered", "监听未接听"),
];

/// Words of the audit log that [`detail`] translates.
const DETAILS: &[(&str, &str)] = &[
    ("phone", "电话"),
    ("ready", "就绪"),
    ("pause", "暂停"),
    ("sign_out", "签退"),
    ("listen", "监听"),
    ("whisper", "耳语"),
    ("barge", "插话"),
    ("take_over", "接管"),
    ("end", "结束"),
    ("operator", "录音员"),
    ("approver", "审核员"),
    ("agent", "坐席"),
    ("supervisor", "班长"),
];

/// Names of what the audit log adds, as `call=…`.
const PARTS: &[(&str, &str)] = &[
    ("call", "通话"),
    ("receipt", "回执"),
    ("mode", "方式"),
    ("agent", "坐席"),
    ("recording", "录音"),
    ("number", "号码"),
    ("queue", "队列"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use inquiry::{CallOutcome, LookUpResult};

    #[test]
    fn what_the_audit_log_adds_has_its_names_and_words_in_chinese() {
        let monitored = detail("192.0.2.7 call=a1b2 mode=whisper");
        assert_eq!(monitored.zh, "192.0.2.7，通话 a1b2，方式 耳语");
        assert_eq!(detail("call=a1 agent=supervisor receipt=…0590").zh, "通话 a1，坐席 supervisor，回执 …0590");
        assert_eq!(monitored.en, "192.0.2.7 call=a1b2 mode=whisper");
        assert_eq!((detail("sign_out").zh, detail("127.0.0.1").zh), ("签退".into(), "127.0.0.1".into()));
        assert_eq!(action("kiosk add hall-1, north").zh, "登记查询机 hall-1，大厅 north");
    }

    #[test]
    fn actions_of_the_audit_log_are_in_chinese_with_their_ticket() {
        assert_eq!(action("publish prompts").zh, "发布录音");
        assert_eq!(
            (&*action("message play 20261124").zh, &*action("message play 20261124").en),
            ("播放留言 20261124", "message play 20261124")
        );
        assert_eq!(action("messages").en, "messages", "no word of an action");
    }

    #[test]
    fn every_outcome_and_result_has_a_name() {
        let outcomes = CallOutcome::ALL.iter().map(|outcome| outcome.name());
        for code in outcomes.chain(LookUpResult::ALL.iter().map(|result| result.name())) {
            assert!(NAMES.iter().any(|(known, _, _)| *known == code), "{code}");
        }
    }
}
