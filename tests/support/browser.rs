//! Chromium without a screen, driven through its DevTools protocol: JSON over a WebSocket (RFC 6455).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{peer, temporary_folder};
use crate::wait::{eventually, within};

/// A browser with one page open.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    socket: TcpStream,
    session: String,
    last: u64,
    /// Errors that the page's scripts threw or logged.
    pub errors: Vec<String>,
}

impl Browser {
    /// Starts one with a screen of this size, in pixels.
    pub fn start(width: u32, height: u32) -> Browser {
        Browser::start_with(width, height, &[])
    }

    /// The same with a microphone that hears this file over and over, and whose use is allowed.
    pub fn with_microphone(width: u32, height: u32, hears: &Path) -> Browser {
        let file = format!("--use-file-for-fake-audio-capture={}", hears.display());
        Browser::start_with(
            width,
            height,
            &["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", &file],
        )
    }

    fn start_with(width: u32, height: u32, more: &[&str]) -> Browser {
        let profile = temporary_folder("browser");
        let mut command = peer("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"])
            .args(["--remote-debugging-port=0", "--lang=zh-CN", &format!("--window-size={width},{height}")])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(more)
            .arg("about:blank")
            // Files that it leaves when it is ended go with its profile.
            .env("TMPDIR", &profile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Its helpers are children of its own: a group of its own lets all of them be ended.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("chromium can be started");
        let place = profile.join("DevToolsActivePort");
        let (port, path) = eventually(LIMIT, "chromium opens its DevTools port", || {
            let text = fs::read_to_string(&place).ok()?;
            let (port, path) = text.split_once('\n')?;
            (!path.trim().is_empty()).then(|| (port.parse::<u16>().expect("a port"), path.trim().to_owned()))
        });
        let socket = shake_hands(port, &path);
        let mut browser = Browser { child, profile, socket, session: String::new(), last: 0, errors: Vec::new() };
        browser.open_page(width, height);
        browser
    }

    /// Lets nothing of the browser run, as on a network that is gone, until [`Browser::thaws`].
    pub fn freezes(&self) {
        self.signal("STOP");
    }

    /// Lets it run again.
    pub fn thaws(&self) {
        self.signal("CONT");
    }

