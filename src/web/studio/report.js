// The report of a take, and the ways to play it.

import { words } from "./api.js";
import { button, h, key, notice, seconds, localized, w, when } from "./dom.js";
import { play, playAll } from "./player.js";

const db = (value) => (value === null || value === undefined ? "—" : `${value.toFixed(1)} dB`);
const hear = (promise) => promise.catch((problem) => notice("sound", words(problem)));

export const takeState = (state) => ({
  fresh: w("未保留", "not kept"), draft: w("待审核", "to review"), approved: w("已审核", "approved"),
  published: w("已发布", "published"), discarded: w("已弃用", "discarded"),
})[state] || state;
export const kindName = (kind) => ({ browser: w("浏览器", "browser"), phone: w("电话", "telephone"), file: w("文件", "file") })[kind] || kind;

/** The findings of the checks, worst first, or a line that all passed. */
export function findings(report) {
  if (!report.findings.length) return h("p", { class: "finding good" }, w("✓ 检查通过，没有问题。", "✓ All checks passed."));
  const bad = (one) => one.grade === "reject";
  return h("ul", { class: "plain" }, [...report.findings].sort((a, b) => bad(b) - bad(a)).map((one) =>
    h("li", { class: "finding " + (bad(one) ? "bad" : "warn") }, bad(one) ? w("✕ 须重录：", "✕ Record again: ") : w("! 请留意：", "! Listen again: "), localized(one.words))));
}

export function figures(report) {
  const it = report.figures;
  const rows = [
    [w("说话时长", "speech"), seconds(it.speech_ms)],
    [w("原始电平", "level as recorded"), db(it.level_in_dbov)],
    [w("处理后电平", "level after"), db(it.level_dbov)],
    [w("峰值", "peak"), db(it.peak_dbtp)],
    [w("信噪比", "over the room's noise"), db(it.snr_db)],
    [w("采样率", "rate"), `${it.rate_hz / 1000} kHz`],
  ];
  return h("details", { class: "figures" }, h("summary", {}, w("数值", "Figures")),
    h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

/** What can be played of a take, by the number of its key; `ended` is given whether it was played to its end. */
export function plays(take, { live, sentence, values, ended = (whole) => whole } = {}) {
  const of = (form) => ({ take: take.name, form, ...(form === "sentence" ? values?.() : {}) });
  const list = [
    ["1", w("原样", "Raw"), () => play(of("original"))],
    ["2", w("电话中的效果", "As callers hear it"), () => play(of("phone"))],
  ];
  if (sentence) list.push(["3", w("放进整句", "In its sentence"), () => play(of("sentence"))]);
  if (live) list.push(["4", w("新旧对比", "New, then old"), () => playAll([of("phone"), { lang: take.lang, slot: take.slot, form: "phone" }])]);
  return list.map(([name, title, act]) => ({ name, title, act: () => hear(act().then(ended)) }));
}

export const playButtons = (list) => h("div", { class: "row hear", role: "group", "aria-label": w("试听", "Listen") },
  list.map(({ name, title, act }) => button(["▶ ", title, " ", key(name)], act)));

/** One take in a slot's history. */
export function historyLine(take, more) {
  return h("li", { class: "take" + (take.live ? " live" : "") },
    h("div", { class: "row tight" },
      button("▶", () => hear(play({ take: take.name, form: "phone" })), { class: "tiny", "aria-label": w(`听 ${take.by.name} ${when(take.at)} 的录音`, `Hear the take of ${take.by.name}, ${when(take.at)}`) }),
      h("b", {}, take.by.name), h("span", {}, when(take.at)),
      h("span", { class: "chip" }, take.live ? w("正在使用", "live") : takeState(take.state)),
      h("small", {}, kindName(take.kind), " · ", seconds(take.report.figures.speech_ms))),
    take.approved && h("small", {}, w(`由 ${take.approved[0].name} 审核`, `approved by ${take.approved[0].name}`)),
    more);
}
