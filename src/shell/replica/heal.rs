//! Makes the copy again of the files it was made of: the last snapshot, and the changes since, which are kept for this.

use crate::replica::gate::{Copy, GateKeys, Kind, Place, Reading, Standing, Whole};
use crate::shell::feed::text;

use super::apply::{Applied, ApplyError};
use super::feeding::Feeding;
use super::putaway::Folders;

/// Makes a new copy that stands where the live one does, and swaps it in. None: the kept files do not lead there.
pub(super) fn heal(
    feeding: &Feeding,
    keys: &GateKeys,
    folders: &Folders,
    place: &Place,
) -> Result<Option<Applied>, ApplyError> {
    let Some(mark) = feeding.mark() else { return Ok(None) };
    let mut rebuild = feeding.rebuild()?;
    let mut reached = None;
    for path in folders.kept()? {
        let mut failed = None;
        let source = &place.source;
        let read = text::read(&path, Reading::Rows, &mut |change| {
            if failed.is_none()
                && let Err(error) = rebuild.add(source, change)
            {
                failed = Some(error);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(whole) = read.ok().filter(|whole| keys.check(whole).is_ok() && follows(reached.as_ref(), whole))
        else {
            return Ok(None);
        };
        let stands = (whole.header.sequence, whole.hash) == (place.sequence, place.hash);
        let there = stands && whole.header.source == place.source;
        reached = Some(whole);
        if there {
            return rebuild.finish(mark).map(Some);
        }
    }
    Ok(None)
}

fn follows(before: Option<&Whole>, whole: &Whole) -> bool {
    let Some(before) = before else { return whole.header.kind == Kind::Snapshot };
    let header = before.header.clone();
    let place = Place { source: header.source, sequence: header.sequence, hash: before.hash, as_of: header.as_of };
    Copy::At(place).judge(None, &whole.header, Some(&whole.hash), |_| None) == Standing::Next
}
