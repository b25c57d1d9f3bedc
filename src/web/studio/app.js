// The studio's page: the session, the current view, and recordings that wait to be sent.
//
//   #/            overview of all slots                    #/record/yue/digit.m.7   one slot
//   #/hands/yue/digits   a set, hands free                 #/review #/publish #/files #/account

import { Refused, get, post, session, words } from "./api.js";
import { button, clearNotices, fill, h, inZone, lang, notice, say, speak, w } from "./dom.js";
import { list as waitingTakes, outbox, send } from "./outbox.js";
import { stop } from "./player.js";
import { signIn } from "./sign_in.js";
import { overview } from "./overview.js";
import { record } from "./record.js";
import { hands } from "./hands.js";
import { review } from "./review.js";
import { publish } from "./publish.js";
import { files } from "./files.js";
import { firstPassword } from "./first_password.js";
import { account } from "./account.js";
import { slots } from "./slots.js";

const VIEWS = { "": overview, record, hands, review, publish, files, account };
const TABS = [
  ["", () => w("总览", "Overview")],
  ["review", () => w("审核", "Review")],
  ["publish", () => w("发布", "Publish")],
  ["files", () => w("导入导出", "Files")],
  ["account", () => w("账号", "Account")],
];

const main = document.getElementById("main");
let view = null; // { draw, leave?, key? }
let entered = 0;
let typed; // the password of a sign-in, until it is changed

const roleName = (role) => ({ approver: w("审核员", "approver"), operator: w("录音员", "operator"), agent: w("坐席", "agent"), supervisor: w("班长", "supervisor") })[role];

const route = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

async function enter() {
  const mine = (entered += 1);
  leave();
  if (!session.operator) return drawSignIn();
  if (session.mustChange) return drawFirstPassword();
  if (!isRecordingStaff()) return drawForOthers();
  const [name, ...rest] = route();
  const make = VIEWS[name] || overview;
  top();
  try {
    const made = await make({ main, rest, redraw: () => view && view.draw() });
    if (mine !== entered) { made.leave?.(); return; }
    view = made;
    view.draw();
    focusHeading();
  } catch (problem) {
    if (mine !== entered || (problem instanceof Refused && problem.status === 401)) return;
    const draw = () => fill(main, h("h1", { tabindex: -1 }, w("此页面无法打开", "This page cannot be opened")), h("p", {}, words(problem)),
      button(w("重试", "Try again"), enter, { class: "first" }));
    view = { draw };
    draw();
    focusHeading();
  }
}

function leave() {
  stop();
  const old = view;
  view = null;
  old?.leave?.();
}

function focusHeading() {
  const heading = main.querySelector("[data-focus]") || main.querySelector("h1");
  heading?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  document.title = `${main.querySelector("h1")?.textContent || ""} · ${w("录音工作室", "Prompt studio")}`;
}

function drawSignIn() {
  top();
  document.body.dataset.view = "sign-in";
  view = signIn({ main, done: signedIn });
  view.draw();
  document.title = w("登录 · 录音工作室", "Sign in · Prompt studio");
}

function drawFirstPassword() {
  top();
  document.body.dataset.view = "first-password";
  view = firstPassword({ main, me: session.operator, typed, done: passwordChosen });
  view.draw();
  document.title = w("设置密码 · 录音工作室", "Choose a password · Prompt studio");
}

/** Agents and supervisors have accounts here, too, and nothing to do in the studio. */
const isRecordingStaff = () => ["operator", "approver"].includes(session.operator.role);

function drawForOthers() {
  top();
  document.body.dataset.view = "refused";
  const draw = () => fill(main, h("div", { class: "card narrow" }, h("h1", { tabindex: -1 }, w("此页面供录音员和审核员使用", "This page is for operators and approvers")),
    h("p", {}, w("坐席和班长请打开坐席工作台，密码也在那里修改。", "Agents and supervisors work at the agent desk, and change their password there.")),
    h("p", {}, h("a", { href: "/agent" }, w("打开坐席工作台", "Open the agent desk")))));
  view = { draw };
  draw();
  focusHeading();
}

function passwordChosen() {
  typed = undefined;
  session.mustChange = false;
  notice("good", w("密码已修改。", "The password was changed."));
  send();
  enter();
}

