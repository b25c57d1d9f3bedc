// A scanner acts as a very fast keyboard, with or without Enter or Tab at the end, wherever the focus is.
//
//   key ─► character ─► burst ─┬─ Enter, Tab or silence, after six keys or more ─► scan(text)
//                              └─ anything else ─► press(character), one by one: keys pressed by hand
//
// A scanner that pauses within a number is waited for: parts that make a number of a known length within a second are one scan.
//
// Characters come as keys; as codes typed on the number pad while Alt is held; with Alt, AltGr or Meta set on every key; by
// their place on the keyboard alone, when an input method is on. What only a scanner sends so ("only" below) is no key
// pressed by hand. A key that cannot be told stays in the burst as U+FFFD, so that a scan of such keys is answered.

const GAP_MS = 80; // keys of a scanner come faster than this
const SCAN_MIN = 6; // shorter bursts are typed by hand
const CODE_MAX = 3000;
const PART_MS = 1000; // the parts of a number come within this time
const LATE_MS = 20; // a timer this late ran behind work that also held up keys

// Listens to the whole page. `on` has scan(text), press(character), enter(), which tells whether there was a number, erase() and escape(),
// and perhaps lengths(), the lengths that numbers have.
export function listen(on) {
  const burst = { keys: [], fast: false, at: -Infinity, timer: 0 };
  const part = { text: "", waits: false, until: -Infinity, timer: 0 }; // of a number: what came before a pause
  let down = ""; // the key that is down
  let pad = null; // digits of the code that is typed while Alt is held
  // Whether Enter presses the button in focus. It does not where characters were typed since, and not where the button was chosen
  // by a finger or a mouse: then Enter ends the number, if there is one.
  let isMeant = true;
  let pointing = false;

  function flush() {
    clearTimeout(burst.timer);
    const { keys, fast } = burst;
    if (keys.length === 0) return false;
    burst.keys = [];
    burst.fast = false;
    if (keys.length > 2 && keys.slice(1).every(({ held }) => held)) keys.length = 1; // one key, held down
    const text = keys.map(({ c }) => c).join("");
    if (fast && completes(text)) return scan(part.text + text);
    settle();
    if (fast && keys.length >= SCAN_MIN) return isPart(text) ? hold(text, true) : scan(text);
    for (const { c, only } of keys) if (!only) press(c);
    if (fast && text.length > 1 && isPart(text)) hold(text, false);
    return false;
  }

  function scan(text) {
    clearTimeout(part.timer);
    part.text = "";
    part.waits = false;
    on.scan(text);
    return true;
  }

  const lengths = () => (on.lengths ? on.lengths() : []);
  const isPart = (text) => /^[0-9]+$/.test(text) && !lengths().includes(text.length) && lengths().some((length) => text.length < length);
  const completes = (text) => part.text !== "" && performance.now() < part.until && /^[0-9]+$/.test(text) && lengths().includes((part.text + text).length);

  // Keeps a part for the rest of its number; one that `waits` has been given to nobody yet.
  function hold(text, waits) {
    part.text = text;
    part.waits = waits;
    part.until = performance.now() + PART_MS;
    clearTimeout(part.timer);
    part.timer = setTimeout(settle, PART_MS);
    return false;
  }

  // No more of the number comes.
  function settle() {
    const { text, waits } = part;
    clearTimeout(part.timer);
    part.text = "";
    part.waits = false;
    if (waits) scan(text);
    return waits;
  }

  function press(c) {
    isMeant = false;
    on.press(c);
  }

  // Waits for the next key; longer if the page was busy, since keys may wait behind this timer.
  function wait(ms) {
    clearTimeout(burst.timer);
    const due = performance.now() + ms;
    burst.timer = setTimeout(() => {
      if (performance.now() - due > LATE_MS) return wait(GAP_MS);
      code();
      flush();
    }, ms);
  }

  // Notes a key's time: whether it belongs to the burst.
  function quick(event) {
    const at = time(event);
    const is = at - burst.at < GAP_MS;
    if (!is) flush();
    burst.at = at;
    wait(GAP_MS + 40);
    return is;
  }

  function add(c, is, only, held = false) {
    burst.fast = burst.keys.length === 0 || (is && burst.fast);
    if (burst.keys.length < CODE_MAX) burst.keys.push({ c, only, held });
  }

  const isScan = () => burst.fast && burst.keys.length >= SCAN_MIN;
  const isQuick = (event) => time(event) - burst.at < GAP_MS;

  function end(event) {
    code();
    burst.at = time(event);
    if (isScan()) swallow(event); // the focused button is not meant
    const isRead = flush();
    if (settle() || isRead) return swallow(event);
    if (event.defaultPrevented) return;
    if (named(event) !== "Enter" || (isControl(event.target) && isMeant)) return;
    if (on.enter()) swallow(event);
  }

  // A finger moves the focus after it has left the screen, and before the click.
  function pointed(event) {
    pointing = event.type === "pointerdown";
    if (pointing) isMeant = false;
  }

  function focused() {
    isMeant = !pointing;
  }

  // The character whose code has been typed while Alt was held.
  function code() {
    const digits = pad;
    pad = null;
    if (!digits) return;
    // More digits than a code has are the text itself: Alt is set on every key.
    if (digits.length > PAD_MAX) for (const digit of digits) add(digit, true, true);
    else {
      const c = ofCode(Number(digits));
      if (c === "\r" || c === "\n" || c === "\t") flush();
      else if (c >= " ") add(c, true, false);
    }
  }

  function padKey(event) {
    const digit = /^Numpad(\d)$/.exec(event.code || "");
    if (!digit) return false;
    quick(event);
    pad += digit[1];
    event.preventDefault();
    return true;
  }

  function altDown(event) {
    if (event.repeat) return;
    code();
    pad = "";
    if (isQuick(event)) burst.at = time(event);
  }

  function onKey(event) {
    pointing = false;
    const name = named(event);
    if (name === "Alt") return altDown(event);
    if (event.altKey && pad !== null && padKey(event)) return;
    code();
    const isSame = down === keyOf(event);
    down = keyOf(event);
    if (event.repeat && isSame && !(burst.keys.length > 0 && isQuick(event))) return; // a key that is held
    if (name === "Enter" || name === "Tab") return end(event);
    const isAltGr = event.ctrlKey && event.altKey;
    if (event.ctrlKey && !isAltGr) return control(event);
    if (name === "Escape") return on.escape();
    if (name === "Backspace" || name === "Delete") {
      flush();
      return on.erase();
    }
    const c = character(event, name);
    const only = event.altKey || event.metaKey || c.only;
    if (c.text === "") return;
    if (c.text === " " && burst.keys.length === 0 && isControl(event.target)) return; // the space bar presses the button in focus
    const inBurst = burst.keys.length > 0 && isQuick(event);
    if (!only || inBurst) event.preventDefault();
    add(c.text, quick(event), only, event.repeat && isSame);
  }

  // Control characters of a scanner: an end of line ends the burst, another one is none of its characters.
  function control(event) {
    if (!isQuick(event)) return; // a shortcut
    const key = (event.key || "").toLowerCase();
    if (key === "j" || key === "m" || key === "i") {
      swallow(event);
      if (burst.keys.length > 0) flush();
    } else if (/^[bcdhkl\[\]\\^_]$/.test(key)) swallow(event);
  }

  function onKeyUp(event) {
    if (down === keyOf(event)) down = "";
    if (event.key !== "Alt" || !pad) return;
    event.preventDefault(); // Alt alone opens a menu
    code();
    wait(GAP_MS + 40);
  }

  // A scanner's program may paste what it reads.
  function onPaste(event) {
    const text = ((event.clipboardData && event.clipboardData.getData("text")) || "").trim();
    if (text.length < SCAN_MIN) return;
    event.preventDefault();
    flush();
    scan(text.slice(0, CODE_MAX));
  }

  document.addEventListener("keydown", onKey, true);
  document.addEventListener("keyup", onKeyUp, true);
  document.addEventListener("paste", onPaste, true);
  for (const type of ["pointerdown", "click", "pointercancel"]) document.addEventListener(type, pointed, true);
  document.addEventListener("focusin", focused, true);
  return { quiet: () => burst.keys.length === 0 && !pad && !part.waits };
}

