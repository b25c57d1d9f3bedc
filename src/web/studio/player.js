// Plays one sound at a time.

import { ask, query } from "./api.js";

const audio = new Audio();
let url = "";
let playing = 0;
let done = () => {};

export function stop() {
  playing += 1;
  audio.pause();
  done(false);
}

/** Plays a file; the promise is kept with true at its end, with false when something else is played. */
export function playBlob(blob) {
  stop();
  const mine = playing;
  URL.revokeObjectURL(url);
  url = URL.createObjectURL(blob);
  audio.src = url;
  return new Promise((resolve, reject) => {
    done = resolve;
    audio.onended = () => mine === playing && resolve(true);
    audio.onerror = () => mine === playing && reject(new Error("the sound cannot be played"));
    audio.play().catch((error) => (mine === playing && error.name !== "AbortError" ? reject(error) : resolve(false)));
  });
}

/** Plays what the node renders: a take or the live recording, raw, by phone, or in its sentence. */
export async function play(questions) {
  stop();
  const mine = playing;
  const reply = await ask("GET", query("sound", questions), { limit: 30000 });
  const blob = await reply.blob();
  if (mine !== playing) return false;
  return playBlob(blob);
}

/** One after the other, until something else is played. */
export async function playAll(list, each = () => {}) {
  for (let n = 0; n < list.length; n += 1) {
    each(n);
    if (!(await play(list[n]))) return false;
  }
  return true;
}
