//! Where each box stands: columns by steps from the start, rows ordered so that arrows cross little.

use std::collections::{BTreeMap, VecDeque};

use super::labels::{label, own_exits, target};
use crate::model::{Flow, Kind, Node, Target};
use speech::Diagnostic;

/// A box.
pub(super) struct Place<'a> {
    pub node: &'a Node,
    pub x: f64,
    pub y: f64,
    pub rows: Vec<Row>,
    pub diagnostics: Vec<&'a Diagnostic>,
    notices: usize,
    column: usize,
}

/// One exit, or several that lead to the same node.
pub(super) struct Row {
    pub label: String,
    /// The box of the next column that it leads to.
    pub arrow: Option<usize>,
    pub to: String,
    /// It leads to an earlier column, or nowhere new.
    pub back: bool,
    /// It leads to a node that does not exist.
    pub lost: bool,
}

impl Place<'_> {
    /// The base line of a row's text.
    pub(super) fn row_y(&self, n: usize) -> f64 {
        self.y + 38.0 + LINE * (self.notices + n) as f64
    }

    pub(super) fn height(&self) -> f64 {
        34.0 + LINE * (self.notices + self.rows.len() + self.diagnostics.len()) as f64
    }
}

/// Every box in its place, and the size of it all.
pub(super) fn lay_out<'a>(flow: &'a Flow, file: &str, diagnostics: &'a [Diagnostic]) -> (Vec<Place<'a>>, f64, f64) {
    let columns = columns(flow);
    let mut places: Vec<Place<'a>> = flow
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| Place {
            node,
            x: MARGIN + (WIDTH + GAP) * columns[at] as f64,
            y: MARGIN,
            rows: rows(flow, node, &columns, columns[at]),
            diagnostics: of_node(flow, at, file, diagnostics),
            notices: flow.notices.iter().filter(|notice| notice.before.contains(&node.name)).count(),
            column: columns[at],
        })
        .collect();
    let last = columns.iter().copied().max().unwrap_or(0);
    for column in 0..=last {
        stack(&mut places, column);
    }
    let lowest = places.iter().map(|place| place.y).fold(f64::INFINITY, f64::min);
    places.iter_mut().for_each(|place| place.y += MARGIN - lowest);
    let height = places.iter().map(|place| place.y + place.height()).fold(0.0, f64::max);
    (places, MARGIN * 2.0 + (WIDTH + GAP) * last as f64 + WIDTH, height + MARGIN)
}

/// Steps from the start for each node. Unreachable nodes stand after the rest.
fn columns(flow: &Flow) -> Vec<usize> {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut next = VecDeque::new();
    let starts = std::iter::once(&flow.start).chain(flow.entries.iter().map(|entry| &entry.go));
    next.extend(starts.filter_map(|go| Some((index(flow, &go.target)?, 0))));
    while let Some((at, column)) = next.pop_front() {
        if found.contains_key(&at) {
            continue;
        }
        found.insert(at, column);
        // Exits that are the same everywhere come last, so that a desk stands after the menus, not beside the first one.
        next.extend(
            own_exits(flow, &flow.nodes[at])
                .iter()
                .filter_map(|exit| Some((index(flow, &exit.go.target)?, column + 1))),
        );
        if next.is_empty() {
            let ways = flow.nodes.iter().enumerate().filter(|(at, _)| found.contains_key(at));
            let ways = ways.flat_map(|(_, node)| node.exits());
            let rest = ways.filter_map(|exit| index(flow, &exit.go.target)).find(|at| !found.contains_key(at));
            next.extend(rest.map(|at| (at, 2)));
        }
    }
    let after = found.values().max().map_or(0, |last| last + 1);
    (0..flow.nodes.len()).map(|at| found.get(&at).copied().unwrap_or(after)).collect()
}

fn index(flow: &Flow, target: &Target) -> Option<usize> {
    match target {
        Target::Node(name) => flow.index.get(name).copied(),
        Target::End | Target::Home | Target::Back | Target::Repeat => None,
    }
}

fn rows(flow: &Flow, node: &Node, columns: &[usize], column: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for exit in own_exits(flow, node) {
        let at = index(flow, &exit.go.target);
        let to = target(&exit.go.target);
        let label = label(node, &exit);
        let arrow = at.filter(|at| columns[*at] == column + 1);
        // The states of an hours node keep a row each, for their colours.
        let alone = matches!(node.kind, Kind::Hours(_));
        let joins = |row: &&mut Row| !alone && row.to == to && row.label.len() + label.len() < SHARED;
        let same = rows.iter_mut().find(joins);
        match same {
            Some(row) => row.label = format!("{}, {}", row.label, label),
            None => {
                let lost = at.is_none() && matches!(exit.go.target, Target::Node(_));
                let back = at.map_or(exit.go.target != Target::End, |at| columns[at] < column) && !lost;
                rows.push(Row { label, arrow, to, back, lost });
            }
        }
    }
    rows
}

/// Diagnostics whose line is within a node's table.
fn of_node<'a>(flow: &Flow, at: usize, file: &str, diagnostics: &'a [Diagnostic]) -> Vec<&'a Diagnostic> {
    let from = flow.nodes[at].line;
    let to = flow.nodes.get(at + 1).map_or(u32::MAX, |next| next.line);
    diagnostics.iter().filter(|c| &*c.file == file && (from..to).contains(&c.line)).take(3).collect()
}

/// Puts the boxes of a column one below the other, each near the rows that lead to it.
fn stack(places: &mut [Place<'_>], column: usize) {
    let mut wanted: Vec<(f64, usize)> = Vec::new();
    for at in (0..places.len()).filter(|at| places[*at].column == column) {
        let mut high = Vec::new();
        for place in places.iter().filter(|place| column > 0 && place.column == column - 1) {
            let rows = place.rows.iter().enumerate().filter(|(_, row)| row.arrow == Some(at));
            high.extend(rows.map(|(n, _)| place.row_y(n)));
        }
        let mean = if high.is_empty() { f64::MAX / 4.0 } else { high.iter().sum::<f64>() / high.len() as f64 };
        wanted.push((mean, at));
    }
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let total: f64 = wanted.iter().map(|(_, at)| places[*at].height() + APART).sum();
    let near: Vec<f64> = wanted.iter().map(|(mean, _)| *mean).filter(|mean| *mean < 1e9).collect();
    let middle = if near.is_empty() { MARGIN } else { near.iter().sum::<f64>() / near.len() as f64 };
    let mut y = middle - total / 2.0;
    for (_, at) in wanted {
        places[at].y = y;
        y += places[at].height() + APART;
    }
}

/// The width of a box.
pub(super) const WIDTH: f64 = 230.0;
const GAP: f64 = 80.0;
const MARGIN: f64 = 20.0;
const LINE: f64 = 17.0;
const APART: f64 = 14.0;
/// Letters that exits to the same node may take up in one row.
const SHARED: usize = 20;
