// The kiosk: scan or type → ask → show → forget.
//
//   idle / keys ──code──► asking ──reply──► answer ──timer, key or next scan──► idle
//        ▲                  └─ no network ─► offline ──/health answers──┘
//
// Nothing of a person outlives the answer on the screen: no address, history or storage holds a receipt.
"use strict";
(() => {
  const TEXT = {
    zh: {
      title: "出入境证件进度查询", ask: "请扫描受理回执上的条形码", ask_sub: "把回执对准扫描口，听到“嘀”声即可",
      ask_sub_phone: "拍下条形码，或输入编号", picture: "受理回执下方的条形码，对准扫描器的红光", receipt: "受理回执",
      type: "输入编号", photo: "拍照识别", type_title: "没有条形码？请输入回执编号", clear: "清除", erase: "退格", back: "返回",
      look_up: "查询", digits: (n, of) => (of ? `已输入 ${n} 位，共 ${of} 位` : `已输入 ${n} 位`), entry: "输入回执编号",
      asking: "正在查询…", state: "当前状态", result: "查询结果", progress: "办理进度", now: "当前", next: "下一步", paused: "暂停计时",
      expected: "预计办结日期", hall: "办理地点", as_of: (t) => `数据截至 ${t}`, speak: "朗读", stop: "停止朗读", done: "完成", rate: "您对本次查询满意吗？",
      satisfied: "满意", fair: "一般", not_satisfied: "不满意", thanks: "谢谢您的评价", warning: "还在查看吗？画面即将清除。",
      warned: (s) => `画面将在 ${s} 秒后清除。需要更多时间，请按空格键或屏幕上的按钮。`, more_time: "需要更多时间", clear_now: "现在清除",
      offline: "暂时无法连接", offline_sub: "正在自动重新连接，恢复后请再扫描一次。急需查询，请到人工窗口。", maintenance: "系统维护中",
      maintenance_sub: "暂停自助查询，请到人工窗口或稍后再来。", privacy: "查询结果会自动清除，不会保存在本机", desk: (n) => `人工咨询电话 ${n}`, desk_fact: "人工咨询电话",
      no_result: "没有查到", check: "请核对", wait: "请稍候再试", failed: "这次没有查成，请再扫描一次。", too_large: "照片太大，请靠近条形码再拍一次。",
      no_speech: "这条结果没有录音。", photo_fail: "没有认出条形码",
    },
    yue: {
      title: "出入境證件進度查詢", ask: "請掃描受理回執上面嘅條碼", ask_sub: "將回執對準掃描口，聽到「嘀」一聲就得",
      ask_sub_phone: "影低條碼，或者輸入編號", picture: "受理回執下面嘅條碼，對準掃描器嘅紅光", receipt: "受理回執",
      type: "輸入編號", photo: "影相識別", type_title: "冇條碼？請輸入回執編號", clear: "清除", erase: "退格", back: "返回",
      look_up: "查詢", digits: (n, of) => (of ? `已輸入 ${n} 位，總共 ${of} 位` : `已輸入 ${n} 位`), entry: "輸入回執編號",
      asking: "查詢緊…", state: "而家嘅狀態", result: "查詢結果", progress: "辦理進度", now: "而家", next: "下一步", paused: "暫停計時",
      expected: "預計辦結日期", hall: "辦理地點", as_of: (t) => `資料截至 ${t}`, speak: "讀出嚟", stop: "停止", done: "完成", rate: "你滿意呢次查詢嗎？",
      satisfied: "滿意", fair: "一般", not_satisfied: "唔滿意", thanks: "多謝你嘅評價", warning: "仲睇緊嗎？畫面就快清除。",
      warned: (s) => `畫面會喺 ${s} 秒之後清除。想要多啲時間，請撳空格鍵或者螢幕上面嘅掣。`, more_time: "要多啲時間", clear_now: "而家清除",
      offline: "暫時連唔到", offline_sub: "自動重新連接緊，好返之後請再掃描一次。急住查，請去人工窗口。", maintenance: "系統維護中",
      maintenance_sub: "暫停自助查詢，請去人工窗口或者遲啲再嚟。", privacy: "查詢結果會自動清除，唔會留喺呢部機", desk: (n) => `人工諮詢電話 ${n}`, desk_fact: "人工諮詢電話",
      no_result: "查唔到", check: "請核對", wait: "請等陣再試", failed: "今次查唔成，請再掃描一次。", too_large: "張相太大，請靠近條碼再影一次。",
      no_speech: "呢個結果冇錄音。", photo_fail: "認唔到條碼",
    },
    en: {
      title: "Exit–entry progress", ask: "Scan the barcode on your receipt", ask_sub: "Hold the receipt under the scanner until it beeps",
      ask_sub_phone: "Photograph the barcode, or type the number", picture: "The barcode at the foot of the receipt, in the scanner’s red light", receipt: "RECEIPT",
      type: "Type the number", photo: "Take a photograph", type_title: "No barcode? Type the receipt number", clear: "Clear", erase: "Erase the last digit", back: "Back",
      look_up: "Look up", digits: (n, of) => (of ? `${n} of ${of} digits` : `${n} digits`), entry: "Receipt number",
      asking: "Looking it up…", state: "Status", result: "Result", progress: "Progress", now: "Now", next: "Next", paused: "Clock paused",
      expected: "Expected by", hall: "Where to go", as_of: (t) => `As of ${t}`, speak: "Listen", stop: "Stop", done: "Done", rate: "Are you satisfied?",
      satisfied: "Yes", fair: "Fair", not_satisfied: "No", thanks: "Thank you", warning: "Still reading? This screen is about to clear.",
      warned: (s) => `This screen clears in ${s} seconds. For more time press the space bar or the button on the screen.`, more_time: "More time", clear_now: "Clear now",
      offline: "No connection at the moment", offline_sub: "Reconnecting by itself. Please scan again when it is back, or ask at a counter.", maintenance: "Under maintenance",
      maintenance_sub: "This service is paused. Please ask at a counter, or come back later.", privacy: "Answers are cleared by themselves and are not kept on this machine", desk: (n) => `Enquiries: ${n}`, desk_fact: "Our staff",
      no_result: "No match", check: "Please check", wait: "Please wait a moment", failed: "That did not work. Please scan again.", too_large: "The picture is too large. Move closer to the barcode and try again.",
      no_speech: "There is no recording of this.", photo_fail: "No barcode found",
    },
  };
  const TAG = { zh: "zh-CN", yue: "yue-Hant", en: "en" };
  const DATES = { zh: "zh-CN", yue: "zh-HK", en: "en-GB" };
  const LOOK = {
    accepted: ["way", "paper"], review: ["way", "search"], production: ["way", "clock"], supplement: ["wait", "pause"],
    ready: ["good", "done"], posted: ["good", "mail"], collected: ["good", "done"], contact: ["calm", "person"],
  };
  const SCAN_GAP_MS = 80; // a scanner's keys follow each other faster than any finger's
  const SCAN_MIN = 6; // shorter bursts are two fingers on a keyboard
  const CODE_MAX = 3000;
  const ENTRY_MAX = 40;
  const SAME_MS = 2000; // a scanner that reads the same paper again
  const ASK_MS = 10000;

  const query = new URLSearchParams(location.search);
  const kiosk = (query.get("kiosk") || "").replace(/[^A-Za-z0-9._-]/g, "").slice(0, 32);
  const first = TEXT[query.get("lang")] ? query.get("lang") : "zh";
  const $ = (id) => document.getElementById(id);
  const all = (selector) => document.querySelectorAll(selector);

  let settings = { answer_shown_s: 45, clear_warning_s: 20, maintenance: false, image_bytes_max: 8000000, receipt_lengths: [], desk_number: "" };
  let lang = first;
  let entry = "";
  let shown = null; // the reply on the screen
  let code = null; // what it answers, for the recording only
  let asked = 0; // numbers the questions: a late reply to an earlier one is dropped
  let last = { text: "", at: -SAME_MS };
  let audio = null;
  let loading = null;
  let mute = false; // there is no recording of what is shown

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
    const text = entry + (burst.fast ? "" : burst.text);
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

  function home() {
    forget();
    if (kiosk && lang !== first) setLang(first);
    go(settings.maintenance ? "maintenance" : "idle");
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
    if (!text || view() === "maintenance") return;
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
      const response = await fetch(path, { method: "POST", headers, body, cache: "no-store", signal: AbortSignal.timeout(text ? ASK_MS : 4 * ASK_MS) });
      const reply = await response.json();
      if (mine === asked) show(response.ok ? reply : problem(response.status, reply), response.ok ? text : null);
    } catch {
      if (mine === asked) offline();
    } finally {
      clearTimeout(wheel);
    }
  }

  // A refused question, in the shape of an answer.
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

  // The hotline's words stand in the middle of a sentence; here they begin one.
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

  function icon(name) {
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    const use = document.createElementNS(ns, "use");
    use.setAttribute("href", `#i-${name}`);
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    return svg;
  }

  function tag(text) {
    const node = document.createElement("span");
    node.className = "tag";
    node.textContent = text;
    return node;
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

  // Whoever touches the screen is still there; while the warning is up only its buttons and the space bar count.
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
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail()), "image/jpeg", 0.88));
  }

  // ---- keys: a scanner types like a keyboard, and nothing need be in focus ---------------------------

  const burst = { text: "", fast: false, at: 0, timer: 0 };

  function character(event) {
    let key = event.key;
    // With an input method left on, the key is "Process"; the place on the keyboard still says which it was.
    if (key === "Process" || key === "Unidentified" || event.isComposing) {
      const place = /^(?:Digit|Numpad|Key)(.)$/.exec(event.code);
      key = place ? place[1] : { Minus: "-", Period: ".", Slash: "/", Semicolon: ":", BracketRight: "]" }[event.code] || "";
    }
    if ([...key].length !== 1) return "";
    const point = key.codePointAt(0);
    if (point === 0x3000) return " ";
    return point >= 0xff01 && point <= 0xff5e ? String.fromCodePoint(point - 0xfee0) : key;
  }

  function flush() {
    clearTimeout(burst.timer);
    const { text, fast } = burst;
    burst.text = "";
    burst.fast = false;
    if (text === "") return;
    if (fast && text.length >= SCAN_MIN) return submit(text);
    for (const c of text) press(c);
  }

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

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const now = performance.now();
    const quick = now - burst.at < SCAN_GAP_MS;
    const scanning = burst.fast && burst.text.length >= SCAN_MIN;
    if (event.key === "Enter" || event.key === "Tab" || event.key === "NumpadEnter") {
      if (scanning) {
        event.preventDefault();
        event.stopPropagation();
        return flush();
      }
      flush();
      if (event.key === "Enter" && entry && !onControl(event.target)) submit(entry);
      return;
    }
    if (event.key === "Escape") return home();
    if (event.key === "Backspace" || event.key === "Delete") {
      flush();
      return erase();
    }
    const c = character(event);
    if (c === "") return;
    if (c === " " && !burst.text && onControl(event.target)) return; // the space bar presses the button in focus
    event.preventDefault();
    if (!quick && burst.text) flush();
    burst.fast = burst.text === "" || (quick && burst.fast);
    if (burst.text.length < CODE_MAX) burst.text += c;
    burst.at = now;
    clearTimeout(burst.timer);
    burst.timer = setTimeout(flush, SCAN_GAP_MS + 40);
  }

  const onControl = (node) => node instanceof Element && Boolean(node.closest("button, input, label"));

  function erase() {
    entry = entry.slice(0, -1);
    drawEntry();
  }

  // ---- the network -----------------------------------------------------------------------------------

  let retry = 0;
  function offline() {
    clearTimeout(retry);
    forget();
    go("offline");
    const again = async (wait) => {
      if (view() !== "offline") return;
      if (await alive()) return home();
      retry = setTimeout(again, wait, Math.min(wait * 1.5, 15000));
    };
    retry = setTimeout(again, 1500, 2500);
  }

  async function alive() {
    try {
      const response = await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const health = await response.json();
      settings.maintenance = health.maintenance;
      return response.ok || health.status === "draining";
    } catch {
      return false;
    }
  }

  // While nobody stands here: is the service there, and is it meant to be?
  async function watch() {
    if (["idle", "maintenance"].includes(view()) && !entry) {
      const there = await alive();
      if (["idle", "maintenance"].includes(view()) && !entry && !burst.text) {
        if (!there) offline();
        else if ((view() === "maintenance") !== settings.maintenance) home();
      }
    }
    setTimeout(watch, 20000);
  }

  async function configure() {
    try {
      const response = await fetch("/kiosk/config.json", { cache: "no-store" });
      settings = { ...settings, ...(await response.json()) };
    } catch {
      // The page was served, so the network went away just now; watch() says so.
    }
    if (settings.maintenance && view() === "idle") go("maintenance");
    draw();
  }

  // ---- touch -----------------------------------------------------------------------------------------

  const DO = {
    keys() { go("keys"); typed(); },
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

  function bars() {
    // A picture of bars, and no barcode of anybody: the widths repeat.
    const ns = "http://www.w3.org/2000/svg";
    let x = 172;
    const widths = [3, 2, 6, 2, 3, 5, 2, 3, 8, 3, 2, 4];
    for (let n = 0; x < 400; n += 1) {
      const bar = document.createElementNS(ns, "rect");
      const wide = widths[n % widths.length];
      for (const [name, value] of Object.entries({ x, y: 198, width: wide, height: 58 })) bar.setAttribute(name, value);
      document.querySelector(".bars").append(bar);
      x += wide + widths[(n + 5) % widths.length] * 0.8 + 1.5;
    }
  }

  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", onClick);
  for (const event of ["pointerdown", "keydown", "wheel", "touchmove"]) document.addEventListener(event, noticed, { passive: true });
  document.addEventListener("contextmenu", (event) => { if (kiosk) event.preventDefault(); });
  window.addEventListener("offline", () => { if (view() === "idle") offline(); });
  // A page from the browser's memory would bring an old answer back.
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
})();
