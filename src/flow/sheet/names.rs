//! Names in a call sheet, compared with those of the flow and its script: a misspelt one would never be heard, and a
//! `never` of it would always hold.

use super::parse::Expected;
use crate::model::Flow;
use crate::release::Release;
use base::{Bilingual, bilingual};
use speech::closest_match;

/// Whether what a sheet expects can be heard at all.
///
/// # Errors
/// There is no such prompt or menu; with the nearest name.
pub(super) fn check_heard(release: &Release, said: &Expected) -> Result<(), Bilingual> {
    let name = &*said.name;
    if said.menu {
        return find(name, nodes(&release.flow))
            .map_err(|hint| bilingual!("there is no menu {name}{hint}", "没有菜单 {name}{hint:#}"));
    }
    let prompts = release.script.entries().map(|(path, _)| path.strip_prefix("prompt.").unwrap_or(path));
    find(name, prompts.collect())
        .map_err(|hint| bilingual!("there is no prompt {name}{hint}", "没有语句 {name}{hint:#}"))
}

/// Whether the flow has a node.
///
/// # Errors
/// It has none; with the nearest name.
pub(super) fn check_node(flow: &Flow, name: &str) -> Result<(), Bilingual> {
    find(name, nodes(flow)).map_err(|hint| bilingual!("there is no node {name}{hint}", "没有节点 {name}{hint:#}"))
}

fn nodes(flow: &Flow) -> Vec<&str> {
    flow.nodes.iter().map(|node| &*node.name).collect()
}

/// Looks for a name among those that are known; the error suggests the nearest one.
fn find(name: &str, known: Vec<&str>) -> Result<(), Bilingual> {
    if known.contains(&name) {
        return Ok(());
    }
    let near = closest_match(name, known);
    Err(near.map_or_else(Bilingual::default, |near| bilingual!(" (did you mean {near}?)", "（是否应为 {near}？）")))
}
