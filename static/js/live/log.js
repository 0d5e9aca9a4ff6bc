// The log: the last 100,000 lines in a ring, those in sight in the document.
import { make, number, plain } from "../page.js";

const KEPT = 100_000;
const ROW = 20;
const SPARE = 4;

function lines(event) {
  const data = event.data;
  if (event.type === "marker") return [`marker: ${data}`];
  if (typeof data === "string") {
    // Mostly one line with its end.
    const end = data.indexOf("\n");
    if (end >= 0 && end === data.length - 1) return [data.slice(0, end)];
    return data.replace(/\n+$/, "").split("\n");
  }
  if (event.type === "gap") return [`${number(data.count)} events (${number(data.from)} to ${number(data.to)}) are no longer kept`];
  if (event.type === "attached_probes") return [`attached ${number(data.probes)} probe${data.probes === 1 ? "" : "s"}`];
  if (event.type === "lost_events") return [`the kernel lost ${number(data.events)} events`];
  return [JSON.stringify(data)];
}

export class Log {
  constructor(panel) {
    this.panel = panel;
    this.box = panel.querySelector("[data-log]");
    this.follow = panel.querySelector("[data-follow]");
    this.filter = panel.querySelector("[data-log-filter]");
    this.note = panel.querySelector("[data-log-note]");
    this.ring = new Array(KEPT);
    this.count = 0; // lines ever added; line i is at ring[i % KEPT] while i >= count - KEPT
    this.matches = null; // line numbers that match the filter, or null without one
    this.pool = [];
    this.dirty = false;
    this.started = false;
    this.wanted = 0;
    this.shownFrom = 0;
  }

  // Takes the place of the lines that the server wrote, at the first event.
  begin() {
    this.started = true;
    panelBar(this.panel).hidden = false;
    this.pane = make("div", { class: "lpane" });
    this.space = make("div", { class: "lspace" }, this.pane);
    this.box.replaceChildren(this.space);
    this.box.addEventListener("scroll", () => this.onScroll(), { passive: true });
    this.follow.addEventListener("change", () => this.touch());
    this.filter.addEventListener("input", () => this.refilter());
    this.tall = this.box.clientHeight;
    new ResizeObserver(() => {
      this.tall = this.box.clientHeight;
      this.touch();
    }).observe(this.box);
  }

  // Empty again, for another part of the log.
  reset() {
    if (!this.started) this.begin();
    this.ring = new Array(KEPT);
    this.count = 0;
    this.dropped = 0;
    this.matches = this.matches && [];
    for (const slot of this.pool) slot.line = null;
    this.follow.checked = true;
    this.touch();
  }

  touch() {
    this.dirty = true;
    this.repaint ||= requestAnimationFrame(() => {
      this.repaint = 0;
      this.paint();
    });
  }

  add(event) {
    if (!this.started) this.begin();
    let first = true;
    for (const text of lines(event)) {
      const at = this.count++;
      this.ring[at % KEPT] = { n: event.n, t: event.t, type: event.type, text, first };
      if (this.matches && text.toLowerCase().includes(this.sought)) this.matches.push(at);
      first = false;
    }
    this.dirty = true;
  }

  get oldest() {
    return Math.max(0, this.count - KEPT);
  }

  refilter() {
    this.sought = this.filter.value.toLowerCase();
    this.matches = null;
    if (this.sought) {
      this.matches = [];
      for (let at = this.oldest; at < this.count; at++) {
        if (this.ring[at % KEPT].text.toLowerCase().includes(this.sought)) this.matches.push(at);
      }
    }
    this.shownFrom = 0;
    this.touch();
  }

  // Scrolling up stops following; scrolling to the end takes it up again.
  onScroll() {
    const box = this.box;
    if (this.follow.checked && box.scrollTop === this.wanted) return; // our own
    const end = box.scrollHeight - box.clientHeight;
    if (this.follow.checked && box.scrollTop < this.wanted - ROW && box.scrollTop < end - ROW) this.follow.checked = false;
    else if (!this.follow.checked && box.scrollTop >= end - 2 && end > 0) this.follow.checked = true;
    this.touch();
  }

  paint() {
    if (!this.started || !this.dirty || this.panel.hidden) return;
    this.dirty = false;
    const oldest = this.oldest;
    let total = this.count - oldest;
    let gone = oldest;
    if (this.matches) {
      let drop = 0;
      while (drop < this.matches.length && this.matches[drop] < oldest) drop++;
      if (drop) this.matches.splice(0, drop);
      this.dropped = (this.dropped ?? 0) + drop;
      gone = this.dropped;
      total = this.matches.length;
    } else this.dropped = 0;
    const { box } = this;
    const follows = this.follow.checked;
    this.space.style.setProperty("height", `${total * ROW}px`);
    if (!follows && this.shownFrom && gone > this.shownFrom) box.scrollTop -= (gone - this.shownFrom) * ROW;
    this.shownFrom = gone;
    const top = follows ? Math.max(0, total * ROW - this.tall) : box.scrollTop;
    const first = Math.max(0, Math.min(total - 1, Math.floor(top / ROW) - SPARE));
    const visible = Math.min(total - first, Math.ceil(this.tall / ROW) + 2 * SPARE);
    this.pane.style.setProperty("transform", `translateY(${first * ROW}px)`);
    for (let row = 0; row < visible; row++) {
      const at = this.matches ? this.matches[first + row] : oldest + first + row;
      this.fill(this.pool[row] ?? this.grow(), this.ring[at % KEPT]);
    }
    while (this.pool.length > visible) this.pool.pop().row.remove();
    // Last, so that the page is laid out once.
    if (follows) {
      box.scrollTop = total * ROW;
      this.wanted = box.scrollTop;
    }
    const kept = this.count > KEPT ? `, the last ${number(KEPT)} kept` : "";
    const shown = this.matches ? `${number(total)} of ` : "";
    this.note.textContent = `${shown}${number(this.count)} lines${kept}`;
  }

  grow() {
    const time = make("span", { class: "t" });
    const text = make("span", { class: "text" });
    const slot = { row: make("div", { class: "line" }, time, text), time: time.appendChild(new Text()), text: text.appendChild(new Text()), line: null };
    this.pane.append(slot.row);
    this.pool.push(slot);
    return slot;
  }

  fill(slot, line) {
    if (slot.line === line) return;
    slot.line = line;
    slot.row.dataset.n = line.n;
    slot.row.className = `line ${line.type}`;
    slot.time.data = line.first ? (line.t / 1000).toFixed(3) : "";
    slot.text.data = plain(line.text);
  }
}

function panelBar(panel) {
  return panel.querySelector("[data-log-bar]");
}
