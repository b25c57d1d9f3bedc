// The caller's card: what the caller did, and what the copy says, in the words that the caller heard.

import { h, lang, localized, w } from "/studio/dom.js";
import { day, hour, langName, outcomeName, reasonName, resultName, span } from "./words.js";

const grouped = (receipt) => receipt.replace(/(.{4})(?=.)/g, "$1 ");

function limit(card) {
  if (card.case?.limit === "over") return h("p", { class: "limit over" }, h("b", {}, w("已超过办理时限", "Over the time limit")), w("：请向来电人解释并登记。", ": explain it to the caller, and note it."));
  if (card.case?.limit === "near") return h("p", { class: "limit near" }, h("b", {}, w("即将超过办理时限", "The time limit is near")));
  return null;
}

function age(seconds) {
  const old = seconds > 1800;
  return h("span", { class: old ? "chip warn-chip" : "chip" }, w(`数据 ${span(seconds)}前`, `data ${span(seconds)} old`));
}

function inquiry(card) {
  if (!card.result && !card.keyed) return h("p", { class: "soft" }, w("本次通话没有查询进度。", "No look-up in this call."));
  const one = card.case;
  return [
    card.receipt && h("p", { class: "receipt" }, grouped(card.receipt),
      h("span", { class: card.verified ? "chip good-chip" : "chip bad-chip" }, card.verified ? w("✓ 已核实", "✓ verified") : w("未核实", "not verified"))),
    card.result && !card.verified && h("p", { class: "trouble" }, resultName(card.result)),
    one && h("p", { class: "stage-now", "data-stage": one.stage }, localized(one.stage_words) || one.stage,
      one.document && h("small", {}, localized(one.document)), age(one.age_s)),
    limit(card),
    one?.expected && h("p", {}, w("预计：", "Expected: "), h("b", {}, day(one.expected))),
    one && h("div", { class: "heard" }, h("h3", {}, w("来电人听到的答复", "What the caller hears")),
      Object.entries(one.heard).filter(([of]) => of === lang || of === card.lang)
        .map(([of, text]) => h("blockquote", { lang: { zh: "zh-CN", yue: "yue-Hant", en: "en" }[of] }, h("small", {}, langName(of)), text))),
    card.keyed && h("p", { class: "receipt" }, grouped(card.keyed), h("span", { class: "chip bad-chip" }, w("其后输入，未核实", "keyed in later, not verified"))),
  ];
}

function way(card) {
  if (!card.way.length) return h("p", { class: "soft" }, w("直接要求转人工。", "Asked for a person at once."));
  return h("ol", { class: "way" }, card.way.map((step) => h("li", {}, step.key && h("kbd", {}, step.key), " ", localized(step.words) || (step.person ? w("人工服务", "a person") : step.node))));
}

function earlier(card) {
  if (!card.earlier.length) return h("p", { class: "soft" }, card.number ? w("今天没有更早的来电。", "No earlier call today.") : w("号码未显示，无法查找更早的来电。", "The number is withheld: earlier calls cannot be found."));
  return h("ul", { class: "plain earlier" }, card.earlier.map((call) => h("li", {}, h("b", {}, hour(call.at)), " ",
    outcomeName(call.queue_outcome || call.outcome), call.agent && h("span", { class: "chip" }, call.agent), call.reason && h("span", { class: "chip" }, reasonName(call.reason)),
    call.note && h("p", { class: "soft" }, call.note))));
}

/** What colleagues have noted of this call. */
function notes(card) {
  if (!card.notes.length) return null;
  return h("section", {}, h("h3", {}, w("本次通话的备注", "Notes on this call")), h("ul", { class: "plain earlier" }, card.notes.map((one) => h("li", {},
    h("span", { class: "chip" }, one.agent), one.reason && h("span", { class: "chip" }, reasonName(one.reason)), one.text && h("p", {}, one.text)))));
}

/** The card as elements. */
export function callerCard(card) {
  const others = Object.entries(card.passed);
  return [
    h("div", { class: "facts" },
      h("span", { class: "chip lang-chip" }, langName(card.lang) || w("语言未选", "no language")),
      card.called_back && h("span", { class: "chip warn-chip" }, w("回电", "call-back")),
      h("span", { class: "number" }, card.number || w("号码未显示", "number withheld"))),
    h("section", { "aria-label": w("办理进度", "Case") }, inquiry(card)),
    others.length > 0 && h("dl", {}, others.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    notes(card),
    h("div", { class: "pair" }, h("section", {}, h("h3", {}, w("菜单路径", "Way through the menus")), way(card)),
      h("section", {}, h("h3", {}, w("今天更早的来电", "Earlier calls today")), earlier(card))),
  ];
}
