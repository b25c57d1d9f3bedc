//! `jindu status`: one look at the node that serves from the data folder, or at the folder where none does.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::{Bilingual, bilingual};
use config::Settings;
use journal::WaitingMessages;
use node::{NodeStatus, SmsStatus};
use os::{folder, language};
use phone::{AgentRequest, AgentsStatus, PeerState, QueueLine, TrunkStatus, TrunksStatus};
use release::releases;
use replica_store::{Replica, Role};

use crate::call_words::{sms_trouble, trouble};
use crate::exit::print;
use crate::local_time::{rfc3339, shown, span, zone};
use crate::replica_commands::keys;
use crate::say::Lines;
use crate::trunk_status::counted;

/// What is known.
struct Status {
    zone: TimeZone,
    node: Option<NodeStatus>,
    trunks: TrunksStatus,
    /// None: no node serves.
    agents: Option<AgentsStatus>,
    emergency: bool,
    messages: WaitingMessages,
    disk_free: Option<u64>,
    /// The live release of the folder.
    release: Option<String>,
    /// The replica's own time, where no node serves.
    as_of: Option<Timestamp>,
}

/// Prints it.
///
/// # Errors
/// A node serves and does not answer, or the journal cannot be read.
pub(crate) fn status(settings: &Settings, json: bool) -> Result<(), Bilingual> {
    let data = &settings.data.folder;
    let node = node::node_status(data)?;
    let status = Status {
        zone: zone(settings),
        as_of: node.is_none().then(|| as_of(settings)).flatten(),
        node,
        trunks: phone::trunk_status(data, &settings.phone)?,
        agents: phone::ask_agents(data, &AgentRequest::List)?,
        emergency: releases::emergency(settings).unwrap_or(settings.hotline.emergency),
        messages: journal::waiting_messages(data)?,
        disk_free: folder::free_bytes(data),
        release: releases::live(settings).map(|name| name.get(..12).unwrap_or(&name).to_owned()),
    };
    if json {
        let text = serde_json::to_string_pretty(&status.to_json()).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else {
        print(status.to_text(&data.display().to_string()));
    }
    Ok(())
}

/// When the upstream last confirmed the replica of the folder. Creates nothing in a folder without one.
fn as_of(settings: &Settings) -> Option<Timestamp> {
    Replica::require(&settings.data.folder).ok()?;
    let keys = keys(settings).ok()?;
    Replica::open(&settings.data.folder, &settings.replica, keys, Role::Read).ok()?.as_of()
}

impl Status {
    fn to_json(&self) -> Value {
        let time = |at: Timestamp| rfc3339(at, &self.zone);
        json!({
            "serving": self.node.is_some(),
            "serving_since": self.node.as_ref().map(|node| time(node.serving_since)),
            "version": self.node.as_ref().map(|node| &node.version),
            "health": self.node.as_ref().map(|node| &node.health),
            "release": self.release(),
            "replica_as_of": self.as_of.map(time),
            "emergency": self.emergency,
            "messages": {"waiting": self.messages.count, "oldest": self.messages.oldest.map(time)},
            "disk_free_bytes": self.disk_free,
            "trunks": self.trunks.trunks,
            "sms": self.node.as_ref().and_then(|node| node.sms.as_ref()),
            "queues": self.agents.as_ref().map_or(&[][..], |agents| &agents.queues),
        })
    }

    /// What calls begin with now: the node's word, else the folder's.
    fn release(&self) -> Option<&str> {
        let served = self.node.as_ref().and_then(|node| node.health["release"].as_str());
        served.or(self.release.as_deref())
    }

    fn to_text(&self, folder: &str) -> String {
        let mut lines = Lines::new(language::current(), 11);
        let fixed = Bilingual::fixed;
        let data = fixed("data", "数据");
        match &self.node {
            Some(node) => {
                let (since, version) = (shown(node.serving_since, &self.zone), &node.version);
                let value = bilingual!("since {since}, version {version}", "自 {since} 起运行，程序版本 {version}");
                lines.line(&fixed("serving", "节点"), &value);
                of_health(&node.health, &mut lines);
            }
            None => {
                let none = bilingual!("no: no node serves from {folder}", "未运行：没有节点使用 {folder}");
                lines.line(&fixed("serving", "节点"), &none);
                let as_of = self.as_of.map(|at| shown(at, &self.zone));
                let as_of = as_of.map(|at| bilingual!("as of {at}", "截至 {at}"));
                let none = || fixed("no replica, or it has no time yet", "没有副本，或尚无数据时间");
                lines.line(&data, &as_of.unwrap_or_else(none));
            }
        }
        let unpublished = || fixed("none published: the files of the settings", "尚未发布：使用设置中的文件");
        let release = self.release().map(str::to_owned).map_or_else(unpublished, Bilingual::from);
        lines.line(&fixed("release", "版本"), &release);
        let emergency = match self.emergency {
            true => fixed("on: every caller hears the notice", "已开启：所有来电播放通知"),
            false => fixed("off", "关闭"),
        };
        lines.line(&fixed("emergency", "紧急通知"), &emergency);
        lines.line(&fixed("messages", "留言"), &self.messages());
        let free = self.disk_free.map(|free| free as f64 / 1e9);
        let free = free.map(|free| bilingual!("{free:.1} GB free", "剩余 {free:.1} GB"));
        lines.line(&fixed("disk", "磁盘"), &free.unwrap_or_else(|| fixed("unknown", "未知")));
        if let Some(sms) = self.node.as_ref().and_then(|node| node.sms.as_ref()) {
            lines.line(&fixed("sms", "短信"), &self.of_sms(sms));
        }
        for trunk in &self.trunks.trunks {
            lines.line(&fixed("trunk", "中继"), &of_trunk(trunk, self.trunks.serving_since.is_some()));
        }
        for queue in self.agents.iter().flat_map(|agents| &agents.queues) {
            lines.line(&fixed("queue", "队列"), &of_queue(queue));
        }
        lines.into_text()
    }

    fn of_sms(&self, sms: &SmsStatus) -> Bilingual {
        let SmsStatus { carrier, waiting, sent, .. } = sms;
        let since = sms.unreachable_since.map(|at| shown(at, &self.zone));
        let state = match (sms.state.as_str(), since) {
            ("reachable", _) => Bilingual::fixed("reachable", "正常"),
            ("unused", _) => Bilingual::fixed("not needed yet", "尚未使用"),
            (_, Some(since)) => bilingual!("unreachable since {since}", "自 {since} 起无法连接"),
            (other, None) => other.to_owned().into(),
        };
        let why = sms.why.as_deref().map_or_else(Bilingual::default, |why| {
            let why = sms_trouble(why);
            bilingual!(" ({why})", "（{why:#}）")
        });
        bilingual!(
            "by {carrier}, {state}{why}; {waiting} waiting, {sent} sent",
            "{carrier}，{state:#}{why:#}；等待 {waiting} 条，已发送 {sent} 条"
        )
    }

    fn messages(&self) -> Bilingual {
        let count = self.messages.count;
        let oldest = self.messages.oldest.map(|at| shown(at, &self.zone));
        let oldest = oldest.map(|at| bilingual!(", the oldest since {at}", "，最早的自 {at} 起"));
        let oldest = oldest.unwrap_or_default();
        bilingual!("{count} waiting{oldest}", "{count} 条待办{oldest:#}")
    }
}

fn of_health(health: &Value, lines: &mut Lines) {
    let number = |key: &str| health[key].as_u64();
    let fixed = Bilingual::fixed;
    let state = match health["status"] == "draining" {
        true => fixed("draining: takes no new calls", "正在退出：不再接受新来电"),
        false => fixed("ready", "正常"),
    };
    lines.line(&fixed("state", "状态"), &state);
    let (calls, most) = (number("calls").unwrap_or(0), number("calls_max").unwrap_or(0));
    let free = most.saturating_sub(calls);
    let in_use = bilingual!("{calls} of {most} in use, {free} free", "共 {most} 路，使用中 {calls} 路，空闲 {free} 路");
    lines.line(&fixed("lines", "线路"), &in_use);
    let age = number("replica_age_s").map(|age| {
        let age = span(age);
        bilingual!("{age} old", "{age:#}前的数据")
    });
    let (age, cases) =
        (age.unwrap_or_else(|| fixed("no time yet", "尚无数据时间")), number("replica_cases").unwrap_or(0));
    lines.line(&fixed("data", "数据"), &bilingual!("{age}, {cases} cases", "{age:#}，{cases} 件"));
    let codes = |key: &str| -> Vec<Bilingual> {
        let words = health[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        words.map(trouble).collect()
    };
    let explained = fixed(" (jindu replica status explains them)", "（详见 jindu replica status）");
    for (key, name, remedy) in
        [("troubles", fixed("troubles", "问题"), Bilingual::default()), ("alarms", fixed("alarms", "告警"), explained)]
    {
        let codes = codes(key);
        let listed = Bilingual::list(&codes, "; ", "；");
        let value = bilingual!("{listed}{remedy}", "{listed:#}{remedy:#}");
        lines.line(&name, &if codes.is_empty() { fixed("none", "无") } else { value });
    }
}

fn of_queue(queue: &QueueLine) -> Bilingual {
    let QueueLine { name, waiting, .. } = queue;
    let waits = match waiting {
        0 => Bilingual::fixed("no callers waiting", "无人等候"),
        _ => {
            let longest = span(queue.longest_wait_s);
            bilingual!("{waiting} waiting, the longest for {longest}", "等候 {waiting} 人，最长 {longest:#}")
        }
    };
    let states = [
        (queue.ready, Bilingual::fixed("ready", "就绪")),
        (queue.ringing, Bilingual::fixed("ringing", "振铃")),
        (queue.talking, Bilingual::fixed("talking", "通话中")),
        (queue.wrap_up, Bilingual::fixed("in wrap-up", "话后处理")),
        (queue.paused, Bilingual::fixed("not ready", "暂停")),
    ];
    let counted = states.iter().filter(|(count, _)| *count > 0);
    let counted: Vec<Bilingual> =
        counted.map(|(count, state)| bilingual!("{count} {state}", "{state:#} {count}")).collect();
    let agents = match counted.as_slice() {
        [] if queue.lines > 0 => lines_of(queue),
        [] => Bilingual::fixed("no agent is signed in", "没有坐席签到"),
        counted => {
            let counted = Bilingual::list(counted, ", ", "、");
            bilingual!("agents: {counted}", "坐席：{counted:#}")
        }
    };
    let rated = match queue.ratings {
        [0, 0, 0] => Bilingual::default(),
        [satisfied, fair, not] => bilingual!(
            "; rated today: {satisfied} satisfied, {fair} fair, {not} not satisfied",
            "；今日评价：满意 {satisfied}、一般 {fair}、不满意 {not}"
        ),
    };
    let closed = if queue.open { Bilingual::default() } else { Bilingual::fixed("closed; ", "已关闭；") };
    bilingual!("{name}: {closed}{waits}; {agents}{rated}", "{name}：{closed:#}{waits:#}；{agents:#}{rated:#}")
}

/// The lines of a queue that a call centre elsewhere serves.
fn lines_of(queue: &QueueLine) -> Bilingual {
    let QueueLine { lines, lines_busy, lines_resting, .. } = queue;
    let busy = bilingual!("{lines_busy} of {lines} lines in use", "{lines} 条线路中使用 {lines_busy} 条");
    match lines_resting {
        0 => busy,
        _ => bilingual!(
            "{busy}, the call centre takes no callers at present (see the log)",
            "{busy:#}，呼叫中心暂不接收来电（见日志）"
        ),
    }
}

fn of_trunk(trunk: &TrunkStatus, serving: bool) -> Bilingual {
    let TrunkStatus { name, calls, calls_max, .. } = trunk;
    if !serving {
        return bilingual!("{name}: at most {calls_max} calls", "{name}：最多 {calls_max} 路");
    }
    let mut parts = vec![bilingual!("{name}: {calls} of {calls_max} calls", "{name}：{calls_max} 路中使用 {calls} 路")];
    if !trunk.peers.is_empty() {
        let reachable = trunk.peers.iter().filter(|peer| peer.state == PeerState::Reachable).count();
        let all = trunk.peers.len();
        parts.push(bilingual!("{reachable} of {all} peers reachable", "{all} 个对端中 {reachable} 个可达"));
    }
    parts.extend(trunk.registration.as_ref().map(|registration| match registration.registrar {
        Some(_) => Bilingual::fixed("registered", "已注册"),
        None => Bilingual::fixed("not registered", "未注册"),
    }));
    let refused = counted(&trunk.refused);
    parts.push(bilingual!("refused {refused}", "拒绝 {refused:#}"));
    Bilingual::list(&parts, "; ", "；")
}
