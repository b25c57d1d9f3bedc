//! The words that prove a sentence which must not be heard.

use base::Lang;
use flow::Release;
use flow::model::Kind;
use flow::sheet::Expected;
use speech::{Clip, Piece};

/// The first recorded words of a prompt, or the first option of a menu; none where a prompt is made of values alone.
pub(super) fn first_words(release: &Release, said: &Expected, lang: Lang) -> Vec<Piece> {
    if said.menu {
        let menu = release.flow.node(&said.name).and_then(|node| match &node.kind {
            Kind::Menu(menu) => menu.choices.iter().find_map(|choice| Some((choice.opt.as_ref()?, choice.key))),
            Kind::Ask(_)
            | Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Rate(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => None,
        });
        let said = menu.and_then(|(opt, key)| release.script.compose_option(lang, &format!("opt.{opt}"), key).ok());
        return said.map(|said| said.pieces).unwrap_or_default();
    }
    let entry = release.script.entry(&format!("prompt.{}", said.name));
    let words = entry.and_then(|entry| entry.sentence(lang)).and_then(|sentence| sentence.clips().next());
    words.map(|(id, _)| vec![Piece::Clip(Clip { lang, id: id.clone() })]).unwrap_or_default()
}
