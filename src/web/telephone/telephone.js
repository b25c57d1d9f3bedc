// This browser as the telephone of the signed-in agent.
//
//   connect ──► registered ──► incoming ── answer() ──► connected ── hangUp() ──► ended ──► (registered)
//                    ▲              └── decline(), withdrawn, no answer ────────────┘
//                    └── after a lost network, by itself; a call in progress goes on if the node still has it
//
// The sound goes to the node by WebRTC; what the caller's side speaks (PCMA, PCMU) is what this browser sends, so that nothing is
// transcoded. The microphone is sent while a call is connected, and at no other time.

const BASE = "/agent/telephone/";
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const G711 = ["audio/pcma", "audio/pcmu"];
/** A connection that says so for longer is made again; the node holds a call for 15 s. */
const DISCONNECTED_MS = 8000;
const RETRY_MS = 1000;
/** The node holds a request for events for 20 s. */
const EVENTS_MS = 30000;
const REQUEST_MS = 10000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Why a request failed: the status, 0 if the node was not reached, and a stable code. */
class Refused extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
    this.code = code;
  }

  /** Whether it may succeed later by itself. */
  get isPassing() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

async function ask(path, options = {}, limit = REQUEST_MS) {
  let reply, body;
  try {
    reply = await fetch(path, { redirect: "error", signal: AbortSignal.timeout(limit), ...options });
    body = await reply.json();
  } catch (error) {
    // Not reached, too late, or a page of the proxy.
    throw new Refused(0, error.name);
  }
  if (!reply.ok) throw new Refused(reply.status, body.error || `http_${reply.status}`);
  return body;
}

/**
 * Events go to `on` as { kind, why?, call?, number? }; kind: registered, incoming, connected, ended, failed.
 * "failed" with why "network" passes by itself. After any other one this telephone is at its end, but for "microphone": then
 * `connect()` may be tried again.
 */
export class Telephone {
  #on;
  #microphone = null;
  #connection = null;
  #sender = null;
  #audio = new Audio();
  #id = null;
  #token = "";
  #call = null;
  #talks = false;
  #muted = false;
  #closed = false;
  #connecting = false;
  #timer = 0;
  #leaves = () => this.#leave();

  constructor(on) {
    this.#on = on;
    this.#audio.autoplay = true;
  }

