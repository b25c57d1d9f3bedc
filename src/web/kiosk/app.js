// The kiosk: scan or type → look up → show → clear.
//
//   idle / keys ──code──► asking ──reply──► answer ──timer, key or next scan──► idle
//        ▲                  └─ no network ─► offline ──the node answers──┘
//
// A browser that is no kiosk shows that, and what to do (unenrolled).
//
// No data of a person outlives the answer on the screen: no URL, history or storage holds a receipt number.
import { listen } from "./scanner.js";
import { fact, fit, put, sentence, steps } from "./screen.js";
import { bars } from "./shapes.js";
import { TEXT } from "./words.js";

const DATES = { zh: "zh-CN", yue: "zh-Hant", en: "en-US" };
const LOOK = {
  accepted: ["way", "paper"], review: ["way", "search"], production: ["way", "clock"], supplement: ["wait", "pause"],
  ready: ["good", "done"], posted: ["good", "mail"], collected: ["good", "done"], contact: ["calm", "person"],
};
const ENTRY_MAX = 40;
const SAME_MS = 2000; // a scanner that reads the same receipt twice
const ASK_MS = 10000;
const REST_MS = 45000; // without a touch, the page that waits is as it was at first

const query = new URLSearchParams(location.search);
const kiosk = (query.get("kiosk") || "").replace(/[^A-Za-z0-9._-]/g, "").slice(0, 32);
const first = TEXT[query.get("lang")] ? query.get("lang") : "zh";
const $ = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);

let settings = { enrolled: true, page_version: "", answer_shown_s: 45, clear_warning_s: 20, maintenance: false, image_bytes_max: 8000000, receipt_lengths: [], desk_number: "", cantonese_characters: "simplified" };
let lang = first;
let entry = "";
let shown = null; // the reply on the screen
let code = null; // the code it answers, needed for speech only
let picture = null; // the photograph it answers, for speech as well
let asked = 0; // numbers the requests: a late reply to an earlier one is dropped
let last = { text: "", at: -SAME_MS, repeats: 0 };
let audio = null;
let loading = null;
let mute = false; // the answer shown has no recording
let version = ""; // of this page: the node may have a newer one

// ---- words -------------------------------------------------------------------------------------

// Speakers of Cantonese read the Mandarin texts, unless the kiosk is set to traditional characters.
const isSimplified = () => settings.cantonese_characters !== "traditional";
const written = () => (lang === "yue" && isSimplified() ? "zh" : lang);
const t = (key) => TEXT[written()][key];
const tagOf = (of) => ({ zh: "zh-CN", yue: isSimplified() ? "yue-Hans" : "yue-Hant", en: "en" })[of];

