// The overview: the state of every slot, language × slot.

import { words } from "./api.js";
import { button, fill, h, notice, w } from "./dom.js";
import { play } from "./player.js";
import { LANGS, STATES, STATE_SIGN, groupName, groupOf, groups, langName, langTag, placeName, slots, stateName, todo } from "./slots.js";

const REFRESH_MS = 15000;
const ROWS_MAX = 150;
const filter = { state: "", text: "", group: "" }; // kept between visits
const open = new Set();

export async function overview({ main }) {
  await slots.recent();
  let shown = ROWS_MAX;
  const body = h("div", { class: "stack" });

  function card(lang) {
    const own = slots.all().filter((row) => row.lang === lang);
    const count = Object.fromEntries(STATES.map((state) => [state, own.filter((row) => row.state === state).length]));
    const next = slots.next(lang, "");
    const done = own.length - own.filter(todo).length;
    return h("section", { class: "card lang", "aria-labelledby": "card-" + lang },
      h("h2", { id: "card-" + lang }, langName(lang), h("small", {}, w(`${done} / ${own.length} 已录`, `${done} of ${own.length} recorded`))),
      bar(count, own.length),
      h("ul", { class: "counts" }, STATES.filter((state) => count[state]).map((state) =>
        h("li", {}, button([sign(state), ` ${stateName(state)} `, h("b", {}, String(count[state]))],
          () => { filter.state = filter.state === state ? "" : state; draw(); }, { class: "plain", "aria-pressed": String(filter.state === state) })))),
      h("div", { class: "row" },
        next && h("a", { class: "button first", href: `#/record/${lang}/${next.id}` }, w("录下一条", "Record the next one")),
        h("a", { class: "button", href: `#/hands/${lang}/digits` }, w("连续录十个数字", "Record the ten digits"))));
  }

  const bar = (count, total) => h("div", { class: "bar", role: "img", "aria-label": STATES.map((state) => `${stateName(state)} ${count[state]}`).join(", ") },
    [...STATES].reverse().filter((state) => count[state]).map((state) => {
      const part = h("i", { class: "s-" + state });
      part.style.width = `${(100 * count[state]) / total}%`;
      return part;
    }));

  const sign = (state) => h("span", { class: "sign s-" + state, "aria-hidden": "true" }, STATE_SIGN[state]);

  function fits(row) {
    const text = filter.text.trim().toLowerCase();
    return (!filter.state || row.state === filter.state) && (!filter.group || groupOf(row) === filter.group)
      && (!text || row.text.toLowerCase().includes(text) || row.id.includes(text) || String(row.number) === text);
  }

  function filters() {
    const select = (name, title, options) => h("label", {}, title, h("select", { onchange: (event) => { filter[name] = event.target.value; shown = ROWS_MAX; drawTable(); } },
      h("option", { value: "" }, w("全部", "all")), options.map(([value, words]) => h("option", { value, selected: filter[name] === value }, words))));
    return h("div", { class: "row filters", role: "search" },
      h("label", {}, w("查找", "Find"), h("input", { type: "search", value: filter.text, placeholder: w("文字、编号", "text or number"),
        oninput: (event) => { filter.text = event.target.value; shown = ROWS_MAX; drawTable(); } })),
      select("state", w("状态", "State"), STATES.map((state) => [state, stateName(state)])),
      select("group", w("类别", "Kind"), groups().map((group) => [group, groupName(group)])));
  }

  function table(group) {
    const own = slots.all().filter((row) => groupOf(row) === group);
    const ids = [...new Set(own.filter(fits).map((row) => row.id))];
    if (!ids.length) return null;
    const searching = filter.state || filter.text || filter.group;
    const cells = LANGS.map((lang) => {
      const rows = own.filter((row) => row.lang === lang);
      const left = rows.filter(todo).length;
      return h("span", { class: left ? "left" : "left none" }, langName(lang), " ", left ? w(`差 ${left}`, `${left} to do`) : w("齐", "complete"));
    });
    const list = () => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": groupName(group) }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, w("位置", "Slot")), LANGS.map((lang) => h("th", { scope: "col" }, langName(lang))))),
      h("tbody", {}, ids.slice(0, shown).map(line))),
      ids.length > shown && button(w(`再显示 ${Math.min(ROWS_MAX, ids.length - shown)} 行`, `${Math.min(ROWS_MAX, ids.length - shown)} more rows`), () => { shown += ROWS_MAX; drawTable(); }));
    const isOpen = searching ? !open.has("-" + group) : open.has(group);
    const place = h("div", {});
    if (isOpen) fill(place, list());
    return h("details", { class: "card group", open: isOpen, ontoggle: (event) => {
      const isOpenNow = event.target.open;
      const mark = searching ? "-" + group : group;
      if (isOpenNow === Boolean(searching)) open.delete(mark); else open.add(mark);
      if (isOpenNow && !place.firstChild) fill(place, list());
    } },
    h("summary", {}, h("b", {}, groupName(group)), h("span", { class: "row" }, cells)),
    h("div", { class: "row" }, LANGS.filter((lang) => own.some((row) => row.lang === lang)).map((lang) =>
      h("a", { class: "button small", href: `#/hands/${lang}/${group}` }, w(`${langName(lang)}：连续录音`, `${langName(lang)}: hands free`)))),
    place);
  }

  function line(id) {
    const number = LANGS.map((lang) => slots.of(lang, id)).find(Boolean).number;
    return h("tr", {}, h("th", { scope: "row" }, h("code", {}, id), h("small", {}, `${w("电话编号", "telephone")} ${number}`)),
      LANGS.map((lang) => h("td", {}, cell(slots.of(lang, id)))));
  }

  function cell(row) {
    if (!row) return h("span", { class: "soft" }, "—");
    const who = row.others?.length ? w(`${row.others.join("、")} 正在录`, `${row.others.join(", ")} is here`) : "";
    const by = row.waiting ? `${row.waiting.by}${row.waiting.kind === "phone" ? " ☎" : ""}` : "";
    return h("div", { class: "cell" + (fits(row) ? "" : " faint") },
      h("span", { class: "row tight" }, h("a", { href: `#/record/${row.lang}/${row.id}`, lang: langTag[row.lang] }, row.text),
        placeName(row.id) && h("small", { class: "place" }, placeName(row.id))),
      h("span", { class: "row tight" }, h("span", { class: "chip s-" + row.state }, sign(row.state), stateName(row.state)),
        by && h("small", {}, by), who && h("small", { class: "warn" }, who),
        row.live && button("▶", () => play({ lang: row.lang, slot: row.id, form: "phone" }).catch((problem) => notice("sound", words(problem))),
          { class: "tiny", "aria-label": w("听：来电人现在听到的", "Hear what callers hear") })));
  }

  function drawTable() {
    fill(body, groups().map(table));
    if (!body.firstChild) fill(body, h("p", { class: "card" }, w("没有符合条件的录音。", "No recording matches.")));
  }

  function draw() {
    fill(main, h("h1", { tabindex: -1 }, w("总览", "Overview")),
      h("p", { class: "soft" }, w("系统根据流程文件自动列出来电人可能听到的每一句话。录好后由另一位同事审核，然后发布。",
        "Every recording that a caller can hear, listed from the flow. Record it, let another person approve it, publish it.")),
      h("div", { class: "cards" }, LANGS.filter((lang) => slots.all().some((row) => row.lang === lang)).map(card)),
      filters(), body);
    drawTable();
  }

  const timer = setInterval(async () => {
    if (document.hidden || main.contains(document.activeElement)) return;
    await slots.load().then(draw, () => {});
  }, REFRESH_MS);
  return { draw, leave: () => clearInterval(timer) };
}
