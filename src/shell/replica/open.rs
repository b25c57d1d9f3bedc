//! Opens the copy and starts its threads: the writer, the readers, the follower, the upkeep.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use inquiry::Keys;
use os::clock;
use replica::{AgeClock, SAMPLE};

use super::feeding::Feeding;
use super::readers::Reading;
use super::store::{self, StoreError};
use super::writer::Writer;
use super::{Follower, Replica, Role, cache, control, made_up, postgres, quarantine, rebuild, schema, spool, upkeep};

/// Why a replica cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Io { path: String, error: io::Error },
    #[error("{0}: no replica there: start the server, or load a file first")]
    Missing(String),
}

impl Replica {
    /// Opens the copy in a data folder.
    pub fn open(folder: &Path, settings: &config::Replica, keys: Keys, role: Role) -> Result<Arc<Replica>, OpenError> {
        let path = store::path(folder);
        let mut replica = Replica::idle(&path, settings, keys);
        match role {
            Role::Serve { sample_heartbeat } => {
                let feeding = replica.start_writer(folder, &path, role, settings)?;
                replica.start_upkeep(feeding.clone(), settings).map_err(|error| io_error(folder, error))?;
                let follower = match settings.source {
                    config::Source::Spool => {
                        spool::Follower::start(folder, settings, sample_heartbeat, feeding).map(Follower::Spool)
                    }
                    config::Source::Postgres => {
                        postgres::Follower::start(&settings.postgres, feeding).map(Follower::Postgres)
                    }
                };
                replica.follower = Some(follower.map_err(|error| io_error(folder, error))?);
            }
            Role::Load => drop(replica.start_writer(folder, &path, role, settings)?),
            Role::Read => replica.read_state(&path)?,
        }
        let readers = settings.reader_threads.max(1);
        replica.threads.extend((0..readers).map(|n| start_reader(n, &replica.reading)).collect::<Result<Vec<_>, _>>()?);
        let replica = Arc::new(replica);
        if matches!(role, Role::Serve { .. }) {
            match control::Listening::start(folder, Arc::downgrade(&replica)) {
                Ok(listening) => drop(replica.listening.set(listening)),
                Err(error) => tracing::warn!(%error, "jindu replica cannot reach this node"),
            }
        }
        Ok(replica)
    }

    /// A replica whose threads are not started yet.
    fn idle(path: &Path, settings: &config::Replica, keys: Keys) -> Replica {
        let reading = Reading::new(path.to_owned(), settings.cache_entries, settings.look_ups_waiting_max);
        Replica {
            keys,
            reading: Arc::new(reading),
            waiting: AtomicUsize::new(0),
            waiting_max: settings.look_ups_waiting_max,
            timeout: settings.look_up_timeout,
            feeding: None,
            follower: None,
            listening: OnceLock::new(),
            upkeep: None,
            ending: Arc::default(),
            sample: AtomicBool::new(false),
            made_up: false,
            threads: Vec::new(),
            writer: None,
        }
    }

    /// With `heartbeat`, the sample is vouched for before anybody can ask. A file that cannot be written, because its
    /// disk is full or read-only, is answered from, and tried again by the writer.
    fn start_writer(
        &mut self,
        folder: &Path,
        path: &Path,
        role: Role,
        settings: &config::Replica,
    ) -> Result<Feeding, OpenError> {
        let serves = matches!(role, Role::Serve { .. });
        let heartbeat = role == Role::Serve { sample_heartbeat: true };
        let opened = self.prepare(folder, path, serves)?;
        if let Some(connection) = &opened {
            self.publish(path, connection)?;
        }
        self.tell_lost(folder, settings, serves);
        let (tasks, receiver) = sync_channel(TASKS_MAX);
        let feeding = Feeding {
            tasks,
            reading: self.reading.clone(),
            folder: folder.to_owned(),
            keys: self.keys.clone(),
            ending: self.ending.clone(),
        };
        let mut writer = Writer {
            open: opened,
            inode: store::inode(path),
            path: path.to_owned(),
            keys: self.keys.clone(),
            reading: self.reading.clone(),
            ending: self.ending.clone(),
        };
        writer.begin(heartbeat, &read_by(settings));
        let thread = std::thread::Builder::new().name("replica-writer".into()).spawn(move || writer.run(receiver));
        self.writer = Some(thread.map_err(|error| io_error(folder, error))?);
        self.feeding = Some(feeding.clone());
        Ok(feeding)
    }

