// The strip below the views: events over time, marks on it, and the time that all views show.
import { make, number, plain, post, say } from "../page.js";
import { Activity } from "./activity.js";
import { seldom } from "./overtime.js";
import { colour, onRedraw, prepare, seconds, ticks } from "./paint.js";

const BOTTOM = 18;
const TOP = 12;
const EDGE = 4;
const PAINT_MS = 200;
const MOST_ROWS = 500;
const NUDGE_MS = 300;

export class Timeline {
  constructor(root, live) {
    this.root = root;
    this.live = live;
    this.canvas = root.querySelector("[data-timeline-canvas]");
    this.form = root.querySelector("[data-span-form]");
    this.note = root.querySelector("[data-span-note]");
    this.whole = root.querySelector("[data-span-reset]");
    this.table = root.querySelector("[data-timeline-table]");
    this.activity = new Activity(JSON.parse(root.dataset.timeline), null);
    this.place = null; // where a replay is, in ms
    this.dragged = null;
    this.write = seldom(() => this.fill());
    this.canvas.hidden = false;
    onRedraw(this.canvas, () => this.paint());
    this.attachDrag();
    this.attachForm();
    this.attachMarker();
    this.table.addEventListener("toggle", () => this.table.open && this.write());
  }

  add(event) {
    this.activity.take(event);
  }

  // With the next events, but not with every frame.
  soon() {
    this.painting ||= setTimeout(() => {
      this.painting = 0;
      this.paint();
    }, PAINT_MS);
  }

  // Until when the line goes: a running session's grows.
  get end() {
    const { activity, live } = this;
    return Math.max(1, activity.end, live.over ? 0 : live.elapsed);
  }

