//! An agent whose telephone is a browser, by WebRTC, and a caller by SIP: each hears what the other one says.

use std::f64::consts::TAU;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use audio::g711;
use base::Codec;
use serde_json::{Value, json};
use support::browser::Browser;
use support::folder::Folder;
use support::gateway::{Gateway, jindu};
use support::phone::{Dial, Phone};
use support::studio::{Person, microphone};
use support::wait::{SOON, eventually, within};

const LONG: Duration = Duration::from_secs(60);
/// What the agent says, and what the caller says: tones that no prompt has.
const AGENT_HZ: u32 = 1150;
const CALLER_HZ: u32 = 650;

/// The settings of an office whose desk is a queue.
const OFFICE: [&str; 4] = [
    "hotline.calendar=config/examples/always_open.toml",
    "queue=[{name=\"desk\", ring_limit_s=20, wrap_up_s=0}]",
    "phone.desk=queue:desk",
    "phone.registrar.realm=desk.test",
];

/// Runs a command beside the serving node.
fn command(gateway: &Gateway, words: &[&str], input: &str) {
    let mut command = jindu(&gateway.folder);
    for set in OFFICE {
        command.arg("--set").arg(set);
    }
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until one agent is in this state.
fn await_agent(gateway: &Gateway, state: &str) {
    eventually(LONG, format!("an agent is {state}"), || {
        let (_, metrics) = gateway.http("GET", "/metrics", "");
        let is_there = metrics.contains(&format!("jindu_agents{{state=\"{state}\"}} 1"));
        if is_there { Ok(()) } else { Err(gateway.log()) }
    });
}

/// Beeps at 16 kHz: three a second, which a browser's noise suppression lets pass.
fn beeps(hertz: u32) -> Vec<i16> {
    let beep = |n: u32| match n % 5333 < 2600 {
        true => ((f64::from(n) * f64::from(hertz) / 16_000.0 * TAU).sin() * 9000.0) as i16,
        false => 0,
    };
    (0..5333 * 6).map(beep).collect()
}

fn tone(codec: Codec, hertz: u32, seconds: u32) -> Vec<u8> {
    let sample = |n: u32| ((f64::from(n) * f64::from(hertz) / 8000.0 * TAU).sin() * 8000.0) as i16;
    (0..8000 * seconds).map(|n| g711::encode(codec, sample(n))).collect()
}

/// The share of a tone in the loudest 100 ms of a sound (Goertzel).
fn share(samples: &[i16], hertz: u32) -> f64 {
    let energy = |block: &[i16]| block.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let loudest = samples.chunks_exact(800).max_by(|a, b| energy(a).total_cmp(&energy(b)));
    let Some(block) = loudest.filter(|block| energy(block) > 800.0 * 200.0 * 200.0) else { return 0.0 };
    let turn = TAU * f64::from(hertz) / 8000.0;
    let (mut one, mut two) = (0.0, 0.0);
    for sample in block {
        (one, two) = (f64::from(*sample) + 2.0 * turn.cos() * one - two, one);
    }
    let power = one * one + two * two - 2.0 * turn.cos() * one * two;
    2.0 * power / (block.len() as f64 * energy(block))
}

/// An agent at a browser.
struct Agent {
    browser: Browser,
    _folder: Folder,
}

impl Agent {
    /// Opens an account, signs in at a browser and makes it a telephone.
    fn new(gateway: &Gateway, name: &str, number: &str) -> Agent {
        let first = "荔枝湾的船慢慢划过桥";
        let account = ["studio", "account", "add", name, "--role", "agent", "--number", number];
        command(gateway, &account, &format!("{first}\n\n"));
        let own = format!("{first} mine");
        Person::at_desk(gateway, name, first);
        let folder = Folder::new();
        let mut browser = Browser::with_microphone(800, 600, &microphone(folder.path(), &beeps(AGENT_HZ)));
        browser.at_start(KEEPS_CONNECTIONS);
        browser.open(&format!("http://{}/studio", gateway.web));
        let sign_in = format!(
            "fetch('/agent/api/sign-in', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }},
               body: JSON.stringify({}) }}).then((reply) => reply.status)",
            json!({"name": name, "password": own})
        );
        assert_eq!(browser.value(&sign_in), 200);
        let mut agent = Agent { browser, _folder: folder };
        agent.connects();
        agent
    }

    fn connects(&mut self) {
        // A page may play sound once a person has touched it.
        self.browser.press("Tab");
        self.browser.value(
            "import('/agent/telephone.js').then(({ Telephone }) => {
               window.said = [];
               window.telephone = new Telephone((event) => window.said.push(event));
               return window.telephone.connect();
             })",
        );
        self.awaits("registered");
    }

    /// Waits for an event after those that were awaited before, and gives it.
    fn awaits(&mut self, kind: &str) -> Value {
        let find = format!("said.findIndex(({{ kind }}) => kind === '{kind}')");
        let found = within(LONG, || {
            let at = self.browser.value(&find);
            if at.as_i64().is_some_and(|at| at >= 0) { Ok(()) } else { Err(self.browser.value("said").to_string()) }
        });
        if let Err(said) = found {
            panic!("no {kind} in {said}; {:?}", self.browser.errors);
        }
        self.browser.value(&format!("said.splice(0, {find} + 1).pop()"))
    }

    fn does(&mut self, what: &str) {
        assert_eq!(self.browser.value(&format!("telephone.{what}()")), true, "{what}");
    }

    /// Whether this tone is the loudest that the browser hears.
    fn hears(&mut self, hertz: u32) -> bool {
        let listen = format!("({LOUDEST})()");
        within(Duration::from_secs(20), || {
            let heard = self.browser.value(&listen).as_f64().unwrap_or(0.0);
            if (heard - f64::from(hertz)).abs() < 30.0 { Ok(()) } else { Err(heard.to_string()) }
        })
        .is_ok()
    }
}

