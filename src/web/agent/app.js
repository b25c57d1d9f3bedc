// The agents' page: the session, what the agent does, the caller who rings or talks, notes, figures. Supervisors see the whole desk.

import { Refused, get, post, query, session, words } from "/studio/api.js";
import { ask, button, clearNotices, fill, h, inZone, key, lang, notice, say, speak, w } from "/studio/dom.js";
import { firstPassword } from "/studio/first_password.js";
import { passwordFields } from "/studio/password_fields.js";
import { signIn } from "/studio/sign_in.js";
import { callerCard } from "./caller.js";
import { allow, ring, stop } from "./ring.js";
import { supervisorView } from "./supervisor.js";
import { chooseTarget, consultationTitle, transferKeys, transferPart } from "./transfer.js";
import { callBackState, clock, hour, langName, monitorText, noticeText, phoneTrouble, ratings, reasonName, stateName } from "./words.js";

session.base = "/agent/api/";
session.away = {
  zh: "无法连接服务器，正在重试。电话不受影响，请继续接听。",
  en: "The node cannot be reached; the page tries again. Telephones are not affected.",
};

const main = document.getElementById("main");
let settings = { pauses: [], reasons: [], numbers: false };
let state = null; // the last reply
let received = 0; // when it came
let following = 0;
let typed; // the password of a sign-in, until it is changed
let supervisor = null;
let card = { call: null, card: null, problem: "" };
let drawn = {}; // what each part of the page shows
let note = null; // { call, reason, text, saved }
let wrapped = null; // the last call with wrap-up
let closed = null; // the ended call that the page no longer shows
let told = 0; // the number of the last notice of a supervisor
let retry = 0; // asks for the card again
let touched = performance.now(); // when somebody last used keys or mouse
const ACTIVE_MS = 120000;
const phone = { here: null, telephone: null, owner: "", state: "off", why: "", muted: false };

// ---- the session ---------------------------------------------------------------------------------

function enter() {
  top();
  stop();
  supervisor?.leave();
  supervisor = null;
  drawn = {};
  if (!session.operator) {
    document.body.dataset.view = "sign-in";
    document.title = w("登录 · 坐席", "Sign in · Agent desk");
    return signIn({ main, done: signedIn }).draw();
  }
  if (session.mustChange) {
    document.body.dataset.view = "first-password";
    return firstPassword({ main, me: session.operator, typed, done: passwordChosen }).draw();
  }
  document.title = w("坐席", "Agent desk");
  if (session.operator.role === "supervisor") {
    document.body.dataset.view = "supervisor";
    supervisor = supervisorView({ main, settings, isActive });
    supervisor.enter();
    return draw();
  }
  if (session.operator.role !== "agent") {
    document.body.dataset.view = "refused";
    return fill(main, h("div", { class: "card narrow" }, h("h1", { tabindex: -1 }, w("此页面供坐席和班长使用", "This page is for agents and supervisors")),
      h("p", {}, w("请用坐席账号登录，或联系系统管理员更改角色。", "Sign in with an agent's account, or ask the administrator for the role."))));
  }
  document.body.dataset.view = "agent";
  skeleton();
  if (state) draw();
  main.focus({ preventScroll: true });
}

async function begin() {
  following += 1;
  [state, wrapped, closed, told] = [null, null, null, 0];
  if (session.operator && !session.mustChange && ["agent", "supervisor"].includes(session.operator.role)) {
    settings = await get("settings").catch(() => settings);
  }
  enter();
  if (["agent", "supervisor"].includes(session.operator?.role) && !session.mustChange) follow();
}

function signedIn(me, password) {
  session.operator = me.operator;
  session.mustChange = me.must_change;
  session.csrf = me.csrf;
  inZone(me.time_zone);
  const isOwner = phone.owner === me.operator.name;
  if (phone.telephone && !isOwner) closePhone();
  typed = me.must_change ? password : undefined;
  notice("session", "");
  allow();
  begin();
  // It was on until the session ended.
  if (isOwner && !me.must_change && !phone.telephone && phone.why === "signed_out") switchPhone();
}

