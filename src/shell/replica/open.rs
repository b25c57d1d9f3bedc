//! Opens the replica and starts its threads: the writer, the readers, the follower, the maintenance.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;

use inquiry::Keys;
use os::clock;
use replica::{AgeClock, SAMPLE, SteadyClock};

use crate::control;
use crate::file::failure::{self, StoreError};
use crate::file::state::State;
use crate::file::{quarantine, schema, state, store};
use crate::locks::locked;
use crate::look_up::{Follower, Replica, Role};
use crate::maintenance::Maintenance;
use crate::read::readers::Reader;
use crate::shared::SharedState;
use crate::spool::{self, archive, history};
use crate::write::handle::WriterHandle;
use crate::write::rebuild;
use crate::write::writer::Writer;
use crate::{postgres, sample};

/// Why a replica cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder or a thread cannot be created.
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Io {
        /// The folder or file.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// There is no file to read.
    #[error("{0}: no replica in this folder; start the server, or load a file first")]
    Missing(String),
}

impl Replica {
    /// Opens the replica in a data folder, and starts the threads of the role.
    pub fn open(folder: &Path, settings: &config::Replica, keys: Keys, role: Role) -> Result<Arc<Replica>, OpenError> {
        let path = store::path(folder);
        let mut replica = Replica::without_threads(&path, settings, keys);
        match role {
            Role::Serve { sample_heartbeat } => {
                let writer = replica.start_writer(folder, &path, role, settings)?;
                replica.start_maintenance(writer.clone(), settings).map_err(|error| io_error(folder, error))?;
                let follower = match settings.source {
                    config::Source::Spool => {
                        spool::follower::Follower::start(folder, settings, sample_heartbeat, writer)
                            .map(Follower::Spool)
                    }
                    config::Source::Postgres => {
                        postgres::follower::Follower::start(&settings.postgres, writer).map(Follower::Postgres)
                    }
                };
                replica.follower = Some(follower.map_err(|error| io_error(folder, error))?);
            }
            Role::Load => drop(replica.start_writer(folder, &path, role, settings)?),
            Role::Read => replica.read_state(&path)?,
        }
        let readers = settings.reader_threads.max(1);
        replica.threads.extend((0..readers).map(|n| start_reader(n, &replica.shared)).collect::<Result<Vec<_>, _>>()?);
        let replica = Arc::new(replica);
        if matches!(role, Role::Serve { .. }) {
            listen(folder, &replica);
        }
        Ok(replica)
    }

    /// Whether there is a copy to read in a data folder; nothing is created.
    ///
    /// # Errors
    /// [`OpenError::Missing`].
    pub fn require(folder: &Path) -> Result<(), OpenError> {
        let is_there = store::path(folder).exists();
        if is_there { Ok(()) } else { Err(OpenError::Missing(folder.display().to_string())) }
    }

    fn without_threads(path: &Path, settings: &config::Replica, keys: Keys) -> Replica {
        let shared = SharedState::new(path.to_owned(), settings);
        Replica {
            keys,
            shared: Arc::new(shared),
            waiting: AtomicUsize::new(0),
            waiting_max: settings.look_ups_waiting_max,
            timeout: settings.look_up_timeout,
            writer: None,
            follower: None,
            listener: OnceLock::new(),
            maintenance: None,
            ending: Arc::default(),
            sample: AtomicBool::new(false),
            sample_allowed: false,
            threads: Vec::new(),
            writer_thread: None,
        }
    }

    /// Starts the writer. With `sample_heartbeat`, the sample is confirmed before the first look-up. A file that cannot be
    /// written, on a full or read-only disk, is served as it is, and the writer retries.
    fn start_writer(
        &mut self,
        folder: &Path,
        path: &Path,
        role: Role,
        settings: &config::Replica,
    ) -> Result<WriterHandle, OpenError> {
        let serves = matches!(role, Role::Serve { .. });
        let heartbeat = role == Role::Serve { sample_heartbeat: true };
        let open = self.open_for_writing(folder, path, serves)?;
        if let Some(connection) = &open {
            self.publish(path, connection)?;
        }
        self.detect_lost_file(folder, settings, serves);
        let (tasks, receiver) = sync_channel(TASKS_MAX);
        let handle = WriterHandle {
            tasks,
            shared: self.shared.clone(),
            folder: folder.to_owned(),
            keys: self.keys.clone(),
            ending: self.ending.clone(),
        };
        let mut writer = Writer {
            open,
            inode: store::inode(path),
            path: path.to_owned(),
            keys: self.keys.clone(),
            shared: self.shared.clone(),
            ending: self.ending.clone(),
        };
        writer.start(heartbeat, &program_and_settings(settings));
        let thread = std::thread::Builder::new().name("replica-writer".into()).spawn(move || writer.run(receiver));
        self.writer_thread = Some(thread.map_err(|error| io_error(folder, error))?);
        self.writer = Some(handle.clone());
        Ok(handle)
    }

