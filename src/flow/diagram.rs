//! A flow drawn as a diagram: an SVG picture, a pure function of the flow.
//!
//! Nodes stand in columns, by how many steps they are from the start; each is a box with one row for each way out. A way
//! to the next column is an arrow from its row; a way back is written in its row (`↩ main`), so that the picture has
//! no line that runs against the others. Keys that work everywhere are listed once, below.
//!
//! ```text
//!  ┌ menu main ───┐      ┌ ask receipt ┐
//!  │ 1 progress   ├─────►│ next        ├──►
//!  │ 9 ↩ language │      └─────────────┘
//! ```

mod labels;
mod layout;
mod traffic;

use std::fmt::Write;

use super::model::{Flow, Kind, Node, When};
use labels::target;
use layout::{Place, Row, WIDTH, lay_out};
use speech::Diagnostic;
pub use traffic::Traffic;

/// Draws a flow. Diagnostics of its file are shown at their nodes, traffic as the widths of arrows.
pub fn diagram(flow: &Flow, file: &str, diagnostics: &[Diagnostic], traffic: Option<&Traffic>) -> String {
    let (places, width, height) = lay_out(flow, file, diagnostics);
    let mut arrows = String::new();
    let mut boxes = String::new();
    for place in &places {
        draw_box(&mut boxes, place, flow, traffic);
        for (n, row) in place.rows.iter().enumerate() {
            if let Some(to) = row.arrow.map(|at| &places[at]) {
                draw_arrow(&mut arrows, (place, n), to, traffic);
            }
        }
    }
    let foot = foot(flow, traffic);
    let width = width.max(900.0);
    let total = height + 26.0 + 18.0 * foot.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {total:.0}\" width=\"{width:.0}\" \
         height=\"{total:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n{HEAD}{arrows}{boxes}",
        escaped(&flow.name)
    );
    for (n, line) in foot.iter().enumerate() {
        let y = height + 18.0 * (n as f64 + 1.0);
        let _ = writeln!(svg, "<text x=\"20\" y=\"{y:.0}\" fill=\"#444\">{}</text>", escaped(line));
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_box(out: &mut String, place: &Place<'_>, flow: &Flow, traffic: Option<&Traffic>) {
    let node = place.node;
    let (x, y, height) = (place.x, place.y, place.height());
    let worst = place.diagnostics.iter().map(|diagnostic| alarm(diagnostic)).max();
    let (edge, wide) = worst.map_or(("#777", 1), |(error, colour)| (colour, if error { 3 } else { 2 }));
    let _ = writeln!(
        out,
        "<g><rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" rx=\"6\" fill=\"#fff\" \
         stroke=\"{edge}\" stroke-width=\"{wide}\"/><path d=\"M{x:.0} {:.0}v-16a6 6 0 0 1 6-6h{}a6 6 0 0 1 6 6v16z\" \
         fill=\"{}\"/>",
        y + 22.0,
        WIDTH - 12.0,
        colour(node)
    );
    text(out, x + 8.0, y + 15.0, "#111", "bold", &node.name);
    right(out, x + WIDTH - 8.0, y + 15.0, "#333", node.kind_name());
    let mut line = y + 38.0;
    for notice in flow.notices.iter().filter(|notice| notice.before.contains(&node.name)) {
        let when = notice.when.as_ref().map(condition).unwrap_or_default();
        text(out, x + 8.0, line, "#a60", "normal", &format!("⚑ first {}{when}", notice.say.name));
        line += 17.0;
    }
    for row in &place.rows {
        draw_row(out, (x, line), node, row, traffic);
        line += 17.0;
    }
    for diagnostic in &place.diagnostics {
        let what = format!("⚠ {} {}", diagnostic.code, diagnostic.message);
        text(out, x + 8.0, line, alarm(diagnostic).1, "bold", &short(&what, 29));
        let _ = writeln!(out, "<title>{}</title>", escaped(&diagnostic.to_string()));
        line += 17.0;
    }
    if let Some(left) = traffic.and_then(|traffic| traffic.left(&node.name)) {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"5\" fill=\"#c00\"/>",
            y + height - 5.0,
            WIDTH * traffic.map_or(0.0, |traffic| traffic.share(left))
        );
        right(out, x + WIDTH - 8.0, y + height + 11.0, "#c00", &format!("{left} hung up"));
    }
    out.push_str("</g>\n");
}

fn draw_row(out: &mut String, (x, y): (f64, f64), node: &Node, row: &Row, traffic: Option<&Traffic>) {
    let state = match (&node.kind, row.label.as_str()) {
        (Kind::Hours(_), "open") => Some("#2a2"),
        (Kind::Hours(_), "closed") => Some("#888"),
        (Kind::Hours(_), "holiday") => Some("#d70"),
        _ => None,
    };
    if let Some(colour) = state {
        let _ = writeln!(out, "<circle cx=\"{:.0}\" cy=\"{:.0}\" r=\"4\" fill=\"{colour}\"/>", x + 12.0, y - 4.0);
    }
    let indent = if state.is_some() { 20.0 } else { 8.0 };
    text(out, x + indent, y, if row.lost { "#c00" } else { "#111" }, "normal", &short(&row.label, 22));
    if row.arrow.is_none() {
        let calls = traffic.and_then(|traffic| traffic.between(&node.name, &row.to)).unwrap_or(0);
        let calls = if calls > 0 { format!("{calls}× ") } else { String::new() };
        right(
            out,
            x + WIDTH - 8.0,
            y,
            if row.lost { "#c00" } else { "#668" },
            &format!("{calls}{} {}", if row.back { '↩' } else { '→' }, row.to),
        );
    }
}

