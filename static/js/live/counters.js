// Numbers over time: events a second, or a map's largest keys by value or rate, drawn by uPlot.
import { make, number, plain } from "../page.js";
import { Activity } from "./activity.js";
import { History } from "./history.js";
import { OverTime, seldom } from "./overtime.js";
import { colour } from "./paint.js";
import { Series } from "./series.js";

const SCRIPT = "../../vendor/uPlot-1.6.32.esm.js";
const STYLE = "../../vendor/uPlot-1.6.32.min.css";
const COLOURS = ["--accent", "--warn", "--ok", "--usdt", "--err", "--text"];
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const HEIGHT = 260;
const MOST_ROWS = 200;
const EVENTS = "";

async function plotter() {
  const href = new URL(STYLE, import.meta.url).href;
  const styled = document.querySelector(`link[href="${href}"]`) ?? make("link", { rel: "stylesheet", href });
  if (!styled.isConnected) {
    const ready = new Promise((done) => styled.addEventListener("load", done, { once: true }));
    document.head.append(styled);
    await ready;
  }
  return (await import(SCRIPT)).default;
}

// The line of a series, as its legend shows it.
function sample(at) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of [["class", `sample c${at % COLOURS.length}`], ["aria-hidden", "true"], ["viewBox", "0 0 28 8"]]) svg.setAttribute(name, value);
  for (const [name, value] of [["x1", 0], ["x2", 28], ["y1", 4], ["y2", 4], ["stroke-dasharray", dash(at).join(" ")]]) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function dash(at) {
  return DASHES[Math.floor(at / COLOURS.length) % DASHES.length];
}

export class Counters extends OverTime {
  constructor(panel, only, live) {
    super(panel, live);
    this.bar = panel.querySelector("[data-counters-bar]");
    this.choice = panel.querySelector("[data-counters-map]");
    this.most = panel.querySelector("[data-counters-top]");
    this.how = panel.querySelector("[data-counters-how]");
    this.place = panel.querySelector("[data-counters]");
    this.map = panel.dataset.chosenMap ?? only ?? EVENTS;
    const changed = (loaded) => this.changed(loaded);
    this.history = new History(() => this.live.api("counters", { map: this.map, ...this.live.bounds() }), (body) => new Series(body, this.live.span), changed);
    this.activity = new History(() => this.live.api("timeline", { bins: 300, ...this.live.bounds() }), (body) => new Activity(body, this.live.span), changed);
    this.write = seldom(() => this.fill());
  }

  // Of all events, maps or not.
  frame({ events }) {
    for (const event of events) this.activity.add(event);
  }

  load() {
    super.load();
    if (this.opened) this.activity.load();
  }

  async open() {
    this.opened = true;
    this.load();
    this.Plot = await plotter();
    this.dirty = true;
    this.paint();
  }

  start() {
    this.bar.hidden = false;
    this.chart = make("div", { class: "chart", role: "img" });
    this.head = make("tr");
    this.body = make("tbody");
    this.note = make("p", { class: "muted" });
    this.legend = make("ul", { class: "legend plain", "aria-label": "Lines" });
    this.figure = make("figure", { class: "histogram" }, this.chart, this.legend,
      make("div", { class: "scroll short", role: "region", tabindex: "0", "aria-label": "The same numbers" },
        make("table", { class: "wide cells", "data-counters-table": "" }, make("thead", {}, this.head), this.body)), this.note);
    this.place.replaceChildren(this.figure);
    const redraw = () => {
      this.dirty = true;
      this.paint();
    };
    this.choice.addEventListener("change", () => {
      this.map = this.choice.value;
      this.live.address({ series: this.map || null });
      super.load();
    });
    this.most.addEventListener("change", redraw);
    this.how.addEventListener("change", redraw);
    const anew = () => {
      this.drawn = "";
      redraw();
    };
    document.addEventListener("theme", anew);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
    new ResizeObserver(() => {
      if (this.plot && this.chart.clientWidth) this.plot.setSize({ width: this.chart.clientWidth, height: HEIGHT });
    }).observe(this.chart);
  }

  paint() {
    if (this.panel.hidden) return;
    if (!this.opened) this.open();
    const ready = this.map === EVENTS ? this.activity.model : this.history.model?.map === this.map;
    if (!this.dirty || !this.Plot || !this.activity.model || !ready) return;
    this.dirty = false;
    if (!this.figure) this.start();
    this.choices();
    this.shown = this.map === EVENTS ? this.events() : this.lines();
    this.draw(this.shown);
    this.write();
  }

  choices() {
    const maps = this.history.model ? [...this.history.model.maps] : [];
    const options = [[EVENTS, "events a second"], ...maps.map((name) => [name, plain(name)])];
    if (this.choice.options.length !== options.length) this.choice.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    if (this.choice.value !== this.map) this.choice.value = this.map;
    this.most.closest("label").hidden = this.how.closest("label").hidden = this.map === EVENTS;
  }