function draw() {
  document.documentElement.lang = tagOf(lang);
  document.title = t("title");
  for (const node of all("[data-t]")) put(node, t(node.dataset.t));
  $("yue").lang = tagOf("yue");
  $("yue").textContent = isSimplified() ? "广东话" : "廣東話";
  for (const node of all("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of all("[data-lang]")) node.setAttribute("aria-pressed", String(node.dataset.lang === lang));
  if (hasCamera()) document.querySelector(".idle .sub").textContent = t("ask_sub_phone");
  $("desk").textContent = settings.desk_number ? t("desk")(settings.desk_number) : "";
  $("warning-text").textContent = t("warning");
  drawEntry();
  drawAnswer();
  fit();
}

const isShown = (node) => getComputedStyle(node).display !== "none";
// As in the style: only what one holds in the hand has a camera to point.
const hasCamera = () => matchMedia("(pointer: coarse) and (max-width: 699px)").matches;
const hasKeypad = () => isShown(document.querySelector(".typing"));

// `refused`: it was to be looked up, and is too short.
function drawEntry(refused = false) {
  const text = entry;
  const lengths = settings.receipt_lengths;
  const goal = lengths.length === 1 ? lengths[0] : 0;
  const wrong = lengths.length > 0 && (refused || digitsOf(text).length > Math.max(...lengths));
  const field = $("entry");
  field.classList.toggle("empty", text === "");
  field.textContent = text === "" ? (goal ? grouped("·".repeat(goal)) : t("entry")) : grouped(text);
  field.setAttribute("aria-label", text === "" ? t("entry") : [...text].join(" "));
  const note = $("entry-note");
  note.textContent = wrong ? t("wrong_length")(lengths.join(" / ")) : t("digits")(text.length, goal);
  note.classList.toggle("wrong", wrong);
  $("look-up").setAttribute("aria-disabled", String(!isEnough(text)));
}

// Whether so many digits are a number; how many there must be is known from the node.
const isEnough = (text) => (settings.receipt_lengths.length ? settings.receipt_lengths.includes(digitsOf(text).length) : text !== "");
const digitsOf = (text) => text.replace(/-/g, "");

const grouped = (text) => text.replace(/(.{4})(?=.)/g, "$1 ");

function day(iso, options) {
  const [y, m, d] = iso.split("-").map(Number);
  return new Intl.DateTimeFormat(DATES[lang], { timeZone: "UTC", ...options }).format(new Date(Date.UTC(y, m - 1, d)));
}

// ---- views -------------------------------------------------------------------------------------

const view = () => document.body.dataset.view;

function go(name) {
  document.body.dataset.view = name;
  for (const body of all(".body")) body.scrollTop = 0;
  fit();
}

// What is shown while nothing is asked.
const resting = () => (!settings.enrolled ? "unenrolled" : settings.maintenance ? "maintenance" : "idle");

function home() {
  forget();
  go(resting());
  rest.start();
  if (document.activeElement && document.activeElement !== document.body) document.activeElement.blur();
}

// A page that waits and is not touched is for the next person: in the first language, and empty.
const rest = {
  timer: 0,
  start() {
    clearTimeout(rest.timer);
    rest.timer = setTimeout(rest.end, REST_MS);
  },
  end() {
    if (["answer", "asking"].includes(view())) return;
    if (lang !== first) setLang(first);
    if (entry || view() === "keys") home();
  },
};

function leave() {
  home();
  rest.end();
}

function forget() {
  asked += 1;
  shown = null;
  code = null;
  picture = null;
  entry = "";
  mute = false;
  silence();
  clock.stop();
  $("said").textContent = "";
  $("alert").textContent = "";
  $("rating").classList.remove("given");
  $("rate").textContent = t("rate");
  for (const button of all("[data-score]")) button.setAttribute("aria-pressed", "false");
  for (const id of ["stage", "stage-label", "wording", "as-of"]) $(id).textContent = "";
  $("facts").replaceChildren();
  $("steps").replaceChildren();
  drawEntry();
}

function setLang(next) {
  lang = next;
  mute = false;
  silence();
  draw();
  $("alert").textContent = "";
  if (shown) sayAnswer();
}

// ---- asking ------------------------------------------------------------------------------------

function submit(text) {
  const now = performance.now();
  if (!text || ["maintenance", "unenrolled"].includes(view())) return;
  if (text === last.text && now - last.at < SAME_MS) {
    last.at = now;
    last.repeats += 1;
    return forgetLast();
  }
  last = { text, at: now, repeats: 0 };
  forgetLast();
  ask("/api/scan", { "Content-Type": "application/json" }, JSON.stringify({ code: text, kiosk }), { code: text });
}

function forgetLast() {
  setTimeout(() => { if (performance.now() - last.at >= SAME_MS) last.text = ""; }, SAME_MS + 50);
}

// `source`: what is asked about, a code or a photograph.
async function ask(path, headers, body, source) {
  forget();
  const mine = asked;
  $("asking").textContent = t(source.picture ? "reading" : "asking");
  const wheel = setTimeout(() => { if (mine === asked) go("asking"); }, 150);
  try {
    const response = await fetch(path, { method: "POST", headers: { ...headers, ...ours() }, body, cache: "no-store", signal: AbortSignal.timeout(source.code ? ASK_MS : 8 * ASK_MS) });
    const reply = await response.json();
    if (mine === asked && reply.error === "not_enrolled") return unenrolled();
    if (mine === asked) show(response.ok ? reply : problem(response.status, reply), response.ok ? source : {});
  } catch {
    if (mine === asked) offline();
  } finally {
    clearTimeout(wheel);
  }
}

// Says which page asks, so that an old one is noticed.
const ours = () => (version ? { "X-Kiosk-Version": version } : {});

function unenrolled() {
  settings.enrolled = false;
  home();
}

// A refused request in the shape of an answer.
function problem(status, reply) {
  const all = (key) => ({ zh: TEXT.zh[key], yue: TEXT.yue[key], en: TEXT.en[key] });
  const wording = reply.wording || all(status === 413 ? "too_large" : "failed");
  const title = status === 429 || status === 503 ? "wait" : ["no_barcode", "picture_time"].includes(reply.error) ? "photo_fail" : "again";
  return { found: false, title, wording };
}

function show(reply, source) {
  shown = reply;
  code = source.code || null;
  picture = source.picture || null;
  document.body.dataset.view = "answer";
  drawAnswer();
  go("answer");
  sayAnswer();
  $("stage").focus({ preventScroll: true });
  clock.start();
}

// For screen readers.
function sayAnswer() {
  $("said").textContent = `${$("stage").textContent}${lang === "en" ? ". " : "。"}${$("wording").textContent}`;
}

function drawAnswer() {
  if (!shown) return;
  const stage = shown.found ? shown.stage : null;
  const [tone, icon] = LOOK[stage] || ["calm", shown.unavailable || shown.title === "wait" ? "clock" : "search"];
  const answer = document.querySelector(".answer");
  answer.dataset.tone = tone;
  $("stage-icon").setAttribute("href", `#i-${icon}`);
  $("stage-label").textContent = t(stage ? "state" : "result");
  put($("stage"), stage ? sentence(shown.stages[stage][written()]) : t(shown.title || (shown.unavailable ? "wait" : shown.kind === "receipt" ? "no_result" : "check")));
  $("stage-card").classList.toggle("small", stage === "contact");
  answer.classList.toggle("sparse", !shown.progress);
  $("wording").textContent = shown.wording[written()];
  drawFacts();
  $("progress").hidden = !shown.progress;
  if (shown.progress) $("steps").replaceChildren(...steps(shown.progress, (step) => shown.stages[step][written()], t));
  const asOf = $("as-of");
  asOf.classList.toggle("stale", Boolean(shown.stale));
  asOf.textContent = shown.as_of ? t("as_of")(`${day(shown.as_of.slice(0, 10), { month: "long", day: "numeric" })} ${shown.as_of.slice(11, 16)}`) : "";
  $("rating").hidden = !shown.found;
  if ($("rating").classList.contains("given")) $("rate").textContent = t("thanks");
  drawActions();
}

// The main action is what most people do next: read on, or try again in the way that they tried.
function drawActions() {
  const failed = !shown.found && !shown.unavailable && shown.title !== "wait";
  const again = failed && hasCamera();
  $("again").hidden = !failed;
  $("retype").hidden = !failed;
  $("rephoto").hidden = !again;
  $("done").hidden = again;
  $("done").textContent = t(failed ? "scan_again" : "done");
  $("speak").hidden = !(code || picture) || shown.kind !== "receipt";
  drawSpeak();
}

function drawFacts() {
  const whole = (iso) => day(iso, { year: "numeric", month: "long", day: "numeric" });
  const facts = [];
  if (shown.expected_by) facts.push(fact(t("expected"), [whole(shown.expected_by)]));
  if (shown.posted_on) facts.push(fact(t("posted"), [whole(shown.posted_on)]));
  if (shown.hall) {
    const lines = [shown.hall, shown.hall.address, shown.hall.hours].filter(Boolean).map((line) => sentence(line[written()]));
    facts.push(fact(t(shown.stage === "ready" ? "collect_at" : "bring_to"), lines));
  }
  const names = shown.wording[written()].includes(settings.desk_number);
  if (!names && (shown.stage === "contact" || shown.unavailable)) facts.push(fact(t("desk_fact"), [settings.desk_number]));
  $("facts").replaceChildren(...facts);
}

// ---- the time an answer stays (WCAG 2.2.1) -------------------------------------------------------

const clock = {
  timer: 0,
  left: 0,
  start() {
    clock.stop();
    if (settings.answer_shown_s > 0) clock.timer = setTimeout(clock.warn, settings.answer_shown_s * 1000);
  },
  stop() {
    clearTimeout(clock.timer);
    clearInterval(clock.timer);
    const focused = $("warning").contains(document.activeElement);
    $("warning").hidden = true;
    document.body.classList.remove("warned");
    fit();
    if (focused) $("stage").focus({ preventScroll: true });
  },
  warn() {
    if (audio) return clock.start();
    clock.left = Math.max(20, settings.clear_warning_s);
    $("count").textContent = clock.left;
    $("warning").hidden = false;
    document.body.classList.add("warned");
    fit();
    $("alert").textContent = t("warned")(clock.left);
    $("more").focus({ preventScroll: true });
    clock.timer = setInterval(() => {
      clock.left -= 1;
      $("count").textContent = clock.left;
      if (clock.left <= 0) leave();
    }, 1000);
  },
  warned: () => !$("warning").hidden,
};

// A touch restarts the clock. While the warning is shown, only its buttons and the space bar do.
function noticed() {
  if (view() === "answer" && !clock.warned()) clock.start();
  rest.start();
}

// ---- sound -------------------------------------------------------------------------------------

async function speak() {
  if (audio || loading) return silence();
  if (!code && !picture) return;
  const mine = (loading = new AbortController());
  drawSpeak();
  try {
    const request = code
      ? ["/api/scan/speech", { "Content-Type": "application/json" }, JSON.stringify({ code, lang, kiosk })]
      : [`/api/scan/image/speech?lang=${lang}`, pictureHeaders(picture), picture];
    const [path, headers, body] = request;
    const response = await fetch(path, { method: "POST", headers, body, cache: "no-store", signal: mine.signal });
    if (!response.ok) throw new Error(response.status);
    const sound = new Audio(URL.createObjectURL(await response.blob()));
    if (mine.signal.aborted) return;
    audio = sound;
    sound.onended = sound.onerror = () => silence();
    await sound.play();
  } catch {
    if (!mine.signal.aborted) {
      silence();
      mute = true;
      $("alert").textContent = t("no_speech");
    }
  } finally {
    if (loading === mine) loading = null;
    drawSpeak();
    if (shown && !clock.warned()) clock.start();
  }
}

function silence() {
  if (loading) loading.abort();
  loading = null;
  if (audio) {
    audio.onended = audio.onerror = null;
    audio.pause();
    URL.revokeObjectURL(audio.src);
    audio = null;
  }
  drawSpeak();
}

function drawSpeak() {
  const on = Boolean(audio || loading);
  $("speak-text").textContent = t(on ? "stop" : mute ? "no_speech" : "speak");
  $("speak-icon").setAttribute("href", on ? "#i-stop" : "#i-sound");
}

// ---- the photograph ------------------------------------------------------------------------------

async function photograph(file) {
  if (!file) return;
  const small = await smaller(file).catch(() => file);
  if (small.size > settings.image_bytes_max) return show(problem(413, {}), {});
  ask("/api/scan/image", pictureHeaders(small), small, { picture: small });
}

const pictureHeaders = (blob) => ({ "Content-Type": blob.type || "application/octet-stream", ...(kiosk && { "X-Kiosk": kiosk }) });

async function smaller(file) {
  const picture = await createImageBitmap(file);
  const [shorter, longer] = [picture.width, picture.height].sort((a, b) => a - b);
  if (longer > 3 * shorter && file.size <= settings.image_bytes_max) return file; // a long screenshot: the node searches it piece by piece
  const scale = Math.min(1, 2400 / Math.min(longer, 2 * shorter));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const paper = canvas.getContext("2d");
  paper.fillStyle = "#fff"; // a JPEG has no transparency, which would become black
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail()), "image/jpeg", 0.88));
}

