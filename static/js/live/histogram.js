// Histograms: one at a time on a canvas, with the same numbers as a table, quantiles, and all keys together.
import { make, number, plain } from "../page.js";
import { colour, onRedraw, prepare } from "./paint.js";

const UNITS = [[2 ** 60, "E"], [2 ** 50, "P"], [2 ** 40, "T"], [2 ** 30, "G"], [2 ** 20, "M"], [1024, "K"]];
const QUANTILES = [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]];
const LEFT = 56;
const BOTTOM = 22;
const MOST_SMALL = 24; // histograms side by side

export function short(value) {
  for (const [size, sign] of UNITS) if (value && value % size === 0) return `${value / size}${sign}`;
  return String(value);
}

// Bounds as bpftrace's own text has them.
export function label({ min, max }) {
  if (min == null) return max == null ? "(..., ...)" : `(..., ${short(max + 1)})`;
  if (max == null) return `[${short(min)}, ...)`;
  return min === max ? String(min) : `[${short(min)}, ${short(max + 1)})`;
}

// The upper bound of the bucket in which the value at this share lies; null where it is open.
function quantile(buckets, total, share) {
  let seen = 0;
  for (const bucket of buckets) {
    seen += bucket.count;
    if (bucket.count && seen >= share * total) return bucket.max ?? null;
  }
  return null;
}

// The sum over all keys, bucket by bucket.
function together(all) {
  const sums = new Map();
  for (const buckets of all) {
    for (const { min, max, count } of buckets) {
      const found = sums.get(min);
      if (found) found.count += count;
      else sums.set(min, { min, max, count });
    }
  }
  return [...sums.values()].sort((a, b) => (a.min ?? -Infinity) - (b.min ?? -Infinity));
}

// Bars by bucket, counts on a linear or log scale.
function draw(canvas, buckets, log) {
  const ready = prepare(canvas);
  if (!ready) return;
  const { pen, width, height } = ready;
  const accent = colour("--accent");
  const muted = colour("--muted");
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  const tall = height - BOTTOM - 12;
  const scaled = (count) => (log ? Math.log10(count + 1) / Math.log10(most + 1) : count / most);
  pen.fillStyle = muted;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const part of [1, 0.5]) {
    const value = log ? Math.round((most + 1) ** part - 1) : Math.round(most * part);
    const y = height - BOTTOM - tall * part;
    pen.fillText(number(value), LEFT - 6, y);
    pen.globalAlpha = 0.25;
    pen.fillRect(LEFT, y, width - LEFT, 1);
    pen.globalAlpha = 1;
  }
  const step = (width - LEFT - 8) / Math.max(1, buckets.length);
  pen.fillStyle = accent;
  buckets.forEach((bucket, at) => {
    const size = bucket.count ? Math.max(1, tall * scaled(bucket.count)) : 0;
    pen.fillRect(LEFT + at * step + 1, height - BOTTOM - size, Math.max(1, step - 2), size);
  });
  pen.fillStyle = muted;
  pen.fillRect(LEFT, height - BOTTOM, width - LEFT, 1);
  pen.textAlign = "left";
  let free = 0;
  buckets.forEach((bucket, at) => {
    const x = LEFT + at * step + 1;
    const text = bucket.min == null ? "…" : short(bucket.min);
    if (x < free) return;
    pen.fillText(text, x, height - BOTTOM / 2);
    free = x + pen.measureText(text).width + 10;
  });
}

// Small histograms side by side, the fullest keys first, over the same buckets; one table has their numbers.
class Many {
  constructor() {
    this.grid = make("div", { class: "multiples" });
    this.note = make("p", { class: "muted" });
    this.body = make("tbody");
    const head = ["Key", "Bucket", "Count"].map((text) => make("th", { scope: "col", class: text === "Count" ? "num" : null }, text));
    this.root = make("div", {}, this.grid, this.note,
      make("div", { class: "scroll short", role: "region", tabindex: "0", "aria-label": "Buckets of each key" },
        make("table", { class: "wide", "data-multiples": "" }, make("thead", {}, make("tr", {}, ...head)), this.body)));
    this.shown = new Map(); // key to {root, canvas, total}
  }

