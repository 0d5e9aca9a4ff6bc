// A table of up to millions of rows: those in sight are in the document, read in parts of 100 by offset.
// The scroll height is capped below what browsers clamp; beyond it the fraction scrolled stands for the row.
import { ask, icon, make, number, plain, say } from "./page.js";
import { focusRow } from "./keys.js";

const PART = 100;
const PARTS_KEPT = 60;
const MOST_PIXELS = 33_000_000;
const URL_DELAY_MS = 300;
const RECIPES = [["count", "Count", " "], ["log", "Log", " "], ["latency", "Latency", " of "]];

function text(kind, value) {
  return make("td", { class: kind }, value == null ? "" : plain(value));
}

function nameCell(shown, title, url, extra) {
  const cell = make("td", { class: "mono" });
  cell.append(url ? make("a", { href: url, title: plain(title), "data-open": true }, plain(shown)) : plain(shown));
  if (!url) cell.title = plain(title);
  if (extra) cell.append(" ", extra);
  return cell;
}

function actsCell(item, name, latency) {
  const cell = make("td", { class: "acts" });
  if (item.trace_url) {
    for (const [recipe, title, joint] of RECIPES) {
      if (recipe === "latency" && !latency) continue;
      const link = make("a", { href: `${item.trace_url}&recipe=${recipe}`, "data-trace": recipe === "count" }, title);
      link.append(make("span", { class: "sr" }, joint + plain(name)));
      cell.append(link, " ");
    }
  } else {
    const reasons = (item.verdict?.reasons ?? []).map((reason) => reason.text);
    cell.append(make("span", { class: "why", title: reasons.join(" ") }, icon("circle-x"), reasons[0] ?? "cannot be traced"));
  }
  return cell;
}

// As the server's filters `signature` and `source` write them.
function declared({ type, name }) {
  if (type.includes("(*)") && name) return type.replace("(*)", () => `(*${name})`);
  return /[*&]$/.test(type) ? type + name : `${type} ${name}`.trim();
}

function signature(item) {
  if (!item.parameters || item.demangled.includes("(")) return "";
  const parameters = item.parameters.map(declared).join(", ");
  return `(${parameters})${item.returns ? ` → ${item.returns}` : ""}`;
}

function source(item) {
  if (!item.file) return "";
  const name = item.file.slice(item.file.lastIndexOf("/") + 1);
  return item.line ? `${name}:${item.line}` : name;
}

function badge(words, title) {
  return make("span", { class: "badge", title }, words);
}

function functionName(item, raw) {
  const cell = nameCell(raw ? item.linkage_name : item.short, raw ? item.demangled : item.linkage_name, item.url, null);
  if (!raw) cell.append(make("span", { class: "muted" }, plain(signature(item))));
  if (item.aliases.length) cell.append(" ", badge(`+${item.aliases.length}`, plain(item.aliases.join(", "))));
  if (item.clones.length) cell.append(" ", badge("copies", plain(item.clones.join(", "))));
  if (item.type === "IFUNC") cell.append(" ", badge("IFUNC"));
  return cell;
}

function titled(cell, title) {
  cell.title = plain(title ?? "");
  return cell;
}

