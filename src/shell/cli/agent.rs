//! `jindu agent …`: agents and queues from the command line.

use std::path::Path;

use base::{Bilingual, OfficeLang, bilingual, padded};
use config::Settings;
use os::{folder, language};
use phone::{AgentDutyLine, AgentLine, AgentRequest, AgentsStatus, QueueLine, ask_agents, is_of_a_trunk};
use studio::Role;
use studio_store::accounts::initial;
use studio_store::{AgentAccount, AgentDuty};

use crate::account::{actor, role_name};
use crate::args::agent::AgentCommand;
use crate::exit::print;
use crate::say::say;

/// Runs the command. All but `set` need a serving node.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn run(settings: &Settings, command: &AgentCommand) -> Result<(), Bilingual> {
    let data = &settings.data.folder;
    match command {
        AgentCommand::List { json } => {
            let mut status = ask(data, &AgentRequest::List)?;
            add_duties(settings, &mut status)?;
            let text = if *json {
                serde_json::to_string_pretty(&status).map_err(|error| error.to_string())? + "\n"
            } else {
                table(&status)
            };
            print(text);
        }
        AgentCommand::Ready { name } => {
            ask(data, &AgentRequest::Ready { agent: name.clone() })?;
            note(settings, name, "ready")?;
            say!("{name} takes callers", "{name} 开始接听来电");
        }
        AgentCommand::Pause { name, reason } => {
            let reasons = &settings.phone.queues.pauses;
            if let Some(other) = reason.as_ref().filter(|reason| !reasons.iter().any(|known| **known == ***reason)) {
                let (en, zh) = (reasons.join(", "), reasons.join("、"));
                return Err(Bilingual::new(
                    format!("{other} is not one of phone.pause_reasons, which are: {en}"),
                    format!("phone.pause_reasons 中没有 {other}，可用：{zh}"),
                ));
            }
            let signs_in = is_signed_out(&ask(data, &AgentRequest::List)?, name);
            ask(data, &AgentRequest::Pause { agent: name.clone(), reason: reason.clone() })?;
            note(settings, name, "pause")?;
            if signs_in {
                say!("{name} is signed in, and pauses", "{name} 已签到，处于暂停状态");
            } else {
                say!("{name} pauses", "{name} 暂停接听");
            }
        }
        AgentCommand::SignOut { name } => {
            ask(data, &AgentRequest::SignOut { agent: name.clone() })?;
            note(settings, name, "sign_out")?;
            say!("{name} is signed out", "{name} 已签退");
        }
        AgentCommand::Set { name, queue, skill, address } => set(settings, name, queue, skill, address.as_ref())?,
    }
    Ok(())
}

/// Asks the serving node.
///
/// # Errors
/// None serves, or it refuses.
pub(crate) fn ask(data: &Path, request: &AgentRequest) -> Result<AgentsStatus, Bilingual> {
    ask_agents(data, request)?.ok_or_else(|| {
        let data = data.display();
        bilingual!("{data}: no node serves from this data folder", "{data}：没有节点在使用此数据文件夹")
    })
}

/// Whether the agent does not work: a pause signs in as well.
fn is_signed_out(status: &AgentsStatus, name: &str) -> bool {
    status.agents.iter().any(|agent| agent.name == name && agent.state == "signed_out")
}

/// Notes a change of an agent's state in the audit log, as the supervisors' page does.
fn note(settings: &Settings, agent: &str, state: &str) -> Result<(), Bilingual> {
    let accounts = initial::open(settings).map_err(|error| error.text())?;
    accounts.note_desk("agent_state", agent, &actor(), state).map_err(|error| error.text())
}

/// Whether the settings have a queue of this name.
pub(crate) fn is_queue(settings: &Settings, name: &str) -> bool {
    settings.phone.queues.queues.iter().any(|queue| *queue.name == *name)
}

pub(crate) fn unknown_queue(name: &str) -> Bilingual {
    bilingual!(
        "there is no queue {name}: the settings name each in a table [[queue]]",
        "没有队列 {name}：每个队列应在设置的 [[queue]] 表中"
    )
}

fn set(
    settings: &Settings,
    name: &str,
    queues: &[String],
    skills: &[String],
    address: Option<&String>,
) -> Result<(), Bilingual> {
    if let Some(unknown) = queues.iter().find(|name| !is_queue(settings, name)) {
        return Err(unknown_queue(unknown));
    }
    if let Some(address) = address.filter(|address| !is_of_a_trunk(&settings.phone, address)) {
        return Err(bilingual!(
            "{address} is in no trunk, so that no call would go there: add its network to the addresses of a [[trunk]], \
             or leave --address out if the telephone registers here",
            "{address} 不属于任何中继，不会有来电转去：请把其网段加入某个 [[trunk]] 的 addresses；话机在本节点注册的，请不写 --address"
        ));
    }
    folder::create(&settings.data.folder)?;
    let accounts = initial::open(settings).map_err(|error| error.text())?;
    let rows = accounts.list().map_err(|error| error.text())?;
    let account = rows.iter().map(|row| &row.operator).find(|one| one.name == name);
    let is_supervisor = account.is_some_and(|one| one.role == Role::Supervisor);
    if is_supervisor && !(queues.is_empty() && skills.is_empty()) {
        return Err(bilingual!(
            "{name} is a supervisor, who serves no queue: only --address can be set, the telephone for listening to conversations",
            "{name} 是班长，不服务队列：只能设 --address，即监听通话用的话机"
        ));
    }
    if let Some(other) = account.filter(|one| one.role != Role::Agent && !is_supervisor) {
        return Err(bilingual!(
            "{name} is an {}, who takes no callers: jindu studio account role {name} agent changes that",
            "{name} 是{}，不接听来电：可用 jindu studio account role {name} agent 改为坐席",
            role_name(other.role).of(language::current())
        ));
    }
    let duty = AgentDuty { queues: queues.to_vec(), skills: skills.to_vec(), address: address.cloned() };
    accounts.set_agent(name, &duty, &actor()).map_err(|error| error.text())?;
    let served = if queues.is_empty() {
        Bilingual::fixed("every queue", "所有队列")
    } else {
        Bilingual::new(queues.join(", "), queues.join("、"))
    };
    let telephone = address.map_or(
        Bilingual::fixed("the telephone that is registered with the account's number", "以账号号码注册的话机"),
        |address| address.clone().into(),
    );
    if is_supervisor {
        say!("{name} is called at {telephone}", "{name} 的话机：{telephone:#}");
        return Ok(());
    }
    say!("{name} serves {served} by {telephone}", "{name} 服务 {served:#}，话机：{telephone:#}");
    Ok(())
}

