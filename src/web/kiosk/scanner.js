// A scanner acts as a very fast keyboard, with or without Enter or Tab at the end, wherever the focus is.
//
//   key ─► burst ─┬─ Enter or Tab, or silence, after six keys or more ─► scan(text)
//                 └─ anything else ─► press(character), one by one: keys pressed by hand

const GAP_MS = 80; // keys of a scanner come faster than this
const SCAN_MIN = 6; // shorter bursts are typed by hand
const CODE_MAX = 3000;

// Listens to the whole page. `on` has scan(text), press(character), enter(), erase() and escape().
export function listen(on) {
  const burst = { text: "", fast: false, at: 0, timer: 0 };

  function flush() {
    clearTimeout(burst.timer);
    const { text, fast } = burst;
    burst.text = "";
    burst.fast = false;
    if (fast && text.length >= SCAN_MIN) on.scan(text);
    else for (const c of text) on.press(c);
  }

  function add(c) {
    const now = performance.now();
    const quick = now - burst.at < GAP_MS;
    if (!quick) flush();
    burst.fast = burst.text === "" || (quick && burst.fast);
    if (burst.text.length < CODE_MAX) burst.text += c;
    burst.at = now;
    clearTimeout(burst.timer);
    burst.timer = setTimeout(flush, GAP_MS + 40);
  }

  function end(event) {
    if (burst.fast && burst.text.length >= SCAN_MIN) {
      event.preventDefault(); // the focused button is not meant
      event.stopPropagation();
      return flush();
    }
    flush();
    if (event.key === "Enter" && !isControl(event.target)) on.enter();
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.key === "Enter" || event.key === "Tab") return end(event);
    if (event.key === "Escape") return on.escape();
    if (event.key === "Backspace" || event.key === "Delete") {
      flush();
      return on.erase();
    }
    const c = character(event);
    if (c === "") return;
    if (c === " " && !burst.text && isControl(event.target)) return; // the space bar presses the button in focus
    event.preventDefault();
    add(c);
  }

  document.addEventListener("keydown", onKey, true);
  return { quiet: () => burst.text === "" };
}

const isControl = (node) => node instanceof Element && Boolean(node.closest("button, input, label"));

// The character of a key, in its half-width form; "" for keys that have none.
function character(event) {
  let key = event.key;
  // With an input method on, the key is "Process"; its position on the keyboard still identifies it.
  if (key === "Process" || key === "Unidentified" || event.isComposing) {
    const place = /^(?:Digit|Numpad|Key)(.)$/.exec(event.code);
    key = place ? place[1] : PLACES[event.code] || "";
  }
  if ([...key].length !== 1) return "";
  const point = key.codePointAt(0);
  if (point === 0x3000) return " ";
  return point >= 0xff01 && point <= 0xff5e ? String.fromCodePoint(point - 0xfee0) : key;
}

const PLACES = { Minus: "-", Period: ".", Slash: "/", Semicolon: ":", BracketRight: "]" };