    /// Opens the file for writing; `None` when it is there and can only be read. A node that serves puts a file that is
    /// damaged beyond opening aside, and asks its source for everything.
    fn prepare(&self, folder: &Path, path: &Path, serves: bool) -> Result<Option<rusqlite::Connection>, OpenError> {
        let builder = &mut fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|error| io_error(folder, error))?;
        if let Err(error) = rebuild::clear(folder) {
            tracing::warn!(%error, "what an interrupted rebuild left could not be removed");
        }
        let opened = store::open_writer(path, &self.keys).and_then(|connection| {
            store::state(&connection).map_err(|error| sqlite_error(path, error))?;
            Ok(connection)
        });
        match opened {
            Err(StoreError::Sqlite { error, .. }) if serves && store::is_damage(&error) => {
                store::put_aside(path).map_err(|error| io_error(folder, error))?;
                self.reading.damaged(&format!("the file could not be opened ({error}), and was put aside"));
                Ok(Some(store::open_writer(path, &self.keys)?))
            }
            Err(StoreError::Sqlite { error, .. }) if store::is_unwritable(&error) && path.exists() => {
                tracing::error!(%error, "the replica cannot be written: it answers, and the feed waits");
                self.read_state(path).map(|()| None)
            }
            opened => Ok(Some(opened?)),
        }
    }

    /// Tells a first start from a copy that is gone, and what was in it.
    fn tell_lost(&mut self, folder: &Path, settings: &config::Replica, serves: bool) {
        if let Some(mark) = cache::locked(&self.reading.mark).as_ref() {
            made_up::keep(folder, mark.source == SAMPLE);
            return;
        }
        let noted = made_up::is_noted(folder);
        let followed = settings.source == config::Source::Spool && spool::has_followed(folder);
        if serves && followed && !noted && !self.is_damaged() {
            self.reading.damaged("the file is gone that followed a feed");
        }
        self.made_up = noted || !self.is_damaged() && !followed;
    }

    fn start_upkeep(&mut self, feeding: Feeding, settings: &config::Replica) -> io::Result<()> {
        let (stop, stopped) = sync_channel(1);
        let upkeep = upkeep::Upkeep::new(feeding, settings.scrub_rows_per_second);
        let thread = std::thread::Builder::new().name("replica-upkeep".into());
        self.threads.push(thread.spawn(move || upkeep.run(&stopped))?);
        self.upkeep = Some(stop);
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

    fn publish(&self, path: &Path, connection: &rusqlite::Connection) -> Result<(), OpenError> {
        let state = store::state(connection).map_err(|error| sqlite_error(path, error))?;
        self.reading.set_unsure(quarantine::unsure(connection).map_err(|error| sqlite_error(path, error))?);
        let metrics = &self.reading.metrics;
        metrics.rows.store(state.rows, Ordering::Relaxed);
        metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
        if let Some(mark) = &state.mark {
            metrics.set_as_of(mark.as_of);
            self.sample.store(mark.source == SAMPLE, Ordering::Relaxed);
        }
        metrics.quarantine_lost.store(state.lost, Ordering::Relaxed);
        state.scrubbed.into_iter().for_each(|at| metrics.set_scrubbed(at));
        let clock = AgeClock::start(clock::moment(), &clock::boot_id(), state.clock.as_ref());
        *cache::locked(&self.reading.clock) = clock;
        *cache::locked(&self.reading.mark) = state.mark;
        Ok(())
    }
}

/// Which program reads rows, with which settings: another one may read what this one could not.
fn read_by(settings: &config::Replica) -> String {
    let mut hash = std::hash::DefaultHasher::new();
    format!("{settings:?}").hash(&mut hash);
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), hash.finish())
}

fn start_reader(n: usize, reading: &Arc<Reading>) -> Result<JoinHandle<()>, OpenError> {
    let reading = reading.clone();
    let thread = std::thread::Builder::new().name(format!("replica-read-{n}"));
    let path = reading.path.clone();
    thread.spawn(move || reading.run()).map_err(|error| io_error(&path, error))
}

fn io_error(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.display().to_string(), error }
}

fn sqlite_error(path: &Path, error: rusqlite::Error) -> StoreError {
    StoreError::Sqlite { path: path.display().to_string(), error }
}

/// Batches and heartbeats that wait for the writer; whoever has one more waits too.
const TASKS_MAX: usize = 16;
