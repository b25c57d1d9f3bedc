// Requests to the node. Every request that changes something carries the token of the session.

import { w } from "./dom.js";

const AWAY = {
  zh: "无法连接服务器。已录好的内容保存在本机，恢复后会自动提交。",
  en: "The node cannot be reached. What you recorded is kept on this computer and is sent when it is back.",
};

/**
 * `mustChange`: the password was set by another person; until it is changed the node refuses everything else. The agents' page
 * has a base and words of its own.
 */
export const session = { base: "/studio/api/", away: AWAY, operator: null, mustChange: false, csrf: "", signedOut: () => {} };

/** Why a request failed: the status (0 if the node was not reached), a stable code, and words for people. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.code || "offline");
    this.status = status;
    this.code = body.error || "offline";
    this.words = body.words || { zh: body.message || "", en: body.message || "" };
  }

  get isAway() { return this.status === 0 || this.status === 502 || this.status === 504; }
}

export async function ask(method, path, { json, body, type, signal, limit = 20000 } = {}) {
  const headers = {};
  if (method !== "GET") headers["X-Studio-Token"] = session.csrf;
  if (json) { headers["Content-Type"] = "application/json"; body = JSON.stringify(json); }
  if (type) headers["Content-Type"] = type;
  const signals = [AbortSignal.timeout(limit), ...(signal ? [signal] : [])];
  let reply;
  try {
    reply = await fetch(session.base + path, { method, headers, body, signal: AbortSignal.any(signals), redirect: "error" });
  } catch (error) {
    throw new Refused(0, { words: session.away, code: error.name });
  }
  if (reply.ok) return reply;
  const refusal = await reply.json().catch(() => ({ message: `HTTP ${reply.status}` }));
  if (reply.status === 401 && refusal.error === "signed_out") session.signedOut();
  throw new Refused(reply.status, refusal);
}

export const get = (path, options) => ask("GET", path, options).then((reply) => reply.json());
export const post = (path, json, options) => ask("POST", path, { json: json || {}, ...options }).then((reply) => reply.json());

/** The path of a request with these parameters; undefined ones are omitted. */
export function query(path, parameters) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined && value !== null) search.set(key, value);
  return `${path}?${search}`;
}

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : text);

/** The message of an error for a person. */
export const words = (error) => {
  if (error instanceof Refused) return w(error.words.zh, sentence(error.words.en));
  return w("页面出错：", "The page failed: ") + String(error && error.message);
};