function passwordChosen() {
  typed = undefined;
  session.mustChange = false;
  notice("good", w("密码已修改。", "The password was changed."));
  begin();
}

/** Asks for the current password and a new one until it is changed or given up. */
async function changePassword() {
  for (let trouble = ""; ;) {
    const asked = await ask(w("修改密码", "Change the password"), [
      passwordFields(session.operator.name),
      trouble && h("p", { class: "trouble", role: "alert" }, trouble),
    ], w("修改", "Change"));
    if (!asked || !session.operator) return;
    try {
      if (asked.new !== asked.again) throw w("两次输入不一致。", "The two do not match.");
      await post("password", { old: asked.old, new: asked.new });
      return notice("good", w("密码已修改，其他浏览器已退出登录。", "The password was changed; other browsers are signed out."));
    } catch (problem) {
      trouble = typeof problem === "string" ? problem : words(problem);
    }
  }
}

session.signedOut = () => {
  if (!session.operator) return;
  Object.assign(session, { operator: null, mustChange: false, csrf: "" });
  following += 1;
  enter();
  notice("session", w("登录已过期，请重新登录。签到状态和通话不受影响，话机照常振铃。", "Your session has ended: sign in again. You are still on duty, a call goes on, and your telephone rings as before."));
};

async function signOut() {
  // While this session may still end a call.
  closePhone();
  await post("sign-out").catch(() => {});
  Object.assign(session, { operator: null, mustChange: false, csrf: "" });
  following += 1;
  clearNotices();
  enter();
}

// ---- what the node says --------------------------------------------------------------------------

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function follow() {
  const mine = (following += 1);
  let failures = 0;
  while (mine === following && session.operator) {
    try {
      const next = await get(query("state", { after: state?.version, active: isActive() }));
      if (mine !== following) return;
      notice("away", "");
      failures = 0;
      take(next);
    } catch (problem) {
      if (mine !== following || (problem instanceof Refused && problem.status === 401)) return;
      notice("away", words(problem));
      await sleep(Math.min(5000, 500 * 2 ** failures));
      failures += 1;
    }
  }
}

/** Somebody is at the page: an agent who is on duty, or hands at keys and mouse within the last minutes. */
function isActive() {
  const onDuty = session.operator?.role === "agent" && state && state.state !== "signed_out";
  return onDuty || performance.now() - touched < ACTIVE_MS ? 1 : undefined;
}

function take(next) {
  const before = state;
  putAway(next);
  [state, received] = [next, performance.now()];
  const call = next.call;
  if (call && card.call !== call.call) look(call.call);
  if (!call) card = { call: null, card: null, problem: "" };
  // What was written of the last conversation is not lost when the next caller comes.
  if (call && note && note.call !== call.call && !note.saved && !note.saving && !note.refused && (note.text || note.reason)) saveNote();
  if (call && call.stage !== "ringing" && note?.call !== call.call) note = { call: call.call, reason: "", saved: false };
  if (call?.stage === "ringing") {
    if (before?.call?.call !== call.call) say(w(`来电，队列 ${call.queue}`, `Incoming call, queue ${call.queue}`));
    ring(call.queue);
  } else {
    stop();
  }
  if (before?.call?.stage === "talking" && !call) {
    const unsaved = note?.call === before.call.call && !note.saved && note.text ? w(` 未保存的备注：“${note.text}”。`, ` Your note was not saved: “${note.text}”.`) : "";
    notice("lost", w("通话已中断，节点可能重新启动过。", "The conversation was lost; the node may have been restarted.") + unsaved);
  }
  const consultation = call && consultationTitle(call);
  if (before && consultation && consultation !== (before.call && consultationTitle(before.call))) say(consultation);
  if (before && before.state !== next.state && !(call?.stage === "ringing")) say(stateName(next.state));
  // A notice about the agent's state is removed when the state is no longer that one.
  const ended = { agent_pause: ["ready", "signed_out"], agent_ready: ["not_ready", "signed_out"], agent_sign_out: ["ready", "not_ready"] }[next.notice?.what];
  if (before && before.state !== next.state && ended?.includes(next.state)) clearNotices("supervisor");
  if (before && next.notice && told !== next.notice_number) notice("supervisor", noticeText(next.notice));
  told = next.notice_number;
  draw();
}

