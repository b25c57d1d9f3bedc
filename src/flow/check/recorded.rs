//! Conversations are recorded only where the caller was told before.
//!
//! The announcement is a notice that is said `when = "desk.recorded"`, which a key cannot skip (`must_hear`), and which has no last
//! day. It must stand before every queue, whichever of them records: a caller may be moved to another queue, or given to one. It also
//! stands before every transfer that leads to a queue of this node. `desk.recorded` holds wherever any queue records, so that an
//! announcement without a condition says no more than one with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::graph::{nexts, roots};
use crate::model::*;
use base::bilingual;
use speech::Diagnostic;

/// `E50`: the places where a call comes to an agent without the announcement; a line for each. `file` is the flow's, `desk_waits`
/// whether a transfer to the desk leads to a queue of this node.
pub fn unannounced(flow: &Flow, file: &str, desk_waits: bool) -> Vec<Diagnostic> {
    let announced = |name: &Arc<str>| {
        flow.notices.iter().any(|notice| notice.announces_recording() && notice.before.contains(name))
    };
    let (mut diagnostics, mut seen) = (Vec::new(), BTreeSet::new());
    let mut todo = roots(flow);
    while let Some(name) = todo.pop() {
        let Some(node) = flow.node(&name).filter(|_| !announced(&name) && seen.insert(name.clone())) else { continue };
        let to_desk = matches!(&node.kind, Kind::Transfer(transfer) if &*transfer.to == DESK);
        let waits = matches!(node.kind, Kind::Queue(_)) || desk_waits && to_desk;
        if waits {
            diagnostics.push(missing(node, file));
        }
        todo.extend(node.exits().iter().flat_map(|exit| nexts(flow, node, &exit.go.target)));
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.line);
    diagnostics
}

fn missing(node: &Node, file: &str) -> Diagnostic {
    let (kind, name) = (node.kind_name(), &node.name);
    Diagnostic {
        code: "E50",
        file: file.into(),
        line: node.line,
        message: bilingual!(
            "{kind} {name}: conversations are recorded (record = true of a [[queue]]), and a call comes here without having heard so",
            "{kind} {name}：通话会录音（[[queue]] 的 record = true），但来电可不经告知到达这里"
        ),
        remedy: bilingual!(
            "add {name} to the `before` of a notice with `when = \"desk.recorded\"` and `must_hear = true`, without `until`",
            "请把 {name} 写入某个通知的 `before`，该通知须有 `when = \"desk.recorded\"` 和 `must_hear = true`，不写 `until`"
        ),
    }
}

/// The transfer target of `phone.desk`.
const DESK: &str = "desk";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft;
    use crate::shipped::{FLOW, environment, sources};

    fn found(flow: &str, desk_waits: bool) -> Vec<Diagnostic> {
        unannounced(&draft(sources(flow), environment()).0, "flow.toml", desk_waits)
    }

    #[test]
    fn the_shipped_flow_announces_before_its_queue_and_its_transfer() {
        assert!(found(FLOW, true).is_empty());
    }

    #[test]
    fn a_notice_that_can_be_skipped_ends_or_stands_elsewhere_is_no_announcement() {
        let notice = "before    = \"staff\"\nsay       = \"recorded\"\nwhen      = \"desk.recorded\"\nmust_hear = true";
        assert!(FLOW.contains(notice), "the shipped notice");
        let with = |from: &str, to: &str| FLOW.replace(notice, &notice.replace(from, to));
        for flow in [
            with("must_hear = true", ""),
            with("when      = \"desk.recorded\"", "when      = \"switch.emergency\""),
            with("must_hear = true", "must_hear = true\nuntil = \"2027-01-01\""),
            with("\"staff\"", "\"agent\""),
        ] {
            let lines = found(&flow, false);
            assert!(lines.len() == 1 && lines[0].code == "E50", "{lines:?}");
        }
        assert_eq!(
            found(&with("must_hear = true", ""), true).len(),
            2,
            "the transfer leads to a queue of this node, too"
        );
        assert!(found(&with("\"staff\"", "[\"main\", \"desk\", \"called_back\"]"), true).is_empty(), "said earlier");
    }
}
