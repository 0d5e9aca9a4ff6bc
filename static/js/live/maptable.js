// Maps as tables: the latest of each, keyed rows patched in place, sorted, with the change a second.
import { make, number, plain } from "../page.js";

const MOST_ROWS = 1000;
const SHORTEST_MS = 100;
const FIRST_SORT = "-value";
const STATS = ["count", "average", "total"];
const TOLD = { counted: "What came in the chosen time, and the mean rate in it.", printed: "As it was printed last in the chosen time." };

function isStats(value) {
  return value !== null && typeof value === "object" && STATS.every((name) => name in value);
}

function weight(value) {
  if (typeof value === "number") return value;
  return isStats(value) ? value.count : 0;
}

function shown(value) {
  return typeof value === "number" ? number(value) : plain(typeof value === "string" ? value : JSON.stringify(value));
}

class MapTable {
  // sort: a field, or -field downwards; sorted(sort): another is chosen
  constructor(name, stats, most, sort, sorted) {
    this.name = name;
    this.most = most;
    this.sorted = sorted;
    this.stats = stats;
    this.rows = new Map(); // key to {value, rate, cells, tr}
    this.down = sort.startsWith("-");
    this.sort = sort.replace("-", "");
    this.t = 0;
    this.dirty = true;
    this.body = make("tbody");
    this.note = make("p", { class: "muted" });
    const columns = [["Key", "key"], ...(stats ? [["Count", "value"], ["Average", ""], ["Total", ""]] : [["Value", "value"]]), ["Per second", "rate"]];
    this.heads = columns.map(([title, field]) => this.head(title, field));
    const table = make("table", { class: "wide map", "data-map-table": name, "data-list": true },
      make("caption", { class: "mono" }, plain(name)), make("thead", {}, make("tr", {}, ...this.heads)), this.body);
    this.root = make("div", {}, make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Map ${plain(name)}` }, table), this.note);
    this.mark();
  }

  head(title, field) {
    const cell = make("th", { scope: "col", class: field === "key" ? null : "num" });
    if (!field) {
      cell.append(title);
      return cell;
    }
    const button = make("button", { type: "button" }, title);
    button.addEventListener("click", () => {
      this.down = this.sort === field ? !this.down : field !== "key";
      this.sort = field;
      this.mark();
      this.sorted(`${this.down ? "-" : ""}${field}`);
      this.dirty = true;
      this.paint();
    });
    cell.append(button);
    cell.field = field;
    return cell;
  }

  mark() {
    for (const cell of this.heads) {
      if (cell.field === this.sort) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  // A printed map is whole: keys that are missing are gone. `span`: of which time it tells, where one is chosen.
  take(value, t, span) {
    this.span = span;
    const keyed = value !== null && typeof value === "object" && !Array.isArray(value) && !isStats(value);
    const pairs = keyed ? Object.entries(value) : [["", value]];
    const passed = t - this.t;
    const seen = new Set();
    for (const [key, next] of pairs) {
      seen.add(key);
      const row = this.rows.get(key);
      if (!row) this.rows.set(key, { value: next, rate: this.t ? null : undefined, tr: null, cells: null });
      else {
        if (this.t && passed >= SHORTEST_MS) row.rate = ((weight(next) - weight(row.value)) * 1000) / passed;
        row.value = next;
      }
    }
    for (const [key, row] of this.rows) {
      if (span) row.rate = span.length ? (weight(row.value) * 1000) / span.length : null;
      if (!seen.has(key)) {
        row.tr?.remove();
        this.rows.delete(key);
      }
    }
    if (!this.t || passed >= SHORTEST_MS) this.t = t;
    this.dirty = true;
  }

  order() {
    const sign = this.down ? -1 : 1;
    const by = {
      key: (a, b) => sign * a[0].localeCompare(b[0], "en", { numeric: true }),
      value: (a, b) => sign * (weight(a[1].value) - weight(b[1].value)),
      rate: (a, b) => sign * ((a[1].rate ?? 0) - (b[1].rate ?? 0)),
    };
    return [...this.rows].sort(by[this.sort]);
  }

  paint() {
    if (!this.dirty) return;
    this.dirty = false;
    const rows = this.order();
    let at = this.body.firstElementChild;
    const shownRows = rows.slice(0, this.most);
    for (const [key, row] of shownRows) {
      if (!row.tr) this.build(key, row);
      this.fill(row);
      if (row.tr === at) at = at.nextElementSibling;
      else this.body.insertBefore(row.tr, at);
    }
    while (at) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
    const cut = rows.length > shownRows.length ? `The first ${number(shownRows.length)} of ${number(rows.length)} keys in this order; the export has all.` : "";
    this.note.textContent = `${TOLD[this.span?.how] ?? ""} ${cut}`.trim();
  }

  build(key, row) {
    const count = this.stats ? 4 : 2;
    row.cells = Array.from({ length: count }, () => make("td", { class: "num" }));
    row.tr = make("tr", { "data-key": key }, make("td", { class: "mono" }, key === "" ? "all" : plain(key)), ...row.cells);
  }

  fill(row) {
    const values = this.stats && isStats(row.value) ? STATS.map((name) => row.value[name]) : [row.value];
    values.forEach((value, at) => this.put(row.cells[at], shown(value)));
    row.cells[0].dataset.value = typeof values[0] === "number" ? values[0] : shown(values[0]);
    this.put(row.cells.at(-1), row.rate == null ? "" : number(Math.round(row.rate * 10) / 10));
  }

  put(cell, text) {
    if (cell.textContent !== text) cell.textContent = text;
  }
}

export class MapTables {
  constructor(panel, only, live) {
    this.panel = panel;
    this.place = panel.querySelector("[data-tables]");
    this.only = only;
    this.live = live;
    this.tables = new Map();
    this.most = MOST_ROWS;
    const asked = new URLSearchParams(location.search).get("sort");
    this.sort = /^-?(key|value|rate)$/.test(asked ?? "") ? asked : FIRST_SORT;
    for (const link of panel.querySelectorAll("[data-top]")) {
      if (link.ariaCurrent) this.most = Number(link.dataset.top);
      link.addEventListener("click", (event) => this.top(event, link));
    }
  }

  // Tables that come later are in the order that was chosen last.
  resort(sort) {
    this.sort = sort;
    this.live.address({ sort: sort === FIRST_SORT ? null : sort });
  }

  top(event, link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    for (const other of this.panel.querySelectorAll("[data-top]")) other.ariaCurrent = other === link ? "true" : null;
    this.most = Number(link.dataset.top);
    this.live.address({ top: link.dataset.top });
    for (const table of this.tables.values()) Object.assign(table, { most: this.most, dirty: true });
    this.paint();
  }

  // Empty again, for another part of the log.
  reset() {
    this.tables.clear();
    this.place.replaceChildren(make("p", { class: "muted" }, "No map was printed in this time."));
  }

  add(event) {
    if (!event.data || typeof event.data !== "object") return;
    for (const [name, value] of Object.entries(event.data)) {
      if (this.only && this.only !== name) continue;
      let table = this.tables.get(name);
      if (!table) {
        const sample = value && typeof value === "object" ? (isStats(value) ? value : Object.values(value)[0]) : value;
        table = new MapTable(name, isStats(sample), this.most, this.sort, (sort) => this.resort(sort));
        if (!this.tables.size) this.place.replaceChildren();
        this.tables.set(name, table);
        this.place.append(table.root);
      }
      table.take(value, event.t, event.span);
    }
  }

  paint() {
    if (this.panel.hidden) return;
    for (const table of this.tables.values()) table.paint();
  }
}