// ---- keys ----------------------------------------------------------------------------------------

function press(c) {
  if (view() === "answer") {
    if (c === "s" || c === "S") return void speak();
    if (c === " ") return void (clock.warned() ? clock.start() : speak());
  }
  if (!/^[0-9A-Za-z-]$/.test(c) || entry.length >= ENTRY_MAX) return drawEntry();
  if (view() === "answer") home();
  if (view() !== "idle" && view() !== "keys") return;
  entry += c.toUpperCase();
  if (view() === "idle" && !hasKeypad()) go("keys");
  drawEntry();
}

function erase() {
  entry = entry.slice(0, -1);
  drawEntry();
}

// ---- the network -----------------------------------------------------------------------------------

let retry = 0;
function offline() {
  clearTimeout(retry);
  forget();
  last.text = ""; // nothing was answered: the same receipt may be scanned again at once
  go("offline");
  const again = async (wait) => {
    if (view() !== "offline") return;
    if (await alive()) return home();
    retry = setTimeout(again, wait, Math.min(wait * 1.5, 15000));
  };
  retry = setTimeout(again, 1500, 2500);
}

// Whether the node answers; its settings are read as well.
async function alive() {
  try {
    const response = await fetch("/kiosk/config.json", { cache: "no-store", headers: ours(), signal: AbortSignal.timeout(5000) });
    if (!response.ok) return false;
    settings = { ...settings, ...(await response.json()) };
    version = version || settings.page_version;
    return true;
  } catch {
    return false;
  }
}

