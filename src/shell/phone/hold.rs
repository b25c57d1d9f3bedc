//! What a caller hears on hold: the music of the flow's queues.

use super::live_release::LiveRelease;
use flow::PlayId;
use flow::model::{Kind, music_id};
use speech::{Clip, Piece};

/// The music of the first queue that has some, over and over; silence where none has.
pub(crate) fn hold_music(live: &LiveRelease) -> Vec<Piece> {
    let flow = &live.release.flow;
    let music = flow.nodes.iter().find_map(|node| match &node.kind {
        Kind::Queue(queue) if !queue.music.is_empty() => Some(&queue.music),
        _ => None,
    });
    let (Some(music), Some(lang)) = (music, flow.langs.first()) else { return Vec::new() };
    let once = music.iter().map(|name| Piece::Clip(Clip { lang: *lang, id: music_id(name) }));
    std::iter::repeat_n(once.collect::<Vec<_>>(), AT_ONCE).flatten().collect()
}

/// The play of music on hold; flows number theirs from 1, and a call takes the last number.
pub(crate) const HOLD: PlayId = PlayId(u32::MAX - 1);
/// How often the music is repeated: longer than anybody holds.
const AT_ONCE: usize = 40;
