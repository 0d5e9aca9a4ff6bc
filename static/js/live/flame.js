// The flame graph of a map with stacks: laid out by the server, asked for again at most once a second.
import { ask, make, number, plain } from "../page.js";
import { Boxes, share } from "./flameboxes.js";
import { FlameCanvas } from "./flamecanvas.js";
import { FlameTable } from "./flametable.js";

const SHORTEST_MS = 1000;

function hasStacks(value) {
  if (value === null || typeof value !== "object") return false;
  for (const key in value) return key.includes("\n");
  return false;
}

export class Flame {
  constructor(panel, only) {
    this.panel = panel;
    this.find = (name) => panel.querySelector(`[data-flame-${name}]`);
    this.maps = new Set([...this.find("map").options].map((option) => option.value));
    this.only = only;
    const page = new URLSearchParams(location.search);
    // Of a span of time in the past no event need come.
    this.dirty = page.has("t0") || page.has("t1");
    this.asked = -Infinity;
    this.until = null; // ms: the newest event that was painted
    this.seen = null;
    this.find("bar").addEventListener("submit", (event) => event.preventDefault());
    this.find("show").hidden = true;
    for (const name of ["map", "inverted", "apart"]) this.find(name).addEventListener("change", () => this.choose());
    this.find("search").addEventListener("input", () => this.search(true));
    this.find("back").addEventListener("click", () => this.canvas.back());
    this.find("reset").addEventListener("click", () => this.canvas.reset());
  }

  add(event) {
    if (!event.data || typeof event.data !== "object") return;
    for (const [name, value] of Object.entries(event.data)) {
      if ((this.only && this.only !== name) || !hasStacks(value)) continue;
      if (!this.maps.has(name)) this.offer(name);
      this.seen = event.t;
      this.dirty = true;
    }
  }

  // A map with stacks: it can be chosen, and exported.
  offer(name) {
    this.maps.add(name);
    this.find("map").append(make("option", { value: name }, plain(name)));
    for (const each of document.querySelectorAll("[data-needs-stacks]")) each.hidden = false;
  }

  paint() {
    this.until = this.seen;
    if (!this.dirty || this.panel.hidden || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.refresh();
    }, Math.max(0, this.asked + SHORTEST_MS - performance.now()));
  }

  // The page's address has another span of time.
  setSpan() {
    this.asked = -Infinity;
    this.dirty = true;
  }

  // What comes next is from another place of the log on.
  reset() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.seen = this.until = null;
    this.dirty = false;
    this.visible(false);
  }

  // The picture and its table; not while there are none.
  visible(on) {
    for (const name of ["place", "tables", "line"]) this.find(name).hidden = !on;
    if (!on) this.find("facts").textContent = "";
  }

  query() {
    const page = new URLSearchParams(location.search);
    const query = new URLSearchParams();
    const put = (name, value) => value && query.set(name, value);
    put("map", this.find("map").value);
    put("inverted", this.find("inverted").checked ? "1" : "");
    put("apart", this.find("apart").checked ? "1" : "");
    put("t0", page.get("t0"));
    put("t1", page.get("t1") ?? this.until);
    return query;
  }

  // What is chosen is in the address: it can be shared, and reloaded.
  address() {
    const url = new URL(location.href);
    const put = (name, value) => (value ? url.searchParams.set(name, value) : url.searchParams.delete(name));
    if (this.maps.size > 1) put("map", this.find("map").value);
    put("inverted", this.find("inverted").checked ? "1" : "");
    put("apart", this.find("apart").checked ? "1" : "");
    put("q", this.find("search").value);
    history.replaceState(history.state, "", url);
  }

  choose() {
    this.address();
    this.refresh();
  }

  async refresh() {
    // What came since the last painting is not in this answer.
    this.dirty = this.seen !== this.until;
    this.asked = performance.now();
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const answer = await ask(`${this.panel.dataset.flameUrl}?${this.query()}`);
      if (turn === this.turn) this.show(answer);
    } catch (error) {
      if (turn !== this.turn) return;
      this.visible(false);
      this.find("facts").textContent = error.message;
    }
  }

  start() {
    this.canvas = new FlameCanvas(this.find("place"), {
      onPick: (at) => this.tell(at, true),
      onHover: (at) => (this.find("hover").textContent = at < 0 ? "" : this.boxes.told(at)),
      onZoom: () => this.zoomed(),
    });
    this.table = new FlameTable(this.find("tables"), (name) => this.link(name));
    this.find("help").hidden = false;
  }

  show(answer) {
    if (!this.canvas) this.start();
    this.visible(true);
    this.answer = answer;
    this.boxes = new Boxes(answer);
    this.find("map").value = answer.map;
    const cut = answer.cut.nodes ? `, ${number(answer.cut.nodes)} boxes of at most ${number(answer.cut.widest)} are left out` : "";
    const cleared = answer.cleared ? ", the map was cleared in between: what came since" : "";
    this.find("facts").textContent = `${number(answer.total)} in ${number(answer.stacks)} stacks, ${number(answer.nodes)} boxes${cut}${cleared}`;
    this.canvas.canvas.setAttribute("aria-label", `Flame graph of ${plain(answer.map)}, ${number(answer.total)} in all; arrows move, Enter zooms, Escape goes back; the table below has the same numbers`);
    this.canvas.canvas.dataset.inverted = answer.inverted;
    this.canvas.show(this.boxes, null);
    this.search(false);
    this.zoomed();
    if (this.picked) this.tell(this.canvas.picked, false);
  }

  // Screen readers are told of what a person does, not of each second's new numbers.
  say(name, text, byHand) {
    this.find(name).setAttribute("aria-live", byHand ? "polite" : "off");
    this.find(name).textContent = text;
  }

  search(byHand) {
    if (byHand) this.address();
    if (!this.boxes) return;
    const text = this.find("search").value;
    const hits = this.boxes.hits(text);
    this.canvas.mark(hits);
    this.fill(hits);
    if (!hits) {
      this.say("match", "", byHand);
      return;
    }
    const covered = this.boxes.covered(hits);
    const names = hits.reduce((sum, hit) => sum + hit, 0);
    this.say("match", `found in ${number(names)} name${names === 1 ? "" : "s"}: ${number(covered)} (${share(covered, this.boxes.total)})`, byHand);
  }

  // The table, once the picture is painted.
  fill(hits) {
    clearTimeout(this.filling);
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => {
      this.filling = setTimeout(() => this.table.show(this.answer, this.boxes, hits));
    });
  }

  zoomed() {
    this.find("back").disabled = !this.canvas.before.length;
    this.find("reset").disabled = this.canvas.zoomed === 0;
  }

  // What was picked, and the way to trace it.
  tell(at, byHand) {
    this.picked = true;
    this.say("told", this.boxes.told(at), byHand);
    const link = this.find("trace");
    const target = this.boxes.isFunction(at) ? this.link(this.boxes.name[at]) : null;
    link.hidden = !target;
    if (target) link.href = target;
  }

  // The page that traces a function; null for what is none.
  link(name) {
    const text = this.boxes.names[name];
    if (!this.panel.dataset.frameUrl || text.startsWith("[") || this.boxes.heads.has(name)) return null;
    const query = new URLSearchParams({ name: text });
    if (this.boxes.modules[name]) query.set("module", this.boxes.modules[name]);
    return `${this.panel.dataset.frameUrl}?${query}`;
  }
}

// A flame graph that stands alone on its page, such as the difference of two sessions.
export function attach(panel) {
  new Flame(panel, "").refresh();
}
