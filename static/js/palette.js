// Ctrl-K: the server's search in a dialog; arrows choose, Enter opens.
import { ask, make, number, plain } from "./page.js";

const DELAY_MS = 100;
const LIMIT = 20;
const PLACES = [
  ["Processes", "/processes"], ["Binaries", "/binaries"], ["Upload or index", "/binaries/upload"], ["Sessions", "/sessions"],
  ["New session", "/sessions/new"], ["Scripts", "/scripts"], ["Jobs", "/jobs"], ["Help", "/help"],
];
const dialog = document.getElementById("palette");
const input = dialog?.querySelector("input");
const options = dialog?.querySelector("ul");
const note = dialog?.querySelector("[data-palette-note]");
let timer = 0;
let going = null;

function choose(option) {
  for (const other of options.querySelectorAll("[aria-selected=true]")) other.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function show(rows) {
  options.replaceChildren(...rows.map(([kind, name, more, url], at) => {
    const option = make("li", { role: "option", id: `palette-${at}`, "aria-selected": "false" },
      make("span", { class: `kind ${kind}` }, kind), make("span", { class: "mono" }, plain(name)), make("span", { class: "muted" }, plain(more)));
    option.url = url;
    return option;
  }));
  input.setAttribute("aria-expanded", String(rows.length > 0));
  choose(options.firstElementChild);
}

function places(text) {
  const wanted = text.toLowerCase();
  return PLACES.filter(([name]) => name.toLowerCase().includes(wanted)).map(([name, url]) => ["page", name, url, url]);
}

async function search() {
  const text = input.value.trim();
  going?.abort();
  if (!text) {
    show(places(""));
    return;
  }
  going = new AbortController();
  try {
    const found = await ask(`/api/v1/search?${new URLSearchParams({ q: text, limit: LIMIT })}`, { signal: going.signal });
    const people = found.processes.slice(0, 6).map((each) => ["process", each.command, `PID ${each.pid}`, `/processes/${each.key}`]);
    const hits = found.items.map((hit) => [hit.kind, hit.short ?? hit.name, hit.binary_name, hit.url]);
    show([...people, ...hits, ...places(text)]);
    note.textContent = people.length + hits.length ? `${number(found.total)} in the indexed binaries.` : "Nothing matches in the indexed binaries.";
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = error.message;
  }
}

function onKey(event) {
  const all = [...options.children];
  const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (all.length) choose(all[(at + step + all.length) % all.length]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (all[at]) location.assign(all[at].url);
    else if (input.value.trim()) location.assign(`/search?${new URLSearchParams({ q: input.value.trim() })}`);
  }
}

input?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, DELAY_MS);
});
input?.addEventListener("keydown", onKey);
options?.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) location.assign(option.url);
});

export function open() {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  input.select();
  search();
}
