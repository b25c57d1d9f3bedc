// The fields of a form that sets a password.

import { h, w } from "./dom.js";

/** A field of a secret, with its label. */
export const secretField = (name, title, props) => [h("label", { for: name }, title), h("input", { id: name, name, required: true, type: "password", maxlength: 256, ...props })];

/** `old`, `new` and `again`, for the account `name`. */
export function passwordFields(name, { asksOld = true, describedBy = null } = {}) {
  const field = (id, title, props) => secretField(id, title, { "aria-describedby": describedBy, ...props });
  return [
    h("input", { type: "text", name: "username", value: name, autocomplete: "username", hidden: true }),
    asksOld && field("old", w("当前密码", "Current password"), { autocomplete: "current-password" }),
    field("new", w("新密码（至少 10 个字符，不用常见密码，不含账号名）", "New password (at least 10 characters, no common one, without your name)"), { autocomplete: "new-password", minlength: 10 }),
    field("again", w("再次输入新密码", "New password again"), { autocomplete: "new-password" }),
  ];
}
