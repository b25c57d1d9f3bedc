//! What an operator's call needs of the take store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::door::Live;
use super::tape::Label;
use crate::base::Lang;
use crate::call::{Report, SlotFound};
use crate::speech::Clip;
use crate::studio::Operator;

/// A slot as it was found.
#[derive(Clone, Debug)]
pub struct Place {
    pub found: SlotFound,
}

/// A take by which it is kept or discarded.
pub type TakeName = String;

/// A take that is a draft.
#[derive(Debug)]
pub struct Stored {
    pub take: TakeName,
    pub report: Report,
}

/// The take store, as an operator's call sees it.
#[derive(Clone)]
pub struct Shelf {
    pub live: Arc<ArcSwap<Live>>,
    pub folder: PathBuf,
}

impl Shelf {
    pub fn find(&self, lang: Lang, number: u32) -> Result<Option<Place>, String> {
        let live = self.live.load_full();
        let needed: Vec<_> =
            crate::shell::hotline::needed(&live.release).into_iter().filter(|need| need.lang == lang).collect();
        Ok(needed.get((number as usize).wrapping_sub(1)).map(|need| Place {
            found: SlotFound {
                number,
                clip: Clip { lang, id: need.id.clone() },
                recorded: true,
                longest: Duration::from_secs(20),
                draft: None,
            },
        }))
    }

    pub fn next(&self, lang: Lang, after: u32, _operator: &Operator) -> Result<Option<Place>, String> {
        self.find(lang, after + 1)
    }

    pub fn submit(
        &self,
        operator: &Operator,
        place: &Place,
        _sitting: &str,
        samples: &[i16],
        _packets_lost: u64,
    ) -> Result<Stored, String> {
        let name = format!("{}-{}-{:x}.raw", operator.name, place.found.clip.id, crate::shell::clock::seed());
        std::fs::create_dir_all(&self.folder).map_err(|e| e.to_string())?;
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(self.folder.join(&name), bytes).map_err(|e| e.to_string())?;
        Ok(Stored { take: name, report: Report { sound: samples.to_vec(), ..Report::default() } })
    }

    pub fn recover(&self, label: &Label, samples: &[i16]) -> Result<Stored, String> {
        let name = format!("{}-{}.raw", label.operator, label.slot);
        std::fs::create_dir_all(&self.folder).map_err(|e| e.to_string())?;
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(self.folder.join(&name), bytes).map_err(|e| e.to_string())?;
        Ok(Stored { take: name, report: Report::default() })
    }

    pub fn keep(&self, _operator: &Operator, _take: &TakeName) -> Result<(), String> {
        Ok(())
    }

    pub fn discard(&self, _operator: &Operator, _take: &TakeName) -> Result<(), String> {
        Ok(())
    }
}
