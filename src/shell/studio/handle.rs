//! The studio's handle: one per node, shared by the web, the telephone and the command line. Its methods block on the
//! disk and, when a recording arrives, for a second of work: call them where blocking is allowed.
//!
//! ```text
//!  submit ─► files (upload, master) ─► store: fresh ─ keep ─► draft ─ approve ─► approved
//!                                                                                   │ publish
//!            live release ◄── release::releases: the live flow + these takes ◄──────┘
//! ```
//! Which takes are live is not stored here: the live release says it, so that a rollback restores flow and takes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::Settings;
use os::clock;
use studio::Operator;

use crate::catalogue::Catalogue;
use crate::files::Files;
use crate::rejection::Rejection;
use crate::row::Person;
use crate::store::{Actor, Store};

/// The prompt studio of a node.
pub struct Studio {
    pub(crate) settings: Settings,
    pub(crate) files: Files,
    store: Mutex<Store>,
    catalogue: Mutex<Option<Arc<Catalogue>>>,
    /// Held while a recording is processed: one at a time, since it takes memory and calls come first.
    pub(crate) processing: Mutex<()>,
}

impl fmt::Debug for Studio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Studio({})", self.files.folder().display())
    }
}

impl Studio {
    /// Opens the studio of the settings' data folder, and creates it if there is none.
    ///
    /// # Errors
    /// [`Refusal::Fault`]: its folder or store cannot be used.
    pub fn open(settings: &Settings) -> Result<Arc<Studio>, Rejection> {
        let files = Files::open(&settings.data.folder, settings.studio.disk_bytes_max)?;
        let store = Mutex::new(Store::open(files.folder())?);
        let (settings, catalogue) = (settings.clone(), Mutex::new(None));
        Ok(Arc::new(Studio { settings, files, store, catalogue, processing: Mutex::new(()) }))
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was held rolled its transaction back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots of the edited flow. It is read again when its files or the live release change.
    pub(crate) fn catalogue(&self) -> Result<Arc<Catalogue>, Rejection> {
        let stamp = Catalogue::stamp(&self.settings);
        let mut kept = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catalogue) = kept.as_ref().filter(|catalogue| catalogue.stamp == stamp) {
            return Ok(Arc::clone(catalogue));
        }
        let mut catalogue = Catalogue::read(&self.settings, stamp)?;
        catalogue.number(&mut self.store())?;
        let catalogue = Arc::new(catalogue);
        *kept = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }
}

pub(crate) fn person(by: &Operator) -> Person {
    Person { id: by.id, name: by.name.clone() }
}

/// Who acts, and the present time.
pub(crate) fn actor(by: &Operator) -> Actor {
    Actor { who: person(by), at: clock::timestamp() }
}
