// The microphone of one sitting: levels all the time, samples while something is recorded.
//
//   open ──► quiet? (2 s of the room) ──► start ──► blocks of 10 ms ──► stop ──► { samples | file }
//
// Samples come from an AudioWorklet, as they are: no echo cancellation, noise suppression or gain control. A browser
// without one records by MediaRecorder, and its file is sent as it is.

import { decibels, joined, levels } from "./wave.js";

const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1, sampleRate: 48000 };
const PRE_ROLL = 30; // blocks kept from before the start, so that the first sound is not cut
const BLOCK_S = 0.01;

export const GREEN = [-26, -12]; // dB under full scale, where a voice should be
export const FLOOR = -72;

export class Mic {
  /** Asks for the microphone; throws a DOMException with its name when there is none or it is not allowed. */
  static async open() {
    if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
    const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN });
    const mic = new Mic();
    mic.stream = stream;
    mic.label = stream.getAudioTracks()[0].label;
    mic.context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
    await mic.context.resume();
    mic.rate = mic.context.sampleRate;
    const source = mic.context.createMediaStreamSource(stream);
    const plain = new URLSearchParams(location.search).get("recorder") === "media";
    if (mic.context.audioWorklet && !plain) await mic.tap(source); else mic.listen(source);
    stream.getAudioTracks()[0].addEventListener("ended", () => mic.onlost());
    return mic;
  }

  constructor() {
    this.sitting = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.onblock = () => {};
    this.onlost = () => {};
    this.floor = null; // dB: how loud the room is without a voice
    this.kept = null;
    this.ring = [];
  }

  async tap(source) {
    await this.context.audioWorklet.addModule("/studio/worklet.js");
    const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0, channelCountMode: "max" });
    tap.port.onmessage = (message) => this.block(message.data);
    source.connect(tap);
  }

  /** Without a worklet: levels from an analyser, sound from MediaRecorder. */
  listen(source) {
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 512;
    source.connect(analyser);
    const block = new Float32Array(512);
    this.ticking = setInterval(() => {
      analyser.getFloatTimeDomainData(block);
      this.block(block.slice());
    }, 1000 * BLOCK_S);
    this.isRecorder = true;
  }

  block(samples) {
    const { rms, peak } = levels(samples);
    if (this.kept) this.kept.push(samples);
    else if (!this.isRecorder) {
      this.ring.push(samples);
      if (this.ring.length > PRE_ROLL) this.ring.shift();
    }
    this.onblock({ db: decibels(rms), peak: decibels(peak), clipped: peak >= 0.985, samples });
  }

  /** Listens to the room for a while; the level that 90 % of it stays under. */
  async quiet(ms = 2000) {
    const heard = [];
    const before = this.onblock;
    this.onblock = (block) => { heard.push(block.db); before(block); };
    await new Promise((done) => setTimeout(done, ms));
    this.onblock = before;
    heard.sort((a, b) => a - b);
    this.floor = Math.max(FLOOR - 10, heard.length ? heard[Math.floor(heard.length * 0.9)] : -60);
    return this.floor;
  }

  start() {
    this.kept = this.isRecorder ? [] : [...this.ring];
    this.ring = [];
    if (this.isRecorder) {
      const type = ["audio/webm;codecs=opus", "audio/mp4", ""].find((one) => !one || MediaRecorder.isTypeSupported(one));
      this.recorder = new MediaRecorder(this.stream, type ? { mimeType: type, audioBitsPerSecond: 256000 } : {});
      this.chunks = [];
      this.recorder.ondataavailable = (event) => this.chunks.push(event.data);
      this.recorder.start(250);
    }
  }

  /** A stretch of what was recorded since the start, in blocks. */
  slice(from, to) { return joined(this.kept.slice(from, to)); }

  /** Forgets all but the newest of what was recorded, and goes on. */
  rest() { this.kept = this.kept.slice(-PRE_ROLL); }

  get recording() { return this.kept !== null; }

  /** Ends a recording; its samples, and its file where the browser made one. */
  async stop() {
    const blocks = this.kept || [];
    this.kept = null;
    if (!this.isRecorder) return { samples: joined(blocks), rate: this.rate };
    const stopped = new Promise((done) => { this.recorder.onstop = done; });
    this.recorder.stop();
    await stopped;
    return { samples: joined(blocks), rate: 512 / BLOCK_S, file: new Blob(this.chunks, { type: this.recorder.mimeType }) };
  }

  close() {
    clearInterval(this.ticking);
    this.kept = null;
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}

/** Detects speech: hysteresis over the room's noise, in blocks of 10 ms. */
export class Voice {
  /** `gap`: milliseconds of quiet that end a stretch of speech. */
  constructor(floor, gap) {
    this.on = Math.max(floor + 12, -50);
    this.off = Math.max(floor + 7, -56);
    this.gap = gap / 10;
    this.at = 0; // blocks so far
    this.loud = 0; // of them in a row
    this.quiet = 0;
    this.since = null; // where the stretch began
  }

  /** Takes a block's level; gives { begin } or { begin, end } in blocks when a stretch begins or has ended. */
  push(db) {
    this.at += 1;
    if (this.since === null) {
      this.loud = db > this.on ? this.loud + 1 : 0;
      if (this.loud < 3) return null;
      this.since = this.at - this.loud;
      this.quiet = 0;
      return { begin: this.since };
    }
    this.quiet = db < this.off ? this.quiet + 1 : 0;
    if (this.quiet < this.gap) return null;
    const stretch = { begin: this.since, end: this.at - this.quiet };
    this.since = null;
    this.loud = 0;
    return stretch;
  }
}

/** The message for an error of the microphone. */
export function micTrouble(error, w) {
  switch (error.name) {
    case "NotAllowedError":
      return w("浏览器没有麦克风权限：请在地址栏左侧允许使用麦克风，然后再点一次。", "The browser may not use the microphone: allow it beside the address, and press again.");
    case "NotFoundError":
      return w("未找到麦克风：请接好后重试，也可以上传录音文件或使用电话录音。", "No microphone was found: connect one, send a file, or record by telephone.");
    case "NotReadableError":
      return w("麦克风被其他程序占用：请关闭会议软件等程序后重试。", "Another program holds the microphone: close it and try again.");
    case "SecurityError":
      return w("浏览器只允许 https 或本机页面使用麦克风：请使用 https 打开，或上传文件，或使用电话录音。", "Browsers allow the microphone only for https pages and local addresses: open by https, send a file, or record by telephone.");
    default:
      return w("无法打开麦克风：", "The microphone cannot be opened: ") + error.message;
  }
}