const keyOf = (event) => event.code || event.key || "";
const isControl = (node) => node instanceof Element && Boolean(node.closest("button, input, label"));

function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}

// When the key was pressed; a busy page handles it later.
function time(event) {
  const now = performance.now();
  const at = event.timeStamp;
  return at > 0 && at <= now ? at : now;
}

// With an input method on, the key is "Process"; its place on the keyboard still identifies it.
const isHidden = (event) => event.key === "Process" || event.key === "Unidentified" || event.key === "Dead" || !event.key || Boolean(event.isComposing);

function named(event) {
  if (!isHidden(event)) return event.key;
  if (event.code === "NumpadEnter") return "Enter";
  if (!event.code && KEY_CODES[event.keyCode]) return KEY_CODES[event.keyCode];
  return NAMED.includes(event.code) ? event.code : event.key;
}

// The character of a key, in its half-width form; "" for keys that have none.
function character(event, name) {
  const pad = /^Numpad(\d)$/.exec(event.code || "");
  if (isHidden(event)) return hidden(event, pad);
  if (pad && [...name].length > 1) return { text: pad[1], only: true }; // Num Lock is off
  if ([...name].length !== 1) return { text: "", only: false };
  const point = name.codePointAt(0);
  if (point === 0x3000) return { text: " ", only: false };
  return { text: point >= 0xff01 && point <= 0xff5e ? String.fromCodePoint(point - 0xfee0) : name, only: false };
}

