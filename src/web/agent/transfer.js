// Gives the caller to a queue, an agent or a number, or asks an agent or a number about the caller.

import { h, key, notice, w } from "/studio/dom.js";
import { stateName } from "./words.js";

const withKey = (text, name) => [text, " ", key(name)];

// What is chosen and typed stays while the part is drawn again.
const draft = { to: "", number: "" };

const STAGES = {
  ringing: (name) => w(`正在呼叫 ${name}，来电人听音乐`, `Calling ${name}; the caller hears music`),
  talking: (name) => w(`正在咨询 ${name}，来电人听音乐`, `Talking to ${name}; the caller hears music`),
  on_hold: (name) => w(`与来电人通话，${name} 听音乐`, `Talking to the caller; ${name} hears music`),
  busy: (name) => w(`${name} 正忙或已拒接`, `${name} is busy, or has declined`),
  no_answer: (name) => w(`${name} 无人接听`, `${name} does not answer`),
  ended: (name) => w(`${name} 已挂断`, `${name} has hung up`),
  failed: (name) => w(`${name} 无法接通`, `${name} cannot be reached`),
};

/** How far a consultation is, as the title of the call. */
export function consultationTitle(call) {
  if (call.asked_by) return w(`${call.asked_by} 就此来电咨询您`, `${call.asked_by} asks you about this caller`);
  const consultation = call.consultation;
  if (!consultation) return "";
  const title = STAGES[consultation.stage](consultation.with);
  return !consultation.in_progress && call.held ? `${title}${w("：按 K 回到来电人", ": K takes the caller back")}` : title;
}

/** What is chosen: { queue }, { agent } or { number }; a number that is typed counts first. */
function target() {
  if (draft.number.trim()) return { number: draft.number.trim() };
  const [kind, name] = (document.getElementById("transfer-to")?.value || "").split(/:(.*)/s);
  return name ? { [kind]: name } : null;
}

/** The buttons of a conversation. */
export function transferPart({ state, settings, act }) {
  const call = state.call;
  const send = (name, more) => act(name, { call: call.call, ...more });
  if (call.asked_by) return null;
  if (call.consultation?.in_progress) {
    const answered = call.consultation.stage !== "ringing";
    return [
      answered && h("button", { type: "button", id: "do-complete", class: "first", onclick: () => send("complete") }, withKey(w("完成转接", "Connect both"), "F")),
      answered && h("button", { type: "button", id: "do-swap", onclick: () => send("swap") }, withKey(w("切换", "Swap"), "S")),
      h("button", { type: "button", id: "do-back", onclick: () => send("back") }, withKey(w("回到来电人", "Back to the caller"), "X")),
    ];
  }
  const queues = state.queues.filter((one) => one.open);
  const option = (kind, name, words) => h("option", { value: `${kind}:${name}`, selected: draft.to === `${kind}:${name}` }, words);
  const go = (name, to) => { notice("transfer", ""); draft.number = ""; send(name, to); };
  const give = () => { const to = target(); if (to) go("transfer", to); else chooseTarget(); };
  const consult = () => {
    const to = target();
    if (!to) chooseTarget();
    else if (to.queue) notice("transfer", settings.numbers ? w("只能咨询坐席或号码，不能咨询队列。", "You can ask an agent or a number, not a queue.") : w("只能咨询坐席，不能咨询队列。", "You can ask an agent, not a queue."));
    else go("consult", to);
  };
  if (queues.length + state.colleagues.length === 0 && !settings.numbers) return null;
  // A caller goes back to where they waited only where somebody chooses it.
  const own = queues.filter((one) => one.name === call.queue);
  const others = queues.filter((one) => one.name !== call.queue);
  const nothing = state.colleagues.length + others.length === 0;
  return h("div", { class: "row transfer" },
    h("select", { id: "transfer-to", "aria-label": w("转接或咨询的对象", "Whom to give the caller to, or to ask"), onchange: (event) => { draft.to = event.target.value; } },
      nothing && h("option", { value: "" }, w("请选择", "Choose")),
      state.colleagues.length > 0 && h("optgroup", { label: w("坐席", "Agents") }, state.colleagues.map((one) => option("agent", one.name, `${one.name} · ${stateName(one.state)}`))),
      queues.length > 0 && h("optgroup", { label: w("队列", "Queues") }, [...others, ...own].map((one) => option("queue", one.name, one.name)))),
    settings.numbers && h("input", { id: "transfer-number", type: "tel", maxlength: 32, size: 14, autocomplete: "off", "aria-label": w("或号码", "Or a number"), placeholder: w("或号码", "or a number"),
      value: draft.number, oninput: (event) => { draft.number = event.target.value; } }),
    h("button", { type: "button", id: "do-transfer", onclick: give }, withKey(w("转接", "Transfer"), "T")),
    h("button", { type: "button", id: "do-consult", onclick: consult }, withKey(w("咨询", "Consult"), "C")));
}

/** The keys of this part, for the list of keys. */
export const transferKeys = () => [["G", w("选择转接对象", "choose a target")], ["T", w("转接", "transfer")], ["C", w("咨询", "consult")], ["F", w("完成转接", "connect both")], ["S", w("切换", "swap")], ["X", w("回到来电人", "back to the caller")]];

/** Goes to the field of the target; whether there is one. */
export function chooseTarget() {
  const field = document.getElementById("transfer-number") || document.getElementById("transfer-to");
  field?.focus();
  return Boolean(field);
}
