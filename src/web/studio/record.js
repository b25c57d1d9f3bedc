// One slot: read it, record it, hear it, keep it, go on.
//
//   ready ──space──► (microphone, room) ──► 3 2 1 ──► recording ──silence, space, longest──► sent ──► report
//     ▲                                                                                             │
//     └──────────────── R: again ── Enter: keep, and the next slot ──────────────────────────────────┘

import { get, post, query, session, words } from "./api.js";
import { ask, button, fill, h, key, notice, say, seconds, w } from "./dom.js";
import { Voice } from "./mic.js";
import { add, forget, keepWhenSent } from "./outbox.js";
import { play, playAll, playBlob, stop } from "./player.js";
import { figures, findings, historyLine, playButtons, plays } from "./report.js";
import { Meter, countDown, current, leaveMic, prepare, roomWords } from "./sitting.js";
import { langName, langTag, placeName, slots, stateName } from "./slots.js";
import { notes } from "./notes.js";
import { draw as drawWave, joined, wav } from "./wave.js";

const PRESENT_MS = 8000;
const NOTHING_MS = 8000;
const FILE_TYPES = ".wav,.mp3,.m4a,.mp4,.aac,.webm,.ogg,.opus,.flac,.caf,.mov,.aif,.aiff,.w64,.bwf,audio/*";

