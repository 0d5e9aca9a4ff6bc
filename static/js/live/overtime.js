// What views over time share: a past that is loaded once somebody looks, and tables that are not written with
// every frame.

const TABLE_MS = 500;

// A function that does the work at once, or as soon as it may again; what is asked for meanwhile is done by one.
export function seldom(work, wait = TABLE_MS) {
  let last = -Infinity;
  let timer = 0;
  return function again() {
    const left = last + wait - performance.now();
    if (left > 0) {
      timer ||= setTimeout(() => {
        timer = 0;
        again();
      }, left);
      return;
    }
    last = performance.now();
    work();
  };
}

// A view of prints of maps, with a `history` of them that its class makes.
export class OverTime {
  constructor(panel, live) {
    this.panel = panel;
    this.live = live;
    this.latest = new Map(); // name to the last event that printed it: what the next is compared with
    this.opened = false;
    this.dirty = false;
  }

  add(event) {
    if (!event.data || typeof event.data !== "object") return;
    for (const name of Object.keys(event.data)) this.latest.set(name, event);
    this.history.add(event);
  }

  reset() {
    this.latest.clear();
    this.load();
  }

  setSpan() {
    this.load();
  }

  // Some prints were left out on the way here.
  missed() {
    if (this.opened) this.history.again();
  }

  load() {
    if (this.opened) this.history.load([...new Set(this.latest.values())]);
  }

  changed(loaded) {
    this.dirty = true;
    this.live.schedule(loaded);
  }
}
