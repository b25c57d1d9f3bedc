// The kiosk: scan or type → look up → show → clear.
//
//   idle / keys ──code──► asking ──reply──► answer ──timer, key or next scan──► idle
//        ▲                  └─ no network ─► offline ──the node answers──┘
//
// A browser that is no kiosk shows that, and what to do (unenrolled).
//
// No data of a person outlives the answer on the screen: no URL, history or storage holds a receipt number.
import { listen } from "./scanner.js";
import { bars, icon, tag } from "./shapes.js";
import { TEXT } from "./words.js";

const TAG = { zh: "zh-CN", yue: "yue-Hant", en: "en" };
const DATES = { zh: "zh-CN", yue: "zh-HK", en: "en-GB" };
const LOOK = {
  accepted: ["way", "paper"], review: ["way", "search"], production: ["way", "clock"], supplement: ["wait", "pause"],
  ready: ["good", "done"], posted: ["good", "mail"], collected: ["good", "done"], contact: ["calm", "person"],
};
const ENTRY_MAX = 40;
const SAME_MS = 2000; // a scanner that reads the same receipt twice
const ASK_MS = 10000;

const query = new URLSearchParams(location.search);
const kiosk = (query.get("kiosk") || "").replace(/[^A-Za-z0-9._-]/g, "").slice(0, 32);
const first = TEXT[query.get("lang")] ? query.get("lang") : "zh";
const $ = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);

let settings = { enrolled: true, page_version: "", answer_shown_s: 45, clear_warning_s: 20, maintenance: false, image_bytes_max: 8000000, receipt_lengths: [], desk_number: "" };
let lang = first;
let entry = "";
let shown = null; // the reply on the screen
let code = null; // the code it answers, needed for speech only
let asked = 0; // numbers the requests: a late reply to an earlier one is dropped
let last = { text: "", at: -SAME_MS };
let audio = null;
let loading = null;
let mute = false; // the answer shown has no recording
let version = ""; // of this page: the node may have a newer one

// ---- words -------------------------------------------------------------------------------------

const t = (key) => TEXT[lang][key];

