// A flame graph on a canvas, the root on top: only rows in sight and boxes wider than a pixel are drawn.
import { make } from "../page.js";

const ROW = 20;
const FILLS = ["--flame-0", "--flame-1", "--flame-2", "--flame-3", "--flame-4", "--flame-5"];
const NAMED = { text: "--text", muted: "--muted", accent: "--accent", on: "--on-accent", grew: "--flame-grew", shrank: "--flame-shrank", same: "--surface" };
const MOVES = {
  ArrowUp: (boxes, at) => boxes.parent(at),
  ArrowDown: (boxes, at) => boxes.widestChild(at),
  ArrowLeft: (boxes, at) => (at > boxes.rows[boxes.depth[at]] ? at - 1 : -1),
  ArrowRight: (boxes, at) => (at + 1 < boxes.rows[boxes.depth[at] + 1] ? at + 1 : -1),
  Home: () => 0,
};

// One of the fills, the same for the same text on every page.
function fillOf(text) {
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum = (sum * 31 + text.charCodeAt(at)) >>> 0;
  return sum % FILLS.length;
}

export class FlameCanvas {
  // onPick(box): by click or key; onHover(box or -1); onZoom(): zoomed in or back
  constructor(place, { onPick, onHover, onZoom }) {
    Object.assign(this, { onPick, onHover, onZoom });
    this.boxes = null;
    this.hits = null;
    this.picked = 0;
    this.zoomed = 0;
    this.before = []; // paths to go back to
    this.canvas = make("canvas", { tabindex: "0", role: "application", "aria-roledescription": "flame graph" });
    this.space = make("div", { class: "flame-space" }, this.canvas);
    this.box = make("div", { class: "flame-box" }, this.space);
    this.probe = make("span", { hidden: true });
    place.replaceChildren(this.box, this.probe);
    this.box.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.canvas.addEventListener("click", (event) => this.onClick(event));
    this.canvas.addEventListener("mousemove", (event) => this.hover(this.under(event)));
    this.canvas.addEventListener("mouseleave", () => this.hover(-1));
    const recolour = () => {
      this.colours = null;
      this.schedule();
    };
    document.addEventListener("theme", recolour);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    new ResizeObserver(() => this.schedule()).observe(this.box);
  }

  // Other boxes, at the places that were picked and zoomed to before.
  show(boxes, hits) {
    const [picked, zoomed] = this.boxes ? [this.boxes.path(this.picked), this.boxes.path(this.zoomed)] : [[], []];
    this.boxes = boxes;
    this.hits = hits;
    this.fills = new Int8Array(boxes.names.length).fill(-1);
    this.picked = boxes.follow(picked);
    this.zoomed = boxes.follow(zoomed);
    this.space.style.setProperty("height", `${boxes.deepest * ROW}px`);
    this.schedule();
  }