fn dials(gateway: &Gateway, codec: u8) -> Phone {
    let caller = Phone::dial_with(gateway.udp, &Dial { codec, ..Dial::default() });
    caller.press("10");
    caller
}

/// Whether the caller hears a tone in what comes from now on.
fn caller_hears(caller: &Phone, codec: Codec, hertz: u32) -> bool {
    let from = caller.heard().len();
    within(Duration::from_secs(20), || {
        let heard = caller.heard();
        let samples: Vec<i16> =
            heard.get(from..).unwrap_or(&[]).iter().map(|octet| g711::decode(codec, *octet)).collect();
        let share = share(&samples, hertz);
        if share > 0.7 { Ok(()) } else { Err(share.to_string()) }
    })
    .is_ok()
}

/// Both hear each other.
fn both_hear(agent: &mut Agent, caller: &Phone, codec: Codec) {
    caller.say(&tone(codec, CALLER_HZ, 30));
    assert!(agent.hears(CALLER_HZ), "the agent hears the caller");
    assert!(caller_hears(caller, codec, AGENT_HZ), "the caller hears the agent");
}

#[test]
fn a_caller_and_an_agent_in_a_browser_hear_each_other_and_either_hangs_up() {
    let gateway = Gateway::start(&OFFICE);
    let mut agent = Agent::new(&gateway, "li", "801");
    await_agent(&gateway, "signed_out");
    command(&gateway, &["agent", "ready", "li"], "");
    await_agent(&gateway, "ready");
    for (payload, codec, agent_hangs_up) in [(8, Codec::Alaw, true), (0, Codec::Ulaw, false)] {
        let mut caller = dials(&gateway, payload);
        assert_eq!(agent.awaits("incoming")["number"], "13800138000");
        agent.does("answer");
        agent.awaits("connected");
        await_agent(&gateway, "talking");
        both_hear(&mut agent, &caller, codec);
        if agent_hangs_up {
            agent.does("hangUp");
            assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
            assert_eq!(agent.awaits("ended")["why"], "hung_up");
        } else {
            caller.hang_up();
            assert_eq!(agent.awaits("ended")["why"], "ended");
        }
        await_agent(&gateway, "ready");
    }
    // Declined: the agent takes no more calls until ready again.
    let mut caller = dials(&gateway, 8);
    agent.awaits("incoming");
    agent.does("decline");
    assert_eq!(agent.awaits("ended")["why"], "declined");
    await_agent(&gateway, "not_ready");
    caller.hang_up();
    assert!(agent.browser.errors.is_empty(), "{:?}", agent.browser.errors);
}

