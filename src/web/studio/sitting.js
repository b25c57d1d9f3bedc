// One sitting: a microphone in a room, checked once, used for many takes. Takes of a sitting get one gain.

import { button, fill, h, say, w } from "./dom.js";
import { FLOOR, GREEN, Mic, micTrouble } from "./mic.js";

const KEPT_MS = 30 * 60 * 1000;
let mic = null;
let closing = null;

export const current = () => mic;

/** The microphone, opened if it is not; throws words for a person. */
export async function openMic() {
  clearTimeout(closing);
  if (mic) return mic;
  try {
    mic = await Mic.open();
  } catch (error) {
    throw new Error(micTrouble(error, w));
  }
  mic.sitting = sittingOf(mic);
  mic.onlost = () => { mic = null; say(w("麦克风已断开", "The microphone is disconnected")); };
  return mic;
}

/** The same microphone again within half an hour goes on with its sitting. */
function sittingOf({ label, sitting }) {
  try {
    const last = JSON.parse(sessionStorage.getItem("sitting") || "null");
    const id = last && last.label === label && Date.now() - last.at < KEPT_MS ? last.id : sitting;
    sessionStorage.setItem("sitting", JSON.stringify({ id, label, at: Date.now() }));
    return id;
  } catch { return sitting; }
}

/** Lets the microphone go, unless another view wants it in a moment. */
export function leaveMic() {
  clearTimeout(closing);
  if (mic) mic.onblock = () => {};
  closing = setTimeout(() => { mic?.close(); mic = null; }, 1500);
}

/** What the room's noise means. */
export function roomWords(floor) {
  const figure = `${Math.round(floor)} dB`;
  if (floor > -45) return { grade: "bad", words: w(`房间噪声过大（${figure}）：请关好门窗，关掉空调和风扇，远离电脑风扇，再测一次。`, `The room is loud (${figure}): close the window, switch fans off, and test again.`) };
  if (floor > -55) return { grade: "warn", words: w(`房间有些噪声（${figure}），可以录音，更安静些更好。`, `Some noise (${figure}): acceptable, but quieter is better.`) };
  return { grade: "good", words: w(`房间安静（${figure}）。`, `The room is quiet (${figure}).`) };
}

/** The level meter: a green band, a clip lamp that stays lit until the next take. */
export class Meter {
  constructor() {
    this.bar = h("i", {});
    this.lamp = h("span", { class: "lamp" });
    this.words = h("span", { class: "level-words" });
    const band = h("b", {});
    band.style.left = `${place(GREEN[0])}%`;
    band.style.width = `${place(GREEN[1]) - place(GREEN[0])}%`;
    this.track = h("div", { class: "track", role: "meter", "aria-valuemin": FLOOR, "aria-valuemax": 0, "aria-valuenow": FLOOR }, band, this.bar);
    this.node = h("div", { class: "meter" }, this.track, this.lamp, this.words);
    this.power = 0;
    this.shown = 0;
    this.name();
  }

  name() {
    this.track.setAttribute("aria-label", w("音量，绿色区域为合适", "Level; green is right"));
    this.lamp.textContent = this.clipped ? w("过载", "CLIP") : "";
  }

  reset() {
    this.clipped = false;
    this.loudest = FLOOR;
    this.lamp.classList.remove("lit");
    this.name();
  }

  push({ db, clipped }) {
    // 125 ms, as a sound level meter's fast setting.
    this.power = 0.92 * this.power + 0.08 * 10 ** (db / 10);
    if (clipped && !this.clipped) {
      this.clipped = true;
      this.lamp.classList.add("lit");
      this.name();
    }
    const now = performance.now();
    if (now - this.shown < 40) return;
    this.shown = now;
    const level = Math.max(FLOOR, 10 * Math.log10(this.power + 1e-9));
    this.loudest = Math.max(this.loudest ?? FLOOR, level);
    this.bar.style.width = `${place(level)}%`;
    this.bar.className = level > GREEN[1] ? "over" : level >= GREEN[0] ? "right" : "";
    this.track.setAttribute("aria-valuenow", Math.round(level));
    const words = level > GREEN[1] ? w("声音偏大，请离远一点", "too loud: move back") : level >= GREEN[0] ? w("合适", "right")
      : level > -45 ? w("声音偏小，请靠近一点", "quiet: move closer") : "";
    if (words !== this.words.textContent) this.words.textContent = words;
  }
}

const place = (db) => 100 * Math.min(1, Math.max(0, (db - FLOOR) / -FLOOR));

/** Opens the microphone and listens to the room, with words in `place`; the microphone, or null. */
export async function prepare(place, again) {
  fill(place, h("p", { class: "status" }, w("正在打开麦克风……请在浏览器提示中选择“允许”。", "Opening the microphone: allow it when the browser asks.")));
  let opened;
  try {
    opened = await openMic();
  } catch (error) {
    fill(place, h("p", { class: "trouble", role: "alert" }, error.message), button(w("重试", "Try again"), again, { class: "first" }));
    return null;
  }
  if (opened.floor === null) {
    fill(place, h("p", { class: "status" }, w("请保持安静两秒，正在测量房间噪声……", "Two seconds of silence, please: measuring the room…")));
    say(w("请保持安静两秒", "Two seconds of silence"));
    await opened.quiet();
    const { words } = roomWords(opened.floor);
    say(words);
  }
  return opened;
}

/** 3, 2, 1; false when it was broken off. */
export async function countDown(place, alive) {
  for (const n of [3, 2, 1]) {
    fill(place, h("p", { class: "count", "aria-hidden": "true" }, String(n)));
    await new Promise((done) => setTimeout(done, 600));
    if (!alive()) return false;
  }
  return true;
}
