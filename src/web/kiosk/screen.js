// What an answer shows, and a page that is as large as its screen allows.
import { icon, tag } from "./shapes.js";

const FITS = [1.2, 1.1, 1, 0.94, 0.88, 0.82, 0.77, 0.72, 0.68, 0.64, 0.6];
const LEAST_PX = 12; // smaller text is not read by everybody: then the middle of the page scrolls

// Makes the page as much smaller as it needs to be shown whole; an answer that leaves room is larger.
export function fit() {
  const { body } = document;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const scale of FITS) {
    if (scale > 1 && (rem <= 16 || body.dataset.view !== "answer")) continue;
    if (scale < 1 && scale * rem < LEAST_PX) return;
    body.style.setProperty("--fit", scale);
    if ([...document.querySelectorAll("main, main .body")].every(isWhole)) return;
  }
}

const isWhole = (box) => box.scrollHeight <= box.clientHeight + 1 && box.scrollWidth <= box.clientWidth + 1;

// Writes a text that may be broken at its bars.
export function put(node, text) {
  const parts = text.split("|").flatMap((part, n) => (n === 0 ? [part] : [document.createElement("wbr"), part]));
  node.replaceChildren(...parts);
}

// One fact: its name, and its value in one line or several.
export function fact(name, lines) {
  const box = document.createElement("div");
  const dt = document.createElement("dt");
  dt.textContent = name;
  box.append(dt);
  for (const line of lines) {
    const dd = document.createElement("dd");
    dd.textContent = line;
    box.append(dd);
  }
  return box;
}

// The words of the hotline are made for the middle of a sentence; here they begin one.
export const sentence = (text) => text.replace(/^the /, "").replace(/^./, (c) => c.toUpperCase());

// The steps of a case: `name` says what a step is called, `t` what its mark says.
export function steps(progress, name, t) {
  const over = progress.at === progress.steps.length - 1;
  return progress.steps.map((step, n) => {
    const item = document.createElement("li");
    const dot = document.createElement("span");
    const text = document.createElement("span");
    dot.className = "dot";
    text.textContent = sentence(name(step));
    item.append(dot, text);
    if (n < progress.at || (over && n === progress.at)) {
      item.className = "done";
      dot.append(icon("done"));
    }
    if (n === progress.at) {
      item.classList.add("here");
      item.setAttribute("aria-current", "step");
      if (!over) dot.append(progress.paused ? icon("pause") : document.createElement("b"));
      item.append(tag(progress.paused ? t("paused") : t("now")));
    }
    if (n === progress.at + 1) item.append(tag(t("next")));
    return item;
  });
}