const isUnsaved = (call) => note?.call === call && !note.saved && (note.text || note.reason);

/** Hides an ended call that was closed, or whose wrap-up is over with its note saved. */
function putAway(next) {
  const { call } = next;
  if (!call) return;
  if (call.stage !== "over") {
    if (call.call === closed) closed = null;
    return;
  }
  if (next.state === "wrap_up") wrapped = call.call;
  if (wrapped === call.call && ["ready", "reserved"].includes(next.state) && !isUnsaved(call.call)) closed = call.call;
  if (closed === call.call) next.call = null;
}

async function close() {
  const { call } = state.call;
  if (isUnsaved(call)) await saveNote();
  if (isUnsaved(call) || state.call?.call !== call) return;
  closed = call;
  state.call = null;
  card = { call: null, card: null, problem: "" };
  draw();
}

/** Asks for the card; the node notes that this agent saw it. */
async function look(call, failures = 0) {
  clearTimeout(retry);
  if (!failures) card = { call, card: null, problem: "" };
  try {
    const found = await get(query("card", { call }));
    if (card.call === call) card = { call, card: found, problem: "" };
  } catch (problem) {
    if (card.call !== call) return;
    card = { call, card: null, problem: words(problem) };
    const passes = !(problem instanceof Refused) || problem.status === 0 || problem.status === 429 || problem.status >= 500;
    const again = () => { if (card.call === call && session.operator) look(call, failures + 1); };
    if (passes) retry = setTimeout(again, Math.min(10000, 1000 * 2 ** failures));
  }
  draw();
}

async function act(name, body) {
  allow();
  try {
    await post(name, body);
    notice("refused", "");
  } catch (problem) {
    notice("refused", words(problem));
  }
}

const elapsed = () => (performance.now() - received) / 1000;

// ---- the page ------------------------------------------------------------------------------------

function skeleton() {
  drawn = {};
  fill(main, h("div", { class: "desk" },
    h("section", { class: "side", "aria-label": w("我的状态", "My state") }, h("div", { class: "card", id: "status" }), h("div", { class: "card", id: "phone", hidden: true }), h("div", { class: "card", id: "day" })),
    h("section", { class: "middle", "aria-label": w("来电", "Call") }, h("div", { class: "card", id: "call" }), h("div", { class: "card", id: "caller" }), h("div", { class: "card", id: "note" })),
    h("section", { class: "side", "aria-label": w("队列", "Queues") }, h("div", { class: "card", id: "queues" }), h("div", { class: "card", id: "call-backs" }), h("div", { class: "card", id: "keys" }))));
}