    /// Opens the file for writing; `None` when it exists and can only be read. A serving node renames a file that is
    /// damaged beyond opening, and requests a full snapshot from its source.
    fn open_for_writing(&self, folder: &Path, path: &Path, serves: bool) -> Result<Option<Connection>, OpenError> {
        let builder = &mut fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|error| io_error(folder, error))?;
        if let Err(error) = rebuild::remove_leftovers(folder) {
            tracing::warn!(%error, "rebuild_leftovers_not_removed");
        }
        let opened = store::open_writer(path, &self.keys).and_then(|connection| {
            state::read(&connection).map_err(|error| sqlite_error(path, error))?;
            Ok(connection)
        });
        match opened {
            Err(StoreError::Sqlite { error, .. }) if serves && failure::is_damage(&error) => {
                store::rename_damaged(path).map_err(|error| io_error(folder, error))?;
                self.shared
                    .report_damage(&format!("the file could not be opened ({error}) and was renamed to .damaged"));
                Ok(Some(store::open_writer(path, &self.keys)?))
            }
            Err(StoreError::Sqlite { error, .. }) if failure::is_unwritable(&error) && path.exists() => {
                tracing::error!(%error, "replica_not_writable: look-ups are answered, the feed is paused");
                self.read_state(path).map(|()| None)
            }
            opened => Ok(Some(opened?)),
        }
    }

    /// Distinguishes a first start from a lost file, and finds out whether the lost file was the sample.
    fn detect_lost_file(&mut self, folder: &Path, settings: &config::Replica, serves: bool) {
        if let Some(mark) = locked(&self.shared.mark).as_ref() {
            sample::set_note(folder, mark.source == SAMPLE);
            return;
        }
        let noted = sample::is_noted(folder);
        let followed = settings.source == config::Source::Spool && has_followed(folder);
        if serves && followed && !noted && !self.rebuild_requested() {
            self.shared.report_damage("the file of a copy that followed a feed is missing");
        }
        self.sample_allowed = noted || !self.rebuild_requested() && !followed;
    }

    fn start_maintenance(&mut self, writer: WriterHandle, settings: &config::Replica) -> io::Result<()> {
        let (stop, stopped) = sync_channel(1);
        let maintenance = Maintenance::new(writer, settings.scrub_rows_per_second);
        let thread = std::thread::Builder::new().name("replica-scrub".into());
        self.threads.push(thread.spawn(move || maintenance.run(&stopped))?);
        self.maintenance = Some(stop);
        Ok(())
    }

    fn read_state(&self, path: &Path) -> Result<(), OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.display().to_string()));
        }
        let connection = store::open_reader(path).map_err(|error| sqlite_error(path, error))?;
        schema::check(&connection, path, &self.keys)?;
        schema::check_readable(&connection, path)?;
        self.publish(path, &connection)
    }

    fn publish(&self, path: &Path, connection: &Connection) -> Result<(), OpenError> {
        let state = state::read(connection).map_err(|error| sqlite_error(path, error))?;
        self.shared.set_withheld(quarantine::withheld(connection).map_err(|error| sqlite_error(path, error))?);
        let metrics = &self.shared.metrics;
        metrics.rows.store(state.rows, Ordering::Relaxed);
        metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
        if let Some(mark) = &state.mark {
            metrics.set_as_of(mark.as_of);
            self.sample.store(mark.source == SAMPLE, Ordering::Relaxed);
        }
        metrics.quarantine_lost.store(state.lost, Ordering::Relaxed);
        state.scrubbed.into_iter().for_each(|at| metrics.set_scrubbed(at));
        let clock = AgeClock::start(clock::moment(), &clock::boot_id(), state.clock.as_ref());
        *locked(&self.shared.clock) = clock;
        self.shared.set_steady(steady_clock(&state));
        *locked(&self.shared.mark) = state.mark;
        Ok(())
    }
}

/// The steady clock, from what the last run of a node stored.
fn steady_clock(state: &State) -> SteadyClock {
    // The sample vouches for itself by this node's own clock.
    let as_of = state.mark.as_ref().filter(|mark| mark.source != SAMPLE).map(|mark| mark.as_of);
    SteadyClock::start(clock::moment(), &clock::boot_id(), as_of, state.clock.as_ref())
}

/// Lets this program, which opens no replica, go by the clock of the node that serves from a data folder, if there is one.
pub fn adopt_clock(folder: &Path) {
    let path = store::path(folder);
    if let Ok(connection) = store::open_reader(&path)
        && let Ok(state) = state::read(&connection)
    {
        clock::set_steady(steady_clock(&state));
    }
}

/// Opens the control socket. The replica is held only while a request is performed, so that this thread never drops it.
fn listen(folder: &Path, replica: &Arc<Replica>) {
    let weak = Arc::downgrade(replica);
    match control::listen(folder, move |request| weak.upgrade().map(|replica| replica.perform(request))) {
        Ok(listener) => drop(replica.listener.set(listener)),
        Err(error) => tracing::warn!(%error, "control_socket_not_opened: jindu replica cannot reach this node"),
    }
}

/// Whether the replica of a data folder has followed a feed: there are archived or listed files.
fn has_followed(folder: &Path) -> bool {
    let spool = archive::path(folder);
    history::AppliedFiles::has_entries(&spool) || archive::has_archived(folder)
}

/// Identifies the program version and the settings: others may accept rows that these could not.
fn program_and_settings(settings: &config::Replica) -> String {
    let mut hash = std::hash::DefaultHasher::new();
    format!("{settings:?}").hash(&mut hash);
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), hash.finish())
}

fn start_reader(n: usize, shared: &Arc<SharedState>) -> Result<JoinHandle<()>, OpenError> {
    let reader = Reader::new(shared.clone());
    let thread = std::thread::Builder::new().name(format!("replica-read-{n}"));
    thread.spawn(move || reader.run()).map_err(|error| io_error(&shared.path, error))
}

fn io_error(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.display().to_string(), error }
}

fn sqlite_error(path: &Path, error: rusqlite::Error) -> StoreError {
    StoreError::Sqlite { path: path.display().to_string(), error }
}

/// Tasks that wait for the writer. Senders block when the queue is full.
const TASKS_MAX: usize = 16;