    /// Signals the whole group, which only this browser is in.
    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = std::process::Command::new("kill").arg(format!("-{name}")).arg("--").arg(group).status();
    }

    fn open_page(&mut self, width: u32, height: u32) {
        let page = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().expect("a session").to_owned();
        self.call("Page.enable", json!({}));
        self.call("Runtime.enable", json!({}));
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Opens an address, and waits until its script has drawn the page.
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({"url": address}));
        self.until("document.readyState === 'complete' && document.title !== ''");
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut reply = self.call("Runtime.evaluate", question);
        assert!(reply["exceptionDetails"].is_null(), "{expression}: {}", reply["exceptionDetails"]);
        reply["result"]["value"].take()
    }

    /// The text that a person sees in an element.
    pub fn text(&mut self, selector: &str) -> String {
        let value = self.value(&format!("document.querySelector({}).innerText.trim()", json!(selector)));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        if within(LIMIT, || self.value(expression) == true).is_err() {
            let page = self.value("document.body.dataset.view + '\\n' + document.body.innerText");
            panic!("in vain: {expression}\n{}\n{:?}", page.as_str().unwrap_or_default(), self.errors);
        }
    }

    /// Clicks an element as a finger does, where it is on the screen.
    pub fn click(&mut self, selector: &str) {
        let place = self.middle(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Touches an element that is shown with a finger.
    pub fn tap(&mut self, selector: &str) {
        let place = self.middle(selector);
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": true}));
        let point = json!([{"x": place[0], "y": place[1]}]);
        self.call("Input.dispatchTouchEvent", json!({"type": "touchStart", "touchPoints": point}));
        self.call("Input.dispatchTouchEvent", json!({"type": "touchEnd", "touchPoints": []}));
    }

    /// The middle of an element that is shown.
    fn middle(&mut self, selector: &str) -> Value {
        self.value(&format!(
            "(() => {{ const box = [...document.querySelectorAll({})].find((node) => node.offsetParent).getBoundingClientRect();
               return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ))
    }

    /// Types as a scanner does: key after key without a pause, then Enter. The keys go out before any is answered.
    pub fn scan(&mut self, text: &str) {
        let mut waiting = 0;
        for c in text.chars() {
            let key = c.to_string();
            let down = json!({"type": "keyDown", "key": key, "text": key, "unmodifiedText": key});
            waiting = self.send("Input.dispatchKeyEvent", down);
            waiting = waiting.max(self.send("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key})));
        }
        let enter =
            json!({"type": "keyDown", "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13});
        waiting = waiting.max(self.send("Input.dispatchKeyEvent", enter));
        waiting =
            waiting.max(self.send("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": "Enter", "code": "Enter"})));
        self.reply(waiting);
    }

    /// Presses one key: a letter, ` `, `Enter`, `Tab`, `Escape`.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            "Backspace" => 8,
            " " => 32,
            letter => u32::from(letter.to_ascii_uppercase().as_bytes()[0]),
        };
        let text = match key {
            "Enter" => "\r",
            "Tab" | "Escape" | "Backspace" => "",
            letter => letter,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types text into whatever is in focus.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Shows the page as large as a zoom does: fewer and larger pixels.
    pub fn zoom(&mut self, width: u32, height: u32, factor: u32) {
        let screen =
            json!({"width": width / factor, "height": height / factor, "deviceScaleFactor": factor, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Makes the screen another one, with pixels of its own size.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.zoom(width, height, 1);
    }

    /// Makes the screen that of a telephone: small, touched, with a camera.
    pub fn hand_held(&mut self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": true}));
    }

    /// Takes a photograph of a barcode (Code 39) with a field for files. Without a text it shows nothing.
    pub fn photograph(&mut self, field: &str, text: &str) {
        self.value(&format!("({CAMERA})({}, {})", json!(field), json!(text)));
    }

    /// Runs a script in every page that is opened from here on, before the page's own.
    pub fn at_start(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    /// Stops the clock of the pages that are opened from here on: waits of a second and longer end in [`Browser::pass`].
    pub fn stop_clock(&mut self) {
        self.at_start(CLOCK);
    }

    /// Lets time pass on a clock that was stopped.
    pub fn pass(&mut self, time: Duration) {
        self.value(&format!("pass({})", time.as_millis()));
    }

    /// A picture of the page at this scale, as PNG.
    pub fn picture(&mut self, scale: f64) -> Vec<u8> {
        let size = self.value("[innerWidth, innerHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": scale});
        let reply = self.call("Page.captureScreenshot", json!({"format": "png", "clip": clip}));
        from_base64(reply["data"].as_str().expect("a picture"))
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.reply(id)
    }

    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let text = message.to_string();
        // A masked text frame (RFC 6455 §5.2); a mask of zeros is a mask.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len()).expect("a short message").to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.socket.write_all(&frame).expect("chromium takes messages");
        self.last
    }

    fn reply(&mut self, id: u64) -> Value {
        loop {
            let mut message: Value = serde_json::from_slice(&self.receive()).expect("JSON");
            if message["method"] == "Runtime.exceptionThrown" {
                self.errors.push(message["params"]["exceptionDetails"].to_string());
            }
            if message["id"] == id {
                // A page that is just left has no value; the next one is asked again.
                let is_left = message["error"]["message"] == "Inspected target navigated or closed";
                assert!(message["error"].is_null() || is_left, "{}", message["error"]);
                return message["result"].take();
            }
        }
    }

    /// One message, of one or more frames.
    fn receive(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let [first, second] = self.octets();
            let length = match second & 0x7f {
                126 => u64::from(u16::from_be_bytes(self.octets())),
                127 => u64::from_be_bytes(self.octets()),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).expect("a length")];
            self.socket.read_exact(&mut payload).expect("chromium answers");
            if matches!(first & 0x0f, 0..=2) {
                message.extend(payload);
                if first & 0x80 != 0 {
                    return message;
                }
            }
        }
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.socket.read_exact(&mut octets).expect("chromium answers");
        octets
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

fn shake_hands(port: u16, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the DevTools port is open");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: amluZHUtaXMtdGVzdGluZw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("a handshake goes out");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        socket.read_exact(&mut octet).expect("a handshake comes back");
        head.extend(octet);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    let mut octets = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
        octets.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    octets
}

/// Draws a code without a check digit: bars and spaces, narrow and wide.
const CAMERA: &str = "async (field, text) => {
    const CODES = { 0: 'nnnwwnwnn', 1: 'wnnwnnnnw', 2: 'nnwwnnnnw', 3: 'wnwwnnnnn', 4: 'nnnwwnnnw', 5: 'wnnwwnnnn', 6: 'nnwwwnnnn', 7: 'nnnwnnwnw', 8: 'wnnwnnwnn', 9: 'nnwwnnwnn', '*': 'nwnnwnwnn' };
    const canvas = document.createElement('canvas');
    canvas.width = 1100; canvas.height = 260;
    const paper = canvas.getContext('2d');
    paper.fillStyle = '#fff'; paper.fillRect(0, 0, 1100, 260); paper.fillStyle = '#000';
    let x = 60;
    for (const c of text && `*${text}*`) {
        [...CODES[c]].forEach((kind, n) => {
            const width = kind === 'w' ? 9 : 3;
            if (n % 2 === 0) paper.fillRect(x, 50, width, 160);
            x += width;
        });
        x += 3;
    }
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    const files = new DataTransfer();
    files.items.add(new File([blob], 'receipt.png', { type: 'image/png' }));
    const input = document.querySelector(field);
    input.files = files.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
}";
/// Timers of a second and longer wait for `pass(ms)`.
const CLOCK: &str = "(() => {
    const real = { setTimeout, clearTimeout, setInterval };
    const late = new Map();
    let now = 0;
    let last = 1e9;
    const hold = (timer) => { last += 1; late.set(last, timer); return last; };
    window.setTimeout = (run, ms = 0, ...with_) => (ms < 1000 ? real.setTimeout.call(window, run, ms, ...with_) : hold({ run: () => run(...with_), at: now + ms }));
    window.setInterval = (run, ms = 0) => (ms < 1000 ? real.setInterval.call(window, run, ms) : hold({ run, at: now + ms, every: ms }));
    window.clearTimeout = window.clearInterval = (id) => { if (!late.delete(id)) real.clearTimeout.call(window, id); };
    window.pass = (ms) => {
        const end = now + ms;
        for (;;) {
            const [id, timer] = [...late].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0] || [];
            if (!timer) break;
            now = timer.at;
            if (timer.every) timer.at += timer.every; else late.delete(id);
            timer.run();
        }
        now = end;
    };
})()";
const LIMIT: Duration = Duration::from_secs(60);
