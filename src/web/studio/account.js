// The account page: password, PIN for the telephone, and open sessions.

import { get, post, session, words } from "./api.js";
import { button, fill, h, notice, w, when } from "./dom.js";
import { passwordFields, secretField } from "./password_fields.js";

export async function account({ main }) {
  let { sessions } = await get("sessions");

  async function submit(event, path, read, done) {
    event.preventDefault();
    const form = event.target;
    const place = form.querySelector(".trouble");
    place.textContent = "";
    const asked = Object.fromEntries(new FormData(form));
    if (asked.again !== undefined && asked.again !== (asked.new ?? asked.pin)) {
      place.textContent = w("两次输入不一致。", "The two do not match.");
      return;
    }
    try {
      await post(path, read(asked));
      form.reset();
      notice("good", done);
    } catch (problem) {
      place.textContent = words(problem);
    }
  }

  async function end(one) {
    await post("end-session", { id: one.id }).catch((problem) => notice("account", words(problem)));
    ({ sessions } = await get("sessions"));
    draw();
  }

  function draw() {
    const me = session.operator;
    fill(main, h("h1", { tabindex: -1 }, w("账号", "Account")),
      h("section", { class: "card" }, h("h2", {}, me.name), h("p", {}, me.role === "approver" ? w("审核员：可以录音、审核、发布，并可重新启用以前的版本。", "Approver: records, approves, publishes, and makes earlier releases live again.") : w("录音员：可以录音和导入，由审核员审核和发布。", "Operator: records and imports; an approver approves and publishes."),
        " ", w(`操作员编号（电话录音时输入）：${me.number}`, `Operator number, to record by telephone: ${me.number}`))),
      h("div", { class: "cards" },
        h("form", { class: "card", onsubmit: (event) => submit(event, "password", ({ old, new: next }) => ({ old, new: next }), w("密码已修改，其他浏览器已退出登录。", "The password was changed; other browsers are signed out.")) },
          h("h2", {}, w("修改密码", "Change the password")),
          passwordFields(me.name),
          h("p", { class: "trouble", role: "alert" }), h("button", { class: "first" }, w("修改密码", "Change"))),
        h("form", { class: "card", onsubmit: (event) => submit(event, "pin", ({ password, pin }) => ({ password, pin }), w("PIN 已修改。", "The PIN was changed.")) },
          h("h2", {}, w("电话录音 PIN", "PIN for the telephone")),
          secretField("password", w("当前密码", "Current password"), { autocomplete: "current-password" }),
          secretField("pin", w("新 PIN（6 到 8 位数字，不用连号或重复数字）", "New PIN (6 to 8 digits, no run or repeat)"), { inputmode: "numeric", pattern: "[0-9]{6,8}", maxlength: 8, autocomplete: "off" }),
          h("p", { class: "trouble", role: "alert" }), h("button", { class: "first" }, w("修改 PIN", "Change")))),
      h("section", { class: "card" }, h("h2", {}, w("已登录的浏览器", "Where you are signed in")),
        h("ul", { class: "plain" }, sessions.map((one) => h("li", { class: "row take" }, h("span", {}, one.agent || "—"), h("small", {}, `${one.address} · ${w("登录于", "since")} ${when(one.began)} · ${w("最近使用", "last used")} ${when(one.seen)}`),
          one.here ? h("span", { class: "chip s-live" }, w("本机", "here")) : button(w("退出登录", "Sign out"), () => end(one), { class: "tiny" }))))));
  }

  return { draw };
}