function draw() {
  document.documentElement.lang = TAG[lang];
  document.title = t("title");
  for (const node of all("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of all("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of all("[data-lang]")) node.setAttribute("aria-pressed", String(node.dataset.lang === lang));
  const photo = getComputedStyle(document.querySelector(".photo")).display !== "none";
  if (photo) document.querySelector(".idle .sub").textContent = t("ask_sub_phone");
  $("desk").textContent = settings.desk_number ? t("desk")(settings.desk_number) : "";
  drawEntry();
  drawAnswer();
}

function drawEntry() {
  const text = entry;
  const lengths = settings.receipt_lengths;
  const goal = lengths.length === 1 ? lengths[0] : 0;
  const field = $("entry");
  field.classList.toggle("empty", text === "");
  field.textContent = text === "" ? (goal ? grouped("·".repeat(goal)) : t("entry")) : grouped(text);
  field.setAttribute("aria-label", text === "" ? t("entry") : [...text].join(" "));
  $("entry-note").textContent = t("digits")(text.length, goal);
}

const grouped = (text) => text.replace(/(.{4})(?=.)/g, "$1 ");

function day(iso, options) {
  const [y, m, d] = iso.split("-").map(Number);
  return new Intl.DateTimeFormat(DATES[lang], { timeZone: "UTC", ...options }).format(new Date(Date.UTC(y, m - 1, d)));
}

// ---- views -------------------------------------------------------------------------------------

const view = () => document.body.dataset.view;

function go(name) {
  document.body.dataset.view = name;
  document.querySelector("main").scrollTop = 0;
  window.scrollTo(0, 0);
}

// What is shown while nothing is asked.
const resting = () => (!settings.enrolled ? "unenrolled" : settings.maintenance ? "maintenance" : "idle");

function home() {
  forget();
  if (kiosk && lang !== first) setLang(first);
  go(resting());
  if (document.activeElement && document.activeElement !== document.body) document.activeElement.blur();
}

function forget() {
  asked += 1;
  shown = null;
  code = null;
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
}

// ---- asking ------------------------------------------------------------------------------------

function submit(text) {
  const now = performance.now();
  if (!text || ["maintenance", "unenrolled"].includes(view())) return;
  if (text === last.text && now - last.at < SAME_MS) {
    last.at = now;
    return;
  }
  last = { text, at: now };
  setTimeout(() => { if (performance.now() - last.at >= SAME_MS) last.text = ""; }, SAME_MS + 50);
  ask("/api/scan", { "Content-Type": "application/json" }, JSON.stringify({ code: text, kiosk }), text);
}

async function ask(path, headers, body, text) {
  forget();
  const mine = asked;
  const wheel = setTimeout(() => { if (mine === asked) go("asking"); }, 150);
  try {
    const response = await fetch(path, { method: "POST", headers: { ...headers, ...ours() }, body, cache: "no-store", signal: AbortSignal.timeout(text ? ASK_MS : 4 * ASK_MS) });
    const reply = await response.json();
    if (mine === asked && reply.error === "not_enrolled") return unenrolled();
    if (mine === asked) show(response.ok ? reply : problem(response.status, reply), response.ok ? text : null);
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
  const title = status === 429 || status === 503 ? "wait" : status === 422 || status === 415 || status === 413 ? "photo_fail" : "check";
  return { found: false, title, wording };
}

function show(reply, text) {
  shown = reply;
  code = text;
  go("answer");
  drawAnswer();
  $("said").textContent = `${$("stage").textContent}。 ${$("wording").textContent}`;
  $("stage").focus({ preventScroll: true });
  clock.start();
}

function drawAnswer() {
  if (!shown) return;
  const stage = shown.found ? shown.stage : null;
  const [tone, icon] = LOOK[stage] || ["calm", shown.unavailable || shown.title === "wait" ? "clock" : "search"];
  const answer = document.querySelector(".answer");
  answer.dataset.tone = tone;
  $("stage-icon").setAttribute("href", `#i-${icon}`);
  $("stage-label").textContent = t(stage ? "state" : "result");
  $("stage").textContent = stage ? sentence(shown.stages[stage][lang]) : t(shown.title || (shown.unavailable ? "wait" : shown.kind === "receipt" ? "no_result" : "check"));
  $("stage-card").classList.toggle("small", stage === "contact");
  answer.classList.toggle("sparse", !shown.progress);
  $("again").hidden = shown.found || Boolean(shown.unavailable) || shown.title === "wait";
  $("retype").hidden = $("again").hidden;
  $("wording").textContent = shown.wording[lang];
  drawFacts();
  drawSteps();
  const asOf = $("as-of");
  asOf.classList.toggle("stale", Boolean(shown.stale));
  asOf.textContent = shown.as_of ? t("as_of")(`${day(shown.as_of.slice(0, 10), { month: "long", day: "numeric" })} ${shown.as_of.slice(11, 16)}`) : "";
  $("speak").hidden = !code || shown.kind !== "receipt";
  $("rating").hidden = !shown.found;
  if ($("rating").classList.contains("given")) $("rate").textContent = t("thanks");
  drawSpeak();
}

function drawFacts() {
  const fact = (name, value) => {
    const [box, dt, dd] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    dt.textContent = name;
    dd.textContent = value;
    box.append(dt, dd);
    return box;
  };
  const facts = [];
  if (shown.expected_by) facts.push(fact(t("expected"), day(shown.expected_by, { year: "numeric", month: "long", day: "numeric" })));
  if (shown.hall) facts.push(fact(t("hall"), sentence(shown.hall[lang])));
  if (settings.desk_number && (shown.stage === "contact" || shown.unavailable)) facts.push(fact(t("desk_fact"), settings.desk_number));
  $("facts").replaceChildren(...facts);
}

// The words of the hotline are made for the middle of a sentence; here they begin one.
const sentence = (text) => text.replace(/^the /, "").replace(/^./, (c) => c.toUpperCase());

function drawSteps() {
  const progress = shown.progress;
  $("progress").hidden = !progress;
  if (!progress) return;
  const over = progress.at === progress.steps.length - 1;
  const items = progress.steps.map((step, n) => {
    const item = document.createElement("li");
    const dot = document.createElement("span");
    const name = document.createElement("span");
    dot.className = "dot";
    name.textContent = sentence(shown.stages[step][lang]);
    item.append(dot, name);
    if (n < progress.at || (over && n === progress.at)) {
      item.className = "done";
      dot.append(icon("done"));
    }
    if (n === progress.at) {
      item.classList.add("here");
      item.setAttribute("aria-current", "step");
      if (!over) dot.append(progress.paused ? icon("pause") : document.createElement("b"));
      item.append(tag(progress.paused ? t("paused") : t("now")));
    }
    if (n === progress.at + 1) item.append(tag(t("next")));
    return item;
  });
  $("steps").replaceChildren(...items);
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
    if (focused) $("stage").focus({ preventScroll: true });
  },
  warn() {
    if (audio) return clock.start();
    clock.left = Math.max(20, settings.clear_warning_s);
    $("warning-text").textContent = t("warning");
    $("count").textContent = clock.left;
    $("warning").hidden = false;
    document.body.classList.add("warned");
    $("alert").textContent = t("warned")(clock.left);
    $("more").focus({ preventScroll: true });
    clock.timer = setInterval(() => {
      clock.left -= 1;
      $("count").textContent = clock.left;
      if (clock.left <= 0) home();
    }, 1000);
  },
  warned: () => !$("warning").hidden,
};

// A touch restarts the clock. While the warning is shown, only its buttons and the space bar do.
function noticed() {
  if (view() === "answer" && !clock.warned()) clock.start();
  if (view() === "keys" || (view() === "idle" && entry)) typed();
}

let typedTimer = 0;
function typed() {
  clearTimeout(typedTimer);
  typedTimer = setTimeout(() => { if (view() === "keys" || (view() === "idle" && entry)) home(); }, 60000);
}

// ---- sound -------------------------------------------------------------------------------------

async function speak() {
  if (audio || loading) return silence();
  if (!code) return;
  const mine = (loading = new AbortController());
  drawSpeak();
  try {
    const body = JSON.stringify({ code, lang, kiosk });
    const response = await fetch("/api/scan/speech", { method: "POST", headers: { "Content-Type": "application/json" }, body, cache: "no-store", signal: mine.signal });
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
  if (small.size > settings.image_bytes_max) return show(problem(413, {}), null);
  ask("/api/scan/image", { "Content-Type": small.type || "application/octet-stream", ...(kiosk && { "X-Kiosk": kiosk }) }, small, null);
}

async function smaller(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, 2400 / Math.max(picture.width, picture.height));
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
  if (view() === "idle" && getComputedStyle(document.querySelector(".typing")).display === "none") go("keys");
  typed();
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
  keys() { go("keys"); typed(); },
  retype() { home(); if (getComputedStyle(document.querySelector(".typing")).display === "none") go("keys"); typed(); },
  home,
  speak,
  erase,
  clear() { entry = ""; drawEntry(); },
  submit() { if (entry) submit(entry); },
  more() { clock.start(); },
};

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

const keys = listen({ scan: submit, press, enter: () => { if (entry) submit(entry); }, erase, escape: home });
document.addEventListener("click", onClick);
for (const event of ["pointerdown", "keydown", "wheel", "touchmove"]) document.addEventListener(event, noticed, { passive: true });
document.addEventListener("contextmenu", (event) => { if (kiosk) event.preventDefault(); });
window.addEventListener("offline", () => { if (view() === "idle") offline(); });
// A page restored from the browser's cache would show an old answer.
window.addEventListener("pageshow", (event) => { if (event.persisted) home(); });
window.addEventListener("pagehide", forget);
$("photo").addEventListener("change", (event) => {
  photograph(event.target.files[0]);
  event.target.value = "";
});

bars();
$("again").append(document.querySelector(".picture svg").cloneNode(true));
draw();
configure();
setTimeout(watch, 5000);
