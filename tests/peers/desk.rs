//! Callers and agents at telephones of others, protected on both sides of the conversation.

use std::time::Duration;

use base::Codec;
use support::command::{run_with, told};
use support::gateway::Gateway;
use support::softphone::Softphone;
use support::sound::{decoded, speech};
use support::wait::{SOON, eventually};

use crate::tls::{World, tls_of};

const PASSWORD: &str = "Telefon-im-Amt-7";
/// baresip 1.0 gives up on SHA-256, and registers half a minute later.
const REGISTERED: Duration = Duration::from_secs(150);

/// Runs a command beside the node; what it asks for is answered by these lines.
fn command(gateway: &Gateway, settings: &[String], words: &[&str], lines: &[&str]) {
    let sets = settings.iter().flat_map(|set| ["--set", set]);
    let all: Vec<&str> = sets.chain(words.iter().copied()).collect();
    let output = run_with(&gateway.folder, &all, lines);
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn two_callers_and_two_agents_over_tls_with_srtp_hear_each_other_at_once() {
    let world = World::new();
    let settings: Vec<String> = [
        "hotline.calendar=config/examples/always_open.toml",
        "phone.registrar.realm=desk.test",
        "phone.registrar.addresses=127.0.0.1",
        "queue=[{name=\"desk\", wrap_up_s=0}]",
        "phone.desk=queue:desk",
        "phone.jitter_buffer_ms=60",
        "phone.srtp=required",
    ]
    .map(str::to_owned)
    .into();
    let gateway = world.start(&settings);
    let authority = world.authority.certificate();
    let mut agents: Vec<Softphone> = Vec::new();
    for (at, (name, number)) in [("li", "801"), ("wang", "802")].into_iter().enumerate() {
        let account = ["studio", "account", "add", name, "--role", "agent", "--number", number];
        command(&gateway, &settings, &account, &["nine blue umbrellas", ""]);
        command(&gateway, &settings, &["studio", "account", "sip", name], &[PASSWORD]);
        let voice = decoded(&speech(Codec::Alaw, at));
        agents.push(Softphone::start_answering(tls_of(&gateway), (number, PASSWORD), &authority, &voice));
    }
    eventually(REGISTERED, "both telephones are registered", || gateway.metric("jindu_telephones") == 2.0);
    let mut callers: Vec<Softphone> = Vec::new();
    for (at, name) in ["li", "wang"].into_iter().enumerate() {
        command(&gateway, &settings, &["agent", "ready", name], &[]);
        let voice = decoded(&speech(Codec::Alaw, 10 + at));
        let mut caller = Softphone::start_trusting(&authority, ";mediaenc=srtp-mand", &voice);
        caller.dial(&format!("sip:96110110@{};transport=tls", tls_of(&gateway)));
        caller.press("10");
        callers.push(caller);
        eventually(SOON, "the agent has answered", || {
            let log = gateway.log();
            if log.contains(&format!("agent={name} state=\"talking\"")) { Ok(()) } else { Err(log) }
        });
    }
    for (at, (caller, agent)) in callers.iter_mut().zip(&mut agents).enumerate() {
        caller.hears(&speech(Codec::Alaw, at), "the agent's voice");
        agent.hears(&speech(Codec::Alaw, 10 + at), "the caller's voice");
    }
    callers[0].hang_up();
    agents[0].is_hung_up_on();
    callers[1].hang_up();
    agents[1].is_hung_up_on();
    assert_eq!(gateway.metric("jindu_call_srtp_total{suite=\"AES_CM_128_HMAC_SHA1_80\"}"), 2.0);
}