const CELLS = {
  functions: (item, raw) => [
    functionName(item, raw), titled(text("mono", source(item)), item.file), text("num mono", item.address_hex),
    text("num", item.address_hex ? number(item.size) : "inlined"), text("mono", item.section),
    text("", item.sources.join(", ")), actsCell(item, item.name, item.verdict.return_probe.attachable),
  ],
  symbols: (item, raw) => [
    nameCell(raw ? item.name : item.short, raw ? item.demangled : item.name, null, item.version ? make("span", { class: "muted" }, plain(item.version)) : null),
    text("num mono", item.address_hex), text("num", number(item.size)), text("", item.type), text("", item.bind),
    text("", item.visibility), text("mono", item.section), text("", item.table),
  ],
  variables: (item, raw) => [
    nameCell(raw ? item.linkage_name : item.short, raw ? item.demangled : item.linkage_name, null, null), text("mono", item.type),
    titled(text("mono", source(item)), item.file), text("num mono", item.address_hex), text("num", number(item.size)),
    text("mono", item.section), text("", item.sources.join(", ")),
  ],
  types: (item, raw, table) => [
    nameCell(item.name, item.name, table.dataset.base + encodeURIComponent(item.name), null), text("", item.kind),
    text("num", item.size ? number(item.size) : ""), titled(text("mono", item.unit), item.unit),
  ],
  usdt: (item) => [
    text("mono usdt", item.provider),
    nameCell(item.name, item.name, item.url, item.sites[0]?.semaphore ? make("span", { class: "badge" }, "semaphore") : null),
    text("num", number(item.sites.length)), text("mono", (item.sites[0]?.arguments ?? []).map((each) => each.type).join(", ")),
    actsCell(item, `${item.provider}:${item.name}`, false),
  ],
};

