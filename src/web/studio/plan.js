// What is read when hands are free: lines of cells, each cell a sound that fills a slot.
//
// Digits are read in groups of four, as a caller hears them, each of the ten three times inside a group and once at its
// end: [3 6 9 0], [4 7 0 1] … A digit inside a group keeps the voice up, the last one lets it fall. Of the three the
// middle one is taken first, and any of them can be. Everything else is one sound a line.

const DIGIT = /^digit\.([mf])\.(\d)$/;

/** Lines for the slots of a set; `slots` are rows of the table, of one language. */
export function plan(slots) {
  const digits = new Map();
  const rest = [];
  for (const slot of slots) {
    const found = DIGIT.exec(slot.id);
    if (found) digits.set(found[1] + found[2], slot); else rest.push(slot);
  }
  const single = (slot) => ({ cells: [{ slot, place: 0 }], short: [...slot.text].length <= 6 });
  const all = "0123456789";
  const isWhole = [...all].every((digit) => digits.has("m" + digit) && digits.has("f" + digit));
  const groups = isWhole ? [...all].map((digit) => ({ cells: group(Number(digit), digits), short: true })) : [...digits.values()].map(single);
  return [...groups, ...rest.map(single)];
}

function group(last, digits) {
  const inside = [2, 1, 3].map((place, n) => ({ slot: digits.get("m" + ((last + 3 * (n + 1)) % 10)), place }));
  return [...inside, { slot: digits.get("f" + last), place: 0 }];
}

/** Milliseconds of quiet that end a sound, and that end a line. */
export function gaps(line) {
  if (line.cells.length > 1) return { sound: 180, line: 550, patience: 2600 };
  return line.short ? { sound: 450, line: 600, patience: 4000 } : { sound: 1000, line: 1100, patience: 6000 };
}

/** The stretch of samples around a sound: some room to each side, but not into its neighbours. */
export function cut(sound, before, after, total) {
  const from = Math.max(before === null ? 0 : Math.ceil((before + sound.begin) / 2), sound.begin - 25);
  const to = Math.min(after === null ? total : Math.floor((sound.end + after) / 2), sound.end + 25);
  return [from, to];
}

/** A receipt number to hear: each digit at least once. */
export function receipt(length = 15) {
  const digits = [..."0123456789"];
  for (let n = digits.length - 1; n > 0; n -= 1) {
    const other = Math.floor(Math.random() * (n + 1));
    [digits[n], digits[other]] = [digits[other], digits[n]];
  }
  return ("4401" + digits.join("") + "01234567890").slice(0, length);
}
