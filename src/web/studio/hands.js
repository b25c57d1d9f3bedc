// A whole set, hands free: the page shows a line, listens, and moves on. Digits are read in groups of four, as a caller
// hears them, and cut; everything else is a sound a line. At its end everything is heard, exchanged and kept at once.

import { post, words } from "./api.js";
import { button, fill, h, key, notice, say, w } from "./dom.js";
import { add } from "./outbox.js";
import { play, playBlob, stop } from "./player.js";
import { findings } from "./report.js";
import { plan, receipt } from "./plan.js";
import { Reading } from "./reading.js";
import { Meter, countDown, current, leaveMic, prepare, roomWords } from "./sitting.js";
import { groupName, groupOf, langName, langTag, placeName, slots, stateName, todo } from "./slots.js";
import { notes } from "./notes.js";
import { draw as drawWave, wav } from "./wave.js";

export async function hands({ main, rest: [lang, group] }) {
  await slots.recent(2000);
  const isDigits = group === "digits";
  const rank = (row) => ["digit.m", "digit.f"].findIndex((start) => row.id.startsWith(start)) >>> 0;
  const own = slots.all().filter((row) => row.lang === lang && groupOf(row) === group).sort((a, b) => rank(a) - rank(b));
  // Digits must sound alike, so the whole set is read again. Of other sets only the slots still to record, if any.
  const wanted = isDigits || !own.some(todo) ? own : own.filter(todo);
  let lines = plan(wanted);
  let phase = "ready";
  let run = 0;
  let reading = null;
  let wrong = "";
  let lit = 0;
  let picked = []; // { slot, choices: [samples], at, take, refused, sending }
  let number = receipt();
  const meter = new Meter();
  const stage = h("div", { class: "stage big" });

  // ---- reading -------------------------------------------------------------------------------------

  async function begin() {
    stop();
    const mine = (run += 1);
    const alive = () => mine === run;
    phase = "opening";
    draw();
    const mic = await prepare(stage, begin);
    if (!mic || !alive()) return;
    if (mic.isRecorder) {
      fill(stage, h("p", { class: "trouble" }, w("此浏览器不支持自动切分，请逐条录制。", "This browser cannot split a recording: record one by one.")));
      return;
    }
    meter.reset();
    mic.onblock = (block) => meter.push(block);
    if (!(await countDown(stage, alive))) return;
    phase = "reading";
    reading = new Reading(mic, lines.filter((line) => !line.read), { sound, wrong: once, line: shown, read: sendAlone, done, idle });
    mic.onblock = (block) => { meter.push(block); reading.block(block); };
    draw();
    reading.begin();
  }

  function sound(n, begun) {
    lit = begun ? n : n + 1;
    drawCells();
  }

  function shown() {
    lit = 0;
    wrong = "";
    drawReading();
  }

  function once(heard, expected) {
    lit = 0;
    wrong = w(`录到 ${heard} 个声音，应为 ${expected} 个：请将这一行再读一遍，每个之间稍作停顿。`, `${heard} sounds were heard, ${expected} expected: read this line again, with a short pause after each.`);
    say(wrong);
    drawReading();
  }

  function idle() {
    reading.pause(true);
    drawReading();
  }

  /** A line of one sound is on its way while the next one is read. */
  function sendAlone(line) {
    if (line.cells.length === 1) pick(line.cells[0].slot, [line.cells[0].samples]);
  }

  function done() {
    const mic = current();
    if (mic) mic.onblock = (block) => meter.push(block);
    phase = "result";
    const choices = new Map();
    for (const line of lines) for (const { slot, samples, place } of line.cells) {
      if (!samples || line.cells.length === 1) continue;
      if (!choices.has(slot)) choices.set(slot, []);
      choices.get(slot).push([place, samples]);
    }
    for (const [slot, found] of choices) {
      const before = picked.find((one) => one.slot === slot);
      if (!before) pick(slot, found.sort((a, b) => a[0] - b[0]).map(([, samples]) => samples));
    }
    say(w("已读完，正在检查", "All read, checking"));
    draw();
    main.querySelector("h1").focus();
  }

  // ---- what was read -------------------------------------------------------------------------------

  function pick(slot, choices) {
    const one = { slot, choices, at: 0 };
    picked = [...picked.filter((other) => other.slot !== slot), one].sort((a, b) => own.indexOf(a.slot) - own.indexOf(b.slot));
    submit(one);
  }

  async function submit(one) {
    const { samples, at } = { samples: one.choices[one.at], at: one.at };
    one.take = null;
    one.refused = null;
    const mic = current();
    const going = await add({ lang, slot: one.slot.id, kind: "browser", label: mic?.label.slice(0, 120) || "", sitting: mic?.sitting || "", blob: wav(samples, mic?.rate || 48000) });
    const answer = await going.answer;
    if (one.at !== at) { if (answer.take) post("discard", { takes: [answer.take.name] }).catch(() => {}); return; }
    one.take = answer.take || null;
    one.refused = answer.refused || null;
    // If the first of the three choices is rejected, another one is tried.
    if ((one.refused || !one.take.good) && one.at + 1 < one.choices.length) { exchange(one); return; }
    if (phase === "result") drawResult();
  }

  function exchange(one) {
    if (one.take?.state === "fresh") post("discard", { takes: [one.take.name] }).catch(() => {});
    one.at = (one.at + 1) % one.choices.length;
    submit(one);
    if (phase === "result") drawResult();
  }

  const good = () => picked.filter((one) => one.take?.good && one.take.state === "fresh");

  async function keepAll() {
    const keeping = good();
    if (!keeping.length) return;
    try {
      const { takes } = await post("keep", { takes: keeping.map((one) => one.take.name) });
      for (const take of takes) {
        const one = keeping.find(({ take: { name } }) => name === take.name);
        if (one) one.take = { ...one.take, state: take.state };
        slots.changed({ take });
      }
      notice("good", w(`已保留 ${takes.length} 条，等待另一位同事审核。`, `${takes.length} kept; they wait for approval by another person.`));
      drawResult();
    } catch (problem) {
      notice("keep", words(problem));
    }
  }

  /** The lines of what is missing or was refused, to be read again; everything else stays. */
  function readAgain(some) {
    const unread = new Set(some.map((one) => one.slot));
    for (const line of lines) if (line.cells.some((cell) => unread.has(cell.slot) && cell.place <= 1)) line.read = false;
    picked = picked.filter((one) => !unread.has(one.slot));
    begin();
  }

  const hearNumber = () => play({ lang, slot: "digit.f.0", form: "sentence", receipt: number, with: picked.filter((one) => one.take).map((one) => one.take.name).join(",") || undefined })
    .catch((problem) => notice("sound", words(problem)));

  const hearOne = (one) => (one.take ? play({ take: one.take.name, form: "phone" }) : playBlob(wav(one.choices[one.at], current()?.rate || 48000)))
    .catch((problem) => notice("sound", words(problem)));

  async function hearAll() {
    for (const one of picked) if (!(await hearOne(one))) return;
  }

  // ---- drawing -------------------------------------------------------------------------------------

  const spoken = (line) => line.cells.map((cell) => cell.slot.text).join(" ");

  function drawCells() {
    [...stage.querySelectorAll(".cells b")].forEach((cell, n) => {
      cell.classList.toggle("now", n === lit);
      cell.classList.toggle("past", n < lit);
    });
  }

  function drawReading() {
    const line = reading.line;
    if (!line) return;
    const following = reading.lines[reading.at + 1];
    const last = line.cells.length - 1;
    const long = [...spoken(line)].length > 24;
    fill(stage, h("p", { class: "soft" }, w(`第 ${reading.at + 1} 行，共 ${reading.lines.length} 行`, `line ${reading.at + 1} of ${reading.lines.length}`)),
      h("p", { class: "cells" + (long ? " long" : ""), lang: langTag[lang] }, line.cells.map((cell, n) => [h("b", {}, cell.slot.text), last ? h("i", {}, n < last ? "·" : "。") : null])),
      reading.paused ? h("p", { class: "status" }, w("已暂停，按空格键继续", "Paused: press space to continue")) : h("p", { class: "status " + (wrong ? "trouble" : "") }, wrong || (last
        ? w("读一组，每个数字之间稍作停顿，最后一个语调下降。", "Read the group with a short pause after each digit; let the voice fall on the last.")
        : notes(line.cells[0].slot).join(" · "))),
      following && h("p", { class: "following", lang: langTag[lang] }, w("下一行：", "next: "), spoken(following)),
      h("progress", { max: reading.lines.length, value: reading.at, "aria-label": w("进度", "Progress") }));
    drawCells();
  }

  function drawResult() {
    const place = main.querySelector("#result");
    if (!place) return;
    const bad = picked.filter((one) => one.refused || (one.take && !one.take.good));
    const missing = lines.filter((line) => !line.read);
    const pending = picked.filter((one) => !one.take && !one.refused).length;
    const kept = picked.filter((one) => one.take && one.take.state !== "fresh").length;
    fill(place,
      isDigits && h("div", { class: "card inset" }, h("h2", {}, w("用您的声音试听一个完整的回执编号", "Hear a whole receipt number in your own voice")),
        h("div", { class: "row" }, h("label", {}, w("回执编号", "Receipt number"), h("input", { id: "number", value: number, inputmode: "numeric", maxlength: 20, size: 20, oninput: (event) => { number = event.target.value.replace(/\D/g, ""); } })),
          button(["▶ ", w("试听来电人听到的效果", "Hear it as a caller does"), " ", key("2")], hearNumber, { class: "first", disabled: pending > 0 }),
          button(w("换一个号码", "Another number"), () => { number = receipt(); main.querySelector("#number").value = number; hearNumber(); }))),
      h("p", { class: "status", role: "status" }, pending ? w(`正在检查 ${pending} 条……`, `Checking ${pending}…`)
        : bad.length ? w(`${bad.length} 条不合格，请重读这几行。`, `${bad.length} were rejected: read those lines again.`)
          : kept === picked.length && kept ? w("已全部保留，等待另一位同事审核。", "All kept; they wait for approval by another person.") : w("检查通过。请先听一遍，再保留。", "All checks passed. Listen, then keep.")),
      h("ul", { class: "picked plain" + (isDigits ? " digits" : "") }, picked.map(pickedLine)),
      h("div", { class: "row" },
        button([w(`全部保留（${good().length}）`, `Keep all (${good().length})`), " ", key("Enter")], keepAll, { class: "first", disabled: !good().length || pending > 0 }),
        button([w("依次听一遍", "Hear all"), " ", key("P")], hearAll),
        (bad.length > 0 || missing.length > 0) && button(w("重读不合格的行", "Read the rejected lines again"), () => readAgain([...bad, ...missing.flatMap((line) => line.cells)])),
        button(w("整套重录", "Read everything again"), all), h("a", { class: "button", href: "#/" }, w("回总览", "To the overview"))));
    for (const canvas of place.querySelectorAll("canvas")) drawWave(canvas, picked[canvas.dataset.at].choices[picked[canvas.dataset.at].at]);
  }

  function pickedLine(one, at) {
    const state = one.refused ? "bad" : !one.take ? "busy" : !one.take.good ? "bad" : one.take.report.findings.length ? "warn" : "good";
    const sign = { bad: "✕", busy: "…", warn: "!", good: "✓" }[state];
    const title = { bad: w("须重录", "record again"), busy: w("检查中", "being checked"), warn: w("请留意", "listen"), good: one.take?.state === "fresh" ? w("合格", "good") : w("已保留", "kept") }[state];
    return h("li", { class: "picked-one " + state },
      h("div", { class: "row tight" }, h("b", { lang: langTag[lang] }, one.slot.text),
        isDigits && h("small", {}, placeName(one.slot.id)), h("span", { class: "chip " + state }, sign, " ", title)),
      h("canvas", { class: "wave small", "data-at": at, "aria-hidden": "true" }),
      h("div", { class: "row tight" }, button("▶", () => hearOne(one), { class: "tiny", "aria-label": w(`听 ${one.slot.text}`, `Hear ${one.slot.text}`) }),
        one.choices.length > 1 && one.take?.state !== "draft" && button(w(`换一条 ${one.at + 1}/${one.choices.length}`, `other ${one.at + 1}/${one.choices.length}`), () => exchange(one), { class: "tiny" })),
      one.refused ? h("small", { class: "trouble" }, words(one.refused)) : state === "bad" || state === "warn" ? findings(one.take.report) : null);
  }

  function all() {
    lines = plan(wanted);
    picked = [];
    begin();
  }

  function intro() {
    const cells = lines.reduce((sum, line) => sum + line.cells.length, 0);
    const mic = current();
    const room = mic && mic.floor !== null ? roomWords(mic.floor) : null;
    const minutes = Math.max(1, Math.round((lines.length * 4 + cells) / 60));
    return h("div", { class: "stack" },
      h("ol", { class: "steps" },
        h("li", {}, w("按空格键后，请先安静两秒，系统测量房间噪声，然后倒数三下。", "Press space: two seconds of silence to measure the room, then a count of three.")),
        isDigits ? h("li", {}, w("屏幕上一次显示四个数字。请用平常念号码的语气读，每个数字之间稍作停顿；读完会自动换到下一行。", "Four digits are shown at a time. Read them as you would read out a number, with a short pause after each; the next line follows automatically."))
          : h("li", {}, w("屏幕上一次显示一条。读完稍停，会自动换到下一条。", "One text is shown at a time. Read it and pause; the next one follows automatically.")),
        h("li", {}, w("读错时请按 R，这一行重来。全部读完后再一起试听和保留。", "After a mistake, press R and read the line again. At the end, listen to everything and keep it at once."))),
      h("p", {}, w(`共 ${lines.length} 行，约 ${minutes} 分钟。`, `${lines.length} lines, about ${minutes} min.`), " ",
        isDigits && w("每个数字录两种读法：在一组中间（语调保持）和在一组末尾（语调下降）。", "Each digit is recorded in two variants: inside a group, with the voice up, and at its end, where it falls.")),
      room && h("p", { class: "finding " + room.grade }, room.words),
      button([w("开始", "Begin"), " ", key(w("空格", "space"))], begin, { class: "press" }),
      h("details", {}, h("summary", {}, w("要读的内容", "What is read")), h("ol", { class: "lines", lang: langTag[lang] }, lines.map((line) => h("li", {}, spoken(line))))));
  }

  function draw() {
    const done = own.filter((row) => !todo(row)).length;
    main.dataset.phase = phase;
    fill(main, h("nav", { class: "row crumbs", "aria-label": w("位置", "Where you are") }, h("a", { href: "#/" }, w("总览", "Overview")), "›", langName(lang)),
      h("h1", { tabindex: -1 }, w(`连续录音：${groupName(group)}`, `Hands free: ${groupName(group)}`), h("small", {}, ` ${langName(lang)} · ${done}/${own.length}`)),
      !lines.length ? h("p", { class: "card" }, w("这一类没有待录的录音。", "There is nothing to record here."))
        : h("section", { class: "card prompter" }, phase === "ready" ? intro() : phase === "result" ? h("div", { id: "result" }) : [stage,
          phase === "reading" && h("div", { class: "row" },
            button([w("暂停", "Pause"), " ", key(w("空格", "space"))], pause), button([w("这一行重来", "This line again"), " ", key("R")], again),
            button([w("上一行", "The line before"), " ", key("←")], () => reading.back()), button([w("跳过", "Skip"), " ", key("→")], () => reading.skip()),
            button([w("先到这里", "Enough for now"), " ", key("Esc")], enough)),
          meter.node]),
      phase === "result" && h("p", { class: "soft" }, stateNames()));
    if (phase === "result") drawResult();
    if (phase === "reading" && reading.line) drawReading();
  }

  const stateNames = () => w(`保留后状态为“${stateName("recorded")}”，审核并发布后，来电人才会听到。`, `Kept takes are “${stateName("recorded")}”; callers hear them after approval and publication.`);
  const pause = () => { reading.pause(!reading.paused); drawReading(); };
  const again = () => { reading.pause(false); lit = 0; wrong = ""; drawReading(); };
  const enough = () => reading.end();

  function keys({ key: pressed }) {
    const acts = {
      ready: { " ": begin, Enter: begin },
      opening: { Escape: () => { run += 1; phase = "ready"; draw(); } },
      reading: { " ": pause, r: again, ArrowLeft: () => reading.back(), ArrowRight: () => reading.skip(), Enter: () => reading.skip(), Escape: enough },
      result: { Enter: keepAll, p: hearAll, 2: hearNumber, Escape: stop },
    }[phase] || {};
    const act = acts[pressed.length === 1 ? pressed.toLowerCase() : pressed];
    if (act) act();
    return Boolean(act);
  }

  return {
    draw,
    key: keys,
    busy: () => phase === "reading",
    report: ({ sent }) => picked.some((one) => one.slot.id === sent.slot && sent.lang === lang),
    leave() {
      run += 1;
      const mic = current();
      if (mic?.recording) mic.stop();
      leaveMic();
      main.dataset.phase = "";
    },
  };
}
