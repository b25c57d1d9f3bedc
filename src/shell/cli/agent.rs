//! `jindu agent …`: agents and queues from the command line.

use std::path::Path;

use config::Settings;
use os::folder;
use phone::{AgentRequest, AgentsStatus, ask_agents};
use studio_store::AgentDuty;
use studio_store::accounts::initial;

use crate::args::agent::AgentCommand;
use crate::exit::print;

/// Runs the command. All but `set` need a serving node.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn run(settings: &Settings, command: &AgentCommand) -> Result<(), String> {
    let data = &settings.data.folder;
    match command {
        AgentCommand::List { json } => {
            let status = ask(data, &AgentRequest::List)?;
            let text =
                if *json { serde_json::to_string(&status).map_err(|error| error.to_string())? } else { table(&status) };
            print(text + if *json { "\n" } else { "" });
        }
        AgentCommand::Ready { name } => {
            ask(data, &AgentRequest::Ready { agent: name.clone() })?;
            print(format!("{name} takes callers\n"));
        }
        AgentCommand::Pause { name, reason } => {
            ask(data, &AgentRequest::Pause { agent: name.clone(), reason: reason.clone() })?;
            print(format!("{name} pauses\n"));
        }
        AgentCommand::SignOut { name } => {
            ask(data, &AgentRequest::SignOut { agent: name.clone() })?;
            print(format!("{name} is signed out\n"));
        }
        AgentCommand::Set { name, queue, skill, address } => set(settings, name, queue, skill, address.as_ref())?,
    }
    Ok(())
}

fn ask(data: &Path, request: &AgentRequest) -> Result<AgentsStatus, String> {
    ask_agents(data, request)?.ok_or_else(|| format!("{}: no node serves from this data folder", data.display()))
}

fn set(
    settings: &Settings,
    name: &str,
    queues: &[String],
    skills: &[String],
    address: Option<&String>,
) -> Result<(), String> {
    let known = |name: &&String| settings.phone.queues.queues.iter().any(|queue| *queue.name == ***name);
    if let Some(unknown) = queues.iter().find(|name| !known(name)) {
        return Err(format!("there is no queue {unknown}: the settings name each in a table [[queue]]"));
    }
    folder::create(&settings.data.folder)?;
    let accounts = initial::open(settings).map_err(|error| error.to_string())?;
    let duty = AgentDuty { queues: queues.to_vec(), skills: skills.to_vec(), address: address.cloned() };
    accounts.set_agent(name, &duty, "command line").map_err(|error| error.to_string())?;
    let served = if queues.is_empty() { "every queue".to_owned() } else { queues.join(", ") };
    let telephone = address.map_or("the telephone that is registered with the account's number", String::as_str);
    print(format!("{name} serves {served} by {telephone}\n"));
    Ok(())
}

fn table(status: &AgentsStatus) -> String {
    let mut text = format!(
        "{:<24} {:<12} {:<14} {:>8} {:>8} {:>8} {:>8}\n",
        "agent", "state", "reason", "for s", "offered", "answered", "missed"
    );
    for agent in &status.agents {
        let reason = agent.reason.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "{:<24} {:<12} {reason:<14} {:>8} {:>8} {:>8} {:>8}\n",
            agent.name, agent.state, agent.for_s, agent.offered, agent.answered, agent.missed
        ));
    }
    text.push_str(&format!(
        "\n{:<24} {:>8} {:>12} {:>8} {:>8} {:>10}\n",
        "queue", "waiting", "longest s", "answered", "in time", "abandoned"
    ));
    for queue in &status.queues {
        text.push_str(&format!(
            "{:<24} {:>8} {:>12} {:>8} {:>8} {:>10}\n",
            queue.name, queue.waiting, queue.longest_wait_s, queue.answered, queue.answered_in_time, queue.abandoned
        ));
    }
    text
}