#[test]
fn a_conversation_outlives_a_short_loss_of_the_network_and_a_page_that_is_loaded_again() {
    let gateway = Gateway::start(&OFFICE);
    let mut agent = Agent::new(&gateway, "li", "801");
    await_agent(&gateway, "signed_out");
    command(&gateway, &["agent", "ready", "li"], "");
    await_agent(&gateway, "ready");
    let mut caller = dials(&gateway, 8);
    agent.awaits("incoming");
    agent.does("answer");
    agent.awaits("connected");
    agent.browser.freezes();
    std::thread::sleep(Duration::from_secs(5));
    agent.browser.thaws();
    both_hear(&mut agent, &caller, Codec::Alaw);
    agent.browser.open(&format!("http://{}/studio?again", gateway.web));
    agent.connects();
    agent.awaits("connected");
    both_hear(&mut agent, &caller, Codec::Alaw);
    // Gone for longer than the node waits: the caller goes on alone, and the telephone comes back by itself.
    let began = Instant::now();
    agent.browser.freezes();
    await_agent(&gateway, "not_ready");
    assert!(began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
    caller.hang_up();
    std::thread::sleep(Duration::from_secs(60).saturating_sub(began.elapsed()));
    agent.browser.thaws();
    assert_eq!(agent.awaits("ended")["why"], "lost");
    agent.awaits("registered");
    await_agent(&gateway, "ready");
}

#[test]
fn the_caller_of_a_browser_that_is_closed_is_offered_to_another_agent() {
    let gateway = Gateway::start(&OFFICE);
    let mut agent = Agent::new(&gateway, "li", "801");
    let mut second = Agent::new(&gateway, "wang", "802");
    eventually(SOON, "both are telephones", || gateway.metric("jindu_browser_telephones") == 2.0);
    let both = "jindu_agents{state=\"signed_out\"} 2";
    eventually(SOON, "both are agents", || gateway.http("GET", "/metrics", "").1.contains(both));
    command(&gateway, &["agent", "ready", "li"], "");
    await_agent(&gateway, "ready");
    let mut caller = dials(&gateway, 8);
    agent.awaits("incoming");
    agent.does("answer");
    agent.awaits("connected");
    drop(agent);
    await_agent(&gateway, "not_ready");
    eventually(SOON, "the caller waits again", || gateway.metric("jindu_queue_waiting{queue=\"desk\"}") == 1.0);
    command(&gateway, &["agent", "ready", "wang"], "");
    second.awaits("incoming");
    second.does("answer");
    second.awaits("connected");
    both_hear(&mut second, &caller, Codec::Alaw);
    caller.hang_up();
    assert_eq!(second.awaits("ended")["why"], "ended");
    assert_eq!(gateway.metric("jindu_browser_telephones"), 1.0);
}

/// Keeps the newest connection where the test finds it.
const KEEPS_CONNECTIONS: &str = "(() => {
    const Real = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Real {
        constructor(...words) { super(...words); window.connection = this; window.analyser = null; }
    };
})()";
/// The frequency of the loudest tone that comes from the node; 0: it is quiet.
const LOUDEST: &str = "async () => {
    if (!window.context) window.context = new AudioContext();
    await window.context.resume();
    if (!window.analyser) {
        const track = window.connection.getReceivers()[0].track;
        window.analyser = new AnalyserNode(window.context, { fftSize: 4096, smoothingTimeConstant: 0 });
        window.context.createMediaStreamSource(new MediaStream([track])).connect(window.analyser);
    }
    await new Promise((done) => setTimeout(done, 300));
    const bins = new Float32Array(window.analyser.frequencyBinCount);
    window.analyser.getFloatFrequencyData(bins);
    const loudest = bins.reduce((best, level, n) => (level > bins[best] ? n : best), 0);
    return bins[loudest] > -60 ? (loudest * window.context.sampleRate) / 4096 : 0;
}";
