// Recorded conversations, for supervisors: a list by day, queue and agent, and one player. Each listening is in the audit log.

import { get, query, session, words } from "/studio/api.js";
import { button, dayBegins, fill, h, notice, today, w, when } from "/studio/dom.js";
import { clock } from "./words.js";

/** The section; `names` gives the queues and agents that there are. */
export function recordingsView(names) {
  const place = h("section", { class: "card", id: "recordings", "aria-labelledby": "recordings-title" });
  const wanted = { day: today(), queue: "", agent: "" };
  let found = null;
  let heard = null; // the recording in the player

  const next = (day) => new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  async function search() {
    const from = wanted.day ? dayBegins(wanted.day) : null;
    const until = from && dayBegins(next(wanted.day));
    try {
      const reply = await get(query("recordings", { from: from?.toISOString(), until: until?.toISOString(), queue: wanted.queue || null, agent: wanted.agent || null }));
      found = reply.recordings;
      notice("refused", "");
    } catch (problem) {
      notice("refused", words(problem));
    }
    draw();
  }

  const choose = (name, title, all, values) => h("label", {}, title, h("select", { id: `recordings-${name}`, onchange: (event) => { wanted[name] = event.target.value; search(); } },
    h("option", { value: "" }, all), values.map((value) => h("option", { value, selected: value === wanted[name] }, value))));

  function row(one) {
    const pauses = one.pauses.length > 0 && h("span", { class: "chip warn-chip" }, w(`暂停 ${one.pauses.length} 次`, `${one.pauses.length} pause${one.pauses.length === 1 ? "" : "s"}`));
    const cut = !one.whole && one.length_s !== null && h("span", { class: "chip bad-chip" }, w("不完整", "cut short"));
    return h("tr", { "data-id": one.id }, h("th", { scope: "row" }, when(one.at)), h("td", {}, one.queue || "–"), h("td", {}, one.agent || "–"), h("td", {}, h("code", {}, one.call || "–")),
      h("td", { class: "num" }, one.length_s === null ? w("录音中", "recording") : clock(one.length_s)), h("td", {}, pauses, cut),
      h("td", {}, one.length_s !== null && button(w("播放", "Play"), () => play(one), { class: "small", "aria-label": w(`播放 ${when(one.at)} ${one.agent}`, `Play ${when(one.at)} ${one.agent}`) })));
  }

  function play(one) {
    heard = one;
    const failed = () => notice("refused", w("录音无法播放，可能已删除。", "The recording cannot be played; it may have been deleted."));
    fill(document.getElementById("recordings-player"),
      h("p", {}, h("b", {}, when(one.at)), ` · ${one.queue} · ${one.agent} · `, w("左声道来电人，右声道坐席", "left the caller, right the agent")),
      h("audio", { controls: true, controlslist: "nodownload", preload: "none", autoplay: true, src: session.base + query("recording", { id: one.id }), onerror: failed, oncontextmenu: (event) => event.preventDefault() }));
  }

  function list() {
    if (!found) return h("p", { class: "soft" }, w("正在读取…", "Loading…"));
    if (!found.length) return h("p", { class: "soft" }, w("没有符合条件的录音。", "No recording fits."));
    const head = [w("时间", "time"), w("队列", "queue"), w("坐席", "agent"), w("来电编号", "call"), w("时长", "length"), "", ""];
    return h("div", { class: "scroll" }, h("table", { id: "recordings-list" }, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, found.map(row))));
  }

  /** Draws the filters and the list; the player goes on. */
  function draw() {
    const { queues, agents: known } = names();
    // Supervisors who took over, and agents who are gone, have recordings, too.
    const agents = [...new Set([...known, ...(found ?? []).map((one) => one.agent), wanted.agent].filter(Boolean))];
    fill(document.getElementById("recordings-filters"),
      h("label", {}, w("日期", "Day"), h("input", { type: "date", id: "recordings-day", value: wanted.day, onchange: (event) => { wanted.day = event.target.value; search(); } })),
      choose("queue", w("队列", "Queue"), w("所有队列", "every queue"), queues), choose("agent", w("坐席", "Agent"), w("所有坐席", "every agent"), agents),
      button(w("刷新", "Refresh"), search, { class: "small", id: "recordings-search" }));
    fill(document.getElementById("recordings-found"), list());
  }

  let drawn = "";
  return {
    place,
    /** Offers the queues and agents that there are now. */
    look() {
      const now = JSON.stringify(names());
      if (now !== drawn && document.getElementById("recordings-filters")) draw();
      drawn = now;
    },
    enter() {
      fill(place, h("h2", { id: "recordings-title" }, w("通话录音", "Recorded conversations")), h("div", { class: "row", id: "recordings-filters" }), h("div", { id: "recordings-found" }),
        h("div", { id: "recordings-player", class: "stack" }),
        h("p", { class: "soft" }, w("每次收听都记入审计日志；坐席不能收听。", "Each listening is in the audit log; agents hear none.")));
      draw();
      if (heard) play(heard);
      search();
    },
  };
}