/** Draws a part again if it shows something else. */
function part(id, shows, make) {
  const signature = JSON.stringify([lang, shows]);
  if (drawn[id] === signature) return;
  drawn[id] = signature;
  const place = document.getElementById(id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const made = make();
  place.hidden = !made;
  fill(place, made);
  if (focused) document.getElementById(focused)?.focus();
}

function draw() {
  const { view } = document.body.dataset;
  if (!state || !["agent", "supervisor"].includes(view)) return;
  top();
  const { call } = state;
  part("phone", [phone.here !== null, phone.state, phone.why, phone.muted, call !== null], phonePart);
  part("call", [!call && state.state, call && [call.call, call.stage, call.queue, call.held, call.muted, call.consultation, call.asked_by, call.monitor, call.recording], phone.state, state.queues.map((one) => [one.name, one.open]), state.colleagues], view === "agent" || call ? callPart : () => null);
  part("caller", [card.call, card.card, card.problem, call !== null], callerPart);
  part("note", [call && call.can_note && call.call, note?.saved], notePart);
  if (view === "supervisor") return tick();
  part("status", [state.state, state.reason], status);
  part("day", state.day, dayPart);
  part("queues", state.queues, queuesPart);
  part("call-backs", state.call_backs, callBacksPart);
  part("keys", [state.state, Boolean(call), phone.state], keysPart);
  tick();
}

function tick() {
  const set = (id, text) => { const node = document.getElementById(id); if (node && node.textContent !== text) node.textContent = text; };
  if (!state || !["agent", "supervisor"].includes(document.body.dataset.view)) return;
  set("state-time", clock(state.for_s + elapsed()));
  if (!state.call) return;
  set("call-time", clock(state.call.for_s + elapsed()));
  set("waited-time", clock(state.call.waited_s + (state.call.stage === "ringing" ? state.call.for_s + elapsed() : 0)));
}
setInterval(tick, 500);

const withKey = (text, name) => [text, " ", key(name)];

function status() {
  const may = { ready: ["not_ready", "wrap_up", "signed_out"], pause: ["ready", "ringing", "talking", "wrap_up", "signed_out"], stop: ["ready", "not_ready", "talking", "wrap_up"] };
  const is = (of) => may[of].includes(state.state);
  return [
    h("h1", { class: `state is-${state.state}`, tabindex: -1 }, h("span", { class: "lamp-dot", "aria-hidden": "true" }), stateName(state.state) || w("不是坐席", "Not an agent")),
    state.reason && h("p", { class: "reason" }, reasonName(state.reason)),
    h("p", { class: "big-time", id: "state-time" }),
    state.reason === "phone_failed" && !works() && h("p", { class: "trouble" }, w("请检查话机是否已注册，或启用浏览器电话。", "Check that your telephone is registered, or use this browser.")),
    h("div", { class: "stack" },
      h("button", { id: "do-ready", type: "button", class: "first wide", disabled: !is("ready"), onclick: () => act("ready") },
        withKey(state.state === "wrap_up" ? w("结束话后处理，就绪", "End wrap-up, ready") : w("就绪", "Ready"), "R")),
      h("div", { class: "row tight" },
        h("select", { id: "pause-reason", "aria-label": w("暂停原因", "Reason for the pause") }, settings.pauses.map((one) => h("option", { value: one }, reasonName(one)))),
        h("button", { id: "do-pause", type: "button", disabled: !is("pause"), onclick: pause }, withKey(w("暂停", "Pause"), "P"))),
      h("button", { id: "do-stop", type: "button", class: "small", disabled: !is("stop"), onclick: () => act("stop") }, withKey(w("签退（结束工作）", "End work"), "Q"))),
  ];
}

const pause = () => act("pause", { reason: document.getElementById("pause-reason")?.value || "" });
const decline = () => (phone.state === "incoming" ? phone.telephone.decline() : act("decline", { call: state.call.call }));
const hold = () => act("hold", { call: state.call.call, on: !state.call.held });
const pauseRecording = () => act("pause-recording", { call: state.call.call, on: state.call.recording === "on" });
const hangUp = () => act("hang-up", { call: state.call.call });

const works = () => ["registered", "incoming", "connected"].includes(phone.state);

function callPart() {
  const call = state.call;
  if (!call) return [h("h2", {}, w("没有通话", "No call")), h("p", { class: "soft" }, state.state === "ready" ? w("来电时话机振铃，此处显示来电人的办理情况。", "Your telephone rings for the next caller, and this page shows what the caller did.") : w("就绪后即可接听来电。", "Callers come once you are ready."))];
  const titles = { ringing: works() ? w("来电振铃，请按“接听”", "Incoming call: press Answer") : w("来电振铃，请接听话机", "Incoming call: answer your telephone"), talking: call.held ? w("保持中，来电人听音乐", "On hold: the caller hears music") : call.muted ? w("静音中，对方听不到您", "Muted: the other side does not hear you") : w("通话中", "Talking"), over: w("通话已结束", "The call is over") };
  return h("div", { class: `banner is-${call.stage}` },
    h("div", {}, h("h2", {}, (call.stage !== "over" && consultationTitle(call)) || titles[call.stage]), h("p", {}, w("队列 ", "Queue "), h("b", {}, call.queue), call.lang && ` · ${langName(call.lang)}`, ` · ${w("已等候", "waited")} `, h("span", { id: "waited-time" })),
      call.monitor && h("p", { class: "monitored", role: "status" }, monitorText(call.monitor))),
    h("p", { class: "big-time", id: "call-time" }),
    call.stage === "talking" && recordingMark(call.held && call.recording === "on" ? "apart" : call.recording),
    h("div", { class: "row" },
      phone.state === "incoming" && h("button", { type: "button", id: "do-answer", class: "first", onclick: () => phone.telephone.answer() }, withKey(w("接听", "Answer"), "A")),
      call.stage === "ringing" && h("button", { type: "button", id: "do-decline", class: "danger", onclick: decline }, withKey(w("拒接", "Decline"), "D")),
      call.stage === "talking" && h("button", { type: "button", id: "do-mute", "aria-pressed": String(call.muted), onclick: mute }, withKey(call.muted ? w("取消静音", "Unmute") : w("静音", "Mute"), "M")),
      call.stage === "talking" && !call.asked_by && !call.consultation?.in_progress && h("button", { type: "button", id: "do-hold", "aria-pressed": String(call.held), onclick: hold }, withKey(call.held ? w("取消保持", "Resume") : w("保持", "Hold"), "K")),
      call.stage === "talking" && call.recording !== "off" && h("button", { type: "button", id: "do-pause-recording", "aria-pressed": String(call.recording === "paused"), onclick: pauseRecording }, withKey(call.recording === "paused" ? w("继续录音", "Record again") : w("暂停录音", "Pause recording"), "V")),
      call.stage === "talking" && transferPart({ state, settings, act }),
      call.stage === "talking" && h("button", { type: "button", id: "do-hang-up", class: "danger", onclick: hangUp }, withKey(w("结束通话", "End the call"), "H")),
      call.stage === "over" && h("button", { type: "button", id: "do-close", onclick: close }, w("关闭", "Close"))));
}

/** Whether the conversation is recorded: a word and a sign, never the colour alone. While the caller hears music (`apart`) nothing is. */
function recordingMark(recording) {
  const marks = { on: w("● 正在录音", "● Recording"), paused: w("‖ 录音已暂停", "‖ Recording paused"), apart: w("○ 此时不录音", "○ Not recorded now"), off: w("○ 不录音", "○ Not recorded") };
  return h("p", { class: `chip record-chip is-${recording}`, id: "recording-mark", role: "status" }, marks[recording]);
}

function callerPart() {
  if (card.call === null) return null;
  if (card.problem) return h("p", { class: "trouble" }, card.problem);
  if (!card.card) return h("p", { class: "soft" }, w("正在读取…", "Loading…"));
  return [h("h2", {}, w("来电人", "Caller")), callerCard(card.card)];
}

function notePart() {
  if (!state.call?.can_note || !note) return null;
  const choose = (reason) => Object.assign(note, { reason, saved: false, refused: false });
  return h("form", { class: "stack", onsubmit: (event) => { event.preventDefault(); saveNote(); } },
    h("h2", {}, w("登记", "Note"), " ", key("N")),
    h("div", { class: "reasons", role: "radiogroup", "aria-label": w("来电原因", "Reason for the call") }, settings.reasons.map((reason, n) =>
      h("label", { class: "choice" }, h("input", { type: "radio", name: "reason", id: `reason-${n + 1}`, value: reason, checked: note.reason === reason, onchange: () => choose(reason) }),
        reasonName(reason), n < 9 && key(String(n + 1))))),
    h("label", { for: "note-text" }, w("简短备注（不写姓名、号码）", "A short note (no names, no numbers)")),
    h("textarea", { id: "note-text", maxlength: 200, rows: 2, oninput: (event) => Object.assign(note, { text: event.target.value, saved: false, refused: false }), value: note.text || "" }),
    h("div", { class: "row" }, h("button", { class: "first", id: "do-note" }, withKey(w("保存", "Save"), "Ctrl Enter")),
      h("span", { role: "status", class: "good-text" }, note.saved && w("✓ 已保存", "✓ saved"))));
}

async function saveNote() {
  const kept = note;
  kept.saving = true;
  try {
    const sent = { reason: kept.reason, text: kept.text || "" };
    const { text } = await post("note", { call: kept.call, ...sent });
    kept.refused = false;
    // As it is stored: without long numbers.
    if (kept.reason === sent.reason && (kept.text || "") === sent.text) {
      Object.assign(kept, { text, saved: true });
      say(w("已保存", "Saved"));
    }
    notice("refused", "");
  } catch (problem) {
    notice("refused", words(problem));
    // What the node does not take now it does not take later; what did not reach it is sent again.
    kept.refused = problem instanceof Refused && problem.status >= 400 && problem.status < 500;
  }
  kept.saving = false;
  draw();
}

function dayPart() {
  const day = state.day;
  if (!day) return null;
  const mean = day.answered ? clock(day.talking_s / day.answered) : "–";
  const rows = [[w("接听", "Answered"), day.answered], [w("未接", "Missed"), day.missed], [w("平均通话", "Average call"), mean], [w("通话", "Talking"), clock(day.talking_s)], [w("话后处理", "Wrap-up"), clock(day.wrap_up_s)], [w("就绪", "Ready"), clock(day.ready_s)], [w("暂停", "Not ready"), clock(day.not_ready_s)], [w("满意/一般/不满意", "Satisfied/fair/not"), ratings(day.ratings)]];
  return [h("h2", {}, w("今日统计", "My day")), h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]))];
}

