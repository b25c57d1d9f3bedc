// Hands-free reading, line by line: listens, counts the sounds, and moves on automatically.
//
//   line shown ──as many sounds as cells, then quiet──► cut, kept ──► next line
//        ▲  └──── fewer, or more ────► "once more"
//        └──────────┘
//
// It touches no element of the page: it calls `on` with what happens.

import { Voice } from "./mic.js";
import { cut, gaps } from "./plan.js";

const GIVE_UP_MS = 45000;

export class Reading {
  /** `on`: { sound(n), wrong(heard, wanted), line(n), done(), idle() }. */
  constructor(mic, lines, on) {
    this.mic = mic;
    this.lines = lines;
    this.on = on;
    this.at = -1;
    this.paused = false;
  }

  begin() {
    this.mic.start();
    this.next();
  }

  get line() { return this.lines[this.at]; }

  next() {
    this.at += 1;
    if (this.at >= this.lines.length) return this.end();
    this.again();
    return this.on.line(this.at);
  }

  /** Begins the line again. */
  again() {
    if (!this.mic.recording) return;
    this.mic.rest();
    this.sounds = [];
    this.offset = this.mic.kept.length;
    this.voice = new Voice(this.mic.floor ?? -60, gaps(this.line).sound);
    this.since = performance.now();
    this.begun = null;
  }

  skip() { this.next(); }

  back() {
    this.at = Math.max(-1, this.at - 2);
    this.next();
  }

  pause(paused) {
    this.paused = paused;
    if (!paused) this.again();
  }

  /** Takes a block of the microphone. */
  block({ db }) {
    if (this.paused || !this.line) return;
    const heard = this.voice.push(db);
    if (heard) {
      if (heard.end === undefined) { this.begun = heard.begin; this.on.sound(this.sounds.length, true); } else {
        this.begun = null;
        this.sounds.push(heard);
        this.on.sound(this.sounds.length - 1, false);
      }
    }
    this.judge();
  }

  judge() {
    const wanted = this.line.cells.length;
    const last = this.sounds[this.sounds.length - 1];
    if (this.begun !== null) return;
    const quiet = last ? (this.voice.at - last.end) * 10 : 0;
    const { line, patience } = gaps(this.line);
    if (this.sounds.length >= wanted && quiet >= line) {
      if (this.sounds.length === wanted) this.accept(); else this.refuse();
    } else if (last && quiet >= patience) this.refuse();
    else if (!last && performance.now() - this.since > GIVE_UP_MS) {
      this.since = performance.now();
      this.on.idle();
    }
  }

  refuse() {
    const heard = this.sounds.length;
    this.again();
    this.on.wrong(heard, this.line.cells.length);
  }

  accept() {
    const total = this.voice.at;
    this.line.cells.forEach((cell, n) => {
      const [from, to] = cut(this.sounds[n], n ? this.sounds[n - 1].end : null, this.sounds[n + 1]?.begin ?? null, total);
      cell.samples = this.mic.slice(this.offset + from, this.offset + to);
    });
    this.line.read = true;
    this.on.read?.(this.line);
    this.next();
  }

  async end() {
    this.at = this.lines.length;
    if (this.mic.recording) await this.mic.stop();
    this.on.done();
  }
}
