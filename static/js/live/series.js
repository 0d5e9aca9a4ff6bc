// Prints of one map to the weights of its largest keys over time, as app/views/counters.py makes them.

const MOST_POINTS = 600;
const MOST_SERIES = 64;
const STATS = ["count", "average", "total"];

function isStats(value) {
  return value !== null && typeof value === "object" && STATS.every((name) => name in value);
}

function weight(value) {
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return value.reduce((sum, bucket) => sum + (bucket?.count ?? 0), 0);
  return isStats(value) ? value.count : 0;
}

// Key ("" for a map without one) to weight, the largest.
function largest(value) {
  const keyed = value !== null && typeof value === "object" && !Array.isArray(value) && !isStats(value);
  const all = (keyed ? Object.entries(value) : [["", value]]).map(([key, each]) => [key, weight(each)]);
  const kept = all.length > MOST_SERIES ? all.sort((a, b) => b[1] - a[1]).slice(0, MOST_SERIES) : all;
  return { keys: all.length, values: new Map(kept) };
}

export class Series {
  // body: the server's counters; span: {t0, t1} or null
  constructor(body, span) {
    this.map = body.map;
    this.cleared = body.cleared;
    this.counted = body.counted;
    this.keys = body.keys;
    this.per = body.per;
    this.n = body.n;
    this.maps = new Set(body.maps);
    this.span = span;
    this.before = null; // weights of the print before, where it is known
    this.base = new Map(body.base.map(([key, value]) => [key ?? "", value])); // before the first point
    let t0 = body.t0;
    this.points = body.t.map((t1, at) => {
      const values = new Map();
      const rates = new Map();
      for (const series of body.series) {
        const key = series.key ?? "";
        if (series.values[at] !== null) values.set(key, series.values[at]);
        if (series.rates[at] !== null) rates.set(key, series.rates[at]);
      }
      const point = { t0, t1, prints: this.per, values, rates };
      t0 = t1;
      return point;
    });
    if (this.points.length) this.points.at(-1).prints = body.prints;
    this.at = t0;
  }

  // False: what was printed before this is not known, so there is no rate.
  take({ n, t, type, data }) {
    for (const name of Object.keys(data)) this.maps.add(name);
    const value = data[this.map];
    if (value === undefined || (this.span?.t1 != null && t > this.span.t1)) return true;
    const { keys, values } = largest(value);
    const known = this.before !== null || this.cleared || this.n === 0;
    const fresh = n > this.n;
    this.n = Math.max(n, this.n);
    if (fresh) {
      this.keys = keys;
      this.counted ||= type !== "map";
      if (known && (this.span?.t0 == null || t > this.span.t0)) this.put(t, values);
      this.at = t;
    }
    this.before = values;
    return !fresh || known;
  }

  put(t1, values) {
    const last = this.points.at(-1);
    if (last && (last.prints < this.per || last.t1 === t1)) {
      last.prints += last.t1 === t1 ? 0 : 1;
      last.t1 = t1;
      last.values = this.both(last.values, values);
      last.rates = this.rates(last, this.points.at(-2));
      return;
    }
    if (!last && this.before) this.base = this.before;
    const point = { t0: this.at, t1, prints: 1, values };
    point.rates = this.rates(point, last);
    this.points.push(point);
    if (this.points.length <= MOST_POINTS) return;
    this.per *= 2;
    const pairs = [];
    this.points.forEach((each, at) => {
      if (at % 2 === 0) {
        pairs.push(each);
        return;
      }
      const one = pairs.at(-1);
      Object.assign(one, { t1: each.t1, prints: one.prints + each.prints, values: this.both(one.values, each.values) });
      one.rates = this.rates(one, pairs.at(-2));
    });
    this.points = pairs;
  }

  both(one, other) {
    if (!this.cleared) return other;
    const found = new Map(one);
    for (const [key, value] of other) found.set(key, (found.get(key) ?? 0) + value);
    return found;
  }

  rates(point, before) {
    const passed = point.t1 - point.t0;
    const found = new Map();
    if (passed <= 0) return found;
    const missing = this.counted && this.keys <= MOST_SERIES ? 0 : null;
    for (const [key, now] of point.values) {
      const then = (before?.values ?? this.base).get(key) ?? missing;
      if (this.cleared || (this.counted && then !== null && now < then)) found.set(key, (now * 1000) / passed);
      else if (then !== null) found.set(key, ((now - then) * 1000) / passed);
    }
    return found;
  }

  // The largest keys of the last point; then those that are there no more.
  top(most) {
    const last = this.points.at(-1)?.values ?? new Map();
    const keys = new Set(this.points.flatMap((point) => [...point.values.keys()]));
    const size = (key) => last.get(key) ?? -Infinity;
    return [...keys].sort((a, b) => (size(a) === size(b) ? 0 : size(b) - size(a))).slice(0, most);
  }
}