function queuesPart() {
  return [h("h2", {}, w("队列", "Queues")), state.queues.length === 0 && h("p", { class: "soft" }, w("设置中没有队列。", "The settings have no queue.")),
    state.queues.map((one) => h("div", { class: "queue" },
      h("p", { class: "row tight" }, h("b", {}, one.name), !one.open && h("span", { class: "chip bad-chip" }, w("已关闭", "closed"))),
      h("p", { class: one.waiting ? "waiting some" : "waiting" }, h("b", {}, String(one.waiting)), w(" 人等候", " waiting"), one.waiting > 0 && ` · ${w("最长", "longest")} ${clock(one.longest_wait_s)}`),
      h("p", { class: "soft" }, w(`坐席 ${one.agents_signed_in}：就绪 ${one.agents_ready}，通话 ${one.agents_talking}`, `agents: ${one.agents_signed_in} signed in, ${one.agents_ready} ready, ${one.agents_talking} talking`)),
      h("p", { class: "soft" }, w(`接听 ${one.answered}，放弃 ${one.abandoned}`, `${one.answered} answered, ${one.abandoned} gave up`),
        one.service_level !== null && w(`，服务水平 ${Math.round(one.service_level * 100)}%`, `, service level ${Math.round(one.service_level * 100)}%`)),
      h("p", { class: "soft" }, w(`评价（满意/一般/不满意）${ratings(one.ratings)}`, `rated ${ratings(one.ratings)} (satisfied/fair/not)`))))];
}

