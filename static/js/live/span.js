// A span of time into the views: the lines of the log in it, and what the maps held, as the server tells.
import { ask, say } from "../page.js";

const MAPS = new Set(["map", "hist", "stats"]);
const MOST_LINES = 100_000;
const WAIT_MS = 1000;

export function holds(span, t) {
  return (span.t0 === null || t > span.t0) && (span.t1 === null || t <= span.t1);
}

export class Spanned {
  // give(event): to the views that do not load a span by themselves; clear(): empties these
  constructor(live, give, clear) {
    this.live = live;
    this.give = give;
    this.clear = clear;
    this.turn = 0;
    this.pending = null;
    this.timer = 0;
  }

  async load() {
    const turn = ++this.turn;
    clearTimeout(this.timer);
    this.timer = 0;
    this.pending = [];
    this.clear();
    let told;
    let lines = [];
    try {
      told = await ask(this.live.api("maps", this.live.bounds()));
      const from = Math.max(told.first, told.last - MOST_LINES + 1);
      if (from <= told.last) lines = await this.lines(from, told.last);
    } catch (error) {
      if (turn === this.turn) say(error.message);
      return;
    }
    if (turn !== this.turn) return;
    this.maps(told);
    for (const event of lines) if (!MAPS.has(event.type)) this.give(event);
    const waiting = this.pending;
    this.pending = null;
    for (const event of waiting) if (event.n > told.last) this.add(event);
    this.live.schedule(true);
  }

  async lines(from, to) {
    const answer = await fetch(this.live.api("events", { from, to }));
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  maps({ maps, t0, t1 }) {
    for (const { how, ...event } of maps) {
      const length = how === "counted" ? (t1 ?? event.t) - (t0 ?? 0) : 0;
      this.give({ ...event, span: { how, length } });
    }
  }

  // An event of a session that runs.
  add(event) {
    if (!holds(this.live.span, event.t)) return;
    if (this.pending) this.pending.push(event);
    else if (!MAPS.has(event.type)) this.give(event);
    else this.timer ||= setTimeout(() => this.refresh(), WAIT_MS);
  }

  // The maps anew, as they grow within the span.
  async refresh() {
    this.timer = 0;
    const turn = this.turn;
    try {
      const told = await ask(this.live.api("maps", this.live.bounds()));
      if (turn === this.turn && this.live.span) this.maps(told);
      this.live.schedule();
    } catch (error) {
      say(error.message);
    }
  }

  stop() {
    this.turn++;
    clearTimeout(this.timer);
    this.timer = 0;
    this.pending = null;
  }
}
