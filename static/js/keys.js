// Keys by character, listed by "?", silent in fields, and all but Ctrl-K and Esc can be switched off.
import { say } from "./page.js";
import { open as openPalette } from "./palette.js";

const GO = { p: "/processes", b: "/binaries", s: "/sessions", c: "/scripts", h: "/help" };
const SEQUENCE_MS = 1200;
const PAUSE = "[data-pause], [data-play]"; // of a session that runs, or of its replay
let pending = "";
let pendingTimer = 0;

function isOn() {
  return localStorage.getItem("keys") !== "off";
}

function inField(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio], [type=file]), textarea, select, [contenteditable]");
}

function click(selector) {
  const found = [...document.querySelectorAll(selector)].find((element) => element.checkVisibility());
  found?.click();
  return Boolean(found);
}

function focusFilter() {
  const fields = [...document.querySelectorAll("main [data-filter]"), ...document.querySelectorAll("[data-search-all]")];
  const field = fields.find((element) => element.checkVisibility());
  field?.focus();
  field?.select();
}

// The row that has the focus; a virtual table paints its own.
function list() {
  const lists = [...document.querySelectorAll("[data-list]")];
  return lists.find((each) => each.contains(document.activeElement)) ?? lists[0];
}

export function focusRow(row) {
  const target = row.querySelector("[data-open]") ?? row;
  if (target === row) row.tabIndex = -1;
  for (const other of row.parentElement.querySelectorAll(".here")) other.classList.remove("here");
  row.classList.add("here");
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function move(step) {
  const table = list();
  if (!table) return;
  if (table.virtual) {
    table.virtual.move(step);
    return;
  }
  const rows = [...table.tBodies[0].rows];
  const at = rows.findIndex((row) => row.classList.contains("here") || row.contains(document.activeElement));
  const row = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
  if (row) focusRow(row);
}

function trace() {
  const here = list()?.querySelector(".here [data-trace]");
  if (here) here.click();
  else click("[data-key=t]");
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link of this page is copied.");
  } catch {
    say(location.href);
  }
}

function showKeys() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
}

const SINGLE = {
  "/": focusFilter,
  j: () => move(1),
  k: () => move(-1),
  t: trace,
  d: () => click("[data-key=d]"),
  y: copyLink,
  "?": showKeys,
  S: () => click("[data-stop] button"),
  " ": () => click(PAUSE),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((number) => [number, () => openView(number)])),
};

// A session's views by the number that stands beside them.
function openView(number) {
  document.querySelectorAll("[data-view-link]")[number - 1]?.click();
}

function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  // The editor is in a shadow tree, and uses some keys itself.
  const [target] = event.composedPath();
  if (event.defaultPrevented) return;
  if (event.key === "Escape" && inField(target) && !target.closest("dialog")) {
    target.blur();
    return;
  }
  const modified = (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph");
  if (modified || event.isComposing || !isOn() || inField(target) || document.querySelector("dialog[open]")) return;
  if (pending === "g") {
    pending = "";
    if (GO[event.key]) {
      event.preventDefault();
      location.assign(GO[event.key]);
      return;
    }
  }
  if (event.key === "g") {
    pending = "g";
    clearTimeout(pendingTimer);
    pendingTimer = setTimeout(() => (pending = ""), SEQUENCE_MS);
    return;
  }
  if (event.key === " " && (target.closest("button, a, summary, input, label") || ![...document.querySelectorAll(PAUSE)].some((each) => each.checkVisibility()))) return;
  const act = SINGLE[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
}

export function attachKeys() {
  document.addEventListener("keydown", onKey);
  for (const link of document.querySelectorAll("[data-help]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      showKeys();
    });
  }
  for (const box of document.querySelectorAll("[data-keys-switch]")) {
    box.checked = isOn();
    box.closest("label").hidden = false;
    box.addEventListener("change", () => {
      localStorage.setItem("keys", box.checked ? "on" : "off");
      for (const other of document.querySelectorAll("[data-keys-switch]")) other.checked = box.checked;
    });
  }
}
