// Words of states, reasons and outcomes in both languages, and times.

import { inOffice, w } from "/studio/dom.js";

const STATES = {
  signed_out: ["未签到", "Off duty"],
  ready: ["就绪", "Ready"],
  not_ready: ["暂停", "Not ready"],
  ringing: ["来电振铃", "Ringing"],
  reserved: ["正在回拨", "Calling back"],
  talking: ["通话中", "Talking"],
  wrap_up: ["话后处理", "Wrap-up"],
};

const REASONS = {
  break: ["小休", "Break"],
  lunch: ["午休", "Lunch"],
  training: ["培训", "Training"],
  no_answer: ["未接来电", "Call not answered"],
  declined: ["已拒接", "Call declined"],
  phone_failed: ["话机不可用", "Telephone cannot be reached"],
  progress: ["查进度", "Progress"],
  papers: ["补正材料", "Missing papers"],
  collection: ["领取证件", "Collection"],
  fees: ["费用", "Fees"],
  complaint: ["投诉建议", "Complaint"],
  other: ["其他", "Other"],
};

const RESULTS = {
  found: ["已核实：回执编号与证件号相符", "Verified: number and ID match"],
  not_found: ["未查询到相符记录", "No matching record"],
  too_old: ["数据过期，未作答复", "The data was too old to answer"],
  down: ["查询暂不可用", "The look-up was not available"],
  handed_over: ["多次查询未果，转人工", "Too many failures: transferred to a person"],
};

const OUTCOMES = {
  finished: ["自助完成", "finished"],
  hung_up: ["挂断", "hung up"],
  transferred: ["已转人工", "talked to a person"],
  abandoned: ["未接通前挂断", "gave up before the answer"],
  refused: ["未受理", "refused"],
  failed: ["中断", "failed"],
  answered: ["坐席接听", "answered by an agent"],
  left: ["离开队列", "left the queue"],
  full: ["队列已满", "queue was full"],
  unavailable: ["无坐席", "no agent"],
};

const LANGS = { zh: ["普通话", "Mandarin"], yue: ["广东话", "Cantonese"], en: ["英语", "English"] };

const named = (table) => (code) => (table[code] ? w(...table[code]) : code || "");
export const stateName = named(STATES);
export const reasonName = named(REASONS);
export const resultName = named(RESULTS);
export const outcomeName = named(OUTCOMES);
export const langName = named(LANGS);

const MODES = {
  listen: ["监听", "Listen"],
  whisper: ["耳语", "Whisper"],
  barge: ["插话", "Barge in"],
  take_over: ["接管", "Take over"],
};

export const modeName = named(MODES);

/** What a supervisor does at the agent's conversation, for as long as it lasts. */
export function monitorText({ by, mode }) {
  switch (mode) {
    case "whisper": return w(`班长 ${by} 正在耳语：您能听到班长说话，来电人听不到。`, `${by} is listening and can speak to you; the caller does not hear them.`);
    case "barge": return w(`班长 ${by} 已加入通话，三方互相听到。`, `${by} has joined: all three hear each other.`);
    default: return w(`班长 ${by} 正在监听，您和来电人听不到班长。`, `${by} is listening; you and the caller do not hear them.`);
  }
}

/** How far a call-back is: being called, waiting, or waiting until a time. */
export function callBackState(one) {
  if (one.state === "calling") return w("呼叫中", "calling");
  const later = new Date(one.not_before) > new Date();
  return later ? w(`${hour(one.not_before)} 后再呼叫`, `again after ${hour(one.not_before)}`) : w("等待", "waiting");
}

/** What a supervisor did, in a sentence. */
export function noticeText({ what, about, by }) {
  switch (what) {
    case "queue_opened": return w(`班长 ${by} 已开放队列“${about}”。`, `${by} has opened the queue ${about}.`);
    case "queue_closed": return w(`班长 ${by} 已关闭队列“${about}”，新来电不再进入。`, `${by} has closed the queue ${about}: new callers do not join it.`);
    case "agent_pause": return w(`班长 ${by} 已将您设为暂停${about ? "：" + reasonName(about) : ""}。`, `${by} has set you to not ready${about ? ": " + reasonName(about) : ""}.`);
    case "agent_sign_out": return w(`班长 ${by} 已为您签退。`, `${by} has signed you out.`);
    case "monitor_listen": case "monitor_whisper": case "monitor_barge": return monitorText({ by, mode: what.slice(8) });
    case "monitor_take_over": return w(`班长 ${by} 已接管通话。`, `${by} has taken the conversation over.`);
    case "monitor_ended": return w(`班长 ${by} 已退出通话。`, `${by} has left your conversation.`);
    case "monitor_consults": return w(`坐席 ${about} 正在咨询同事，监听已结束。咨询结束后可再次监听。`, `${about} asks a colleague: you no longer listen. Listen again once that is over.`);
    case "monitor_consultation": return w(`您正在咨询，班长 ${by} 已退出监听。`, `You are asking a colleague: ${by} no longer listens.`);
    case "monitor_no_answer": return w(`您的话机没有接听，未能介入 ${about} 的通话。`, `Your telephone was not answered: you are not at the conversation of ${about}.`);
    case "monitor_failed": return w(`无法呼叫您的话机，未能介入 ${about} 的通话。`, `Your telephone could not be reached: you are not at the conversation of ${about}.`);
    default: return w(`班长 ${by} 已将您设为就绪。`, `${by} has set you to ready.`);
  }
}

/** Why this browser is no telephone at present. */
export function phoneTrouble(why) {
  switch (why) {
    case "network": return w("网络中断，正在自动重新连接。", "The node cannot be reached. It connects again by itself.");
    case "microphone": return w("无法使用麦克风：请在浏览器中允许使用，再按“启用”。", "The microphone cannot be used: allow it in the browser, then switch on again.");
    case "replaced": return w("您的浏览器电话已在另一个页面启用。", "Another page of yours has become your telephone.");
    case "browser": case "offer": case "no_codec": return w("此浏览器不能用作电话：请用新版 Chrome、Edge 或 Firefox。", "This browser cannot be a telephone: use a new Chrome, Edge or Firefox.");
    case "no_queue": return w("设置中没有队列，无法启用。", "The settings have no queue, so there is no telephone.");
    case "not_agent": return w("您的账号不能接听来电。", "Your account may not answer calls.");
    case "signed_out": return w("登录已过期：请重新登录，再按“启用”。", "Your session has ended: sign in, then switch on again.");
    default: return w(`无法连接（${why}）：请再按“启用”。`, `It could not connect (${why}): switch on again.`);
  }
}

/** Scores: satisfied, fair, not satisfied. */
export const ratings = (of) => `${of.satisfied}/${of.fair}/${of.not_satisfied}`;

/** Seconds as 3:07 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** Seconds in words: 3 分钟, 2 h. */
export function span(seconds) {
  if (seconds < 90) return w(`${Math.round(seconds)} 秒`, `${Math.round(seconds)} s`);
  if (seconds < 5400) return w(`${Math.round(seconds / 60)} 分钟`, `${Math.round(seconds / 60)} min`);
  return w(`${Math.round(seconds / 3600)} 小时`, `${Math.round(seconds / 3600)} h`);
}

/** A time of the day. */
export const hour = (iso) => inOffice({ hour: "2-digit", minute: "2-digit", hour12: false }).format(new Date(iso));

/** A date of the calendar, as 2026-11-30. */
export const day = (iso) => inOffice({ year: "numeric", month: "long", day: "numeric", weekday: "short", timeZone: "UTC" }).format(new Date(iso + "T00:00:00Z"));
