//! A queue that a call centre elsewhere serves, by its address.

use std::net::UdpSocket;

use super::*;

#[test]
fn a_call_centre_elsewhere_takes_callers_by_its_lines_and_is_not_pressed_while_it_is_busy() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let queue = format!(
        "queue=[{{name=\"desk\", address=\"sip:600@{address}\", lines=30, ring_limit_s=5, without_agents_s=0}}]"
    );
    let gateway = Gateway::start(&[OFFICE[0], OFFICE[1], OFFICE[2], &queue, OFFICE[4], OFFICE[5]]);
    let mut centre = AgentPhone::over(socket, gateway.udp, ("600", REALM, PASSWORD));
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(centre.rings(LONG), "{}", gateway.log());
    centre.declines();
    // The other lines of the address are not tried one by one.
    let resting = "jindu_queue_lines{queue=\"desk\",state=\"resting\"} 30";
    eventually(SOON, "all lines rest", || {
        let (_, metrics) = gateway.http("GET", "/metrics", "");
        if metrics.contains(resting) { Ok(()) } else { Err(metrics) }
    });
    assert!(command(&gateway, &["status"], "").1.contains("0 of 30 lines in use"));
    assert!(centre.rings(LONG), "it is asked again, and the caller has waited: {}", gateway.log());
    centre.answers(8);
    let speech = speech(Codec::Alaw, 0);
    centre.say(&speech);
    assert!(caller.hears(&speech, LONG), "the caller hears the call centre");
    caller.hang_up();
    assert!(centre.is_hung_up(LONG));
    eventually(SOON, "the line is free", || {
        let (_, metrics) = gateway.http("GET", "/metrics", "");
        if metrics.contains("jindu_queue_lines{queue=\"desk\",state=\"idle\"} 30") { Ok(()) } else { Err(metrics) }
    });
    let (_, metrics) = gateway.http("GET", "/metrics", "");
    assert!(!metrics.contains("jindu_agents{"), "lines are no agents: {metrics}");
}
