// Choosing a password of one's own: the present one was set by another person, and opens nothing else.

import { post, words } from "./api.js";
import { fill, h, w } from "./dom.js";
import { passwordFields } from "./password_fields.js";

/** `typed` is the password of the sign-in; it is asked for again where the page was loaded since. */
export function firstPassword({ main, me, typed, done }) {
  let trouble = "";

  async function go(event) {
    event.preventDefault();
    const asked = Object.fromEntries(new FormData(event.target));
    const press = event.target.querySelector("button");
    press.disabled = true;
    try {
      if (asked.new !== asked.again) return refuse(w("两次输入不一致。", "The two do not match."));
      await post("password", { old: typed ?? asked.old, new: asked.new });
      done();
    } catch (problem) {
      refuse(words(problem));
    }
  }

  function refuse(why) {
    trouble = why;
    draw();
  }

  function draw() {
    fill(main, h("form", { class: "card narrow", onsubmit: go },
      h("h1", { tabindex: -1 }, w("请设置自己的密码", "Choose your own password")),
      h("p", {}, w("当前密码由他人设置，只能用来登录和修改密码。请换成只有您知道的密码：几个不相干的词最好记。",
        "Another person set the current password. Replace it by one that only you know: several unrelated words are easy to remember.")),
      passwordFields(me.name, { asksOld: typed === undefined, describedBy: trouble ? "trouble" : null }),
      trouble && h("p", { class: "trouble", role: "alert", id: "trouble" }, trouble),
      h("button", { class: "first" }, w("保存并继续", "Save and go on"))));
    main.querySelector(typed === undefined ? "#old" : "#new").focus();
  }

  return { draw };
}