function callBacksPart() {
  if (state.call_backs.length === 0) return null;
  return [h("h2", {}, w("等待回电", "Call-backs")), h("ul", { class: "plain" }, state.call_backs.slice(0, 10).map((one) => h("li", {},
    h("b", {}, `…${one.number}`), ` ${one.queue}`, one.lang && ` · ${langName(one.lang)}`, " ", h("span", { class: "chip" }, callBackState(one)),
    h("span", { class: "soft" }, w(` 自 ${hour(one.since)}，已呼叫 ${one.attempts} 次`, ` since ${hour(one.since)}, called ${one.attempts} time${one.attempts === 1 ? "" : "s"}`))))),
  state.call_backs.length > 10 && h("p", { class: "soft" }, w(`共 ${state.call_backs.length} 个`, `${state.call_backs.length} in all`))];
}

function keysPart() {
  const keys = [["R", w("就绪", "ready")], ["P", w("暂停", "pause")], ["Q", w("签退", "end work")], ["D", w("拒接", "decline")], ["H", w("结束通话", "end the call")], ["K", w("保持", "hold")], ["M", w("静音", "mute")], ...transferKeys(), ["V", w("暂停、继续录音", "pause the recording, record again")], ["N", w("写备注", "write a note")], [`1–${Math.min(9, settings.reasons.length)}`, w("来电原因", "reason for the call")],
    ...(phone.here ? [["B", w("浏览器电话", "this browser as telephone")], ["A", w("接听", "answer")]] : [])];
  return [h("h2", {}, w("快捷键", "Keys")), h("ul", { class: "plain keys" }, keys.map(([name, what]) => h("li", {}, key(name), " ", what)))];
}

