// Publication: changes to publish, past releases and their return, audit log.

import { get, post, session, words } from "./api.js";
import { ask, button, fill, h, notice, localized, w, when } from "./dom.js";
import { play } from "./player.js";
import { langName, langTag, placeName, slots } from "./slots.js";

const what = (name) => ({
  publish: w("发布", "published"), "publish prompts": w("发布录音", "recordings published"), rollback: w("重新启用", "made live again"),
  "emergency on": w("开启紧急通知", "emergency notice on"), "emergency off": w("关闭紧急通知", "emergency notice off"),
  record: w("录音", "recorded"), keep: w("保留", "kept"), discard: w("弃用", "discarded"), approve: w("审核通过", "approved"), "approve unheard": w("审核通过（未试听）", "approved, not listened to"),
  restore: w("恢复出厂", "factory restored"), import: w("导入", "imported"), tidy: w("清理", "tidied"), export: w("导出", "exported"),
  sign_in: w("登录", "signed in"), sign_in_failed: w("登录失败", "sign-in failed"), sign_out: w("退出登录", "signed out"),
  phone_sign_in: w("电话登录", "signed in by telephone"), phone_sign_in_failed: w("电话登录失败", "telephone sign-in failed"),
  password_wrong: w("当前密码错误", "wrong current password"), password: w("修改密码", "password changed"), pin: w("修改 PIN", "PIN changed"), role: w("修改角色", "role changed"), add: w("新建账号", "account added"),
  remove: w("删除账号", "account removed"), unlock: w("解锁", "unlocked"), end_session: w("结束登录", "session ended"),
  monitor: w("要求监听", "asked to monitor"), monitor_began: w("开始监听", "monitoring began"), monitor_changed: w("切换监听方式", "monitoring changed"),
  monitor_ended: w("结束监听", "monitoring ended"), monitor_not_answered: w("监听未接听", "monitoring not answered"),
  sip_password: w("设置话机密码", "telephone's password set"), sip_password_removed: w("删除话机密码", "telephone's password removed"),
  agent: w("修改坐席资料", "agent's number, queues or skills changed"), agent_state: w("更改坐席状态", "agent's state changed"), agent_skills: w("更改坐席技能", "agent's skills changed"),
  queue_opened: w("开放队列", "queue opened"), queue_closed: w("关闭队列", "queue closed"), caller_moved: w("转移来电", "caller moved"), call_back_cancelled: w("取消回电", "call-back cancelled"),
  look: w("查看办理情况", "looked at a case"), transfer: w("转接", "transferred"), consultation: w("咨询同事", "colleague asked"), recording_heard: w("收听通话录音", "recording heard"),
})[name] || name;

/** What the log writes where no account acted. */
const noAccount = () => new Map([["", w("系统", "the system")], ["-", w("系统", "the system")], ["command line", w("命令行", "the command line")], ["first start", w("首次启动", "the first start")]]);
/** Who acted. A name that no account has is not stored: it may be a password in the wrong field. */
const actor = ({ who, what: name }) => (who === "-" && name.endsWith("sign_in_failed") ? w("未知账号名", "an unknown name") : person(who));
const person = (name) => noAccount().get(name ?? "") ?? (name.startsWith("command line: ") ? w(`${name.slice(14)}（命令行）`, `${name.slice(14)} (command line)`) : name);

/** States of agents, ways of monitoring and roles, as the log names them. */
const details = () => new Map([["ready", w("就绪", "ready")], ["pause", w("暂停", "paused")], ["sign_out", w("签退", "signed out")], ["listen", w("监听", "listening")], ["whisper", w("耳语", "whispering")],
  ["barge", w("插话", "barging in")], ["take_over", w("接管", "taking over")], ["end", w("结束", "end")], ["operator", w("录音员", "operator")], ["approver", w("审核员", "approver")],
  ["agent", w("坐席", "agent")], ["supervisor", w("班长", "supervisor")]]);

/** What the log adds to an action, and who did it where it was done to another. */
const note = ({ by, why }) => [by && w(`操作人：${person(by)}`, `by ${person(by)}`), details().get(why) ?? why].filter(Boolean).join(w("，", ", "));

