// The script's text area: line numbers, marks where bpftrace objects, and a check of what one types.
import { icon, make, plain, post } from "./page.js";

const CHECK_DELAY_MS = 500;

export function attach(editor) {
  const area = editor.querySelector("textarea");
  const gutter = editor.querySelector("[data-gutter]");
  const form = area.form;
  const list = form.querySelector("[data-diagnostics]");
  const edited = form.querySelector("[data-edited]");
  let marks = new Map();
  let timer = 0;
  let checks = 0;

  function number() {
    const lines = area.value.split("\n").length;
    gutter.replaceChildren(...Array.from({ length: lines }, (_, at) => make("span", { class: marks.get(at + 1) }, String(at + 1))));
    gutter.scrollTop = area.scrollTop;
  }

  function mark(items) {
    marks = new Map();
    for (const [line, severity] of items) if (marks.get(line) !== "err") marks.set(line, severity);
    number();
  }

  function show(diagnostics) {
    const rows = diagnostics.map((each) => {
      const bad = each.severity === "error";
      return make("li", { class: bad ? "err" : "warn", "data-line": each.line }, icon(bad ? "circle-x" : "triangle-alert"),
        make("span", {}, make("b", {}, each.severity), ` in line ${each.line}, column ${each.column}: ${plain(each.message)}`));
    });
    const good = make("p", { class: "good" }, icon("circle-check"), "bpftrace takes it.");
    list.replaceChildren(rows.length ? make("ul", { class: "diagnostics", "aria-label": "What bpftrace says" }, ...rows) : good);
    area.toggleAttribute("aria-invalid", false);
    if (diagnostics.some((each) => each.severity === "error")) area.setAttribute("aria-invalid", "true");
    mark(diagnostics.map((each) => [each.line, each.severity === "error" ? "err" : "warn"]));
  }

  async function check() {
    const mine = ++checks;
    if (!area.value.trim()) return;
    try {
      const answer = await post("/api/v1/scripts/check", { script: area.value });
      if (mine === checks && area.isConnected) show(answer.diagnostics);
    } catch (error) {
      if (mine === checks) list.replaceChildren(make("p", { class: "err" }, icon("circle-x"), error.message));
    }
  }

  area.addEventListener("input", () => {
    edited.checked = true;
    marks = new Map();
    number();
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_DELAY_MS);
  });
  area.addEventListener("scroll", () => (gutter.scrollTop = area.scrollTop), { passive: true });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.querySelector("[data-start]:not(:disabled)")?.click();
    }
  });
  list.addEventListener("click", (event) => {
    const line = Number(event.target.closest("[data-line]")?.dataset.line);
    if (!line) return;
    const start = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (area.value.split("\n")[line - 1]?.length ?? 0));
  });
  mark([...list.querySelectorAll("[data-line]")].map((each) => [Number(each.dataset.line), each.className]));
}