  attachDrag() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.dragged = { from: this.timeAt(event), to: this.timeAt(event) };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.dragged) return;
      this.dragged.to = this.timeAt(event);
      this.paint();
    });
    canvas.addEventListener("pointercancel", () => (this.dragged = null));
    canvas.addEventListener("pointerup", () => {
      if (!this.dragged) return;
      const { from, to } = this.dragged;
      this.dragged = null;
      const wide = Math.abs(to - from) / this.end;
      if (wide * canvas.clientWidth >= EDGE) this.live.setSpan({ t0: Math.round(Math.min(from, to)), t1: Math.round(Math.max(from, to)) });
      else this.paint();
    });
  }

  timeAt(event) {
    return Math.max(0, Math.min(1, event.offsetX / this.canvas.clientWidth)) * this.end;
  }

  attachForm() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [t0, t1] = ["t0", "t1"].map((name) => (this.form.elements[name].value === "" ? null : Number(this.form.elements[name].value)));
      if (t0 !== null && t1 !== null && t0 >= t1) {
        say("The time must begin before it ends.");
        return;
      }
      this.live.setSpan(t0 || t1 !== null ? { t0: t0 || null, t1 } : null);
    });
    this.form.addEventListener("keydown", (event) => this.nudge(event));
    this.whole.addEventListener("click", (event) => {
      event.preventDefault();
      this.live.setSpan(null);
    });
  }

  // Arrow keys move an end of the time by a bin.
  nudge(event) {
    const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const field = event.target;
    if (!sign || field.type !== "number") return;
    event.preventDefault();
    const from = field.value === "" ? (field.name === "t0" ? 0 : this.end) : Number(field.value);
    field.value = Math.max(0, Math.round(Math.min(this.end, from + sign * this.activity.step)));
    clearTimeout(this.nudged);
    this.nudged = setTimeout(() => this.form.requestSubmit(), NUDGE_MS);
  }

  attachMarker() {
    const form = this.root.querySelector("[data-marker]");
    this.marker = form;
    form?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const field = form.elements.text;
      try {
        await post(form.dataset.marker, { text: field.value });
        field.value = "";
        say("The marker is in the log.");
      } catch (error) {
        say(error.message);
      }
    });
  }

  // The span that the views show now.
  tell(span) {
    const { t0, t1 } = this.form.elements;
    t0.value = span?.t0 ?? "";
    t1.value = span?.t1 ?? "";
    this.whole.hidden = !span;
    this.note.textContent = span ? `The views show ${seconds(span.t0 ?? 0)} to ${span.t1 === null ? "the end" : seconds(span.t1)}.` : "";
    this.paint();
  }

  paint() {
    if (this.live.over) this.marker?.remove();
    const ready = prepare(this.canvas);
    if (!ready) return;
    const { pen, width, height } = ready;
    const end = this.end;
    const x = (t) => (t / end) * width;
    const rows = this.activity.rows();
    const most = Math.max(1, ...rows.map((row) => row.lines + row.maps));
    const tall = height - BOTTOM - TOP;
    const [accent, muted, usdt, err, text] = ["--accent", "--muted", "--usdt", "--err", "--text"].map(colour);
    for (const row of rows) {
      const left = x(row.t0);
      const wide = Math.max(1, x(row.t1) - left - 1);
      const maps = (row.maps / most) * tall;
      const lines = (row.lines / most) * tall;
      pen.fillStyle = accent;
      pen.fillRect(left, height - BOTTOM - lines, wide, lines);
      pen.globalAlpha = 0.45;
      pen.fillRect(left, height - BOTTOM - lines - maps, wide, maps);
      pen.globalAlpha = 1;
    }
    this.axis(pen, { x, end, width, height, muted });
    this.marks(pen, { x, width, height, usdt, err, muted });
    this.veil(pen, { x, width, height, text });
    this.describe(most);
    if (this.table.open) this.write();
  }

  axis(pen, { x, end, width, height, muted }) {
    pen.fillStyle = muted;
    pen.fillRect(0, height - BOTTOM, width, 1);
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    const { step, at } = ticks(0, end, Math.max(2, Math.floor(width / 80)));
    for (const t of at) {
      if (x(t) < 16 || x(t) > width - 24) continue;
      pen.fillRect(x(t), height - BOTTOM, 1, 4);
      pen.fillText(seconds(t, step), x(t), height - BOTTOM / 2);
    }
  }

  // A marker is a line with its text, a loss a cross, what is not kept any more a hatched part.
  marks(pen, { x, width, height, usdt, err, muted }) {
    pen.textBaseline = "top";
    for (const { t, type, data } of this.activity.marks) {
      if (type === "marker") {
        pen.fillStyle = usdt;
        pen.fillRect(x(t), 0, 2, height - BOTTOM);
        pen.textAlign = x(t) > width * 0.7 ? "right" : "left";
        pen.fillText(plain(data), x(t) + (pen.textAlign === "left" ? 5 : -4), 0);
      } else if (type === "lost_events") {
        pen.fillStyle = err;
        pen.textAlign = "center";
        pen.fillText("×", x(t), 0);
      } else {
        const first = this.activity.rows().find((row) => row.lines + row.maps);
        pen.strokeStyle = muted;
        for (let at = 0; at < x(first?.t0 ?? 0); at += 6) {
          pen.beginPath();
          pen.moveTo(at, height - BOTTOM);
          pen.lineTo(at + 6, TOP);
          pen.stroke();
        }
      }
    }
  }

  // What is outside of the chosen time is dimmed; a replay's place is a line.
  veil(pen, { x, width, height, text }) {
    const { dragged } = this;
    const span = dragged ? { t0: Math.min(dragged.from, dragged.to), t1: Math.max(dragged.from, dragged.to) } : this.live.span;
    if (span) {
      const [left, right] = [x(span.t0 ?? 0), span.t1 === null ? width : Math.min(width, x(span.t1))];
      pen.fillStyle = colour("--bg");
      pen.globalAlpha = 0.7;
      pen.fillRect(0, 0, left, height - BOTTOM);
      pen.fillRect(right, 0, width - right, height - BOTTOM);
      pen.globalAlpha = 1;
      pen.strokeStyle = text;
      pen.strokeRect(left + 0.5, 0.5, Math.max(1, right - left - 1), height - BOTTOM - 1);
    }
    if (this.place === null) return;
    pen.fillStyle = text;
    pen.fillRect(Math.min(width - 2, x(this.place)), 0, 2, height - BOTTOM);
  }

  describe(most) {
    const { step, marks } = this.activity;
    const markers = marks.filter((mark) => mark.type === "marker").length;
    const text = `Events over time: at most ${number(most)} in ${number(step)} ms, ${number(markers)} markers; drag, or the fields below, choose a time; the table below has the same numbers`;
    if (this.canvas.getAttribute("aria-label") !== text) this.canvas.setAttribute("aria-label", text);
  }

  // The same as a table.
  fill() {
    const rows = this.activity.rows().filter((row) => row.lines + row.maps);
    const cells = (row) => [row.t0 / 1000, row.t1 / 1000, row.lines, row.maps].map((value) => make("td", { class: "num" }, number(value)));
    this.table.querySelector("tbody").replaceChildren(...rows.slice(-MOST_ROWS).map((row) => make("tr", {}, ...cells(row))));
    const marks = this.activity.marks.map((mark) => make("li", {}, this.told(mark)));
    if (this.activity.left) marks.push(make("li", {}, `and ${number(this.activity.left)} more, which the log has`));
    this.table.querySelector("[data-marks]").replaceChildren(...marks);
  }

  told({ t, type, data }) {
    if (type === "marker") return `${seconds(t)}: marker ${plain(data)}`;
    if (type === "lost_events") return `${seconds(t)}: the kernel lost ${number(data.events)} events`;
    return `${number(data.count)} events (${number(data.from)} to ${number(data.to)}) are no longer kept`;
  }
}
