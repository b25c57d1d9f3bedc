// Elements, and the two languages of the studio.

/** "zh" or "en": the language of the page, not of the recordings. */
export let lang = ["zh", "en"].find((one) => one === remembered()) || (navigator.language.startsWith("zh") ? "zh" : "en");

function remembered() {
  try { return localStorage.getItem("studio-lang"); } catch { return null; }
}

export function speak(next) {
  lang = next;
  try { localStorage.setItem("studio-lang", next); } catch { /* a browser that keeps nothing */ }
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
}

/** The words in the page's language. */
export const w = (zh, en) => (lang === "zh" ? zh : en);

/** The words of a reply in the page's language. */
export const localized = (words) => (words ? words[lang] || words.en || "" : "");

/** An element. Keys that begin with "on" are listeners; true and false set and leave attributes. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") node[key] = value;
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  put(node, children);
  return node;
}

function put(node, children) {
  for (const child of children.flat(4)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

/** Replaces the content of an element. */
export function fill(node, ...children) {
  node.replaceChildren();
  put(node, children);
  return node;
}

export const button = (words, onclick, props) => h("button", { type: "button", onclick, ...props }, words);

/** A key on a keyboard. */
export const key = (name) => h("kbd", {}, name);

/** Announces words to screen readers. */
export function say(words) {
  const region = document.getElementById("said");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = words; });
}

/** A message that stays until it is closed or replaced by one of its kind. */
export function notice(kind, words, ...more) {
  const place = document.getElementById("notices");
  place.querySelector(`[data-kind="${kind}"]`)?.remove();
  if (!words) return;
  place.append(h("div", { class: "notice", "data-kind": kind, role: kind === "good" ? "status" : "alert" },
    h("p", {}, words), more, button("×", () => notice(kind, ""), { class: "close", "aria-label": w("关闭", "Close") })));
  if (kind === "good") setTimeout(() => notice(kind, ""), 8000);
}

/** Removes messages of these kinds; all messages if no kind is given. */
export function clearNotices(...kinds) {
  for (const shown of [...document.getElementById("notices").children]) if (!kinds.length || kinds.includes(shown.dataset.kind)) shown.remove();
}

/** Asks in a dialog; the answer is what its form holds, or null. */
export function ask(title, body, confirm, danger) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog" }, h("h2", { id: "asked" }, title), body,
      h("div", { class: "row end" }, button(w("取消", "Cancel"), () => box.close("")),
        h("button", { class: danger ? "danger" : "first", value: "yes" }, confirm)));
    const box = h("dialog", { "aria-labelledby": "asked" }, form);
    box.addEventListener("close", () => {
      const answer = box.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null;
      box.remove();
      resolve(answer);
    });
    document.body.append(box);
    box.showModal();
  });
}

let zone; // the office's, once somebody is signed in

/** Times are shown in the office's time zone, by its IANA name, wherever the browser is. */
export const inZone = (name) => { zone = name || undefined; };

/** How a time is written: `Intl.DateTimeFormat` in the page's language and the office's time zone. */
export const inOffice = (options) => new Intl.DateTimeFormat(lang === "zh" ? "zh-CN" : "en-GB", { timeZone: zone, ...options });

/** The day in the office now, as 2026-11-30. */
export const today = () => new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(new Date());

/** The instant at which a day (2026-11-30) begins in the office. */
export function dayBegins(day) {
  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  const wanted = Date.parse(`${day}T00:00:00Z`);
  const ahead = (at) => Date.parse(`${clock.format(new Date(at)).replace(" ", "T")}Z`) - at;
  return new Date(wanted - ahead(wanted - ahead(wanted)));
}

const WHEN = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
export const when = (iso) => (iso ? inOffice(WHEN).format(new Date(iso)) : "");
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} ${w("秒", "s")}`;