// ---- this browser as telephone -------------------------------------------------------------------

async function findPhone() {
  try {
    phone.here = (await import("./telephone.js")).Telephone;
    draw();
  } catch { /* this node has none */ }
}

function phonePart() {
  if (!phone.here) return null;
  const words = { off: w("未启用", "off"), connecting: w("正在连接…", "connecting…"), registered: w("已启用", "on"), incoming: w("振铃", "ringing"), connected: w("通话中", "talking"), failed: w("失败", "failed") };
  return [h("h2", {}, w("浏览器电话", "This browser as telephone")),
    h("p", { class: "row" }, h("button", { type: "button", id: "do-phone", "aria-pressed": String(phone.state !== "off" && phone.state !== "failed"), onclick: switchPhone }, withKey(phone.telephone ? w("停用", "Switch off") : w("启用", "Switch on"), "B")),
      h("span", { class: "chip", role: "status" }, words[phone.state])),
    phone.why && h("p", { class: "trouble" }, phoneTrouble(phone.why)),
    // A supervisor's telephone rings without a call on the page.
    !state.call && phone.state === "incoming" && h("button", { type: "button", id: "do-answer", class: "first", onclick: () => phone.telephone.answer() }, withKey(w("接听", "Answer"), "A")),
    !state.call && phone.state === "connected" && h("button", { type: "button", id: "do-mute", "aria-pressed": String(phone.muted), onclick: mute }, withKey(phone.muted ? w("取消静音", "Unmute") : w("静音", "Mute"), "M"))];
}

/** What a telephone says. One that was switched off may still say something. */
function heard(telephone, { kind, why }) {
  if (telephone !== phone.telephone) return;
  const states = { registered: "registered", incoming: "incoming", connected: "connected", ended: "registered", failed: "failed" };
  // It connects again by itself.
  const isLost = kind === "failed" && why === "network";
  phone.state = isLost ? "connecting" : states[kind] || phone.state;
  phone.why = kind === "failed" ? why : "";
  if (kind === "ended") {
    telephone.mute(false);
    phone.muted = false;
  }
  if (kind === "failed" && !isLost) phone.telephone = null;
  // What was refused for want of a telephone is possible now.
  if (kind === "registered") notice("refused", "");
  draw();
}

async function switchPhone() {
  allow();
  if (phone.telephone) return closePhone();
  const telephone = new phone.here((event) => heard(telephone, event));
  Object.assign(phone, { telephone, owner: session.operator.name, state: "connecting", why: "", muted: false });
  draw();
  try {
    await telephone.connect();
  } catch {
    heard(telephone, { kind: "failed", why: "browser" });
  }
}

function closePhone() {
  phone.telephone?.close();
  Object.assign(phone, { telephone: null, state: "off", why: "", muted: false });
  draw();
}

/** The node keeps the sound back, for every telephone; a browser's microphone is switched off, too. */
function mute() {
  const on = state.call ? !state.call.muted : !phone.muted;
  if (phone.state === "connected") {
    phone.telephone?.mute(on);
    phone.muted = on;
  }
  if (state.call) act("mute", { call: state.call.call, on });
  else draw();
}