class VirtualTable {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.total = Number(table.dataset.total);
    this.row = Number(table.dataset.row);
    this.cells = CELLS[table.dataset.kind];
    this.raw = table.dataset.raw === "1";
    this.parts = new Map();
    this.fetches = new Map();
    this.first = Math.min(Number(table.dataset.offset), Math.max(0, this.total - 1));
    this.current = -1;
    this.held = null;
    this.frame = 0;
    this.urlTimer = 0;
    this.failed = false;
  }

  // Takes over the rows that the server wrote as soon as the first part is at hand.
  async start() {
    const part = Math.floor(this.first / PART);
    try {
      this.parts.set(part, await this.read(part, new AbortController().signal));
    } catch {
      return;
    }
    if (!this.table.isConnected) return;
    this.region = this.table.parentElement;
    this.pane = make("div", { class: "vpane" });
    this.space = make("div", { class: "vspace" }, this.pane);
    this.region.classList.add("vtable");
    this.region.append(this.space);
    this.pane.append(this.table);
    this.body.replaceChildren();
    this.pager = document.querySelector("[data-pager]");
    this.table.virtual = this;
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.region);
    this.region.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.region.addEventListener("focusin", (event) => {
      const row = event.target.closest("tr[data-index]");
      if (row) this.current = Number(row.dataset.index);
    });
    this.layout();
  }

  async read(part, signal) {
    const url = new URL(this.table.dataset.url, location.href);
    url.searchParams.set("offset", part * PART);
    url.searchParams.set("limit", PART);
    return (await ask(url, { signal })).items;
  }

  layout() {
    if (!this.region.isConnected) {
      this.observer.disconnect();
      return;
    }
    const height = this.region.clientHeight;
    const visible = Math.max(1, Math.floor((height - this.table.tHead.offsetHeight) / this.row));
    this.visible = Math.min(visible, this.total);
    this.lastFirst = this.total - this.visible;
    const pixels = Math.min(this.lastFirst * this.row + height, MOST_PIXELS);
    this.range = pixels - height;
    this.space.style.setProperty("height", `${pixels}px`);
    this.pane.style.setProperty("height", `${height}px`);
    this.jump(Math.min(this.first, this.lastFirst));
  }

  // Scrolls so that this row is the first; the exact row is held, because pixels may be too coarse for it.
  jump(first) {
    this.held = first;
    this.region.scrollTop = this.lastFirst ? (first / this.lastFirst) * this.range : 0;
    this.heldTop = this.region.scrollTop;
    this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    if (!this.region.isConnected) return;
    const top = this.region.scrollTop;
    if (this.held !== null && Math.abs(top - this.heldTop) < 1) this.first = this.held;
    else {
      this.held = null;
      this.first = this.range > 0 ? Math.round((top / this.range) * this.lastFirst) : 0;
    }
    this.fetchAround();
    this.paintRows();
    this.tell();
  }

  // Moves the rows that went out of sight to the other end, so that those that stay keep focus and selection.
  paintRows() {
    const end = this.first + this.visible;
    const free = [];
    const kept = new Map();
    for (const row of [...this.body.rows]) {
      const index = Number(row.dataset.index);
      if (index >= this.first && index < end) kept.set(index, row);
      else free.push(row);
    }
    const focusGoes = free.some((row) => row.contains(document.activeElement));
    let before = null;
    for (let index = end - 1; index >= this.first; index--) {
      let row = kept.get(index);
      if (!row) {
        row = free.pop() ?? make("tr");
        row.dataset.index = index;
        row.setAttribute("aria-rowindex", index + 2);
        row.item = undefined;
        this.body.insertBefore(row, before);
      }
      this.fill(row, index);
      before = row;
    }
    for (const row of free) row.remove();
    if (focusGoes) this.region.focus({ preventScroll: true });
    if (this.wanted !== undefined) {
      const row = this.body.querySelector(`tr[data-index="${this.wanted}"]`);
      if (row?.item) {
        this.wanted = undefined;
        focusRow(row);
      }
    }
  }

  fill(row, index) {
    const item = this.parts.get(Math.floor(index / PART))?.[index % PART];
    row.classList.toggle("here", index === this.current);
    if (item && row.item === item) return;
    if (item) {
      row.item = item;
      row.classList.remove("wait");
      row.replaceChildren(...this.cells(item, this.raw, this.table));
    } else if (row.item !== null) {
      row.item = null;
      row.classList.add("wait");
      row.replaceChildren(make("td", { colspan: this.table.tHead.rows[0].cells.length }, "…"));
    }
  }

  fetchAround() {
    const wanted = new Set();
    for (let part = Math.floor(this.first / PART); part <= Math.floor((this.first + this.visible) / PART); part++) {
      if (part * PART < this.total) wanted.add(part);
    }
    for (const [part, controller] of this.fetches) {
      if (!wanted.has(part)) {
        controller.abort();
        this.fetches.delete(part);
      }
    }
    for (const part of wanted) {
      if (this.parts.has(part) || this.fetches.has(part)) continue;
      const controller = new AbortController();
      this.fetches.set(part, controller);
      this.take(part, controller);
    }
  }

  async take(part, controller) {
    try {
      const items = await this.read(part, controller.signal);
      this.parts.set(part, items);
      if (this.parts.size > PARTS_KEPT) this.parts.delete(this.parts.keys().next().value);
      this.failed = false;
    } catch (error) {
      if (error.name !== "AbortError" && !this.failed) {
        this.failed = true;
        say(`The rows could not be read. ${error.message}`);
      }
    } finally {
      if (this.fetches.get(part) === controller) this.fetches.delete(part);
    }
    if (!controller.signal.aborted && !this.failed) this.schedule();
  }

  // The place in the list, in words and in the address.
  tell() {
    if (!this.pager) return;
    this.pager.replaceChildren(make("span", {}, `${number(this.first + 1)} to ${number(this.first + this.visible)} of ${number(this.total)}`));
    clearTimeout(this.urlTimer);
    this.urlTimer = setTimeout(() => {
      if (!this.region.isConnected) return;
      const url = new URL(location.href);
      if (this.first) url.searchParams.set("offset", this.first);
      else url.searchParams.delete("offset");
      if (url.href !== location.href) history.replaceState(history.state, "", url);
    }, URL_DELAY_MS);
  }

  // One row down or up by key, from where the focus is or from the first in sight.
  move(step) {
    const from = this.current < 0 ? this.first - step : this.current;
    this.current = Math.max(0, Math.min(this.total - 1, from + step));
    this.wanted = this.current;
    if (this.current < this.first) this.jump(this.current);
    else if (this.current >= this.first + this.visible) this.jump(Math.min(this.lastFirst, this.current - this.visible + 1));
    else this.schedule();
  }
}

export function attach(table) {
  if (Number(table.dataset.total) > table.tBodies[0].rows.length) new VirtualTable(table).start();
}
