// Reading notes under a text, for the operator.

import { w } from "./dom.js";

const YUE = ["ling4", "jat1", "ji6", "saam1", "sei3", "ng5", "luk6", "cat1", "baat3", "gau2"];
const ZH = ["líng", "yāo", "èr", "sān", "sì", "wǔ", "liù", "qī", "bā", "jiǔ"];
const EN = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

export function notes(slot) {
  const found = [];
  const digit = /^digit\.[mf]\.(\d)$/.exec(slot.id);
  if (digit) found.push({ yue: YUE, zh: ZH, en: EN }[slot.lang][digit[1]]);
  found.push(slot.variant === "m"
    ? w("后面还有内容：语调保持，不要下降。", "The sentence goes on: keep your voice up at the end.")
    : w("句子到此结束：语调自然下降。", "The sentence ends here: let your voice fall."));
  if (slot.lang === "zh") found.push(...mandarin(slot));
  if (slot.lang === "yue" && /^day\./.test(slot.id)) found.push("號 hou6");
  return found.filter(Boolean);
}

function mandarin({ id, text }) {
  const found = [];
  if (/一[次个个项句件份次]|一[去共定部样路道]/.test(text)) found.push(w("“一”在四声前读 yí，其他声前读 yì", "一 is yí before a fourth tone, yì before others"));
  if (/不[是会要用再到够变对在]/.test(text)) found.push(w("“不”在四声前读 bú", "不 is bú before a fourth tone"));
  if (/^(year|month|day)\./.test(id) && text.includes("一")) found.push(w("日期里的“一”读 yī", "一 in a date is yī"));
  if (/按1/.test(text)) found.push(w("按键 1 读 yāo 或 yī，全套统一", "key 1: yāo or yī, the same throughout"));
  return found;
}