  mark(hits) {
    this.hits = hits;
    this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  zoom(at) {
    if (at === this.zoomed) return;
    this.before.push(this.boxes.path(this.zoomed));
    this.zoomed = at;
    this.onZoom();
    this.schedule();
  }

  back() {
    if (!this.before.length) return;
    this.zoomed = this.boxes.follow(this.before.pop());
    this.onZoom();
    this.schedule();
  }

  reset() {
    this.before = [];
    this.zoomed = 0;
    this.onZoom();
    this.schedule();
  }

  pick(at) {
    if (at < 0) return;
    this.picked = at;
    const top = this.boxes.depth[at] * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
    this.onPick(at);
    this.schedule();
  }

  hover(at) {
    if (at === this.hovered) return;
    this.hovered = at;
    this.onHover(at);
  }

  // The box under the pointer, or -1.
  under(event) {
    if (!this.boxes) return -1;
    const row = Math.floor((event.offsetY + this.box.scrollTop) / ROW);
    return this.boxes.at(row, this.from + event.offsetX / this.scale);
  }

  onClick(event) {
    const at = this.under(event);
    if (at < 0) return;
    this.pick(at);
    this.zoom(at);
  }

  onKey(event) {
    if (!this.boxes || event.ctrlKey || event.altKey || event.metaKey) return;
    if (MOVES[event.key]) this.move(MOVES[event.key](this.boxes, this.picked));
    else if (event.key === "Enter") this.zoom(this.picked);
    else if (event.key === "Escape") this.back();
    else return;
    event.preventDefault();
  }

  // To a box that is in sight, or above what is zoomed to.
  move(at) {
    if (at < 0) return;
    const middle = this.boxes.x[at] + this.boxes.width[at] / 2;
    const inside = middle >= this.from && middle <= this.to;
    if (inside || this.boxes.depth[at] <= this.boxes.depth[this.zoomed]) this.pick(at);
  }

  get from() {
    return this.boxes.x[this.zoomed];
  }

  get to() {
    return this.from + this.boxes.width[this.zoomed];
  }

  get scale() {
    return this.box.clientWidth / (this.to - this.from || 1);
  }

  // Colours of the theme as the canvas wants them; asked for once a theme.
  paintbox() {
    const colour = (name) => {
      this.probe.style.setProperty("color", `var(${name})`);
      return getComputedStyle(this.probe).color;
    };
    this.colours ??= {
      ...Object.fromEntries(Object.entries(NAMED).map(([name, token]) => [name, colour(token)])),
      fills: FILLS.map(colour),
    };
    return this.colours;
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide) this.canvas.width = wide;
    if (this.canvas.height !== tall) this.canvas.height = tall;
    this.canvas.style.setProperty("width", `${width}px`);
    this.canvas.style.setProperty("height", `${height}px`);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = this.font ??= `12px ${getComputedStyle(this.canvas).fontFamily}`;
    pen.textBaseline = "middle";
    this.letter = pen.measureText("mmmmmmmmmm").width / 10;
    return [pen, width, height];
  }

  draw() {
    if (!this.boxes || !this.box.clientWidth) return;
    const [pen, width, height] = this.fit();
    const colours = this.paintbox();
    const top = this.box.scrollTop;
    const last = Math.min(this.boxes.deepest, Math.ceil((top + height) / ROW));
    for (let row = Math.floor(top / ROW); row < last; row++) this.drawRow(pen, row, row * ROW - top, width, colours);
  }

  drawRow(pen, row, y, width, colours) {
    const { boxes, from, to, scale } = this;
    const above = row < boxes.depth[this.zoomed];
    const end = boxes.rows[row + 1];
    for (let at = boxes.after(row, from); at < end && boxes.x[at] < to; at++) {
      const left = Math.max(0, (boxes.x[at] - from) * scale);
      const right = Math.min(width, (boxes.x[at] + boxes.width[at] - from) * scale);
      if (right - left >= 1) this.drawBox(pen, at, left, y, right - left, above, colours);
    }
  }

  drawBox(pen, at, left, y, width, above, colours) {
    const hit = this.hits?.[this.boxes.name[at]];
    const box = [left, y, width > 2 ? width - 1 : width, ROW - 1];
    pen.globalAlpha = above ? 0.55 : 1;
    pen.fillStyle = hit ? colours.accent : this.fill(at, colours);
    pen.fillRect(...box);
    if (this.boxes.delta && !hit) {
      const change = this.boxes.change(at);
      pen.globalAlpha *= Math.abs(change);
      pen.fillStyle = change > 0 ? colours.grew : colours.shrank;
      pen.fillRect(...box);
    }
    pen.globalAlpha = 1;
    const letters = Math.floor((width - 6) / this.letter);
    if (letters >= 3) {
      const text = this.boxes.text(at);
      pen.fillStyle = hit && !above ? colours.on : colours.text;
      pen.fillText(text.length > letters ? `${text.slice(0, letters - 1)}…` : text, left + 3, y + ROW / 2);
    }
    if (at === this.picked) {
      pen.strokeStyle = colours.text;
      pen.lineWidth = 2;
      pen.strokeRect(left + 1, y + 1, Math.max(1, width - 3), ROW - 3);
    }
  }

  fill(at, colours) {
    const { boxes } = this;
    if (boxes.delta) return colours.same;
    const name = boxes.name[at];
    if (name < 0) return colours.fills[0];
    if (this.fills[name] < 0) this.fills[name] = fillOf(boxes.names[name]);
    return colours.fills[this.fills[name]];
  }
}
