// The review: takes that wait for approval by another person, played as callers will hear them.

import { get, post, session, words } from "./api.js";
import { ask, button, fill, h, key, notice, w, when } from "./dom.js";
import { play, stop } from "./player.js";
import { figures, findings, kindName, plays, playButtons } from "./report.js";
import { groupName, groupOf, langName, langTag, placeName, slots } from "./slots.js";

const heard = new Set(); // takes that were played to their end in this session

export async function review({ main }) {
  await slots.recent(0);
  const mayApprove = session.operator.role === "approver";
  let at = 0;
  let takes = [];

  async function load() {
    takes = slots.sorted((await get("drafts")).takes, (take) => take);
    at = Math.min(at, Math.max(0, takes.length - 1));
  }

  const isOwn = (take) => take.by.name === session.operator.name;
  const bunchOf = (take) => {
    const row = slots.of(take.lang, take.slot);
    return `${take.lang}/${row ? groupOf(row) : ""}/${take.by.name}`;
  };

  const isUnheard = (take) => !heard.has(take.name);

  /** Notes what was played to its end. */
  const listening = (take) => (ended) => {
    if (ended !== true || heard.has(take.name)) return ended;
    heard.add(take.name);
    const chip = main.querySelector(`[data-take="${take.name}"] .unheard`);
    if (chip) chip.hidden = true;
    return ended;
  };

  async function approve(some) {
    const unheard = some.filter(isUnheard);
    if (unheard.length) {
      const sure = await ask(w("未试听就通过？", "Approve without listening?"),
        h("p", {}, w(`${some.length} 条中有 ${unheard.length} 条未试听。通过后会标记“未试听”，发布时会再次提示。`, `${unheard.length} of ${some.length} were not listened to. They are marked so, and the publication says it.`)), w("通过", "Approve"));
      if (!sure) return;
    }
    try {
      const { takes: approved } = await post("approve", { takes: some.map((take) => take.name), unheard: unheard.map((take) => take.name) });
      notice("good", w(`已审核 ${approved.length} 条，可以发布。`, `${approved.length} approved and ready to publish.`));
    } catch (problem) {
      notice("approve", words(problem));
    }
    await again();
  }

  async function sendBack(take) {
    const sure = await ask(w("弃用此录音？", "Discard this take?"), h("p", {}, w(`“${take.text}”将恢复为待录，录音仍保留在历史记录中。`, `“${take.text}” is to be recorded again. The take stays in the history.`)), w("弃用", "Discard"));
    if (!sure) return;
    await post("discard", { takes: [take.name] }).catch((problem) => notice("approve", words(problem)));
    await again();
  }

  async function again() {
    slots.stale();
    await Promise.all([load(), slots.load()]).catch((problem) => notice("approve", words(problem)));
    draw();
    main.querySelectorAll(".draft")[at]?.focus();
  }

  async function hearBunch(bunch) {
    for (const take of bunch) {
      main.querySelectorAll(".draft.playing").forEach((node) => node.classList.remove("playing"));
      main.querySelector(`[data-take="${take.name}"]`)?.classList.add("playing");
      const ended = await play({ take: take.name, form: "phone" }).then(listening(take)).catch((problem) => notice("sound", words(problem)));
      if (!ended) break;
    }
    main.querySelectorAll(".draft.playing").forEach((node) => node.classList.remove("playing"));
  }

  function bunchCard(bunch) {
    const [first] = bunch;
    const row = slots.of(first.lang, first.slot);
    const group = row ? groupOf(row) : "";
    const may = bunch.filter((take) => mayApprove && !isOwn(take));
    const isDigits = group === "digits";
    return h("section", { class: "card" },
      h("div", { class: "row" }, h("h2", {}, `${langName(first.lang)} · ${groupName(group)} · ${first.by.name}`, h("small", {}, w(` ${bunch.length} 条`, ` ${bunch.length} take${bunch.length === 1 ? "" : "s"}`))),
        button(["▶ ", w("依次听", "Hear all")], () => hearBunch(bunch)),
        isDigits && button(["▶ ", w("听一个完整编号", "Hear a whole number")], () => play({ lang: first.lang, slot: "digit.f.0", form: "sentence", receipt: "440163234719228", with: bunch.map((take) => take.name).join(",") }).catch((problem) => notice("sound", words(problem)))),
        may.length > 1 && button(w(`全部通过（${may.length}）`, `Approve all (${may.length})`), () => approve(may), { class: "first" })),
      bunch.some(isOwn) && h("p", { class: "finding warn" }, w("自己录制的须由另一位同事审核。", "Your own takes are approved by another person.")),
      h("ul", { class: "plain" }, bunch.map((take) => draft(take, row))));
  }

  function draft(take) {
    const row = slots.of(take.lang, take.slot);
    const changed = row && row.text !== take.text;
    return h("li", { class: "draft", tabindex: 0, "data-take": take.name, onfocus: (event) => { at = [...main.querySelectorAll(".draft")].indexOf(event.target); } },
      h("p", { class: "row" }, h("a", { href: `#/record/${take.lang}/${take.slot}`, lang: langTag[take.lang] }, take.text), placeName(take.slot) && h("small", { class: "place" }, placeName(take.slot)), h("small", {}, `${take.by.name} · ${when(take.at)} · ${kindName(take.kind)}`),
        h("span", { class: "chip warn unheard", hidden: !isUnheard(take) }, w("未试听", "not listened to"))),
      changed && h("p", { class: "finding bad" }, w(`文案已改为“${row.text}”，此录音不能再用。`, `The text is now “${row.text}”: this take cannot be used.`)),
      take.report.findings.length > 0 && findings(take.report), playButtons(plays(take, { live: Boolean(row?.live), sentence: true, ended: listening(take) })), figures(take.report),
      mayApprove && h("div", { class: "row" },
        button([w("通过", "Approve"), " ", key("A")], () => approve([take]), { class: "first", disabled: isOwn(take) || changed, title: isOwn(take) ? w("自己录制的须由另一位同事审核", "another person approves your takes") : null }),
        button([w("弃用", "Discard"), " ", key("D")], () => sendBack(take))));
  }

  function draw() {
    const bunches = new Map();
    for (const take of takes) bunches.set(bunchOf(take), [...(bunches.get(bunchOf(take)) || []), take]);
    fill(main, h("h1", { tabindex: -1 }, w("审核", "Review"), h("small", {}, w(` ${takes.length} 条待审核`, ` ${takes.length} to review`))),
      !mayApprove && h("p", { class: "finding warn" }, w("您是录音员：可以试听，由审核员审核。", "You are an operator: you may listen, an approver approves.")),
      takes.length ? [...bunches.values()].map(bunchCard) : h("p", { class: "card" }, w("没有待审核的录音。", "No takes to review.")));
  }

  function keys({ key: pressed }) {
    const list = [...main.querySelectorAll(".draft")];
    const here = list.indexOf(document.activeElement.closest?.(".draft"));
    let take = here >= 0 && takes.find((one) => one.name === list[here].dataset.take);
    // If no take has the focus, keys act on the first one; those that approve or discard only focus it.
    if (!take && list.length && /^[1-4ad]$/i.test(pressed)) {
      const first = list[at] ?? list[0];
      first.focus();
      if (/[ad]/i.test(pressed)) return true;
      take = takes.find((one) => one.name === first.dataset.take);
    }
    const go = (by) => list[Math.min(list.length - 1, Math.max(0, here + by))]?.focus();
    const acts = { j: () => go(1), ArrowDown: () => go(1), k: () => go(-1), ArrowUp: () => go(-1), Escape: stop };
    if (take) {
      for (const one of plays(take, { live: true, sentence: true, ended: listening(take) })) acts[one.name] = one.act;
      if (mayApprove && !isOwn(take)) acts.a = () => approve([take]);
      if (mayApprove) acts.d = () => sendBack(take);
    }
    const act = acts[pressed.length === 1 ? pressed.toLowerCase() : pressed];
    if (act) act();
    return Boolean(act);
  }

  await load();
  return { draw, key: keys };
}