  paint(name, keys, log) {
    const total = (buckets) => buckets.reduce((sum, bucket) => sum + bucket.count, 0);
    const all = [...keys].map(([key, buckets]) => ({ key, buckets, total: total(buckets) })).sort((a, b) => b.total - a.total);
    const kept = all.slice(0, MOST_SMALL);
    const axis = together(kept.map((each) => each.buckets)).map((bucket) => ({ ...bucket, count: 0 }));
    for (const [key, { root }] of this.shown) {
      if (kept.some((each) => each.key === key)) continue;
      root.remove();
      this.shown.delete(key);
    }
    kept.forEach((each) => this.one(name, each, axis, log));
    this.note.textContent = all.length > kept.length ? `The ${number(kept.length)} fullest of ${number(all.length)} keys.` : "";
    this.body.replaceChildren(...kept.flatMap(({ key, buckets }) => buckets.filter((bucket) => bucket.count).map((bucket) =>
      make("tr", {}, make("td", { class: "mono" }, plain(key)), make("th", { scope: "row", class: "mono" }, label(bucket)), make("td", { class: "num", "data-count": bucket.count }, number(bucket.count))))));
  }

  one(name, { key, buckets, total }, axis, log) {
    if (!this.shown.has(key)) {
      const canvas = make("canvas", { role: "img" });
      const sum = make("span", { class: "muted" });
      const root = make("figure", { class: "histogram", "data-multiple": key }, make("figcaption", {}, make("b", { class: "mono" }, plain(key)), sum), canvas);
      this.shown.set(key, { root, canvas, sum });
    }
    const { root, canvas, sum } = this.shown.get(key);
    this.grid.append(root);
    sum.textContent = number(total);
    canvas.setAttribute("aria-label", `Histogram ${plain(name)}[${plain(key)}], ${number(total)} values; the table below has the same numbers`);
    draw(canvas, axis.map((bucket) => buckets.find((each) => each.min === bucket.min) ?? bucket), log);
  }
}

export class Histograms {
  constructor(panel, only, live) {
    this.panel = panel;
    this.live = live;
    this.asked = new URLSearchParams(location.search);
    this.only = only;
    this.bar = panel.querySelector("[data-histogram-bar]");
    this.choice = panel.querySelector("[data-histogram-choice]");
    this.scale = panel.querySelector("[data-log-scale]");
    this.place = panel.querySelector("[data-histograms]");
    this.maps = new Map(); // name to Map of key (null: none) to buckets
    this.dirty = false;
    this.figure = null;
  }

  // Empty again, for another part of the log.
  reset() {
    this.maps.clear();
    this.options = [];
    this.place.replaceChildren(make("p", { class: "muted" }, "No histogram was printed in this time."));
  }

  add(event) {
    if (!event.data || typeof event.data !== "object") return;
    for (const [name, value] of Object.entries(event.data)) {
      if (this.only && this.only !== name) continue;
      const keyed = !Array.isArray(value);
      this.maps.set(name, new Map(keyed ? Object.entries(value) : [[null, value]]));
      this.dirty = true;
    }
  }

  start() {
    this.bar.hidden = false;
    this.canvas = make("canvas", { role: "img" });
    this.totals = make("b", { "data-total": "0" });
    this.title = make("b", { class: "mono" });
    this.quantiles = QUANTILES.map(([name]) => make("b", { "data-quantile": name }));
    const caption = make("figcaption", {}, this.title, make("span", {}, "total ", this.totals));
    QUANTILES.forEach(([name], at) => caption.append(make("span", {}, `${name} ≤ `, this.quantiles[at])));
    this.body = make("tbody");
    this.table = make("table", { class: "wide", "data-histogram": "" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Bucket"), make("th", { scope: "col", class: "num" }, "Count"),
        make("th", { scope: "col", class: "num" }, "Share"), make("th", { scope: "col", class: "num" }, "Up to here"))), this.body);
    this.figure = make("figure", { class: "histogram" }, caption, this.canvas,
      make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Buckets" }, this.table));
    this.many = new Many();
    this.options = [];
    const redraw = () => {
      this.dirty = true;
      this.paint();
    };
    this.choice.addEventListener("change", () => {
      this.live.address(this.options.find((each) => each.text === this.choice.value).words);
      redraw();
    });
    this.scale.addEventListener("change", redraw);
    onRedraw(this.canvas, redraw);
    onRedraw(this.many.root, redraw);
  }

