// The heatmap's picture: cells coloured by count, axes, outlines of what is chosen, and a legend.
import { make, number } from "../page.js";
import { short } from "./histogram.js";
import { colour, prepare, seconds, ticks } from "./paint.js";

const LEFT = 64;
const BOTTOM = 22;
const TOP = 6;
const LEVELS = 6;

export class HeatPicture {
  constructor() {
    this.canvas = make("canvas", { role: "application", tabindex: "0", "aria-describedby": "heatmap-cell" });
    this.legend = make("ol", { class: "legend plain", "aria-label": "Colours by count" });
    this.explained = "";
  }

  // From where to where in time the picture goes.
  extent(grid) {
    return { t0: grid.columns[0].t0, t1: Math.max(grid.columns[0].t0 + 1, grid.columns.at(-1).t1) };
  }

  // The cell {column, row} under a pointer, or null.
  cellAt(event, grid) {
    if (!grid?.columns.length) return null;
    const { t0, t1 } = this.extent(grid);
    const wide = this.canvas.clientWidth - LEFT;
    const tall = this.canvas.clientHeight - BOTTOM - TOP;
    const t = t0 + (Math.max(0, Math.min(wide, event.offsetX - LEFT)) / wide) * (t1 - t0);
    const row = Math.floor((1 - (event.offsetY - TOP) / tall) * grid.rows.length);
    const column = grid.columnAt(t);
    return column < 0 ? null : { column, row: Math.max(0, Math.min(grid.rows.length - 1, row)) };
  }

  // The largest count of each colour, upwards.
  levels(most, log) {
    const found = Array.from({ length: LEVELS }, (_, at) => {
      const part = (at + 1) / LEVELS;
      return Math.max(1, Math.ceil(log ? (most + 1) ** part - 1 - 1e-9 : most * part));
    });
    return [...new Set(found)];
  }

  // rows: those that are outlined, or null; brush: its cursor and box are, too; log: the scale of the colours
  draw(grid, { rows, brush, log }) {
    const ready = prepare(this.canvas);
    if (!ready) return;
    const { pen, width, height } = ready;
    const { t0, t1 } = this.extent(grid);
    const x = (t) => LEFT + ((t - t0) / (t1 - t0)) * (width - LEFT);
    const tall = (height - BOTTOM - TOP) / grid.rows.length;
    const y = (row) => height - BOTTOM - (row + 1) * tall;
    const levels = this.levels(grid.most, log);
    const strength = (level) => 0.15 + (0.85 * (level + 1)) / levels.length;
    const accent = colour("--accent");
    pen.fillStyle = accent;
    for (const column of grid.columns) {
      const left = Math.round(x(column.t0));
      const wide = Math.max(1, Math.round(x(column.t1)) - left);
      grid.rows.forEach((row, at) => {
        const count = column.counts.get(row.id);
        if (!count) return;
        pen.globalAlpha = strength(levels.findIndex((level) => count <= level));
        const top = Math.round(y(at));
        pen.fillRect(left, top, wide, Math.max(1, Math.round(y(at) + tall) - top));
      });
    }
    pen.globalAlpha = 1;
    this.axes(pen, grid, { x, y, tall, width, height, t0, t1 });
    this.outline(pen, grid, { x, y, tall, rows, brush });
    this.explain(levels, strength, accent);
  }

  axes(pen, grid, { x, y, tall, width, height, t0, t1 }) {
    pen.fillStyle = colour("--muted");
    pen.fillRect(LEFT, height - BOTTOM, width - LEFT, 1);
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    let free = Infinity;
    grid.rows.forEach((row, at) => {
      const middle = y(at) + tall / 2;
      if (middle > free) return;
      pen.fillText(row.min === null ? "…" : short(row.min), LEFT - 6, middle);
      free = middle - 14;
    });
    const { step, at } = ticks(t0, t1, Math.max(2, Math.floor((width - LEFT) / 80)));
    pen.textAlign = "center";
    for (const t of at) {
      const place = x(t);
      if (place < LEFT + 16 || place > width - 20) continue;
      pen.fillRect(place, height - BOTTOM, 1, 4);
      pen.fillText(seconds(t, step), place, height - BOTTOM / 2);
    }
  }

  outline(pen, grid, { x, y, tall, rows, brush: { box, cursor } }) {
    const frame = (c0, c1, r0, r1) => {
      const left = x(grid.columns[c0].t0);
      pen.strokeRect(left, y(r1), Math.max(2, x(grid.columns[c1].t1) - left), (r1 - r0 + 1) * tall);
    };
    pen.strokeStyle = colour("--text");
    pen.lineWidth = 2;
    const last = grid.columns.length - 1;
    if (rows?.length) frame(0, last, grid.rows.indexOf(rows[0]), grid.rows.indexOf(rows.at(-1)));
    pen.setLineDash([4, 3]);
    if (box) frame(Math.min(box.c0, last), Math.min(box.c1, last), box.r0, box.r1);
    else if (cursor && cursor.column <= last) frame(cursor.column, cursor.column, cursor.row, cursor.row);
    pen.setLineDash([]);
    pen.lineWidth = 1;
  }

  explain(levels, strength, accent) {
    const mark = `${levels.join()} ${accent}`;
    if (this.explained === mark) return;
    this.explained = mark;
    this.legend.replaceChildren(...levels.map((most, at) => {
      const swatch = make("span", { class: "swatch" }, make("span", { class: "fill" }));
      swatch.firstChild.style.setProperty("opacity", strength(at));
      const least = (levels[at - 1] ?? 0) + 1;
      return make("li", {}, swatch, least === most ? number(most) : `${number(least)} to ${number(most)}`);
    }));
  }
}
