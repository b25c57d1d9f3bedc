//! `jindu replica …`: asks for the state of the replica, and sends an operator's requests.

use std::path::Path;

use base::{Bilingual, bilingual};
use inquiry::Keys;
use os::io_fault;

use crate::control::{self, Reply, Request};
use crate::file::held::Held;
use crate::file::{schema, scrub, store};
use crate::lock::FolderLock;
use crate::look_up::{Replica, Role};

/// A command of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// A request to the node that serves, or to the file if none does.
    Ask(Request),
    /// Show the held batch.
    Held,
    /// Scrub the whole file once.
    Verify,
}

/// What a command found or did.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The reply to a request.
    Reply(Reply),
    /// The held batch.
    Held(Option<Held>),
    /// The scrub of the whole file.
    Verified(Verified),
}

/// A scrub of the whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Rows that were read.
    pub rows: u64,
    /// What is damaged.
    pub damage: scrub::Damage,
    /// What the serving node did about it.
    pub informed: Option<Bilingual>,
}

/// Performs a command, with or without a serving node.
///
/// # Errors
/// There is no copy, it cannot be used, or the request was refused.
pub fn run(
    folder: &Path,
    settings: &config::Replica,
    keys: &Keys,
    request: OperatorCommand,
) -> Result<Report, Bilingual> {
    match request {
        OperatorCommand::Verify => verify(folder, keys).map(Report::Verified),
        OperatorCommand::Ask(request) => refused(perform(folder, settings, keys, &request)?).map(Report::Reply),
        OperatorCommand::Held => match refused(perform(folder, settings, keys, &Request::Status)?)? {
            Reply::Status(status) => Ok(Report::Held(status.held)),
            other => Ok(Report::Reply(other)),
        },
    }
}

fn refused(reply: Reply) -> Result<Reply, Bilingual> {
    match reply {
        Reply::Refused(why) => Err(why),
        other => Ok(other),
    }
}

/// Sends the request to the node that serves; if none does, opens the file here.
fn perform(folder: &Path, settings: &config::Replica, keys: &Keys, request: &Request) -> Result<Reply, Bilingual> {
    let failed = |error: std::io::Error| io_fault(folder, &error);
    if let Some(reply) = control::send_request(folder, request).map_err(failed)? {
        return Ok(reply);
    }
    if !store::path(folder).exists() {
        return Err(no_replica(folder));
    }
    let lock = FolderLock::take(folder).map_err(failed)?;
    let _lock = lock.ok_or(Bilingual::fixed(
        "a node serves from this folder and does not answer; try again, or see its log",
        "有节点正在使用此文件夹但没有应答；请重试，或查看其日志",
    ))?;
    if *request == Request::Rebuild {
        return Err(Bilingual::fixed(
            "no node serves from this folder; start it, since only a running node can request a full snapshot from its source",
            "没有节点使用此文件夹；请先启动节点，只有运行中的节点才能向来源请求完整快照",
        ));
    }
    let replica = Replica::open(folder, settings, keys.clone(), Role::Load).map_err(|error| error.to_string())?;
    Ok(replica.perform(request.clone()))
}

fn no_replica(folder: &Path) -> Bilingual {
    bilingual!(
        "{}: no replica in this folder; start the server, or load a file first",
        "{}：此文件夹中没有副本；请先启动节点，或装入一个文件",
        folder.display()
    )
}

fn verify(folder: &Path, keys: &Keys) -> Result<Verified, Bilingual> {
    let path = store::path(folder);
    let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        return Err(no_replica(folder));
    }
    let checked = store::open_reader(&path).map_err(failed).and_then(|connection| {
        schema::check(&connection, &path, keys).map_err(|error| error.to_string())?;
        schema::check_readable(&connection, &path).map_err(|error| error.to_string())?;
        scrub::whole(&connection).map_err(failed)
    });
    let (rows, damage) = match checked {
        Ok(pass) => (pass.rows, pass.damage),
        Err(why) => (0, scrub::Damage { rows: 0, structure: vec![why] }),
    };
    let reported = if damage.is_none() { Ok(None) } else { control::send_request(folder, &Request::Damaged) };
    let informed = match reported {
        Ok(Some(Reply::Done(done))) => Some(done),
        Ok(_) | Err(_) => None,
    };
    Ok(Verified { rows, damage, informed })
}