  // What can be chosen: each histogram; for one with keys all of them together, side by side, then key by key.
  list() {
    const found = [];
    for (const [name, keys] of this.maps) {
      if (keys.size > 1) {
        found.push({ text: `${name}, all keys`, name, words: { hist: name, key: null, each: null }, buckets: () => together(this.maps.get(name)?.values() ?? []) });
        found.push({ text: `${name}, keys side by side`, name, words: { hist: name, key: null, each: "1" }, many: () => this.maps.get(name) });
      }
      for (const key of keys.keys()) {
        found.push({ text: key === null ? name : `${name}[${key}]`, name, words: { hist: name, key, each: null }, buckets: () => this.maps.get(name)?.get(key) ?? [] });
      }
    }
    return found;
  }

  choices() {
    const found = this.list();
    if (found.length === this.options.length && found.every((each, at) => each.text === this.options[at].text)) return;
    const before = this.choice.value;
    this.options = found;
    this.choice.replaceChildren(...found.map((each) => make("option", { value: each.text }, plain(each.text))));
    const chosen = found.find((each) => each.text === before) ?? found.find((each) => this.isAsked(each.words));
    if (chosen) this.choice.value = chosen.text;
  }

  // Whether the page was opened with this choice.
  isAsked(words) {
    return Object.entries(words).every(([name, value]) => this.asked.get(name) === value);
  }

  paint() {
    if (!this.dirty || this.panel.hidden || !this.maps.size) return;
    this.dirty = false;
    if (!this.figure) this.start();
    this.choices();
    const chosen = this.options.find((each) => each.text === this.choice.value) ?? this.options[0];
    if (!chosen) return;
    const shown = chosen.many ? this.many.root : this.figure;
    if (!shown.isConnected) this.place.replaceChildren(shown);
    if (chosen.many) {
      this.many.paint(chosen.name, chosen.many(), this.scale.checked);
      return;
    }
    const buckets = chosen.buckets();
    const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
    this.title.textContent = plain(chosen.text);
    this.totals.textContent = number(total);
    this.totals.dataset.total = total;
    this.table.dataset.histogram = chosen.name;
    this.canvas.setAttribute("aria-label", `Histogram ${plain(chosen.text)}, ${number(total)} values; the table below has the same numbers`);
    QUANTILES.forEach(([, share], at) => {
      const value = quantile(buckets, total, share);
      this.quantiles[at].textContent = value === null ? "open" : number(value);
    });
    this.rows(buckets, total);
    draw(this.canvas, buckets, this.scale.checked);
  }

  rows(buckets, total) {
    while (this.body.rows.length > buckets.length) this.body.rows[this.body.rows.length - 1].remove();
    let seen = 0;
    buckets.forEach((bucket, at) => {
      const row = this.body.rows[at] ?? this.body.appendChild(
        make("tr", {}, make("th", { scope: "row", class: "mono" }), make("td", { class: "num" }), make("td", { class: "num" }), make("td", { class: "num" })));
      seen += bucket.count;
      const [name, count, share, up] = row.cells;
      name.textContent = label(bucket);
      count.textContent = number(bucket.count);
      count.dataset.count = bucket.count;
      share.textContent = total ? `${((100 * bucket.count) / total).toFixed(1)} %` : "";
      up.textContent = total ? `${((100 * seen) / total).toFixed(1)} %` : "";
    });
  }
}