// ---- the head, keys ------------------------------------------------------------------------------

function top() {
  const shows = JSON.stringify([lang, session.operator?.name, session.mustChange, state?.state]);
  if (drawn.top === shows && document.getElementById("top").childElementCount) return;
  drawn.top = shows;
  document.getElementById("skip").textContent = w("跳到正文", "Skip to the content");
  const role = { agent: w("坐席", "agent"), supervisor: w("班长", "supervisor"), operator: w("录音员", "operator"), approver: w("审核员", "approver") };
  fill(document.getElementById("top"),
    h("p", { class: "brand" }, w("坐席工作台", "Agent desk")),
    session.operator?.role === "agent" && state?.state && h("span", { class: `chip state-chip is-${state.state}` }, stateName(state.state)),
    h("div", { class: "row" },
      session.operator && h("span", { class: "who" }, session.operator.name, h("small", {}, role[session.operator.role])),
      session.operator && !session.mustChange && button(w("修改密码", "Password"), changePassword, { id: "do-password", class: "quiet" }),
      session.operator && button(w("退出登录", "Sign out"), signOut, { class: "quiet" }),
      button(lang === "zh" ? "English" : "中文", () => { speak(lang === "zh" ? "en" : "zh"); clearNotices("good", "supervisor", "refused"); enter(); }, { class: "quiet", lang: lang === "zh" ? "en" : "zh-CN" })));
}

const press = (id) => { const node = document.getElementById(id); if (node && !node.disabled && node.offsetParent) { node.click(); return true; } return false; };

document.addEventListener("keydown", (event) => {
  const { view } = document.body.dataset;
  if (!["agent", "supervisor"].includes(view) || event.isComposing || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.ctrlKey) {
    if (event.key === "Enter" && note && state?.call?.can_note) {
      event.preventDefault();
      // Keys are shortcuts again.
      document.activeElement?.blur();
      saveNote();
    }
    return;
  }
  if (event.key === "Escape") { document.activeElement?.blur(); return; }
  if (event.target.closest("input:not([type=radio]), textarea, select")) return;
  const ofSupervisor = { l: "do-listen", w: "do-whisper", i: "do-barge", o: "do-take_over", e: "do-leave" };
  const ids = view === "supervisor" ? { ...ofSupervisor, h: "do-hang-up", a: "do-answer", m: "do-mute", b: "do-phone", k: "do-hold", t: "do-transfer", c: "do-consult", f: "do-complete", s: "do-swap", x: "do-back", v: "do-pause-recording" } : { r: "do-ready", p: "do-pause", q: "do-stop", d: "do-decline", h: "do-hang-up", a: "do-answer", m: "do-mute", b: "do-phone", k: "do-hold", t: "do-transfer", c: "do-consult", f: "do-complete", s: "do-swap", x: "do-back", v: "do-pause-recording" };
  const name = event.key.toLowerCase();
  if (name === "g") {
    if (chooseTarget()) event.preventDefault();
  } else if (name === "n") {
    const text = document.getElementById("note-text");
    if (text) { event.preventDefault(); text.focus(); }
  } else if (/^[1-9]$/.test(name)) {
    if (press(`reason-${name}`) || press(`listen-${name}`)) event.preventDefault();
  } else if (ids[name] && press(ids[name])) {
    event.preventDefault();
  }
});
document.addEventListener("pointerdown", allow);
for (const name of ["pointermove", "pointerdown", "keydown", "wheel"]) document.addEventListener(name, () => { touched = performance.now(); }, { passive: true });
addEventListener("beforeunload", (event) => { if (state?.call?.stage === "talking" && phone.state === "connected") event.preventDefault(); });

speak(lang);
try {
  const me = await get("me");
  Object.assign(session, { operator: me.operator, mustChange: me.must_change, csrf: me.csrf });
  inZone(me.time_zone);
} catch (problem) {
  if (!(problem instanceof Refused) || problem.status !== 401) notice("session", words(problem));
}
begin();
findPhone();
