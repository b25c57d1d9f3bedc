// The supervisor's view: queues with their callers, agents with what they do, what a supervisor may change, and conversations that a
// supervisor listens to. The parts of the telephone and of a conversation that was taken over are those of the agents' view.

import { Refused, get, post, query, session, words } from "/studio/api.js";
import { ask, button, fill, h, key, notice, w } from "/studio/dom.js";
import { recordingsView } from "./recordings.js";
import { callBackState, clock, hour, langName, modeName, ratings, reasonName, stateName } from "./words.js";

export function supervisorView({ main, settings, isActive }) {
  let alive = true;
  let desk = null;
  let shown = "";
  // The desk is drawn again and again; a recording that plays must not be.
  const recordings = recordingsView(() => ({ queues: (desk?.queues || []).map((one) => one.name), agents: (desk?.agents || []).map((one) => one.name) }));

  async function follow() {
    while (alive) {
      try {
        desk = await get(query("desk", { active: isActive() }));
        notice("away", "");
        recordings.look();
      } catch (problem) {
        if (problem instanceof Refused && problem.status === 401) return;
        notice("away", words(problem));
      }
      // A table that is being used is not drawn under the hand.
      const busy = document.querySelector("dialog[open]") || main.contains(document.activeElement) && document.activeElement.matches("select");
      if (alive && desk && !busy) draw();
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }

  /** Whether the node did it. */
  async function act(name, body) {
    try {
      await post(name, body);
      notice("refused", "");
    } catch (problem) {
      notice("refused", words(problem));
      return false;
    }
    desk = await get("desk").catch(() => desk);
    draw();
    return true;
  }

  async function closeQueue(queue) {
    const sure = await ask(w(`关闭队列“${queue}”？`, `Close the queue ${queue}?`),
      h("p", {}, w("新来电不再进入此队列；已在等候的仍会接听。", "New callers do not join it; those who are waiting are served.")), w("关闭", "Close it"), true);
    if (sure) act("queue", { queue, open: false });
  }

  async function changeDuty(agent) {
    const answer = await ask(w(`${agent.name} 的队列和技能`, `Queues and skills of ${agent.name}`), [
      h("fieldset", { class: "stack" }, h("legend", {}, w("队列（都不选则为所有队列）", "Queues (none: every queue)")),
        desk.queues.map((queue) => h("label", { class: "check" }, h("input", { type: "checkbox", name: `queue:${queue.name}`, value: "on" }), queue.name))),
      h("label", {}, w("技能，用空格分隔", "Skills, separated by spaces"), h("input", { name: "skills", value: agent.skills.join(" "), maxlength: 200 })),
    ], w("保存", "Save"));
    if (!answer) return;
    const queues = desk.queues.map((queue) => queue.name).filter((name) => answer[`queue:${name}`]);
    const done = await act("duty", { agent: agent.name, queues, skills: answer.skills.split(/\s+/).filter(Boolean) });
    if (done) notice("good", w("已保存，几秒内生效。", "Saved; it takes effect within seconds."));
  }

  // ---- conversations ----

  const KEYS = { listen: "L", whisper: "W", barge: "I", take_over: "O" };

  async function monitor(agent, mode) {
    if (mode === "take_over") {
      const sure = await ask(w(`接管 ${agent} 的通话？`, `Take over the conversation of ${agent}?`),
        h("p", {}, w("您接替坐席与来电人通话，坐席的通话结束。", "You talk to the caller in the agent's place; the agent's call ends.")), w("接管", "Take over"), true);
      if (!sure) return;
    }
    await act("monitor", { agent, mode });
  }

  const mine = () => desk.agents.find((one) => one.monitor?.by === session.operator?.name);

  function monitorPart() {
    const one = mine();
    if (!one) return h("p", { class: "soft" }, w("按坐席一行的“监听”（或其数字键）介入通话：先振铃您的话机，接听后只听不说。", "Press Listen in an agent's line, or its digit: your telephone rings, and once you answer you hear both and are heard by neither."));
    const { mode, rings } = one.monitor;
    const effects = {
      listen: w("您听到双方，双方听不到您。", "You hear both; neither hears you."),
      whisper: w("坐席听到您，来电人听不到。", "The agent hears you, the caller does not."),
      barge: w("三方互相听到。", "All three hear each other."),
      take_over: w("接听后您接替坐席与来电人通话。", "Once you answer you talk to the caller in the agent's place."),
    };
    return [h("p", { role: "status" }, h("b", {}, one.name), " · ", h("span", { class: "chip warn-chip" }, modeName(mode)), " ", rings ? w("正在呼叫您的话机，请接听。", "Your telephone rings: answer it.") : effects[mode]),
      h("div", { class: "row" }, Object.keys(KEYS).map((name) => h("button", { type: "button", id: `do-${name}`, class: name === "take_over" ? "danger" : "", "aria-pressed": String(name === mode), onclick: () => monitor(one.name, name) }, modeName(name), " ", key(KEYS[name]))),
        h("button", { type: "button", id: "do-leave", onclick: () => act("monitor-end", { agent: one.name }) }, w("退出", "Leave"), " ", key("E")))];
  }

  function monitorCell(one) {
    if (one.monitor) return h("span", { class: "chip" }, `${one.monitor.by} · ${modeName(one.monitor.mode)}${one.monitor.rings ? w("（振铃）", " (rings)") : ""}`);
    if (one.state !== "talking") return "–";
    const n = desk.agents.filter((other) => other.state === "talking" && !other.monitor).indexOf(one) + 1;
    return h("button", { type: "button", class: "small", id: `listen-${n}`, "aria-label": w(`监听 ${one.name} 的通话`, `Listen to the conversation of ${one.name}`), onclick: () => monitor(one.name, "listen") }, w("监听", "Listen"), n < 10 && [" ", key(String(n))]);
  }

  function queueRow(one) {
    return h("tr", {}, h("th", { scope: "row" }, one.name),
      h("td", {}, one.open ? w("开放", "open") : h("b", { class: "trouble" }, w("已关闭", "closed"))),
      h("td", { class: one.waiting ? "num some" : "num" }, String(one.waiting)), h("td", { class: "num" }, one.waiting ? clock(one.longest_wait_s) : "–"),
      h("td", { class: "num" }, String(one.answered)), h("td", { class: "num" }, String(one.abandoned)),
      h("td", { class: "num" }, one.service_level === null ? "–" : `${Math.round(one.service_level * 100)} %`),
      h("td", { class: "num" }, ratings(one.ratings)),
      h("td", { class: "num" }, `${one.agents_ready} / ${one.agents_talking} / ${one.agents_signed_in}`),
      h("td", {}, one.open ? button(w("关闭", "Close"), () => closeQueue(one.name), { class: "small", "aria-label": w(`关闭队列 ${one.name}`, `Close the queue ${one.name}`) })
        : button(w("开放", "Open"), () => act("queue", { queue: one.name, open: true }), { class: "small first", "aria-label": w(`开放队列 ${one.name}`, `Open the queue ${one.name}`) })));
  }

  function waitingRow(one) {
    const others = desk.queues.filter((queue) => queue.name !== one.queue);
    const to = h("select", { "aria-label": w("移到队列", "Move to the queue") }, others.map((queue) => h("option", { value: queue.name }, queue.name)));
    return h("tr", {}, h("th", { scope: "row" }, `#${one.caller}`), h("td", {}, one.queue), h("td", { class: "num" }, clock(one.waited_s)), h("td", {}, langName(one.lang) || "–"),
      h("td", {}, others.length > 0 && h("div", { class: "row tight" }, to, button(w("移动", "Move"), () => act("move", { caller: one.caller, queue: to.value }), { class: "small" }))));
  }

  async function cancelCallBack(one) {
    const sure = await ask(w(`取消 …${one.number} 的回电？`, `Cancel the call-back to …${one.number}?`),
      h("p", {}, w("不再呼叫此号码。", "The number is not called any more.")), w("取消回电", "Cancel it"), true);
    if (sure) act("call-back-cancel", { id: one.id });
  }

  function callBackRow(one) {
    return h("tr", {}, h("th", { scope: "row" }, `…${one.number}`), h("td", {}, one.queue), h("td", {}, langName(one.lang) || "–"), h("td", { class: "num" }, hour(one.since)),
      h("td", { class: "num" }, String(one.attempts)), h("td", {}, callBackState(one)),
      h("td", {}, button(w("取消", "Cancel"), () => cancelCallBack(one), { class: "small", "aria-label": w(`取消 …${one.number} 的回电`, `Cancel the call-back to …${one.number}`) })));
  }

  function agentRow(one) {
    const may = { ready: ["not_ready", "wrap_up", "signed_out"], pause: ["ready", "ringing", "talking", "wrap_up"], sign_out: ["ready", "not_ready", "talking", "wrap_up"] };
    const action = (name, title) => button(title, () => act("agent", { agent: one.name, do: name }), { class: "small", disabled: !may[name].includes(one.state), "aria-label": `${title}：${one.name}` });
    return h("tr", {}, h("th", { scope: "row" }, one.name),
      h("td", {}, h("span", { class: `chip state-chip is-${one.state}` }, stateName(one.state)), one.reason && ` ${reasonName(one.reason)}`),
      h("td", { class: "num" }, one.state === "signed_out" ? "–" : clock(one.for_s)), h("td", {}, monitorCell(one)),
      h("td", { class: "num" }, String(one.day.answered)), h("td", { class: "num" }, String(one.day.missed)),
      h("td", { class: "num" }, one.day.answered ? clock(one.day.talking_s / one.day.answered) : "–"), h("td", { class: "num" }, ratings(one.day.ratings)), h("td", {}, one.skills.join(" ") || "–"),
      h("td", {}, h("div", { class: "row tight" }, action("ready", w("就绪", "Ready")), action("pause", w("暂停", "Pause")), action("sign_out", w("签退", "End work")),
        button(w("队列和技能", "Queues, skills"), () => changeDuty(one), { class: "small" }))));
  }

  const head = (...names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));

  function draw() {
    const signature = JSON.stringify([document.documentElement.lang, desk]);
    if (signature === shown) return;
    shown = signature;
    const focused = document.activeElement?.getAttribute("aria-label");
    const id = document.activeElement?.id;
    fill(document.getElementById("monitoring"), h("h2", {}, w("监听与介入", "Conversations")), monitorPart());
    fill(document.getElementById("desk"), h("section", { class: "card" }, h("h2", {}, w("队列", "Queues")), h("div", { class: "scroll" }, h("table", { id: "desk-queues" },
        head(w("队列", "queue"), w("状态", "state"), w("等候", "waiting"), w("最长", "longest"), w("接听", "answered"), w("放弃", "gave up"), w("服务水平", "service level"), w("满意/一般/不满意", "satisfied/fair/not"), w("坐席 就绪/通话/签到", "agents ready/talking/signed in"), ""),
        h("tbody", {}, desk.queues.map(queueRow))))),
      h("section", { class: "card" }, h("h2", {}, w("等候的来电人", "Waiting callers")), desk.waiting.length === 0 ? h("p", { class: "soft" }, w("没有人等候。", "No callers waiting."))
        : h("div", { class: "scroll" }, h("table", { id: "desk-waiting" }, head(w("来电", "caller"), w("队列", "queue"), w("已等候", "waited"), w("语言", "language"), w("移到", "move to")), h("tbody", {}, desk.waiting.map(waitingRow))))),
      desk.call_backs.length > 0 && h("section", { class: "card" }, h("h2", {}, w("等待回电", "Call-backs")), h("div", { class: "scroll" }, h("table", { id: "desk-call-backs" },
        head(w("号码", "number"), w("队列", "queue"), w("语言", "language"), w("等候自", "since"), w("已呼叫", "calls"), w("状态", "state"), ""), h("tbody", {}, desk.call_backs.map(callBackRow))))),
      h("section", { class: "card" }, h("h2", {}, w("坐席", "Agents")), h("div", { class: "scroll" }, h("table", { id: "desk-agents" },
        head(w("姓名", "name"), w("状态", "state"), w("持续", "for"), w("通话", "conversation"), w("接听", "answered"), w("未接", "missed"), w("平均通话", "average call"), w("满意/一般/不满意", "satisfied/fair/not"), w("技能", "skills"), ""),
        h("tbody", {}, desk.agents.map(agentRow))))),
      h("p", { class: "soft" }, w("在此所做的更改都记入审计日志，并显示在有关坐席的页面上。", "Changes made here are in the audit log, and shown to the agents concerned.")));
    if (focused) [...main.querySelectorAll("[aria-label]")].find((node) => node.getAttribute("aria-label") === focused)?.focus();
    else if (id) document.getElementById(id)?.focus();
  }

  return {
    enter() {
      shown = "";
      fill(main, h("h1", { tabindex: -1 }, w("班长席", "Supervisor's desk")),
        h("section", { class: "conversation", "aria-label": w("通话", "Conversations") }, h("div", { class: "card", id: "monitoring" }), h("div", { class: "card", id: "phone", hidden: true }),
          h("div", { class: "card", id: "call", hidden: true }), h("div", { class: "card", id: "caller", hidden: true }), h("div", { class: "card", id: "note", hidden: true })),
        h("div", { id: "desk" }, h("p", { class: "soft" }, w("正在读取…", "Loading…"))), recordings.place);
      if (desk) draw();
      recordings.enter();
      follow();
    },
    leave() { alive = false; },
    settings,
  };
}