// While the kiosk is idle: checks whether the service answers, whether this is a kiosk, and whether maintenance is on.
async function watch() {
  const rests = () => ["idle", "maintenance", "unenrolled"].includes(view()) && !entry;
  if (rests()) {
    const there = await alive();
    if (rests() && keys.quiet()) {
      if (!there) offline();
      else if (view() !== resting()) home();
    }
  }
  setTimeout(watch, 20000);
}

async function configure() {
  // The page was served, so a failure is the network's of this moment; watch() reports it.
  await alive();
  if (view() === "idle") go(resting());
  draw();
}

// ---- touch -----------------------------------------------------------------------------------------

const DO = {
  keys() { go("keys"); },
  retype() { DO.home(); if (!hasKeypad()) go("keys"); },
  // Who leaves an answer by hand may scan the same receipt at once, unless it is read again and again: it lies under the scanner still.
  home() { if (last.repeats < 2) last.text = ""; home(); },
  speak,
  erase,
  clear() { entry = ""; drawEntry(); },
  submit: lookUp,
  more() { clock.start(); },
};

// A number typed by hand is looked up once it has its digits.
function lookUp() {
  if (isEnough(entry)) return submit(entry);
  if (["idle", "keys"].includes(view())) drawEntry(true);
}

// Whether there was a number to look up.
function enter() {
  if (!entry) return false;
  lookUp();
  return true;
}

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const { key, do: what, lang: next, score } = button.dataset;
  if (key) press(key);
  if (what) DO[what]();
  if (next) setLang(next);
  if (score) rate(button, Number(score));
}