  /** Asks for the microphone and connects; "registered" follows. Connects again by itself after a lost network, until `close()`. */
  async connect() {
    if (this.#closed || this.#microphone) return;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
      [this.#microphone] = stream.getAudioTracks();
    } catch (error) {
      this.#on({ kind: "failed", why: "microphone", error: error && error.name });
      return;
    }
    this.#microphone.enabled = !this.#muted;
    window.addEventListener("pagehide", this.#leaves);
    await this.#reconnect();
  }

  /** Answers the call that rings. */
  answer() { return this.#press("answer"); }

  /** Declines the call that rings. */
  decline() { return this.#press("decline"); }

  /** Ends the conversation; declines a call that rings. */
  hangUp() { return this.#press(this.#talks ? "hang-up" : "decline"); }

  /** Whether the caller hears nothing of the agent. */
  mute(on) {
    this.#muted = Boolean(on);
    if (this.#microphone) this.#microphone.enabled = !this.#muted;
  }

  /** Ends the telephone, and a call in progress. */
  close() {
    if (this.#closed) return;
    if (this.#call !== null) this.hangUp();
    this.#leave();
    this.#end();
  }

  async #press(what, again = false) {
    const call = this.#call;
    if (call === null || this.#id === null) return false;
    try {
      await this.#post(what, { telephone: this.#id, call });
      return true;
    } catch (error) {
      // Otherwise the call is over, or the network is gone: events say so.
      if (!(error instanceof Refused) || error.code !== "token" || again) return false;
      // The agent has signed in again since this telephone connected.
      this.#token = (await ask("/agent/api/me").catch(() => ({ csrf: "" }))).csrf;
      return this.#press(what, true);
    }
  }

  #post(name, json, options = {}) {
    const headers = { "Content-Type": "application/json", "X-Studio-Token": this.#token };
    return ask(BASE + name, { method: "POST", headers, body: JSON.stringify(json), ...options });
  }

  /** The node waits some seconds for a page that is loaded again. */
  #leave() {
    if (this.#id !== null) this.#post("leave", { telephone: this.#id }, { keepalive: true }).catch(() => {});
  }

  #end() {
    this.#closed = true;
    this.#drop();
    window.removeEventListener("pagehide", this.#leaves);
    if (this.#microphone) this.#microphone.stop();
    this.#audio.srcObject = null;
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#id = null;
    if (this.#connection) {
      this.#connection.onconnectionstatechange = null;
      this.#connection.close();
    }
    [this.#connection, this.#sender] = [null, null];
  }

  #fail(why) {
    this.#end();
    this.#on({ kind: "failed", why });
  }

  /** Connects, however long it takes. */
  async #reconnect() {
    if (this.#connecting) return;
    this.#connecting = true;
    for (let said = false; !this.#closed;) {
      this.#drop();
      try {
        await this.#open();
        break;
      } catch (error) {
        if (!(error instanceof Refused)) this.#fail("browser");
        else if (!error.isPassing) this.#fail(error.code);
        else if (!said) {
          this.#on({ kind: "failed", why: "network" });
          said = true;
        }
        await pause(RETRY_MS);
      }
    }
    this.#connecting = false;
  }

  async #open() {
    this.#token = (await ask("/agent/api/me")).csrf;
    const connection = new RTCPeerConnection();
    this.#connection = connection;
    const transceiver = connection.addTransceiver(this.#microphone, { direction: "sendrecv" });
    const { codecs } = RTCRtpReceiver.getCapabilities("audio");
    const rank = ({ mimeType }) => G711.indexOf(mimeType.toLowerCase());
    const spoken = codecs.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
    const keys = codecs.filter(({ mimeType, clockRate }) => /telephone-event/i.test(mimeType) && clockRate === 8000);
    transceiver.setCodecPreferences([...spoken, ...keys]);
    connection.ontrack = ({ track }) => {
      this.#audio.srcObject = new MediaStream([track]);
      this.#audio.play().catch(() => {});
    };
    connection.onconnectionstatechange = () => this.#watch(connection);
    await connection.setLocalDescription();
    const { telephone, sdp } = await this.#post("connect", { sdp: connection.localDescription.sdp });
    await transceiver.sender.replaceTrack(null);
    await connection.setRemoteDescription({ type: "answer", sdp });
    this.#sender = transceiver.sender;
    this.#id = telephone;
    this.#listen(telephone);
  }

  #watch(connection) {
    clearTimeout(this.#timer);
    if (connection.connectionState === "failed") this.#reconnect();
    if (connection.connectionState === "disconnected") this.#timer = setTimeout(() => this.#reconnect(), DISCONNECTED_MS);
  }

  /** Reads events while this telephone is the one of the page. */
  async #listen(telephone) {
    for (let after = 0; this.#id === telephone;) {
      try {
        const path = `${BASE}events?telephone=${encodeURIComponent(telephone)}&after=${after}`;
        const { events, next } = await ask(path, {}, EVENTS_MS);
        if (this.#id !== telephone) return;
        after = next;
        await this.#take(events);
      } catch (error) {
        if (this.#id !== telephone) return;
        if (!(error instanceof Refused)) throw error;
        if (error.code === "gone") {
          this.#reconnect();
          return;
        }
        // A conversation goes on though the session of the page has ended; the next session of the same agent takes it over.
        if (!error.isPassing && !(error.status === 401 && this.#talks)) {
          this.#fail(error.code);
          return;
        }
        await pause(RETRY_MS);
      }
    }
  }

  async #take(events) {
    const before = this.#call;
    if (events.some(({ kind }) => kind === "registered")) {
      // A new connection says what it knows of the call in progress; otherwise that is over.
      const goesOn = events.some(({ kind, call }) => call === before && (kind === "connected" || kind === "incoming"));
      if (before !== null && !goesOn) await this.#over(before, "lost");
    }
    for (const event of events) {
      if (event.kind === "incoming") this.#call = event.call;
      if (event.kind === "connected") await this.#talk(event);
      if (event.kind === "ended") await this.#over(event.call, event.why);
      else this.#on(event);
    }
  }

  async #talk({ call, codec }) {
    this.#call = call;
    this.#talks = true;
    const sender = this.#sender;
    if (!sender) return;
    await this.#speak(sender, codec);
    await sender.replaceTrack(this.#microphone).catch(() => {});
  }

  /** Sends the codec of the caller, where the browser lets it be chosen; the node exchanges one law for the other elsewhere. */
  async #speak(sender, codec) {
    const wanted = RTCRtpSender.getCapabilities("audio").codecs.find(({ mimeType }) => mimeType === codec);
    const parameters = sender.getParameters();
    if (!wanted || !parameters.encodings || !parameters.encodings.length) return;
    parameters.encodings[0].codec = wanted;
    await sender.setParameters(parameters).catch(() => {});
  }

  async #over(call, why) {
    if (call === this.#call) {
      [this.#call, this.#talks] = [null, false];
      if (this.#sender) await this.#sender.replaceTrack(null).catch(() => {});
    }
    this.#on({ kind: "ended", call, why });
  }
}
