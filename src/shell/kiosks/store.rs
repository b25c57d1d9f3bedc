//! The store: the register in memory as the file has it, and the activity of its kiosks.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::activity::{Activities, Activity};
use super::error::KioskStoreError;
use super::file::{self, Stamp};
use base::Private;
use os::{clock, folder};
use web::{Kiosk, KioskRegister, NewKiosk};

/// The kiosks of one data folder.
pub struct KioskStore {
    folder: PathBuf,
    register: ArcSwap<KioskRegister>,
    /// The file that the register was read from.
    read: Mutex<Stamp>,
    activities: Mutex<Activities>,
    /// Whether the activities differ from their file.
    changed: AtomicBool,
}

/// A browser that has become a kiosk.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The kiosk that it is.
    pub kiosk: Kiosk,
    /// For its cookie.
    pub token: Private<String>,
}

impl KioskStore {
    /// Reads the kiosks of a data folder; without a file there are none.
    ///
    /// # Errors
    /// The files cannot be read, or are none of this version.
    pub fn open(data: &Path) -> Result<KioskStore, KioskStoreError> {
        let folder = data.join("kiosks");
        let activities = folder.join(ACTIVITY);
        let read = file::read(&activities).map_err(|error| io_error(&activities, error))?;
        // Counts only: what cannot be read begins at zero.
        let activities = read.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let stamp = file::stamp(&folder.join(REGISTER));
        let register = read_register(&folder.join(REGISTER))?;
        Ok(KioskStore {
            folder,
            register: ArcSwap::from_pointee(register),
            read: Mutex::new(stamp),
            activities: Mutex::new(activities),
            changed: AtomicBool::new(false),
        })
    }

    /// The register as it was read last.
    pub fn register(&self) -> Arc<KioskRegister> {
        self.register.load_full()
    }

    /// Reads the register again if its file has changed. A file that cannot be read is logged, and the kiosks stay as
    /// they are.
    pub fn follow(&self) {
        let path = self.folder.join(REGISTER);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = file::stamp(&path);
        if *read == stamp {
            return;
        }
        *read = stamp;
        match read_register(&path) {
            Ok(register) => {
                tracing::info!(kiosks = register.kiosks().len(), "the register of kiosks has changed");
                self.register.store(Arc::new(register));
            }
            Err(error) => tracing::error!(%error, "the register of kiosks stays as it was"),
        }
    }

    /// Adds a kiosk; gives the one-time code for its browser.
    ///
    /// # Errors
    /// The register does not allow it, or cannot be written.
    pub fn add(&self, new: &NewKiosk) -> Result<Private<String>, KioskStoreError> {
        let code = random_code();
        self.change(|register| register.add(new, code.expose(), clock::timestamp()))?;
        Ok(code)
    }

    /// Makes a browser the kiosk that a code was made for.
    ///
    /// # Errors
    /// The code is not valid, or the register cannot be written.
    pub fn redeem(&self, code: &Private<String>, from: IpAddr) -> Result<Enrolled, KioskStoreError> {
        let token = base::hex(&clock::random_octets::<32>());
        let kiosk = self.change(|register| register.redeem(code.expose(), &token, from, clock::timestamp()))?;
        Ok(Enrolled { kiosk, token: Private::new(token) })
    }

    /// Removes a kiosk.
    ///
    /// # Errors
    /// There is no such kiosk, or the register cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), KioskStoreError> {
        self.change(|register| register.revoke(name))
    }

    /// Notes that a kiosk asked, by which page, whether it was a scan, and whether it was refused or failed.
    pub fn note(&self, kiosk: &Kiosk, version: Option<&str>, is_scan: bool, is_fault: bool) {
        let mut activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
        if !activities.contains_key(kiosk.as_str()) {
            activities.insert(kiosk.as_str().to_owned(), Activity::default());
        }
        let Some(activity) = activities.get_mut(kiosk.as_str()) else { return };
        activity.seen_s = clock::timestamp().as_second();
        if let Some(version) = version.filter(|version| *version != activity.version) {
            // Fit for a metric's label, as a name is.
            activity.version = Kiosk::named(version).as_str().to_owned();
        }
        activity.scans += u64::from(is_scan);
        activity.faults += u64::from(is_fault);
        self.changed.store(true, Ordering::Relaxed);
    }

    /// What a kiosk did.
    pub fn activity(&self, kiosk: &str) -> Activity {
        self.activities.lock().unwrap_or_else(PoisonError::into_inner).get(kiosk).cloned().unwrap_or_default()
    }

    /// Writes the activities if they have changed. A failure is logged; the next call tries again.
    pub fn write_activities(&self) {
        if !self.changed.swap(false, Ordering::Relaxed) {
            return;
        }
        let register = self.register();
        let mut activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
        activities.retain(|name, _| register.kiosks().iter().any(|kiosk| kiosk.name == *name));
        let json = serde_json::to_vec(&*activities).expect("strings and numbers serialise");
        drop(activities);
        if let Err(error) = file::replace(&self.folder.join(ACTIVITY), &json) {
            self.changed.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "what the kiosks did cannot be written");
        }
    }

    /// One change of the register: read under the lock, changed, replaced.
    fn change<T>(
        &self,
        with: impl FnOnce(&mut KioskRegister) -> Result<T, web::EnrolmentError>,
    ) -> Result<T, KioskStoreError> {
        folder::create(&self.folder).map_err(|error| io_error(&self.folder, io::Error::other(error)))?;
        let lock = self.folder.join(LOCK);
        let _lock = file::lock(&lock).map_err(|error| io_error(&lock, error))?;
        let path = self.folder.join(REGISTER);
        let mut register = read_register(&path)?;
        let done = with(&mut register)?;
        file::replace(&path, &register.to_json()).map_err(|error| io_error(&path, error))?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = file::stamp(&path);
        self.register.store(Arc::new(register));
        Ok(done)
    }
}

/// The register of a file; a new one with a key of its own where there is no file.
fn read_register(path: &Path) -> Result<KioskRegister, KioskStoreError> {
    match file::read(path).map_err(|error| io_error(path, error))? {
        None => Ok(KioskRegister::new(&clock::random_octets())),
        Some(json) => KioskRegister::read(&json)
            .map_err(|error| KioskStoreError::File { path: path.display().to_string(), error }),
    }
}

/// Sixteen letters and digits that cannot be confused: 79 bits.
fn random_code() -> Private<String> {
    let mut code = String::new();
    for n in 0..16 {
        if n > 0 && n % 4 == 0 {
            code.push('-');
        }
        // The bias of 2^64 values is negligible.
        let at = clock::random_u64() % UNAMBIGUOUS.len() as u64;
        code.push(char::from(UNAMBIGUOUS[at as usize]));
    }
    Private::new(code)
}

fn io_error(path: &Path, error: io::Error) -> KioskStoreError {
    KioskStoreError::Io { path: path.display().to_string(), error }
}

const REGISTER: &str = "register.json";
const ACTIVITY: &str = "activity.json";
const LOCK: &str = "lock";
const UNAMBIGUOUS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
