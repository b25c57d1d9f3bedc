//! `jindu serve`: opens everything, prints the ready line, and serves until a signal ends it.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use base::bilingual;
use config::Settings;
use inquiry::Keys;
use os::control::ControlListener;
use os::folder;
use os::logs;
use phone::UserAgent;
use release::hotline::Hotline;
use replica_store::{FolderLock, Replica, Role, secret};

use crate::Fault;
use crate::announce::{Welcome, announce};
use crate::backend::NodeBackend;
use crate::components::{Node, start_media};
use crate::drain::{Served, serve_and_drain};
use crate::first_start::{fill_sample, initial_accounts, serves_sample};
use crate::signals::{Asked, Signals};
use crate::sockets::Sockets;
use crate::status;

/// Serves until a signal ends it.
///
/// # Errors
/// One line: why the node cannot start, or which part of it failed.
pub fn serve(settings: &Settings, hotline: Hotline) -> Result<(), Fault> {
    let _logs = logs::start(&settings.log);
    log_warnings(settings, &hotline);
    let data = &settings.data.folder;
    folder::create(data)?;
    let repaired = folder::repair(data)?;
    if repaired > 0 {
        tracing::warn!(repaired, folder = %data.display(), "data_folder_repaired: group or others had rights to it");
    }
    let _lock = lock(data)?;
    os::sound_key::adopt(&settings.data).map_err(|error| error.text())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let sockets = {
        let _runtime = runtime.enter();
        Sockets::bind(settings)?
    };
    let keys = Keys::new(&secret(data).map_err(|error| error.to_string())?);
    base::set_tag_key(keys.tag_key());
    let role = Role::Serve { sample_heartbeat: settings.data.sample_heartbeat };
    let replica = Replica::open(data, &settings.replica, keys.clone(), role).map_err(|error| error.to_string())?;
    fill_sample(&replica, settings, &hotline)?;
    let ended = runtime.block_on(run(settings, hotline, keys, replica, sockets));
    // Work in a thread that cannot be ended does not hold the node.
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

/// Starts the components in order, and ends them in order.
async fn run(
    settings: &Settings,
    hotline: Hotline,
    keys: Keys,
    replica: Arc<Replica>,
    sockets: Sockets,
) -> Result<(), Fault> {
    // Before anything reads the accounts.
    let accounts = initial_accounts(settings, &replica, sockets.web.studio())?;
    let node = Node::new(settings, &hotline, keys, Arc::clone(&replica), &sockets)?;
    let media = start_media(settings)?;
    let (media_metrics, media_io) = (media.metrics(), media.in_use().to_vec());
    let user_agent = node.user_agent(media, &sockets.sip);
    let metrics = node.metrics(media_metrics, media_io.clone(), user_agent.queue());
    let _agents = listen_for_agents(&settings.data.folder, &user_agent);
    let _call_backs = listen_for_call_backs(&settings.data.folder, &user_agent);
    let _sms = listen_for_text_messages(&settings.data.folder, &node);
    let _trunk_status = listen_for_status(&settings.data.folder, &node);
    let _traces = listen_for_traces(&settings.data.folder, &node);
    let backend = Arc::new(node.backend(hotline.scan_rules.clone()));
    let _status = listen_for_node_status(settings, &backend, &sockets);
    let http_service = node.http_service(hotline.scan_rules.clone(), metrics, user_agent.queue());
    node.start_watch()?;
    // Before the ready line, since who reads it may send a signal at once.
    let signals = Signals::new()?;
    let examples = serves_sample(settings, &replica).then_some(&*hotline.examples);
    announce(settings, &sockets, &Welcome { examples, accounts: &accounts, hotline: &hotline, media_io: &media_io });
    let (stop, stopping) = watch::channel(false);
    user_agent.ping_peers();
    user_agent.begin();
    let queue = user_agent.queue();
    let transport = tokio::spawn(sockets.sip.run(user_agent));
    let web_settings = settings.web.clone();
    let web = tokio::spawn(async move {
        web_service::serve(sockets.web, http_service, &web_settings, stopping, LAST_REQUESTS).await;
    });
    let served = Served { registry: &node.registry, registrations: &node.carriers.registrations, queue: &queue };
    let ended = serve_and_drain(signals, served, transport, &settings.phone).await;
    node.traces.end();
    if let Some(sms) = &node.sms {
        sms.finish(LAST_ATTEMPTS).await;
    }
    if let Some(browsers) = &node.browsers {
        browsers.end();
    }
    let _ = stop.send(true);
    let last_requests = tokio::time::timeout(LAST_REQUESTS, web);
    tokio::select! {
        _ = last_requests => {}
        () = asked_to_end() => {}
    }
    ended
}

/// Waits for one more signal to end.
async fn asked_to_end() {
    let Ok(mut signals) = Signals::new() else { return pending().await };
    while !matches!(signals.next().await, Asked::End(_)) {}
}

/// Without the socket `jindu trunk status` sees no node; calls do not need it.
fn listen_for_status(data: &Path, node: &Node<'_>) -> Option<ControlListener> {
    let listening =
        phone::listen_trunk_status(data, Arc::clone(&node.trunks), Arc::clone(&node.carriers.registrations));
    listening.map_err(|error| tracing::warn!(%error, "jindu trunk status cannot reach this node")).ok()
}

/// The same for `jindu agent`.
fn listen_for_agents(data: &Path, user_agent: &UserAgent) -> Option<ControlListener> {
    let listening = phone::listen_agents(data, user_agent.queue());
    listening.map_err(|error| tracing::warn!(%error, "jindu agent cannot reach this node")).ok()
}

/// The same for `jindu call-back`.
fn listen_for_call_backs(data: &Path, user_agent: &UserAgent) -> Option<ControlListener> {
    let listening = phone::listen_call_backs(data, user_agent.queue());
    listening.map_err(|error| tracing::warn!(%error, "jindu call-back cannot reach this node")).ok()
}

/// The same for `jindu sms`.
fn listen_for_text_messages(data: &Path, node: &Node<'_>) -> Option<ControlListener> {
    let listening = sms_service::listen(data, node.sms.as_ref());
    listening.map_err(|error| tracing::warn!(%error, "jindu sms cannot reach this node")).ok()
}

/// The same for `jindu status`.
fn listen_for_node_status(
    settings: &Settings,
    backend: &Arc<NodeBackend>,
    sockets: &Sockets,
) -> Option<ControlListener> {
    let listening = status::listen(&settings.data.folder, backend, sockets.web.addresses());
    listening.map_err(|error| tracing::warn!(%error, "jindu status cannot reach this node")).ok()
}

/// The same for `jindu trunk trace`.
fn listen_for_traces(data: &Path, node: &Node<'_>) -> Option<ControlListener> {
    let listening = phone::listen_traces(data, Arc::clone(&node.traces));
    listening.map_err(|error| tracing::warn!(%error, "jindu trunk trace cannot reach this node")).ok()
}

fn log_warnings(settings: &Settings, hotline: &Hotline) {
    for error in hotline.skipped.iter().take(ERRORS_LOGGED) {
        tracing::warn!(error = &*error.en, serving = hotline.name.get(..12), "the live release cannot be served");
    }
    for remark in settings.warnings() {
        tracing::warn!(remark = &*remark.en, "settings");
    }
}

/// Locks the data folder against other serving nodes.
fn lock(data: &Path) -> Result<FolderLock, Fault> {
    FolderLock::take(data).map_err(|error| os::io_fault(data, &error))?.ok_or_else(|| {
        bilingual!(
            "{}: another jindu serves from this data folder; stop it first",
            "{}：另一个 jindu 正在使用此数据文件夹；请先停止它",
            data.display()
        )
    })
}

/// Errors of one release that are logged.
const ERRORS_LOGGED: usize = 5;
/// How long attempts to send text messages may take after the drain; what is not sent by then is sent after the next start.
const LAST_ATTEMPTS: Duration = Duration::from_secs(5);
/// How long work in threads may take after all else has ended.
const LAST_WORK: Duration = Duration::from_secs(1);
/// How long requests in progress may take after the drain.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
