// What calls an agent to the desk: a ring, the title of the tab, a notification of the desktop.

import { w } from "/studio/dom.js";

let audio = null;
let ringing = null;
let shown = null;
const TITLE = () => w("坐席", "Agent desk");

/** Browsers give sound and notifications only after the person has done something on the page. */
export function allow() {
  try {
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume().catch(() => {});
  } catch { /* no sound here */ }
  if (typeof Notification !== "undefined" && Notification.permission === "default") Notification.requestPermission().catch(() => {});
}

/** One second of the two tones of a bell, softly begun and ended. */
function burst() {
  if (!audio || audio.state !== "running") return;
  const at = audio.currentTime;
  const gain = audio.createGain();
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.25, at + 0.02);
  gain.gain.setValueAtTime(0.25, at + 0.95);
  gain.gain.linearRampToValueAtTime(0, at + 1);
  gain.connect(audio.destination);
  for (const frequency of [450, 480]) {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(at);
    tone.stop(at + 1);
  }
}

/** Rings until `stop`. The notification names the queue, and nothing of the caller. */
export function ring(queue) {
  if (ringing) return;
  burst();
  let on = false;
  const blink = () => { on = !on; document.title = on ? `☎ ${w("来电", "Call")} · ${TITLE()}` : TITLE(); };
  blink();
  ringing = [setInterval(burst, 3000), setInterval(blink, 700)];
  if (typeof Notification !== "undefined" && Notification.permission === "granted") {
    try {
      shown = new Notification(w("有来电", "Incoming call"), { body: w(`队列：${queue}`, `Queue: ${queue}`), tag: "jindu-call", requireInteraction: true });
      shown.onclick = () => window.focus();
    } catch { /* a browser that shows none */ }
  }
}

export function stop() {
  for (const timer of ringing || []) clearInterval(timer);
  ringing = null;
  shown?.close();
  shown = null;
  document.title = TITLE();
}
