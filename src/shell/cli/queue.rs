//! `jindu queue …`: queues from the command line, beside a serving node.

use base::{Bilingual, OfficeLang};
use config::Settings;
use os::language;
use phone::{AgentRequest, QueueLine};
use studio_store::accounts::initial;

use crate::account::actor;
use crate::agent::{ask, figures, rows};
use crate::args::queue::QueueCommand;
use crate::exit::print;
use crate::say::say;

/// Runs the command. A change is in the audit log, and agents read it on their pages.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn run(settings: &Settings, command: &QueueCommand) -> Result<(), Bilingual> {
    let data = &settings.data.folder;
    match command {
        QueueCommand::List { json } => {
            let status = ask(data, &AgentRequest::List)?;
            let text = if *json {
                serde_json::to_string_pretty(&status.queues).map_err(|error| error.to_string())? + "\n"
            } else {
                table(&status.queues, language::current())
            };
            print(text);
        }
        QueueCommand::Open { name } => {
            change(settings, name, true)?;
            say!("the queue {name} is open", "队列 {name} 已开放");
        }
        QueueCommand::Close { name } => {
            change(settings, name, false)?;
            say!("the queue {name} is closed; those who wait are served", "队列 {name} 已关闭；已等候的来电继续接听");
        }
    }
    Ok(())
}

fn change(settings: &Settings, queue: &str, open: bool) -> Result<(), Bilingual> {
    let (data, queue) = (&settings.data.folder, queue.to_owned());
    ask(data, &AgentRequest::SetQueue { queue: queue.clone(), open })?;
    let what = if open { "queue_opened" } else { "queue_closed" };
    let accounts = initial::open(settings).map_err(|error| error.text())?;
    let by = actor();
    accounts.note_desk(what, &by, &by, &queue).map_err(|error| error.text())
}

fn table(queues: &[QueueLine], lang: OfficeLang) -> String {
    let head = lang.choose(
        &["queue", "state", "waiting", "longest s", "answered", "in time", "abandoned", "ratings"][..],
        &["队列", "状态", "等候", "最长（秒）", "接听", "及时接听", "放弃", "评价"],
    );
    let row = |queue: &QueueLine| {
        let state = if queue.open { lang.choose("open", "开放") } else { lang.choose("closed", "已关闭") };
        let mut cells = vec![queue.name.clone(), state.to_owned()];
        cells.extend(figures(queue));
        cells
    };
    rows(head, queues.iter().map(row))
}
