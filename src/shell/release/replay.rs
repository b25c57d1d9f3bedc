//! Replays past calls against an edited flow.

use std::collections::BTreeMap;

use base::Bilingual;
use config::Settings;
use flow::{Release, ReplayReport, replay};
use journal::past_calls;

use crate::hotline;
use crate::layout::{names, settings_of};

/// Replays the newest `last` calls of the journal against a draft. A call is compared with the flow of the release it
/// began with, where that is still stored.
///
/// # Errors
/// The journal cannot be read.
pub fn replay_past_calls(settings: &Settings, draft: &Release, last: u32) -> Result<ReplayReport, Bilingual> {
    let calls = past_calls(settings, last)?;
    let mut flows = BTreeMap::new();
    let stored = names(settings);
    for (release, _) in &calls {
        flows.entry(release.as_str()).or_insert_with(|| {
            let name = stored.iter().find(|name| !release.is_empty() && name.starts_with(release.as_str()));
            let old = name.and_then(|name| hotline::release(&settings_of(settings, name)).ok());
            old.map(|old| old.flow.clone()).or_else(|| (draft.short_name() == release).then(|| draft.flow.clone()))
        });
    }
    let flow = |release: &str| flows.get(release).and_then(Option::as_ref);
    Ok(replay(&draft.flow, calls.iter().map(|(release, path)| (flow(release), path.as_str()))))
}
