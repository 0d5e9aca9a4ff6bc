// What a view knows of the past: a model that the server fills with all that came, and the stream goes on with.
import { ask, say } from "../page.js";

const WAIT_MS = 1000;

export class History {
  // ask: the URL to load from; build(body): a model with take(event), which is false where it lacks what came
  // before the event; changed(loaded): after each change, and whether it is the answer.
  constructor(url, build, changed) {
    this.url = url;
    this.build = build;
    this.changed = changed;
    this.model = null;
    this.pending = null; // events that wait while the past is loaded
    this.turn = 0;
    this.timer = 0;
  }

  // Loads anew; events that come meanwhile wait. `first`: events that may be among those that the answer has.
  async load(first = []) {
    clearTimeout(this.timer);
    this.timer = 0;
    const turn = ++this.turn;
    this.pending = [...first];
    let body = null;
    try {
      body = await ask(this.url());
    } catch (error) {
      if (turn === this.turn) say(error.message);
    }
    if (turn !== this.turn) return;
    const waiting = this.pending;
    this.pending = null;
    if (!body) return;
    this.model = this.build(body);
    for (const event of waiting) this.add(event);
    this.changed(true);
  }

  add(event) {
    if (this.pending) this.pending.push(event);
    else if (this.model) {
      if (!this.model.take(event)) this.again();
      this.changed(false);
    }
  }

  // Loads anew soon, and once for all who ask for it until then.
  again() {
    this.timer ||= setTimeout(() => this.load(), WAIT_MS);
  }
}
