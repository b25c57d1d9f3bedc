// Files: the script to print, export as a ZIP, and import of a ZIP from a recording studio.

import { ask, query, words } from "./api.js";
import { button, fill, h, notice, localized, w } from "./dom.js";
import { LANGS, langName, slots } from "./slots.js";

const ZIP_MS = 600000;

export async function files({ main }) {
  await slots.recent();
  let result = null;
  let busy = false;

  async function save(path, name) {
    notice("files", "");
    try {
      const reply = await ask("GET", path, { limit: ZIP_MS });
      const link = h("a", { href: URL.createObjectURL(await reply.blob()), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } catch (problem) {
      notice("files", words(problem));
    }
  }

  async function take(file) {
    if (!file || busy) return;
    busy = true;
    result = null;
    draw();
    try {
      const reply = await ask("POST", query("import", { label: file.name }), { body: file, type: "application/zip", limit: ZIP_MS });
      result = await reply.json();
      slots.stale();
    } catch (problem) {
      result = { trouble: words(problem) };
    }
    busy = false;
    draw();
    main.querySelector("#taken")?.focus();
  }

  function taken() {
    if (busy) return h("p", { class: "status", role: "status" }, w("正在检查……", "Checking…"));
    if (!result) return null;
    if (result.trouble) return h("p", { id: "taken", tabindex: -1, class: "trouble", role: "alert" }, result.trouble);
    const bad = result.files.filter((one) => one.refused);
    return h("div", { id: "taken", tabindex: -1 }, h("p", { class: "finding " + (result.done ? "good" : "bad"), role: "status" }, result.done
      ? w(`已导入 ${result.files.length} 个文件，等待审核。`, `${result.files.length} files were imported and wait for approval.`)
      : w(`有 ${bad.length} 个文件不合格，整包未导入。请改正后重新上传。`, `${bad.length} files were rejected, so none was imported. Correct them and send the package again.`)),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w("文件", "Files") }, h("table", {}, h("tbody", {}, result.files.map((one) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, one.file)),
      h("td", { class: one.refused ? "trouble" : "" }, one.words.length ? one.words.map(localized).join(" ") : "✓")))))),
    result.texts.length > 0 && h("div", {}, h("p", { class: "finding warn" }, w("表格中有几行文字与现行文案不同。如需修改文案，请联系系统管理员发布：", "Some lines of the table differ from the script. To change the script, ask the administrator to publish them:")),
      h("ul", {}, result.texts.map((one) => h("li", {}, h("code", {}, `${one.lang}/${one.slot}`), " ", one.script, " → ", one.table)))));
  }

  function draw() {
    const langs = LANGS.filter((lang) => slots.all().some((row) => row.lang === lang));
    fill(main, h("h1", { tabindex: -1 }, w("导入导出", "Files")),
      h("section", { class: "card" }, h("h2", {}, w("打印录音稿", "Print the script")), h("p", {}, w("供录音棚或译员使用：每条文字及其前后文、读音提示和时长。", "For a recording studio or a translator: each text with its context, reading notes and longest duration.")),
        h("div", { class: "row" }, langs.map((lang) => h("a", { class: "button", href: `/studio/api/script?lang=${lang}`, target: "_blank", rel: "noopener" }, langName(lang))))),
      h("section", { class: "card" }, h("h2", {}, w("导出", "Export")), h("p", {}, w("ZIP：现用录音（WAV）和 script.csv。", "A ZIP of the live recordings (WAV) and script.csv.")),
        h("div", { class: "row" }, langs.map((lang) => button(langName(lang), () => save(query("export", { lang }), `jindu-${lang}.zip`))), button(w("全部", "Everything"), () => save("export", "jindu.zip")),
          button(w("仅待录文字", "Only texts to be recorded, without sound"), () => save(query("export", { to_record: 1, script_only: 1 }), "jindu-to-record.zip")))),
      h("section", { class: "card" }, h("h2", {}, w("导入", "Import")),
        h("p", {}, w("录音棚交回的 ZIP：<语言>/<位置>__<m 或 f>.wav。系统逐个检查，全部合格才会导入；导入后仍须审核和发布。", "A studio's ZIP: <language>/<slot>__<m or f>.wav. Every file is checked, and all are imported or none; then they are approved and published like any take.")),
        h("label", {}, w("选择 ZIP 文件", "Choose a ZIP file"), h("input", { type: "file", accept: ".zip,application/zip", disabled: busy, onchange: (event) => take(event.target.files[0]) })), taken()));
  }

  return { draw };
}