export async function publish({ main }) {
  const mayPublish = session.operator.role === "approver";
  let coming;
  let releases;
  let trouble = "";
  let audit = null;
  let auditIsOpen = false;

  async function load() {
    [coming, { releases }] = await Promise.all([get("publication"), get("releases"), slots.recent()]);
    coming.changes = slots.sorted(coming.changes, (change) => change);
  }

  async function go(event) {
    event.preventDefault();
    const form = event.target;
    const press = form.querySelector("button");
    press.disabled = true;
    trouble = "";
    try {
      const done = await post("publish", { why: new FormData(form).get("why"), confirmed: Boolean(form.querySelector("[name=confirmed]")?.checked) }, { limit: 120000 });
      notice("good", w(`已发布：新来电将听到 ${done.changes.length} 处新录音，通话中的来电不受影响。`, `Published: new calls hear ${done.changes.length} new recording${done.changes.length === 1 ? "" : "s"}; calls in progress keep theirs.`));
      slots.stale();
      await load();
    } catch (problem) {
      trouble = words(problem);
    }
    draw();
  }

  async function back(release) {
    const answer = await ask(w("重新启用此版本？", "Make this release live again?"), h("div", {},
      h("p", {}, release.why === "as shipped" ? w("新来电将听到出厂状态的版本，通话中的来电不受影响。", "New calls hear the hotline as shipped; calls in progress are not affected.")
        : w(`新来电将听到 ${when(release.at)} 由${person(release.who)}启用的版本，通话中的来电不受影响。`, `New calls hear the release of ${when(release.at)} by ${person(release.who)}; calls in progress are not affected.`)),
      h("label", {}, w("原因（记入审计日志）", "Reason (kept in the audit log)"), h("input", { name: "why", required: true, maxlength: 200, placeholder: w("例：新录音有杂音", "as in: the new recordings are noisy") }))), w("重新启用", "Make live again"), true);
    if (!answer) return;
    try {
      await post("rollback", { release: release.release, why: answer.why }, { limit: 120000 });
      notice("good", w("已重新启用，对新来电立即生效。", "It is live again: new calls hear it at once."));
      slots.stale();
      await load();
    } catch (problem) {
      notice("publish", words(problem));
    }
    draw();
  }

  function change(one) {
    const hear = (questions) => play(questions).catch((problem) => notice("sound", words(problem)));
    return h("tr", {}, h("td", {}, langName(one.lang)), h("th", { scope: "row", lang: langTag[one.lang] }, h("a", { href: `#/record/${one.lang}/${one.slot}` }, one.text), placeName(one.slot) && h("small", { class: "place" }, " ", placeName(one.slot))),
      h("td", {}, one.take ? [one.by?.name, one.approved_by && h("small", {}, w(` 审核：${one.approved_by.name}`, ` approved by ${one.approved_by.name}`)), one.unheard && h("span", { class: "chip warn" }, w("未试听", "not listened to"))] : w("恢复出厂录音", "the factory's")),
      h("td", { class: "row tight" }, one.take && button(w("▶ 新", "▶ new"), () => hear({ take: one.take, form: "phone" }), { class: "tiny" }), one.before && button(w("▶ 旧", "▶ old"), () => hear({ lang: one.lang, slot: one.slot, form: "phone" }), { class: "tiny" })));
  }

  const table = (changes) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w("改动", "Changes") }, h("table", {}, h("thead", {}, h("tr", {}, [w("语言", "Language"), w("文字", "Text"), w("录音人", "By"), w("试听", "Hear")].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, changes.map(change))));

  function summary() {
    const { changes, behind, warnings } = coming;
    const unheard = changes.filter((one) => one.unheard).length;
    if (!changes.length) {
      return h("section", { class: "card" }, h("h2", {}, w("没有待发布的录音", "Nothing to publish")), h("p", {}, w("录音经另一位同事审核后，会列在这里。", "Takes that another person has approved are listed here.")),
        behind.length > 0 && h("p", { class: "finding warn" }, w(`${behind.length} 条已审核录音的文案已修改，须重录。`, `Approved takes that were read from an older text: ${behind.length}. Record them again.`)));
    }
    return h("section", { class: "card" }, h("h2", {}, w(`将发布 ${changes.length} 处改动`, `Changes that go live: ${changes.length}`)),
      h("p", {}, w("所有语言同时生效：新来电立即听到，通话中的来电仍用原版本，以前的版本随时可以重新启用。", "All languages change at once: new calls hear the new recordings, calls in progress keep theirs, and an earlier release can be made live again at any time.")),
      unheard > 0 && h("p", { class: "finding warn" }, w(`其中 ${unheard} 条在审核时未试听，发布前请先听一遍。`, `${unheard} of them were approved without being listened to: listen before you publish.`)),
      warnings.map((one) => h("p", { class: "finding warn" }, "! ", localized(one))),
      behind.length > 0 && h("p", { class: "finding warn" }, w(`另有 ${behind.length} 条因文案已修改，不在本次发布之内。`, `${behind.length} more are not published: their text has changed.`)),
      table(changes),
      mayPublish ? h("form", { class: "stack", onsubmit: go }, h("label", { for: "why" }, w("发布原因（记入审计日志）", "Reason (kept in the audit log)")),
        h("input", { id: "why", name: "why", required: true, maxlength: 200, placeholder: w("例：广东话数字换成本单位录音", "as in: Cantonese digits in our own voice") }),
        warnings.length > 0 && h("label", { class: "check" }, h("input", { type: "checkbox", name: "confirmed", required: true }), w("以上提醒的录音我已听过，确认发布", "I have listened and publish despite the warnings")),
        trouble && h("p", { class: "trouble", role: "alert" }, trouble),
        h("button", { class: "first" }, w("发布", "Publish"))) : h("p", { class: "finding warn" }, w("由审核员发布。", "An approver publishes.")));
  }

  const isLive = (one) => releases.some((other) => other.live && other.release === one.release);

  function past() {
    return h("section", { class: "card" }, h("h2", {}, w("已发布的版本", "Releases")),
      releases.length ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w("版本", "Releases") }, h("table", {},
        h("thead", {}, h("tr", {}, [w("时间", "When"), w("做了什么", "What"), w("谁", "Who"), w("原因", "Why"), w("录音数", "Takes"), ""].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, releases.map((one) => h("tr", { class: one.live ? "live" : "" }, h("td", {}, when(one.at)),
          h("th", { scope: "row" }, what(one.what), one.release && h("code", {}, " ", one.release.slice(0, 8))), h("td", {}, person(one.who)), h("td", {}, one.why === "as shipped" ? w("出厂状态", "as shipped") : one.why), h("td", {}, String(one.takes)),
          h("td", {}, one.live ? h("span", { class: "chip s-live" }, w("正在使用", "live")) : isLive(one) ? h("small", {}, w("同正在使用的版本", "the live release"))
            : mayPublish && one.stored && one.release && button(w("重新启用", "Make live again"), () => back(one), { class: "tiny" })))))))
        : h("p", {}, w("尚未发布过，来电人听到的是出厂录音。", "Nothing is published yet: callers hear the factory's recordings.")));
  }

  function trail() {
    const place = h("div", {});
    const show = async () => {
      try {
        audit = await get("audit");
      } catch (problem) { notice("audit", words(problem)); return; }
      fill(place, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w("审计日志", "Audit log") }, h("table", {},
        h("thead", {}, h("tr", {}, [w("时间", "When"), w("谁", "Who"), w("做了什么", "What"), w("对象", "On"), w("说明", "Note")].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, audit.rows.map((row) => h("tr", {}, h("td", {}, when(row.at)), h("td", {}, actor(row)), h("td", {}, what(row.what)),
          h("td", {}, row.slot ? h("a", { href: `#/record/${row.lang}/${row.slot}` }, row.lang, "/", row.slot) : row.release ? h("code", {}, row.release.slice(0, 8)) : ""), h("td", {}, note(row))))))));
    };
    const toggled = (event) => {
      auditIsOpen = event.target.open;
      if (auditIsOpen && !place.firstChild) show();
    };
    return h("details", { class: "card", open: auditIsOpen, ontoggle: toggled }, h("summary", {}, h("b", {}, w("审计日志：谁、何时、做了什么", "Audit log: who, when, what"))), place);
  }

  function draw() {
    fill(main, h("h1", { tabindex: -1 }, w("发布", "Publish")), summary(), past(), trail());
  }

  await load();
  return { draw };
}
