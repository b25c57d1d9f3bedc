// The supervisor's view: queues with their callers, agents with what they do, and what a supervisor may change.

import { Refused, get, post, words } from "/studio/api.js";
import { ask, button, fill, h, notice, w } from "/studio/dom.js";
import { recordingsView } from "./recordings.js";
import { clock, langName, reasonName, stateName } from "./words.js";

export function supervisorView({ main, settings }) {
  let alive = true;
  let desk = null;
  let shown = "";
  // The desk is drawn again and again; a recording that plays must not be.
  const place = h("div", { class: "stack" });
  const recordings = recordingsView(() => ({ queues: (desk?.queues || []).map((one) => one.name), agents: (desk?.agents || []).map((one) => one.name) }));

  async function follow() {
    while (alive) {
      try {
        desk = await get("desk");
        notice("away", "");
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

  async function act(name, body) {
    try {
      await post(name, body);
      notice("refused", "");
      desk = await get("desk");
      draw();
    } catch (problem) {
      notice("refused", words(problem));
    }
  }

  async function closeQueue(queue) {
    const sure = await ask(w(`关闭队列“${queue}”？`, `Close the queue ${queue}?`),
      h("p", {}, w("新来电不再进入此队列；已在等候的继续得到接听。", "Nobody joins it any more; those who wait are served.")), w("关闭", "Close it"), true);
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
    await act("duty", { agent: agent.name, queues, skills: answer.skills.split(/\s+/).filter(Boolean) });
    notice("good", w("已保存，几秒内生效。", "Saved; it takes effect within seconds."));
  }

  function queueRow(one) {
    return h("tr", {}, h("th", { scope: "row" }, one.name),
      h("td", {}, one.open ? w("开放", "open") : h("b", { class: "trouble" }, w("已关闭", "closed"))),
      h("td", { class: one.waiting ? "num some" : "num" }, String(one.waiting)), h("td", { class: "num" }, one.waiting ? clock(one.longest_wait_s) : "–"),
      h("td", { class: "num" }, String(one.answered)), h("td", { class: "num" }, String(one.abandoned)),
      h("td", { class: "num" }, one.service_level === null ? "–" : `${Math.round(one.service_level * 100)} %`),
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

  function agentRow(one) {
    const may = { ready: ["not_ready", "wrap_up", "signed_out"], pause: ["ready", "ringing", "talking", "wrap_up"], sign_out: ["ready", "not_ready", "talking", "wrap_up"] };
    const deed = (name, title) => button(title, () => act("agent", { agent: one.name, do: name }), { class: "small", disabled: !may[name].includes(one.state), "aria-label": `${title}：${one.name}` });
    return h("tr", {}, h("th", { scope: "row" }, one.name),
      h("td", {}, h("span", { class: `chip state-chip is-${one.state}` }, stateName(one.state)), one.reason && ` ${reasonName(one.reason)}`),
      h("td", { class: "num" }, one.state === "signed_out" ? "–" : clock(one.for_s)),
      h("td", { class: "num" }, String(one.day.answered)), h("td", { class: "num" }, String(one.day.missed)),
      h("td", { class: "num" }, one.day.answered ? clock(one.day.talking_s / one.day.answered) : "–"), h("td", {}, one.skills.join(" ") || "–"),
      h("td", {}, h("div", { class: "row tight" }, deed("ready", w("就绪", "Ready")), deed("pause", w("暂停", "Pause")), deed("sign_out", w("签退", "Sign out")),
        button(w("队列和技能", "Queues, skills"), () => changeDuty(one), { class: "small" }))));
  }

  const head = (...names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));

  function draw() {
    const signature = JSON.stringify([document.documentElement.lang, desk]);
    if (signature === shown) return;
    shown = signature;
    const focused = document.activeElement?.getAttribute("aria-label");
    fill(place, h("h1", { tabindex: -1 }, w("班长席", "Supervisor's desk")),
      h("section", { class: "card" }, h("h2", {}, w("队列", "Queues")), h("div", { class: "scroll" }, h("table", { id: "desk-queues" },
        head(w("队列", "queue"), w("状态", "state"), w("等候", "waiting"), w("最长", "longest"), w("接听", "answered"), w("放弃", "gave up"), w("及时率", "in time"), w("坐席 就绪/通话/签到", "agents ready/talking/signed in"), ""),
        h("tbody", {}, desk.queues.map(queueRow))))),
      h("section", { class: "card" }, h("h2", {}, w("等候的来电者", "Callers who wait")), desk.waiting.length === 0 ? h("p", { class: "soft" }, w("没有人等候。", "Nobody waits."))
        : h("div", { class: "scroll" }, h("table", { id: "desk-waiting" }, head(w("来电", "caller"), w("队列", "queue"), w("已等候", "waited"), w("语言", "language"), w("移到", "move to")), h("tbody", {}, desk.waiting.map(waitingRow))))),
      h("section", { class: "card" }, h("h2", {}, w("坐席", "Agents")), h("div", { class: "scroll" }, h("table", { id: "desk-agents" },
        head(w("姓名", "name"), w("状态", "state"), w("持续", "for"), w("接听", "answered"), w("未接", "missed"), w("平均通话", "mean call"), w("技能", "skills"), ""),
        h("tbody", {}, desk.agents.map(agentRow))))),
      h("p", { class: "soft" }, w("在此所做的更改都记入审计日志，并显示在有关坐席的页面上。", "What you change here is in the audit log, and shown to the agents whom it concerns.")));
    if (focused) [...place.querySelectorAll("[aria-label]")].find((node) => node.getAttribute("aria-label") === focused)?.focus();
  }

  return {
    enter() {
      shown = "";
      fill(place, h("p", { class: "soft" }, w("正在读取…", "Loading…")));
      fill(main, place, recordings.place);
      if (desk) draw();
      recordings.enter();
      follow();
    },
    leave() { alive = false; },
    settings,
  };
}
