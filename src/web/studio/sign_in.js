// Signing in.

import { post, words } from "./api.js";
import { button, fill, h, w } from "./dom.js";

export function signIn({ main, done }) {
  let trouble = "";
  let name = "";

  async function go(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    name = form.get("name");
    const press = event.target.querySelector("button");
    press.disabled = true;
    try {
      const password = form.get("password");
      done(await post("sign-in", { name, password }), password);
    } catch (problem) {
      trouble = words(problem);
      draw();
      main.querySelector(name ? "#password" : "#name").focus();
    }
  }

  function draw() {
    fill(main, h("form", { class: "card narrow", onsubmit: go },
      h("h1", { tabindex: -1 }, w("登录", "Sign in")),
      h("label", { for: "name" }, w("账号", "Account name")),
      h("input", { id: "name", name: "name", value: name, autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, maxlength: 64 }),
      h("label", { for: "password" }, w("密码", "Password")),
      h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 256, "aria-describedby": trouble ? "trouble" : null, "aria-invalid": trouble ? "true" : null }),
      trouble && h("p", { class: "trouble", role: "alert", id: "trouble" }, trouble),
      h("button", { class: "first" }, w("登录", "Sign in")),
      h("p", { class: "soft" }, w("没有账号或忘记密码，请联系系统管理员。", "No account, or a forgotten password: ask the administrator."))));
    main.querySelector(name ? "#password" : "#name").focus();
  }

  return { draw };
}
