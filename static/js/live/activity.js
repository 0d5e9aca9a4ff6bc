// How many events came when: bins of time by type, as app/views/timeline.py makes them, longer as time goes on.

const MAPS = new Set(["map", "hist", "stats"]);
const MARKS = new Set(["marker", "lost_events", "gap"]);
const MOST_MARKS = 200;
const MOST_BINS = 480;

function put(bin, type, count) {
  bin[type] = (bin[type] ?? 0) + count;
}

export class Activity {
  // body: the server's timeline; span: {t0, t1} or null
  constructor(body, span) {
    this.t0 = body.t0;
    this.step = body.step;
    this.bins = body.bins.map(({ counts }) => counts);
    this.marks = body.marks;
    this.left = body.marks_left_out;
    this.n = body.last;
    this.end = body.t1;
    this.span = span;
  }

  get t1() {
    return this.t0 + this.bins.length * this.step;
  }

  take({ n, t, type, data }) {
    if (n <= this.n || (this.span?.t1 != null && t > this.span.t1) || t < this.t0) return true;
    this.n = n;
    if (MARKS.has(type)) {
      if (this.marks.length < MOST_MARKS) this.marks.push({ n, t, type, data });
      else this.left++;
    }
    if (type === "gap") return true;
    const at = this.reach(t);
    put(this.bins[at], type, 1);
    return true;
  }

  // The bin of a time, made where there was none; bins are put together when they grow too many.
  reach(t) {
    this.end = Math.max(this.end, t);
    for (;;) {
      const at = Math.max(0, Math.floor((t - this.t0 - 1) / this.step));
      if (at < MOST_BINS) {
        while (this.bins.length <= at) this.bins.push({});
        return at;
      }
      this.step *= 2;
      const pairs = [];
      this.bins.forEach((bin, place) => {
        if (place % 2 === 0) pairs.push(bin);
        else for (const [type, count] of Object.entries(bin)) put(pairs.at(-1), type, count);
      });
      this.bins = pairs;
    }
  }

  // {t0, t1, lines, maps} of each bin.
  rows() {
    return this.bins.map((bin, at) => {
      const row = { t0: this.t0 + at * this.step, t1: this.t0 + (at + 1) * this.step, lines: 0, maps: 0 };
      for (const [type, count] of Object.entries(bin)) row[MAPS.has(type) ? "maps" : "lines"] += count;
      return row;
    });
  }
}