function signedIn(me, password) {
  session.operator = me.operator;
  session.mustChange = me.must_change;
  session.csrf = me.csrf;
  inZone(me.time_zone);
  typed = me.must_change ? password : undefined;
  notice("session", "");
  send();
  enter();
}

session.signedOut = () => {
  if (!session.operator) return;
  session.operator = null;
  session.mustChange = false;
  session.csrf = "";
  enter();
  notice("session", w("登录已过期，请重新登录。已录好的内容保存在本机，登录后会自动提交。",
    "You are signed out. What you recorded is kept on this computer, and is sent when you have signed in."));
};

async function signOut() {
  await post("sign-out").catch(() => {});
  session.operator = null;
  session.mustChange = false;
  session.csrf = "";
  slots.forget();
  location.hash = "";
  clearNotices();
  enter();
}

// ---- the head of the page ------------------------------------------------------------------------

function top() {
  const [here] = route();
  document.body.dataset.view = here || "overview";
  document.getElementById("skip").textContent = w("跳到正文", "Skip to the content");
  const tab = ([name, title]) => h("a", { href: "#/" + name, "aria-current": here === name || (name === "" && ["record", "hands"].includes(here)) ? "page" : null },
    title(), name === "review" ? badge() : null);
  fill(document.getElementById("top"),
    h("p", { class: "brand" }, w("录音工作室", "Prompt studio")),
    session.operator && !session.mustChange && isRecordingStaff() && h("nav", { "aria-label": w("主菜单", "Main") }, TABS.map(tab)),
    h("div", { class: "row" },
      h("span", { id: "outbox", class: "chip", hidden: true }),
      session.operator && h("span", { class: "who" }, session.operator.name,
        h("small", {}, roleName(session.operator.role))),
      session.operator && button(w("退出登录", "Sign out"), signOut, { class: "quiet" }),
      button(lang === "zh" ? "English" : "中文", () => { speak(lang === "zh" ? "en" : "zh"); clearNotices("good", "publish", "audit", "sound"); top(); view?.draw(); drawOutbox(); },
        { class: "quiet", lang: lang === "zh" ? "en" : "zh-CN" })));
  drawOutbox();
}

function badge() {
  const n = slots.waiting();
  return n ? h("span", { class: "badge", "aria-label": w(`${n} 条待审核`, `${n} to review`) }, String(n)) : null;
}

function drawOutbox() {
  const chip = document.getElementById("outbox");
  if (!chip) return;
  const { count, foreign, problem } = outbox;
  chip.hidden = !count && !foreign;
  chip.classList.toggle("bad", Boolean(problem));
  chip.textContent = count ? w(`${count} 条录音待提交`, `${count} to be sent`) : w(`本机另有 ${foreign} 条其他人的录音待提交`, `${foreign} of other operators wait here`);
  notice("outbox", problem ? w(`${count} 条录音尚未提交：`, `${count} recordings are not sent yet: `) + words(problem) : "",
    problem && button(w("立即重试", "Try now"), send));
}

outbox.onchange = drawOutbox;
outbox.onreport = (report) => {
  slots.changed(report);
  if (view?.report?.(report)) return;
  if (report.refused || !report.take.good) {
    const why = report.refused ? words(report.refused) : report.take.report.findings.map((one) => one.words[lang]).join(" ");
    const { lang: of, slot } = report.sent;
    notice("report", w(`“${slot}”不合格，请重录：`, `${slot} is rejected, record it again: `) + why,
      h("a", { href: `#/record/${of}/${slot}` }, w("去重录", "Record it")));
  }
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) return;
  const isButton = event.target.closest("button, a, summary, input");
  if (isButton && (event.key === " " || event.key === "Enter")) return;
  if (view?.key?.(event)) event.preventDefault();
});
addEventListener("hashchange", enter);
addEventListener("beforeunload", (event) => { if (outbox.count || view?.busy?.()) event.preventDefault(); });

speak(lang);
try {
  signedIn(await get("me"));
} catch (problem) {
  if (!(problem instanceof Refused) || problem.status !== 401) notice("session", words(problem));
  enter();
}
waitingTakes().then(drawOutbox);
say("");