function hidden(event, pad) {
  if (pad) return { text: pad[1], only: false };
  const letter = /^Key([A-Z])$/.exec(event.code || "");
  const upper = Boolean(event.shiftKey) !== Boolean(event.getModifierState && event.getModifierState("CapsLock"));
  if (letter) return { text: upper ? letter[1] : letter[1].toLowerCase(), only: false };
  const places = PLACES[event.code];
  if (places) return { text: (event.shiftKey && places[1]) || places[0], only: false };
  if (event.code) return { text: "", only: false };
  const text = ofKeyCode(event.keyCode, upper);
  if (text) return { text, only: false };
  return { text: "\ufffd", only: true };
}

// The character of a code; what is above Unicode's first plane is taken modulo 256, as Windows does.
const ofCode = (code) => String.fromCodePoint(code > 0xffff ? code % 256 : code);

// Old browsers name digits and letters by this number alone.
function ofKeyCode(code, upper) {
  if (code >= 96 && code <= 105) return String(code - 96);
  if (code >= 48 && code <= 57) return String(code - 48);
  if (!(code >= 65 && code <= 90)) return "";
  const letter = String.fromCharCode(code);
  return upper ? letter : letter.toLowerCase();
}

const KEY_CODES = { 8: "Backspace", 9: "Tab", 13: "Enter", 27: "Escape" };
const NAMED = ["Enter", "Tab", "Escape", "Backspace", "Delete"];
const PAD_MAX = 5;
// Keys of the US layout by their place, without and with Shift. Addresses have colons and no semicolons.
const PLACES = {
  Digit0: "0)", Digit1: "1!", Digit2: "2@", Digit3: "3#", Digit4: "4$", Digit5: "5%", Digit6: "6^", Digit7: "7&", Digit8: "8*", Digit9: "9(",
  Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Semicolon: "::", Quote: "'\"", Backquote: "`~",
  Comma: ",<", Period: ".>", Slash: "/?", Space: "  ", NumpadDecimal: "..", NumpadAdd: "++", NumpadSubtract: "--", NumpadMultiply: "**", NumpadDivide: "//",
};
