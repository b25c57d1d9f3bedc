// Recordings on their way to the node. Each lies in the browser's own store until the node has it, so that neither a
// lost network nor a closed tab nor the end of a session costs a take.
//
//   add ──► kept here ──► sent ──► the node's report ──► gone from here
//                 ▲          └─ not reached, signed out, busy: waits and tries again
//                 └──────────┘

import { Refused, ask, query, session } from "./api.js";

const RETRY_MS = 4000;
const OPEN_MS = 2500;
const memory = new Map(); // for a browser without a store
let opening = null;
let timer = null;
let sending = false;
const waiting = new Map(); // id → resolve of add()

export const outbox = { onchange: () => {}, onreport: () => {}, count: 0, foreign: 0, problem: null };

/** The browser's store, or null while there is none: a page that is going away may hold it for a moment. */
function open() {
  opening ||= new Promise((resolve) => {
    const none = () => { opening = null; resolve(null); };
    const late = setTimeout(none, OPEN_MS);
    try {
      const asked = indexedDB.open("studio", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore("takes", { keyPath: "id" });
      asked.onsuccess = () => { clearTimeout(late); asked.result.onversionchange = () => asked.result.close(); resolve(asked.result); };
      asked.onerror = none;
    } catch { none(); }
  });
  return opening;
}

/** A page that lies in the browser's cache must not keep the store from the next one. */
addEventListener("pagehide", () => {
  opening?.then((base) => base?.close());
  opening = null;
});

async function store(mode, act, fallback) {
  const base = await open();
  if (!base) return fallback();
  return new Promise((resolve, reject) => {
    const transaction = base.transaction("takes", mode);
    const asked = act(transaction.objectStore("takes"));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  }).catch(fallback);
}

const put = (take) => store("readwrite", (takes) => takes.put(take), () => memory.set(take.id, take));
const drop = (id) => { memory.delete(id); return store("readwrite", (takes) => takes.delete(id), () => {}); };

export async function list() {
  const kept = await store("readonly", (takes) => takes.getAll(), () => []) || [];
  return [...kept, ...memory.values()].sort((a, b) => a.at - b.at);
}

/**
 * Takes a recording in; the promise is kept when the node has answered: { take } or { refused }.
 * A take has lang, slot, kind, sitting, label, blob; `keep` asks the node to keep it at once if its checks are good.
 */
export async function add(take) {
  const id = crypto.randomUUID();
  await put({ ...take, id, at: Date.now(), by: session.operator.name });
  await count();
  const answer = new Promise((resolve) => waiting.set(id, resolve));
  send();
  return { id, answer };
}

/** A recording that is still here shall be kept when it arrives; whether it is still here. */
export async function keepWhenSent(id) {
  const take = (await list()).find((one) => one.id === id);
  if (take) await put({ ...take, keep: true });
  return Boolean(take);
}

export const forget = async (id) => { await drop(id); await count(); };

async function count() {
  const kept = await list();
  const own = kept.filter((take) => take.by === session.operator?.name);
  outbox.count = own.length;
  outbox.foreign = kept.length - own.length;
  outbox.onchange();
  return own;
}

/** Sends what waits, one after the other. Only what its own operator recorded: a take bears a name. */
export async function send() {
  clearTimeout(timer);
  if (sending || !session.operator || session.mustChange) return;
  sending = true;
  outbox.problem = null;
  try {
    for (let own = await count(); own.length && session.operator; own = await count()) await one(own[0]);
  } catch (problem) {
    outbox.problem = problem;
    timer = setTimeout(send, RETRY_MS);
  }
  sending = false;
  await count();
}

async function one(take) {
  const path = query("take", { lang: take.lang, slot: take.slot, kind: take.kind, sitting: take.sitting, label: take.label });
  let answer;
  try {
    const reply = await ask("POST", path, { body: take.blob, type: "application/octet-stream", limit: 120000 });
    answer = { take: await reply.json() };
  } catch (problem) {
    // A refusal that may pass is tried again. A final refusal is reported and not tried again.
    if (!(problem instanceof Refused) || problem.isAway || [401, 403, 408, 429, 500, 503, 507].includes(problem.status)) throw problem;
    answer = { refused: problem };
  }
  const latest = (await list()).find((one) => one.id === take.id);
  if (answer.take && latest?.keep && answer.take.good) answer.take = await keep(answer.take);
  await drop(take.id);
  const resolve = waiting.get(take.id);
  waiting.delete(take.id);
  outbox.onreport({ sent: take, wanted: Boolean(latest?.keep), ...answer });
  if (resolve) resolve(answer);
}

async function keep(take) {
  const reply = await ask("POST", "keep", { json: { takes: [take.name] } });
  return (await reply.json()).takes[0];
}

addEventListener("online", send);
