// A histogram over time: columns of time, rows of buckets, colour by count; a box that is brushed filters.
import { make, number, plain } from "../page.js";
import { Brush } from "./brush.js";
import { Grid } from "./grid.js";
import { HeatPicture } from "./heatpicture.js";
import { label } from "./histogram.js";
import { History } from "./history.js";
import { OverTime, seldom } from "./overtime.js";
import { onRedraw, seconds } from "./paint.js";

const MOST_CELLS = 500; // rows of the table
const ALL = "\u0000all"; // no key that bpftrace prints

export class Heatmap extends OverTime {
  constructor(panel, only, live) {
    super(panel, live);
    this.bar = panel.querySelector("[data-heatmap-bar]");
    this.mapChoice = panel.querySelector("[data-heatmap-map]");
    this.keyChoice = panel.querySelector("[data-heatmap-key]");
    this.scale = panel.querySelector("[data-heatmap-log]");
    this.place = panel.querySelector("[data-heatmap]");
    this.map = panel.dataset.chosenMap ?? only ?? "";
    this.key = panel.dataset.chosenKey ?? null;
    this.rowsChosen = this.fromAddress();
    this.history = new History(() => this.url(), (body) => this.build(body), (loaded) => this.changed(loaded));
    this.figure = null;
    this.write = seldom(() => this.fillTable(this.history.model));
  }

  fromAddress() {
    const { low, high } = this.panel.dataset;
    return low === undefined && high === undefined ? null : { low: low ? Number(low) : null, high: high ? Number(high) : null };
  }

  url() {
    return this.live.api("heatmap", { map: this.map, ...(this.key === null ? {} : { key: this.key }), ...this.live.bounds() });
  }

  build(body) {
    // A name that the page was opened with may be that of another kind of map.
    const other = body.maps.length && !body.maps.includes(body.map);
    this.map = other ? body.maps[0] : body.map;
    if (other) this.history.again();
    this.brush?.reset();
    return new Grid(body, this.live.span, label);
  }

  paint() {
    if (this.panel.hidden) return;
    if (!this.opened) {
      this.opened = true;
      this.load();
    }
    const grid = this.history.model;
    if (!this.dirty || !grid) return;
    this.dirty = false;
    if (!grid.columns.length) {
      this.empty();
      return;
    }
    if (!this.figure) this.start();
    if (!this.figure.isConnected) this.place.replaceChildren(this.figure);
    this.choices(grid);
    this.tell(grid);
    const rows = this.rowsChosen && grid.between(this.rowsChosen.low, this.rowsChosen.high);
    this.picture.draw(grid, { rows, brush: this.brush, log: this.scale.checked });
    this.write();
  }

  empty() {
    const text = this.live.span ? "No histogram was printed in this time." : "No histogram yet. It appears when a script prints one made by hist() or lhist().";
    this.place.replaceChildren(make("p", { class: "muted" }, text));
  }

  start() {
    this.bar.hidden = false;
    this.title = make("b", { class: "mono" });
    this.totals = make("b", { "data-total": "0" });
    this.note = make("span", { class: "muted" });
    this.cell = make("p", { class: "muted", role: "status", id: "heatmap-cell" });
    this.boxed = make("p", { "data-box": "", hidden: true });
    this.picture = new HeatPicture();
    const { canvas, legend } = this.picture;
    this.body = make("tbody");
    this.cut = make("p", { class: "muted" });
    const head = ["From", "To", "Bucket", "Count"].map((text, at) => make("th", { scope: "col", class: at === 2 ? null : "num" }, text));
    this.figure = make("figure", { class: "histogram heatmap" },
      make("figcaption", {}, this.title, make("span", {}, "total ", this.totals), this.note), canvas, legend, this.cell, this.boxed,
      make("div", { class: "scroll short", role: "region", tabindex: "0", "aria-label": "Counts by time and bucket" },
        make("table", { class: "wide cells", "data-heatmap-table": "" }, make("thead", {}, make("tr", {}, ...head)), this.body)), this.cut);
    this.place.replaceChildren(this.figure);
    const redraw = () => {
      this.dirty = true;
      this.paint();
    };
    this.brush = new Brush(canvas, {
      place: (event) => this.picture.cellAt(event, this.history.model),
      size: () => ({ columns: this.history.model.columns.length, rows: this.history.model.rows.length }),
      changed: redraw,
      done: (box) => this.choose(box),
    });
    this.mapChoice.addEventListener("change", () => this.switch(this.mapChoice.value, null));
    this.keyChoice.addEventListener("change", () => this.switch(this.map, this.keyChoice.value === ALL ? null : this.keyChoice.value));
    this.scale.addEventListener("change", redraw);
    onRedraw(canvas, redraw);
  }

