// Prints of one histogram to columns of time and rows of buckets, as app/views/heatmap.py makes them.

const MOST_COLUMNS = 600;

function identity({ min, max }) {
  return `${min ?? ""}:${max ?? ""}`;
}

function above(a, b) {
  return (a.min ?? -Infinity) - (b.min ?? -Infinity) || (a.max ?? Infinity) - (b.max ?? Infinity);
}

function add(counts, id, count) {
  counts.set(id, (counts.get(id) ?? 0) + count);
}

// The increase since the print before; less than before means that it began anew.
function grown(now, before) {
  const anew = !before || [...before].some(([id, count]) => (now.get(id) ?? 0) < count);
  return [...now].map(([id, count]) => [id, anew ? count : count - (before.get(id) ?? 0)]).filter(([, count]) => count);
}

function together(one, other) {
  if (!other) return one;
  for (const [id, count] of other.counts) add(one.counts, id, count);
  return { t0: one.t0, t1: other.t1, prints: one.prints + other.prints, counts: one.counts };
}

export class Grid {
  // body: the server's heatmap; label(bucket): its text; span: {t0, t1} or null
  constructor(body, span, label) {
    this.map = body.map;
    this.key = body.key;
    this.cleared = body.cleared;
    this.per = body.per;
    this.n = body.n;
    this.maps = new Set(body.maps);
    this.keys = new Set(body.keys);
    this.left = body.keys_total - body.keys.length; // keys that are not among those
    this.span = span;
    this.label = label;
    this.before = null; // key to Map of bucket to count, of the print before
    this.rows = [];
    this.known = new Set();
    for (const bucket of body.buckets) this.row(bucket);
    const ids = body.buckets.map(identity);
    this.columns = body.columns.map(({ t0, t1, prints, counts }) => ({
      t0, t1, prints, counts: new Map(counts.map((count, at) => [ids[at], count]).filter(([, count]) => count)),
    }));
    this.at = this.columns.at(-1)?.t1 ?? 0;
  }

  row(bucket) {
    const id = identity(bucket);
    if (!this.known.has(id)) {
      this.known.add(id);
      this.rows.push({ id, min: bucket.min ?? null, max: bucket.max ?? null, label: this.label(bucket) });
      this.rows.sort(above);
    }
    return id;
  }

  // False: what was printed before this is not known, so what came since cannot be told.
  take({ n, t, data }) {
    for (const name of Object.keys(data)) this.maps.add(name);
    const value = data[this.map];
    if (value === undefined || (this.span?.t1 != null && t > this.span.t1)) return true;
    const now = new Map();
    const counts = new Map();
    for (const [key, buckets] of Array.isArray(value) ? [[null, value]] : Object.entries(value)) {
      const found = new Map();
      for (const bucket of Array.isArray(buckets) ? buckets : []) add(found, this.row(bucket), bucket.count);
      now.set(key, found);
      if (key !== null && !this.keys.has(key) && !this.left) this.keys.add(key);
      if (this.key !== null && this.key !== key) continue;
      for (const [id, count] of grown(found, this.cleared ? null : this.before?.get(key))) add(counts, id, count);
    }
    const known = this.before !== null || this.cleared || this.n === 0;
    const fresh = n > this.n;
    this.before = now;
    this.n = Math.max(n, this.n);
    if (!fresh) return true;
    if (known && (this.span?.t0 == null || t > this.span.t0)) this.put(this.at, t, counts);
    this.at = t;
    return known;
  }

  put(t0, t1, counts) {
    const last = this.columns.at(-1);
    if (last && (last.prints < this.per || last.t1 === t1)) {
      last.prints += last.t1 === t1 ? 0 : 1;
      last.t1 = t1;
      for (const [id, count] of counts) add(last.counts, id, count);
      return;
    }
    this.columns.push({ t0, t1, prints: 1, counts });
    if (this.columns.length <= MOST_COLUMNS) return;
    this.per *= 2;
    this.columns = this.columns.flatMap((column, at) => (at % 2 ? [] : [together(column, this.columns[at + 1])]));
  }

  get total() {
    return this.sum(this.columns, this.rows);
  }

  get most() {
    let most = 0;
    for (const { counts } of this.columns) for (const count of counts.values()) most = Math.max(most, count);
    return most;
  }

  sum(columns, rows) {
    let sum = 0;
    for (const { counts } of columns) for (const { id } of rows) sum += counts.get(id) ?? 0;
    return sum;
  }

  // The rows whose values lie between two, null for open.
  between(low, high) {
    return this.rows.filter(({ min, max }) => (low === null || (min !== null && min >= low)) && (high === null || (max !== null && max <= high)));
  }

  // The column in which a time lies, and -1 for none.
  columnAt(t) {
    let [low, high] = [0, this.columns.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns[middle].t1 < t) low = middle + 1;
      else high = middle;
    }
    return low < this.columns.length && t >= this.columns[low].t0 ? low : -1;
  }
}
