// What the public page does more where scripts run; it needs none of this. A photograph of the barcode fills the number's
// field, and a problem is shown above the fields as they were typed: the node's pages never hold what was typed.
//
//   photograph ─► BarcodeDetector, where the browser has one ─► the field
//                    └─ none, or nothing read ─► POST /api/inquiry/image ─► the field
const $ = (id) => document.getElementById(id);
const FORMATS = ["code_128", "code_39", "itf", "qr_code", "pdf417"];
const LONGEST_SIDE = 2400;
const SENT_MAX = 8000000;

async function smaller(picture, file) {
  const [shorter, longer] = [picture.width, picture.height].sort((a, b) => a - b);
  if (longer > 3 * shorter && file.size <= SENT_MAX) return file; // a long screenshot: the node searches it piece by piece
  const scale = Math.min(1, LONGEST_SIDE / Math.min(longer, 2 * shorter));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const paper = canvas.getContext("2d");
  paper.fillStyle = "#fff"; // a JPEG has no transparency, which would become black
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail()), "image/jpeg", 0.88));
}

// Only a plain number is taken here; what a QR code names is for the node to judge.
async function local(picture) {
  if (!("BarcodeDetector" in window)) return null;
  const known = await BarcodeDetector.getSupportedFormats();
  const formats = FORMATS.filter((format) => known.includes(format));
  if (!formats.length) return null;
  const codes = await new BarcodeDetector({ formats }).detect(picture);
  const number = codes.map((code) => code.rawValue.trim()).find((text) => /^[0-9]{8,32}$/.test(text));
  return number || null;
}

async function remote(picture, file) {
  const body = picture ? await smaller(picture, file).catch(() => file) : file; // the node says why it cannot read one
  const response = await fetch("/api/inquiry/image", { method: "POST", headers: { "Content-Type": body.type || "application/octet-stream" }, body, cache: "no-store", signal: AbortSignal.timeout(80000) });
  const reply = await response.json();
  if (response.ok) return reply.number;
  throw new Error((reply.wording && reply.wording[{ "zh-CN": "zh", "yue-Hans": "zh", "yue-Hant": "yue" }[document.documentElement.lang] || "en"]) || $("said").dataset.failed);
}

async function read(file) {
  const said = $("said");
  said.textContent = said.dataset.reading;
  try {
    const picture = await createImageBitmap(file).catch(() => null);
    const number = (picture && (await local(picture).catch(() => null))) || (await remote(picture, file));
    $("code").value = number;
    said.textContent = said.dataset.read;
    $("tail").focus();
  } catch (error) {
    said.textContent = error instanceof Error && error.name === "Error" && error.message ? error.message : said.dataset.failed;
  }
}

function replace(page) {
  document.body.replaceWith(page.body);
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  begin();
  window.scrollTo(0, 0);
  $("main").focus();
}

// The page of a reply, in place of this one; a problem with the form in place of the last problem alone.
function show(page) {
  const problem = page.querySelector("main .problem");
  const form = document.getElementById("inquiry");
  if (!problem || !page.getElementById("inquiry") || !form) {
    return replace(page);
  }
  for (const old of document.querySelectorAll("main .problem")) old.remove();
  document.title = page.title;
  form.parentElement.querySelector("h1").after(problem);
  problem.tabIndex = -1;
  problem.focus();
}

let asking = false;
let typed = null; // what was asked last, as long as this page is open

async function load(address, request) {
  const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(20000), ...request });
  if (!(response.headers.get("content-type") || "").startsWith("text/html")) throw new Error("no page");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// Takes the page of `work` in place of this one, or leaves it to the browser, which says what is wrong with the connection.
async function take(work, otherwise) {
  if (asking) return;
  asking = true;
  try {
    await work();
  } catch {
    otherwise();
  } finally {
    asking = false;
  }
}

function ask(form) {
  typed = new URLSearchParams(new FormData(form));
  take(async () => {
    show(await load(form.action, { method: "POST", body: typed }));
    // Back leads from an answer to the form.
    if (!$("inquiry")) location.hash = "main";
  }, () => form.submit());
}

addEventListener("popstate", () => {
  if (!$("inquiry") && !location.hash) location.reload();
});

// The form in another language, or again after "no match", as it was typed; an answer in another language.
async function follow(link) {
  const form = $("inquiry");
  const kept = form ? new URLSearchParams(new FormData(form)) : typed;
  if (!form && link.closest("nav")) {
    const address = new URL("/public/inquiry" + new URL(link.href).search, location.href);
    return replace(await load(address, { method: "POST", body: typed }));
  }
  replace(await load(link.href));
  for (const name of ["code", "tail"]) if ($(name)) $(name).value = kept?.get(name) || "";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("nav a, a.retry");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || (!typed && !$("inquiry"))) return;
  event.preventDefault();
  const shown = async () => {
    await follow(link);
    history.replaceState(null, "", link.href); // what a reload asks for
  };
  take(shown, () => location.assign(link.href));
});

// What the form does more, whenever there is a new one.
function begin() {
  const inquiry = $("inquiry");
  if (!inquiry) return;
  inquiry.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(inquiry);
  });
  $("camera").hidden = false;
  $("photo").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) read(file);
  });
}
begin();

// A page restored from the browser's cache would show what somebody typed.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.replace("/public" + location.search);
});
