// Histograms: one at a time on a canvas, with the same numbers as a table, quantiles, and all keys together.
import { make, number, plain } from "../page.js";

const UNITS = [[2 ** 60, "E"], [2 ** 50, "P"], [2 ** 40, "T"], [2 ** 30, "G"], [2 ** 20, "M"], [1024, "K"]];
const QUANTILES = [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]];
const LEFT = 56;
const BOTTOM = 22;

function short(value) {
  for (const [size, sign] of UNITS) if (value && value % size === 0) return `${value / size}${sign}`;
  return String(value);
}

// Bounds as bpftrace's own text has them.
function label({ min, max }) {
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

export class Histograms {
  constructor(panel, only) {
    this.panel = panel;
    this.only = only;
    this.bar = panel.querySelector("[data-histogram-bar]");
    this.choice = panel.querySelector("[data-histogram-choice]");
    this.scale = panel.querySelector("[data-log-scale]");
    this.place = panel.querySelector("[data-histograms]");
    this.maps = new Map(); // name to Map of key (null: none) to buckets
    this.dirty = false;
    this.figure = null;
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
    this.place.replaceChildren(this.figure);
    this.options = [];
    const redraw = () => {
      this.dirty = true;
      this.paint();
    };
    this.choice.addEventListener("change", redraw);
    this.scale.addEventListener("change", redraw);
    document.addEventListener("theme", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(redraw).observe(this.canvas);
  }

  // What can be chosen: each histogram; for one with keys all of them together first, then key by key.
  list() {
    const found = [];
    for (const [name, keys] of this.maps) {
      if (keys.size > 1) found.push({ text: `${name}, all keys`, name, buckets: () => together(this.maps.get(name)?.values() ?? []) });
      for (const key of keys.keys()) {
        found.push({ text: key === null ? name : `${name}[${key}]`, name, buckets: () => this.maps.get(name)?.get(key) ?? [] });
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
    if (found.some((each) => each.text === before)) this.choice.value = before;
  }

  paint() {
    if (!this.dirty || this.panel.hidden || !this.maps.size) return;
    this.dirty = false;
    if (!this.figure) this.start();
    this.choices();
    const chosen = this.options.find((each) => each.text === this.choice.value) ?? this.options[0];
    if (!chosen) return;
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
    this.draw(buckets);
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

  draw(buckets) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    const colour = (name) => {
      pen.fillStyle = "#000";
      this.probe ??= this.panel.appendChild(make("span", { hidden: true }));
      this.probe.style.setProperty("color", `var(${name})`);
      return getComputedStyle(this.probe).color;
    };
    const accent = colour("--accent");
    const muted = colour("--muted");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${style.fontFamily}`;
    const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
    const log = this.scale.checked;
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
}
