// The script's field: line numbers and marks where bpftrace objects, a check of what one types, and the editor
// that takes the text area's place once it is loaded.
import { icon, make, plain, post } from "./page.js";

const CHECK_DELAY_MS = 500;

// The text area by itself, until the editor is there, or where it cannot be.
function plainArea(area, gutter, onInput, onStart) {
  let marks = new Map();
  function number() {
    const lines = area.value.split("\n").length;
    gutter.replaceChildren(...Array.from({ length: lines }, (_, at) => make("span", { class: marks.get(at + 1) }, String(at + 1))));
    gutter.scrollTop = area.scrollTop;
  }
  area.addEventListener("input", () => {
    marks = new Map();
    number();
    onInput();
  });
  area.addEventListener("scroll", () => (gutter.scrollTop = area.scrollTop), { passive: true });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onStart();
    }
  });
  number();
  return {
    mark(items) {
      marks = new Map();
      for (const { line, severity } of items) if (marks.get(line) !== "err") marks.set(line, severity === "error" ? "err" : "warn");
      number();
    },
    go(line) {
      const start = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
      area.focus();
      area.setSelectionRange(start, start + (area.value.split("\n")[line - 1]?.length ?? 0));
    },
  };
}

// What the server wrote beside the script, as the answer of a check has it.
function written(list) {
  return [...list.querySelectorAll("[data-line]")].map((each) => ({
    line: Number(each.dataset.line),
    column: Number(each.dataset.column || 1),
    end_column: Number(each.dataset.endColumn || each.dataset.column || 1),
    severity: each.className === "err" ? "error" : "warning",
    message: each.textContent,
  }));
}

export async function attach(editor) {
  const area = editor.querySelector("textarea");
  const gutter = editor.querySelector("[data-gutter]");
  const form = area.form;
  const list = form.querySelector("[data-diagnostics]");
  const edited = form.querySelector("[data-edited]");
  let latest = written(list);
  let timer = 0;
  let checks = 0;

  function show(diagnostics) {
    latest = diagnostics;
    const rows = diagnostics.map((each) => {
      const bad = each.severity === "error";
      return make("li", { class: bad ? "err" : "warn", "data-line": each.line }, icon(bad ? "circle-x" : "triangle-alert"),
        make("span", {}, make("b", {}, each.severity), ` in line ${each.line}, column ${each.column}: ${plain(each.message)}`));
    });
    const good = make("p", { class: "good" }, icon("circle-check"), "bpftrace takes it.");
    list.replaceChildren(rows.length ? make("ul", { class: "diagnostics", "aria-label": "What bpftrace says" }, ...rows) : good);
    const bad = diagnostics.some((each) => each.severity === "error");
    if (bad) area.setAttribute("aria-invalid", "true");
    else area.removeAttribute("aria-invalid");
    surface.mark(diagnostics);
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

  function onInput() {
    edited.checked = true;
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_DELAY_MS);
  }

  const onStart = () => form.querySelector("[data-start]:not(:disabled)")?.click();
  let surface = plainArea(area, gutter, onInput, onStart);
  surface.mark(latest);
  list.addEventListener("click", (event) => {
    const line = Number(event.target.closest("[data-line]")?.dataset.line);
    if (line) surface.go(line);
  });
  const { open } = await import("./editor.js");
  if (!area.isConnected) return;
  gutter.hidden = true;
  surface = open(area, onInput, onStart);
  surface.mark(latest);
}