function rate(button, score) {
  if ($("rating").classList.contains("given")) return;
  $("rating").classList.add("given");
  button.setAttribute("aria-pressed", "true");
  $("rate").textContent = t("thanks");
  $("said").textContent = t("thanks");
  fetch("/api/rate", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ score, kiosk }) }).catch(() => {});
}

const keys = listen({ scan: submit, press, enter, erase, escape: home, lengths: () => settings.receipt_lengths });
document.addEventListener("click", onClick);
for (const event of ["pointerdown", "keydown", "wheel", "touchmove"]) document.addEventListener(event, noticed, { passive: true });
document.addEventListener("contextmenu", (event) => { if (kiosk) event.preventDefault(); });
window.addEventListener("offline", () => { if (view() === "idle") offline(); });
// A page restored from the browser's cache would show an old answer.
window.addEventListener("pageshow", (event) => { if (event.persisted) home(); });
window.addEventListener("pagehide", forget);
for (const input of all(".photo input")) {
  input.addEventListener("change", (event) => {
    photograph(event.target.files[0]);
    event.target.value = "";
  });
}
window.addEventListener("resize", draw);

bars();
$("again").append(document.querySelector(".picture svg").cloneNode(true));
draw();
configure();
rest.start();
setTimeout(watch, 5000);