/// Adds what the accounts say of each agent.
fn add_duties(settings: &Settings, status: &mut AgentsStatus) -> Result<(), Bilingual> {
    let accounts = initial::open(settings).and_then(|accounts| accounts.agents()).map_err(|error| error.text())?;
    for agent in &mut status.agents {
        agent.duty =
            accounts.iter().find(|account| account.name == agent.name).map(|AgentAccount { number, duty, .. }| {
                let AgentDuty { queues, skills, address } = duty.clone();
                AgentDutyLine { number: number.clone(), queues, skills, address }
            });
    }
    Ok(())
}

/// The queues, the skills and the telephone of an agent, as cells of the table.
fn duty_cells(agent: &AgentLine, lang: OfficeLang) -> [String; 3] {
    let Some(duty) = &agent.duty else { return ["-", "-", "-"].map(str::to_owned) };
    let listed = |names: &[String], none: &str| if names.is_empty() { none.to_owned() } else { names.join(",") };
    let telephone = match (agent.telephone.as_deref(), &duty.address) {
        (Some("browser"), _) => lang.choose("browser", "浏览器").to_owned(),
        (_, Some(address)) => address.clone(),
        (Some("registered"), None) => format!("{} {}", duty.number, lang.choose("registered", "已注册")),
        (_, None) => format!("{} {}", duty.number, lang.choose("not registered", "未注册")),
    };
    [listed(&duty.queues, lang.choose("every", "全部")), listed(&duty.skills, "-"), telephone]
}

fn table(status: &AgentsStatus) -> String {
    let lang = language::current();
    let agents = status.agents.iter().map(|agent| {
        let mut cells = vec![
            agent.name.to_string(),
            state(&agent.state, lang),
            agent.reason.as_deref().map_or("-", |reason| reason_name(reason, lang)).to_owned(),
            agent.for_s.to_string(),
            agent.offered.to_string(),
            agent.answered.to_string(),
            agent.missed.to_string(),
            scores(agent.ratings),
        ];
        cells.extend(duty_cells(agent, lang));
        cells
    });
    let queues = status.queues.iter().map(|queue| {
        let mut cells = vec![queue.name.to_string()];
        cells.extend(figures(queue));
        cells
    });
    let heads = lang.choose(
        [
            &[
                "agent",
                "state",
                "reason",
                "for s",
                "offered",
                "answered",
                "missed",
                "ratings",
                "queues",
                "skills",
                "telephone",
            ][..],
            &["queue", "waiting", "longest s", "answered", "in time", "abandoned", "ratings"],
        ],
        [
            &["坐席", "状态", "原因", "持续（秒）", "分配", "接听", "未接", "评价", "队列", "技能", "话机"][..],
            &["队列", "等候", "最长（秒）", "接听", "及时接听", "放弃", "评价"],
        ],
    );
    format!("{}\n{}", rows(heads[0], agents), rows(heads[1], queues))
}

/// Who waits in a queue, and the day's figures, as cells of a table.
pub(crate) fn figures(queue: &QueueLine) -> [String; 6] {
    let counts = [queue.longest_wait_s, queue.answered, queue.answered_in_time, queue.abandoned];
    let [longest, answered, in_time, abandoned] = counts.map(|count| count.to_string());
    [queue.waiting.to_string(), longest, answered, in_time, abandoned, scores(queue.ratings)]
}

/// Scores: satisfied, fair, not satisfied.
fn scores([satisfied, fair, not_satisfied]: [u64; 3]) -> String {
    format!("{satisfied}/{fair}/{not_satisfied}")
}

/// A state in the language of the command line.
fn state(name: &str, lang: OfficeLang) -> String {
    let zh = match name {
        "signed_out" => "未签到",
        "ready" => "就绪",
        "not_ready" => "暂停",
        "ringing" => "振铃",
        "reserved" => "正在回拨",
        "talking" => "通话中",
        "wrap_up" => "话后处理",
        other => other,
    };
    lang.choose(name, zh).to_owned()
}

/// A reason in the language of the command line: the common ones have Chinese names, others are as the settings write them.
fn reason_name(reason: &str, lang: OfficeLang) -> &str {
    let zh = match reason {
        "break" => "小休",
        "lunch" => "午休",
        "training" => "培训",
        "no_answer" => "未接来电",
        "declined" => "已拒接",
        "phone_failed" => "话机不可用",
        other => other,
    };
    lang.choose(reason, zh)
}

/// A table of these rows.
pub(crate) fn rows(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    let line = |cells: Vec<String>| {
        let cells: Vec<String> =
            cells.iter().enumerate().map(|(n, cell)| padded(cell, if n == 0 { NAME } else { FIGURE })).collect();
        format!("{}\n", cells.join(" ").trim_end())
    };
    std::iter::once(head).chain(rows).map(line).collect()
}

const NAME: usize = 24;
const FIGURE: usize = 12;
