//! More calls than a node can answer: how many it answers, how soon everybody knows, and what becomes of the others.

use std::time::Duration;

use super::callers::{Callers, Heard, Manners};
use super::figures::{HOTLINE, LINE_TEST, Table};
use super::process::{Gateway, pin};
use super::{part, setting};

/// What one rate led to.
struct Offered {
    rate: f64,
    /// Calls answered a second.
    goodput: f64,
    /// INVITE to the first final answer, in milliseconds.
    p99: f64,
    shed: u64,
    repeats: u64,
    late: f64,
}

/// Calls at a rate, each for a moment. Calls that were there before go on.
fn offer(callers: &mut Callers, rate: f64, time: Duration) -> Offered {
    let standing = callers.busy();
    callers.heard = Heard::default();
    callers.measure(true);
    let manners = Manners { leaves_after: Some(Duration::from_millis(20)), ..Manners::default() };
    callers.dial(HOTLINE, rate, time, u64::MAX, manners);
    callers.measure(false);
    let answered = callers.heard.answers.len();
    callers.go_on(Duration::from_secs(10), |callers| callers.busy() <= standing);
    let heard = &mut callers.heard;
    let offered = Offered {
        rate: heard.called as f64 / time.as_secs_f64(),
        goodput: answered as f64 / time.as_secs_f64(),
        p99: part(&mut heard.finals, 0.99),
        shed: heard.shed,
        repeats: heard.repeats,
        late: heard.late,
    };
    println!(
        "{:.0}/s offered: {:.0}/s answered, {} times 503, {} repeats, first final answer p99 {:.1} ms, client late {:.1} ms",
        offered.rate, offered.goodput, offered.shed, offered.repeats, offered.p99, offered.late
    );
    offered
}

pub(crate) fn overload(table: &mut Table) {
    let time = Duration::from_secs(setting("SECONDS", 6) as u64);
    let gateway = Gateway::start(Some(0));
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, 16_000);
    callers.dial(LINE_TEST, 50.0, Duration::from_secs(30), STANDING as u64, Manners::default());
    callers.go_on(Duration::from_secs(5), |callers| callers.talking() == STANDING);
    let unloaded = offer(&mut callers, 200.0, time);
    let mut peak = 0.0_f64;
    let mut rate = 2_000.0;
    loop {
        let offered = offer(&mut callers, rate, time / 2);
        peak = peak.max(offered.goodput);
        if offered.goodput < 0.9 * rate {
            break;
        }
        rate *= 1.25;
    }
    table.line("overload", "peak, one core", "-", format!("{peak:.0} calls/s"), "-".into());
    for times in [2.0, 5.0] {
        let offered = offer(&mut callers, peak * times, time);
        let what = format!("{times} × peak offered ({:.0}/s)", offered.rate);
        let goodput = format!("{:.0}/s, {:.0} %", offered.goodput, offered.goodput / peak * 100.0);
        table.line("overload", &format!("{what}: answered"), "≥ 95 % of peak", goodput, format!("{peak:.0}/s"));
        let p99 = format!("{:.0} ms", offered.p99);
        let limit = format!("{:.1} ms unloaded", unloaded.p99);
        table.line("overload", &format!("{what}: first final answer, p99"), "≤ 200 ms", p99, limit);
        assert_eq!(callers.talking(), STANDING, "every call in progress goes on");
        let after = offer(&mut callers, 200.0, time);
        assert_eq!(after.shed, 0, "it is over when the callers are gone");
        let p99 = format!("{:.1} ms", after.p99);
        table.line("overload", &format!("{what}: the same just after"), "as unloaded", p99, "-".into());
    }
    callers.leave(Duration::from_secs(1));
}

const STANDING: usize = 50;