  // {names, t (ms), columns: one array a name, note}
  events() {
    const { model } = this.activity;
    const rows = model.rows();
    const rate = (count) => (count * 1000) / model.step;
    return {
      title: "Events a second",
      names: ["lines", "prints of maps"],
      t: rows.map((row) => row.t1),
      columns: [rows.map((row) => rate(row.lines)), rows.map((row) => rate(row.maps))],
      note: `Means over ${number(model.step)} ms.`,
    };
  }

  lines() {
    const { model } = this.history;
    const rated = this.how.value === "rate";
    const keys = model.top(Number(this.most.value));
    const pick = (point, key) => (rated ? point.rates : point.values).get(key) ?? null;
    const notes = [];
    if (model.keys > keys.length) notes.push(`The ${number(keys.length)} largest of ${number(model.keys)} keys.`);
    if (model.per > 1) notes.push(`A point holds ${number(model.per)} prints: choose a time to see it closer.`);
    if (model.cleared) notes.push("The script empties it after each print.");
    return {
      title: `${plain(model.map)}${rated ? ", a second" : ""}`,
      names: keys.map((key) => (key === "" ? plain(model.map) : plain(key))),
      t: model.points.map((point) => point.t1),
      columns: keys.map((key) => model.points.map((point) => pick(point, key))),
      note: notes.join(" "),
    };
  }

  draw({ title, names, t, columns, note }) {
    const data = [t.map((ms) => ms / 1000), ...columns];
    const wanted = JSON.stringify([title, names]);
    if (this.drawn !== wanted) this.build(title, names, data);
    else this.plot.setData(data);
    this.drawn = wanted;
    this.told = `${note} Times in seconds.${this.markers()}`.trim();
    this.note.textContent = this.told;
    this.chart.setAttribute("aria-label", `${title} over time, ${names.length} lines; the table below has the same numbers`);
  }

  build(title, names, data) {
    this.plot?.destroy();
    const muted = colour("--muted");
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: muted, grid, ticks: grid, font: `11px ${getComputedStyle(this.chart).fontFamily}` };
    const series = names.map((label, at) => ({ label, stroke: colour(COLOURS[at % COLOURS.length]), dash: dash(at), width: 2, points: { show: false }, spanGaps: false }));
    this.plot = new this.Plot({
      width: this.chart.clientWidth || 600,
      height: HEIGHT,
      legend: { show: false },
      scales: { x: { time: false } },
      cursor: { drag: { x: true, y: false, setScale: false } },
      axes: [axis, { ...axis, size: 64, values: (_, values) => values.map(number) }],
      series: [{}, ...series],
      hooks: { setSelect: [(plot) => this.chosen(plot)], draw: [(plot) => this.marks(plot)] },
    }, data, this.chart);
    this.legend.replaceChildren(...names.map((name, at) => make("li", {}, sample(at), name)));
    this.head.replaceChildren(make("th", { scope: "col", class: "num" }, "Time"), ...names.map((name) => make("th", { scope: "col", class: "num" }, name)));
  }

  // What was dragged is the time of all views.
  chosen(plot) {
    const { left, width } = plot.select;
    if (width < 2) return;
    const t0 = Math.max(0, Math.round(plot.posToVal(left, "x") * 1000));
    const t1 = Math.round(plot.posToVal(left + width, "x") * 1000);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (t1 > t0) this.live.setSpan({ t0, t1 });
  }

  // The markers that the chart has as lines.
  markers() {
    const found = this.activity.model.marks.filter((mark) => mark.type === "marker");
    return found.length ? ` Markers: ${found.map(({ t, data }) => `${number(t / 1000)} ${plain(data)}`).join(", ")}.` : "";
  }

  marks(plot) {
    const pen = plot.ctx;
    pen.save();
    pen.strokeStyle = pen.fillStyle = colour("--usdt");
    pen.lineWidth = devicePixelRatio;
    const { left, top, width, height } = plot.bbox;
    for (const { t, type, data } of this.activity.model.marks) {
      if (type !== "marker") continue;
      const x = plot.valToPos(t / 1000, "x", true);
      if (x < left || x > left + width) continue;
      pen.fillRect(x, top, devicePixelRatio, height);
      pen.textAlign = x > left + width / 2 ? "right" : "left";
      pen.textBaseline = "top";
      pen.fillText(plain(data), x + (pen.textAlign === "left" ? 4 : -4) * devicePixelRatio, top);
    }
    pen.restore();
  }

  // The table, the latest first.
  fill() {
    const { t, columns } = this.shown;
    const rows = [];
    for (let at = t.length - 1; at >= Math.max(0, t.length - MOST_ROWS); at--) {
      rows.push(make("tr", {}, make("th", { scope: "row", class: "num" }, number(t[at] / 1000)),
        ...columns.map((column) => make("td", { class: "num", "data-value": column[at] ?? "" }, column[at] == null ? "" : number(Math.round(column[at] * 10) / 10)))));
    }
    this.body.replaceChildren(...rows);
    if (t.length > MOST_ROWS) this.note.textContent = `${this.told} The latest ${number(MOST_ROWS)} of ${number(t.length)} rows.`;
  }
}