  switch(map, key) {
    this.map = map;
    this.key = key;
    this.live.address({ hist: map || null, key });
    this.load();
  }

  choices(grid) {
    this.fill(this.mapChoice, [...grid.maps].map((name) => [name, plain(name)]), grid.map);
    const keys = [...grid.keys].map((key) => [key, plain(key)]);
    this.fill(this.keyChoice, [[ALL, "all together"], ...keys], this.key ?? ALL);
    this.keyChoice.closest("label").hidden = !keys.length;
  }

  fill(choice, options, chosen) {
    const known = [...choice.options].map((option) => option.value);
    if (known.length !== options.length || options.some(([value], at) => value !== known[at])) {
      choice.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    }
    if (choice.value !== chosen) choice.value = chosen;
  }

  tell(grid) {
    const title = grid.key === null ? grid.map + (grid.keys.size ? ", all keys" : "") : `${grid.map}[${grid.key}]`;
    this.title.textContent = plain(title);
    this.totals.textContent = number(grid.total);
    this.totals.dataset.total = grid.total;
    const notes = [grid.cleared ? "the script empties it after each print" : "what came between two prints"];
    if (grid.per > 1) notes.push(`a column holds ${number(grid.per)} prints: choose a time to see it closer`);
    if (grid.left) notes.push(`${number(grid.left)} more keys than can be chosen here`);
    this.note.textContent = notes.join("; ");
    this.picture.canvas.setAttribute("aria-label", `Heatmap of ${plain(title)}, ${number(grid.total)} values; arrow keys move, Enter sets a corner of a box, Escape drops it; the table below has the same numbers`);
    this.tellBox(grid);
    const { cursor, corner } = this.brush;
    const column = cursor && grid.columns[cursor.column];
    const row = cursor && grid.rows[cursor.row];
    if (!column || !row) this.cell.textContent = "Drag a box, or click two corners; with keys: arrows, Enter, arrows, Enter.";
    else {
      const first = corner ? "; the first corner is set" : "";
      this.cell.textContent = `${seconds(column.t0)} to ${seconds(column.t1)}, ${row.label}: ${number(column.counts.get(row.id) ?? 0)}${first}`;
    }
  }

  tellBox(grid) {
    const chosen = this.rowsChosen;
    this.boxed.hidden = !chosen;
    if (!chosen) return;
    const rows = grid.between(chosen.low, chosen.high);
    const count = grid.sum(grid.columns, rows);
    const share = grid.total ? (100 * count) / grid.total : 0;
    const name = rows.length ? (rows.length > 1 ? `${rows[0].label} to ${rows.at(-1).label}` : rows[0].label) : "no bucket";
    const text = `${count} of ${grid.total}, ${name}`;
    if (this.boxed.dataset.text === text) return;
    Object.assign(this.boxed.dataset, { count, text });
    const drop = make("button", { type: "button", class: "small" }, "Drop the box");
    drop.addEventListener("click", () => this.choose(null));
    this.boxed.replaceChildren("In the box: ", make("b", {}, number(count)), ` of ${number(grid.total)} values in this time (${share.toFixed(1)} %), ${name} `, drop);
  }

  // A box chooses values, and the time of all views.
  choose(box) {
    const grid = this.history.model;
    if (!box) this.rowsChosen = null;
    else {
      const [low, high] = [grid.rows[box.r0], grid.rows[box.r1]];
      this.rowsChosen = { low: low.min, high: high.max };
    }
    this.live.address({ low: this.rowsChosen?.low ?? null, high: this.rowsChosen?.high ?? null });
    if (box) this.live.setSpan({ t0: grid.columns[box.c0].t0, t1: grid.columns[box.c1].t1 });
    this.dirty = true;
    this.paint();
  }

  // The same numbers, the latest first.
  fillTable(grid) {
    const rows = [];
    let cells = 0;
    for (let at = grid.columns.length - 1; at >= 0; at--) {
      const { t0, t1, counts } = grid.columns[at];
      for (const { id, label: text } of grid.rows.toReversed()) {
        const count = counts.get(id);
        if (!count || cells++ >= MOST_CELLS) continue;
        rows.push(make("tr", {}, make("td", { class: "num" }, number(t0 / 1000)), make("td", { class: "num" }, number(t1 / 1000)),
          make("th", { scope: "row", class: "mono" }, text), make("td", { class: "num", "data-count": count }, number(count))));
      }
    }
    this.body.replaceChildren(...rows);
    this.cut.textContent = cells > MOST_CELLS ? `The latest ${number(MOST_CELLS)} of ${number(cells)} cells; the JSON has all, and a chosen time has fewer.` : "Times in seconds.";
  }
}