export async function record({ main, rest: [lang, id] }) {
  const [slot] = await Promise.all([get(query("slot", { lang, slot: id })).catch(alone), slots.recent(60000).catch(() => {})]);
  /** While the node is away, recording goes on with what the table knows. */
  function alone(problem) {
    const row = problem.isAway && slots.of(lang, id);
    if (!row) throw problem;
    return { ...row, used_by: [], before: [], after: [], sentence: null, takes: [], others: [] };
  }

  let phase = "ready";
  let run = 0; // numbers the recordings: results of an earlier one are dropped
  let take = null; // the node's answer to the newest recording
  let sent = null; // { id } of the recording on its way
  let samples = null;
  let local = null; // its sound, for hearing it at once
  let trouble = "";
  let others = slot.others;
  const meter = new Meter();
  const canvas = h("canvas", { class: "wave", role: "img", "aria-label": w("波形", "Waveform") });
  const stage = h("div", { class: "stage" });

  // ---- recording -----------------------------------------------------------------------------------

  async function begin() {
    stop();
    const mine = (run += 1);
    const alive = () => mine === run;
    if (sent) await giveUp();
    [take, samples, local, trouble] = [null, null, null, ""];
    set("opening");
    const mic = await prepare(stage, begin);
    if (!mic || !alive()) return mic ? null : set("trouble", false);
    meter.reset();
    mic.onblock = (block) => meter.push(block);
    set("counting");
    if (!(await countDown(stage, alive))) return null;
    return listen(mic, mine);
  }

  function listen(mic, mine) {
    set("recording");
    say(w("开始", "Go"));
    const short = [...slot.text].length <= 6;
    const voice = new Voice(mic.floor ?? -60, short ? 700 : 1300);
    const begun = performance.now();
    const live = [];
    let spoke = false;
    let drawn = 0;
    mic.start();
    mic.onblock = (block) => {
      meter.push(block);
      live.push(block.samples);
      const now = performance.now();
      if (now - drawn > 60) { drawn = now; drawWave(canvas, joined(live)); }
      const heard = voice.push(block.db);
      spoke ||= Boolean(heard);
      const lasted = now - begun;
      const nothing = !spoke && lasted > NOTHING_MS;
      if (heard?.end || nothing || lasted > slot.longest_ms + 3000) finish(mic, mine, nothing);
    };
  }

  async function finish(mic, mine, nothing) {
    if (phase !== "recording" || mine !== run) return;
    set("sending");
    mic.onblock = (block) => meter.push(block);
    const got = await mic.stop();
    if (mine !== run) return;
    if (nothing) {
      trouble = w("没有录到声音：请检查麦克风是否静音，然后再录一次。", "Nothing was heard: is the microphone muted? Record again.");
      return set("ready");
    }
    samples = got.samples;
    local = got.file || wav(samples, got.rate);
    drawWave(canvas, samples);
    if (main.querySelector("#at-once")?.checked) playBlob(local).catch(() => {});
    return send(local, "browser", mic.label, mine);
  }

  async function send(blob, kind, label, mine) {
    take = null;
    const going = await add({ lang, slot: id, kind, label: label.slice(0, 120), sitting: current()?.sitting || "", blob });
    sent = going;
    set("sending");
    const answer = await going.answer;
    if (mine !== run) return;
    sent = null;
    take = answer.take || null;
    trouble = answer.refused ? words(answer.refused) : "";
    set(take ? "report" : "ready");
    if (take) say(take.good ? w("检查通过", "All checks passed") : take.report.findings.map((one) => w(one.words.zh, one.words.en)).join(" "));
    history();
  }

  function fromFile(file) {
    const mine = (run += 1);
    [samples, local, trouble] = [null, file, ""];
    send(file, "file", file.name, mine);
  }

  /** Drops a recording that was neither kept nor uploaded. */
  async function giveUp() {
    await forget(sent.id);
    sent = null;
  }

  // ---- what becomes of it --------------------------------------------------------------------------

  async function keep() {
    if (phase === "recording") await finish(current(), run, false);
    if (sent && !take) {
      // The upload is not finished: the take is kept when it arrives, and a refusal is shown on whichever page is open then.
      if (await keepWhenSent(sent.id)) { sent = null; run += 1; return next(); }
    }
    if (!take) return null;
    if (!take.good) { say(w("此录音不能保留，请重录", "This one cannot be kept: record it again")); return null; }
    try {
      const kept = take.state === "fresh" ? (await post("keep", { takes: [take.name] })).takes[0] : take;
      slots.changed({ take: kept });
      take = null;
      return next();
    } catch (problem) {
      notice("keep", words(problem));
      return null;
    }
  }

  function next() {
    const following = slots.next(lang, id);
    if (!following || following.id === id) {
      notice("good", w(`${langName(lang)}已全部录完。`, `${langName(lang)} is complete.`));
      location.hash = "#/";
    } else location.hash = `#/record/${lang}/${following.id}`;
  }

  async function again() {
    if (phase === "recording" || phase === "counting") await breakOff();
    if (take?.state === "fresh") post("discard", { takes: [take.name] }).catch(() => {});
    return begin();
  }

  async function breakOff() {
    run += 1;
    const mic = current();
    if (mic?.recording) { mic.onblock = () => {}; await mic.stop(); }
    set("ready");
  }

  async function toggle() {
    if (phase === "recording") return finish(current(), run, false);
    if (phase === "counting") return breakOff();
    if (phase === "opening") return null;
    return begin();
  }

  const leadIn = () => playAll(slot.before.slice(-2).map((one) => ({ lang, slot: one.id, form: "phone" }))).catch((problem) => notice("sound", words(problem)));

  async function restore() {
    const sure = await ask(w("恢复合成占位录音？", "Restore the synthetic recording?"),
      h("p", {}, w("下次发布后，来电人听到的是出厂的合成录音。已录的各条仍保留在历史记录中。", "After the next publication callers hear the factory's synthetic voice. All takes stay in the history.")), w("恢复", "Restore"));
    if (sure) await post("restore", { lang, slot: id }).then(() => notice("good", w("将在下次发布时恢复。", "It is restored with the next publication.")), (problem) => notice("keep", words(problem)));
  }

  async function discard(name) {
    await post("discard", { takes: [name] }).catch((problem) => notice("keep", words(problem)));
    slots.stale();
    history();
  }

  async function history() {
    const fresh = await get(query("slot", { lang, slot: id })).catch(() => null);
    if (fresh) { Object.assign(slot, fresh); drawHistory(); }
  }

  // ---- drawing -------------------------------------------------------------------------------------

  const set = (now, redraw = true) => { phase = now; if (redraw) drawStage(); };

  function drawStage() {
    const words = {
      ready: w("准备好后，请按空格键或红色按钮。", "Press space or the red button when you are ready."),
      recording: w("正在录音……读完稍停会自动结束。", "Recording… it ends automatically when you stop speaking."),
      sending: w("服务器正在检查……", "The node is checking it…"),
      report: "",
      opening: "",
      counting: "",
    }[phase];
    main.dataset.phase = phase;
    const press = main.querySelector("#press");
    if (press) {
      press.classList.toggle("on", phase === "recording");
      fill(press, phase === "recording" ? w("停止", "Stop") : take || samples ? w("重录", "Record again") : w("录音", "Record"), " ", key(w("空格", "space")));
    }
    if (phase === "opening" || phase === "counting" || phase === "trouble") return;
    const mic = current();
    const room = mic && mic.floor !== null ? roomWords(mic.floor) : null;
    fill(stage, trouble && h("p", { class: "trouble", role: "alert" }, trouble),
      words && h("p", { class: "status" }, words),
      phase === "sending" && h("div", { class: "row" }, local && button(w("▶ 先听一遍", "▶ Hear it now"), () => playBlob(local)), button([w("保留，录下一条", "Keep, and the next"), " ", key("Enter")], keep)),
      room && phase === "ready" && !take && h("p", { class: "finding " + room.grade }, room.words, " ", button(w("重测", "test again"), async () => { mic.floor = null; await prepare(stage, begin); set("ready"); }, { class: "plain link" })),
      phase === "report" && take && drawReport());
  }

  function drawReport() {
    const list = listening();
    return h("div", { class: "report" }, findings(take.report), playButtons(list), figures(take.report),
      h("div", { class: "row" },
        button([w("保留，录下一条", "Keep, and the next"), " ", key("Enter")], keep, { class: "first", disabled: !take.good }),
        button([w("重录", "Record again"), " ", key("R")], again)));
  }

  const listening = () => plays(take, { live: Boolean(slot.live), sentence: Boolean(slot.sentence) });

  function drawHistory() {
    const place = main.querySelector("#history");
    if (!place) return;
    const takes = slot.takes.filter((one) => one.state !== "discarded" || one.live);
    const mine = (one) => one.by.name === session.operator.name || session.operator.role === "approver";
    const newer = slot.takes.find((one) => one.by.name !== session.operator.name && ["draft", "fresh"].includes(one.state));
    fill(place, h("h2", {}, w("这一条的录音", "Takes of this slot")),
      newer && h("p", { class: "finding warn" }, w(`${newer.by.name} 也录了这一条：两条录音都会保留，由审核员选定。`, `${newer.by.name} has recorded it too: both are kept, and the approver chooses.`)),
      slot.live && !slot.live.take && h("p", { class: "take" }, button("▶", () => play({ lang, slot: id, form: "phone" }).catch((problem) => notice("sound", words(problem))), { class: "tiny", "aria-label": w("听出厂录音", "Hear the factory's recording") }),
        " ", slot.live.placeholder ? w("现用：合成占位（机器声音）", "live: synthetic placeholder") : w("现用：出厂录音", "live: the factory's recording")),
      takes.length ? h("ul", { class: "plain" }, takes.map((one) => historyLine(one,
        !one.live && mine(one) && ["fresh", "draft"].includes(one.state) && h("div", { class: "row tight" },
          one.state === "fresh" && one.good && button(w("保留", "Keep"), () => post("keep", { takes: [one.name] }).then(history, (problem) => notice("keep", words(problem))), { class: "tiny" }),
          button(w("弃用", "Discard"), () => discard(one.name), { class: "tiny" })))))
        : h("p", { class: "soft" }, w("尚无人录制。", "No takes yet.")),
      slot.live?.take && button(w("恢复合成占位录音……", "Restore the synthetic recording…"), restore, { class: "plain link" }));
  }

  function draw() {
    const part = (one) => h("span", { class: "near", lang: langTag[lang] }, one.text);
    fill(main,
      h("nav", { class: "row crumbs", "aria-label": w("位置", "Where you are") }, h("a", { href: "#/" }, w("总览", "Overview")), "›", langName(lang), "›", h("code", {}, id),
        h("span", { class: "chip s-" + slot.state }, stateName(slot.state)), slot.used_by.length && h("small", {}, w("用于：", "used at: "), slot.used_by.slice(0, 4).join(", "))),
      h("p", { id: "others", class: "finding warn", role: "status", hidden: true }),
      h("div", { class: "columns" },
        h("section", { class: "card prompter", "aria-label": w("提词", "Prompter") },
          h("h1", { class: "unseen", tabindex: -1, "data-focus": true }, w("录音：", "Record: "), slot.text, " ", placeName(id)),
          h("p", { class: "script" + ([...slot.text].length > 24 ? " long" : ""), lang: langTag[lang] }, slot.before.map(part), h("strong", {}, slot.text), slot.after.map(part)),
          placeName(id) && h("p", { class: "place" }, placeName(id)),
          h("ul", { class: "notes" }, notes(slot).map((note) => h("li", {}, note)), h("li", {}, w(`最长 ${seconds(slot.longest_ms)}`, `at most ${seconds(slot.longest_ms)}`))),
          h("div", { class: "row" },
            button("", toggle, { id: "press", class: "press" }),
            slot.before.length > 0 && button([w("听前文", "Hear what comes before"), " ", key("P")], leadIn),
            button([w("跳过", "Skip"), " ", key("N")], next)),
          meter.node, canvas, stage,
          h("label", { class: "check" }, h("input", { type: "checkbox", id: "at-once" }), w("录完立即播放", "Play at once after recording")),
          h("details", { class: "drop" }, h("summary", {}, w("上传录音文件", "Send a file instead")),
            h("label", {}, w("WAV、MP3、M4A、WebM、Ogg、FLAC；也可把文件拖到本页", "WAV, MP3, M4A, WebM, Ogg or FLAC; or drop a file on this page"), h("input", { type: "file", accept: FILE_TYPES, onchange: (event) => event.target.files[0] && fromFile(event.target.files[0]) })))),
        h("section", { class: "card", id: "history", "aria-label": w("历史", "History") })));
    drawStage();
    drawHistory();
    drawOthers();
    if (samples) drawWave(canvas, samples);
  }

  function drawOthers() {
    const place = main.querySelector("#others");
    if (!place) return;
    place.hidden = !others.length;
    place.textContent = others.length ? w(`${others.join("、")} 也在录这一条：各人的录音都会保留。`, `${others.join(", ")} also has this slot open: all recordings are kept.`) : "";
  }

  const present = async () => {
    const reply = await post("presence", { lang, slot: id }).catch(() => null);
    if (reply && reply.others.join() !== others.join()) { others = reply.others; drawOthers(); }
  };
  const timer = setInterval(present, PRESENT_MS);
  present();

  const dragged = (event) => { event.preventDefault(); main.classList.toggle("dragging", event.type === "dragover"); };
  const dropped = (event) => { dragged(event); if (event.dataTransfer.files[0]) fromFile(event.dataTransfer.files[0]); };
  const drags = { dragover: dragged, dragleave: dragged, drop: dropped };
  for (const [name, act] of Object.entries(drags)) main.addEventListener(name, act);

  function keys({ key: pressed }) {
    const acts = { " ": toggle, Enter: keep, r: again, p: leadIn, n: next, Escape: () => (phase === "recording" || phase === "counting" ? breakOff() : stop()) };
    const act = acts[pressed.length === 1 ? pressed.toLowerCase() : pressed] || (take && listening().find((one) => one.name === pressed)?.act);
    if (act) act();
    return Boolean(act);
  }

  return {
    draw,
    key: keys,
    busy: () => phase === "recording",
    report: ({ sent: one }) => one.lang === lang && one.slot === id,
    leave() {
      run += 1;
      clearInterval(timer);
      for (const [name, act] of Object.entries(drags)) main.removeEventListener(name, act);
      const mic = current();
      if (mic?.recording) mic.stop();
      leaveMic();
      main.dataset.phase = "";
      if (take?.state === "fresh" && !take.good) post("discard", { takes: [take.name] }).catch(() => {});
    },
  };
}