fn draw_arrow(out: &mut String, (place, n): (&Place<'_>, usize), to: &Place<'_>, traffic: Option<&Traffic>) {
    let (x, y) = (place.x + WIDTH, place.row_y(n) - 4.0);
    let (end, high) = (to.x - 2.0, to.y + 11.0);
    let bend = (end - x) / 2.0;
    let calls = traffic.and_then(|traffic| traffic.between(&place.node.name, &to.node.name));
    let width = match (traffic, calls) {
        (Some(traffic), Some(calls)) => 1.2 + 9.0 * traffic.share(calls),
        (Some(_), None) => 0.6,
        (None, _) => 1.2,
    };
    let colour = if calls.is_some() { "#47a" } else { "#888" };
    let _ = writeln!(
        out,
        "<path d=\"M{x:.0} {y:.0}C{:.0} {y:.0} {:.0} {high:.0} {end:.0} {high:.0}\" fill=\"none\" stroke=\"{colour}\" \
         stroke-width=\"{width:.1}\" marker-end=\"url(#to)\"/>",
        x + bend,
        end - bend
    );
    if let Some(calls) = calls {
        text(out, x + 4.0, y - 4.0, "#247", "normal", &calls.to_string());
    }
}

/// The keys that work everywhere, and the legend.
fn foot(flow: &Flow, traffic: Option<&Traffic>) -> Vec<String> {
    let mut everywhere: Vec<String> = Vec::new();
    for choice in flow.nodes.iter().flat_map(Node::choices).filter(|choice| choice.inherited) {
        let key = format!("{} → {}", choice.key.as_char(), target(&choice.go.target));
        if !everywhere.contains(&key) {
            everywhere.push(key);
        }
    }
    let silence = flow.give_up.as_ref().map(|go| format!(", silence → {}", target(&go.target))).unwrap_or_default();
    let mut lines = vec![
        format!("Everywhere, unless a box says otherwise: {}{silence}", everywhere.join(", ")),
        "Green: the caller is asked. White: words. Blue: records. Yellow: decided by itself. Purple: a person. Pink: a \
         message. → and ↩ NAME: on, or back, to the box of that name. Red: something is wrong, or callers hung up. Amber: \
         advice."
            .into(),
    ];
    lines.extend(traffic.map(|traffic| format!("Arrows as wide as their share of {} calls.", traffic.calls())));
    lines
}

fn condition(when: &When) -> String {
    match when {
        When::Blocked => " (blocked)".into(),
        When::Senior => " (senior)".into(),
        When::Mobile => " (mobile)".into(),
        When::LastLang => " (known language)".into(),
        When::Number => " (number known)".into(),
        When::Emergency => " (switch)".into(),
        When::CallBack => " (call-backs)".into(),
        When::Recorded => " (recorded)".into(),
        When::Sms => " (text messages)".into(),
        When::Calendar(name) => format!(" ({name})"),
        When::Open(name) => format!(" ({name} open)"),
    }
}

/// Whether it stops a release, and the colour that says so.
fn alarm(diagnostic: &Diagnostic) -> (bool, &'static str) {
    if diagnostic.is_error() { (true, "#c00") } else { (false, "#b70") }
}

fn colour(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Menu(_) | Kind::Ask(_) | Kind::Rate(_) => "#bfe5bf",
        Kind::Say(_) => "#f2f2f2",
        Kind::Lookup(_) => "#b9d7f5",
        Kind::Switch(_) | Kind::Hours(_) => "#f8eaa8",
        Kind::Queue(_) | Kind::Transfer(_) => "#d9c6f0",
        Kind::Record(_) | Kind::Sms(_) | Kind::Callback(_) => "#f5c9d6",
    }
}

fn text(out: &mut String, x: f64, y: f64, fill: &str, weight: &str, what: &str) {
    let what = escaped(what);
    let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{fill}\" font-weight=\"{weight}\">{what}</text>");
}

fn right(out: &mut String, x: f64, y: f64, fill: &str, what: &str) {
    let what = escaped(what);
    let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{fill}\" text-anchor=\"end\">{what}</text>");
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const HEAD: &str = "<rect width=\"100%\" height=\"100%\" fill=\"#fafafa\"/><defs><marker id=\"to\" viewBox=\"0 0 8 8\" \
    refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
    <path d=\"M0 0L8 4L0 8z\" fill=\"#567\"/></marker></defs>\n";
