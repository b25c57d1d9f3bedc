// The table of slots, as last loaded from the node.

import { get, session } from "./api.js";
import { w } from "./dom.js";

let rows = new Map(); // "yue/digit.m.7" → row
let fresh = null;

export const LANGS = ["zh", "yue", "en"];
export const langName = (one) => ({ zh: w("普通话", "Mandarin"), yue: w("广东话", "Cantonese"), en: w("英语", "English") })[one];
export const langTag = { zh: "zh-CN", yue: "yue-Hant", en: "en" };

/** States in order of urgency. */
export const STATES = ["missing", "stale", "placeholder", "recorded", "approved", "live"];
export const stateName = (state) => ({
  missing: w("缺失", "missing"),
  stale: w("文案已修改", "text changed"),
  placeholder: w("合成占位", "synthetic"),
  recorded: w("待审核", "to review"),
  approved: w("待发布", "to publish"),
  live: w("正在使用", "live"),
})[state];
export const STATE_SIGN = { missing: "✕", stale: "↻", placeholder: "▢", recorded: "●", approved: "✓", live: "✓✓" };

const GROUPS = [
  ["digits", /^digits$/, () => w("数字（回执编号、证件尾号）", "Digits of receipt numbers")],
  ["sentences", /^prompt/, () => w("整句提示", "Sentences")],
  ["options", /^(opt|menu_line)/, () => w("菜单选项与名称", "Menu options and names")],
  ["key", /^key$/, () => w("按键", "Keys")],
  ["dates", /^dates$/, () => w("日期", "Dates")],
  ["time", /^time$/, () => w("时间", "Times of day")],
  ["numbers", /^numbers$/, () => w("数目", "Numbers")],
  ["money", /^money$/, () => w("金额", "Money")],
  ["studio", /^studio/, () => w("电话录音服务", "Recording by telephone")],
  ["others", /./, () => w("其他", "Others")],
];
export const groupOf = (row) => GROUPS.find(([, fits]) => fits.test(row.set))[0];
export const groupName = (group) => (GROUPS.find(([name]) => name === group) || GROUPS[GROUPS.length - 1])[2]();
export const groups = () => GROUPS.map(([name]) => name).filter((name) => [...rows.values()].some((row) => groupOf(row) === name));

/** Where a digit is heard, since each has two recordings; "" for everything else. */
export const placeName = (id) => ({ m: w("中间", "medial"), f: w("收尾", "final") })[/^digit\.([mf])\./.exec(id)?.[1]] || "";

export const keyOf = (lang, id) => `${lang}/${id}`;
export const todo = (row) => ["missing", "stale", "placeholder"].includes(row.state);

export const slots = {
  async load() {
    const reply = await get("slots");
    rows = new Map(reply.rows.map((row) => [keyOf(row.lang, row.id), row]));
    fresh = Date.now();
  },
  /** Loads unless it was loaded a moment ago. */
  async recent(ms = 5000) {
    if (!fresh || Date.now() - fresh > ms) await slots.load();
  },
  forget() { rows = new Map(); fresh = null; },
  stale() { fresh = null; },
  all: () => [...rows.values()],
  of: (lang, id) => rows.get(keyOf(lang, id)),
  /** Sorts what names a slot into the table's order. */
  sorted(list, of) {
    const places = new Map([...rows.keys()].map((key, n) => [key, n]));
    const place = (one) => { const { lang, slot } = of(one); return places.get(keyOf(lang, slot)) ?? Infinity; };
    return [...list].sort((a, b) => place(a) - place(b) || 0);
  },
  /** Drafts that this person may approve. */
  waiting() {
    if (session.operator?.role !== "approver") return 0;
    return [...rows.values()].filter((row) => row.waiting?.state === "draft" && row.waiting.by !== session.operator.name).length;
  },
  /** The next slot to record in a language after this one, in the table's order, and from the beginning again. */
  next(lang, after) {
    const own = [...rows.values()].filter((row) => row.lang === lang);
    const at = own.findIndex((row) => row.id === after);
    const round = [...own.slice(at + 1), ...own.slice(0, Math.max(at, 0))];
    return round.find((row) => row.state === "missing" && !row.others?.length)
      || round.find((row) => todo(row) && !row.others?.length) || round.find(todo) || null;
  },
  /** Notes what became of a recording without asking again. */
  changed({ take }) {
    const row = take && rows.get(keyOf(take.lang, take.slot));
    if (!row || take.state !== "draft") return;
    row.waiting = { name: take.name, state: take.state, by: take.by.name, at: take.at, kind: take.kind };
    row.state = "recorded";
  },
};
