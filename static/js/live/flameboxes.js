// The boxes of a flame graph as the server laid them out: columns in the order (depth, x), rows found by halving.
import { number, plain } from "../page.js";

const FILE = /[^/]*$/;

function share(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(2)} %` : "";
}

export class Boxes {
  constructor(answer) {
    const { depth, x, width, name, self, before, delta } = answer.columns;
    Object.assign(this, { depth, x, width, name, self, before, delta });
    this.names = answer.names;
    this.modules = answer.modules;
    this.heads = new Set(answer.heads);
    this.apart = answer.apart;
    this.total = answer.columns.width[0] ?? 0;
    this.rows = []; // the first box of each row, and one past the last
    depth.forEach((row, at) => row === this.rows.length && this.rows.push(at));
    this.deepest = this.rows.length;
    this.rows.push(depth.length);
    // A change is as strong as it is beside the largest; less than a hundredth of all is never strong.
    this.strong = delta ? delta.reduce((most, grown) => Math.max(most, Math.abs(grown)), this.total / 100) || 1 : 1;
  }

  label(name) {
    if (name < 0) return "all";
    const module = this.apart ? this.modules[name] : null;
    return plain(module ? `${this.names[name]} (${FILE.exec(module)[0]})` : this.names[name]);
  }

  text(at) {
    return this.label(this.name[at]);
  }

  // Whether its name is a function's, which may be traced.
  isFunction(at) {
    const name = this.name[at];
    return name >= 0 && !this.heads.has(name) && !this.names[name].startsWith("[");
  }

  // From -1, shrunk as much as any, to 1, grown as much.
  change(at) {
    return this.delta[at] / this.strong;
  }

  told(at) {
    const parts = [`${this.text(at)}: ${number(this.width[at])} of ${number(this.total)} (${share(this.width[at], this.total)})`];
    parts.push(`itself ${number(this.self[at])}`);
    if (this.before) {
      const grown = this.delta[at];
      parts.push(`before ${number(this.before[at])}`, `itself ${grown < 0 ? "shrunk" : "grown"} by ${number(Math.abs(grown))}`);
    }
    return parts.join(", ");
  }

  // The first box of a row that ends after a value; the end of the row if none does.
  after(row, value) {
    let [low, high] = [this.rows[row], this.rows[row + 1]];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[middle] + this.width[middle] > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // The box of a row at a value, or -1.
  at(row, value) {
    if (row < 0 || row >= this.deepest) return -1;
    const found = this.after(row, value);
    return found < this.rows[row + 1] && this.x[found] <= value ? found : -1;
  }

  parent(at) {
    return this.at(this.depth[at] - 1, this.x[at]);
  }

  children(at) {
    const row = this.depth[at] + 1;
    if (row >= this.deepest) return [];
    const found = [];
    const end = this.x[at] + this.width[at];
    for (let child = this.after(row, this.x[at]); child < this.rows[row + 1] && this.x[child] < end; child++) found.push(child);
    return found;
  }

  widestChild(at) {
    return this.children(at).reduce((best, child) => (best < 0 || this.width[child] > this.width[best] ? child : best), -1);
  }

  // Texts from the root on, by which a box is found again in the next picture.
  path(at) {
    const found = [];
    for (let box = at; box > 0; box = this.parent(box)) found.unshift(this.text(box));
    return found;
  }

  // The box that a path leads to, or the last that is left of it.
  follow(path) {
    let found = 0;
    for (const text of path) {
      const next = this.children(found).find((child) => this.text(child) === text);
      if (next === undefined) break;
      found = next;
    }
    return found;
  }

  // Which names have a text in them, one byte a name; null without a text.
  hits(text) {
    if (!text) return null;
    const sought = text.toLowerCase();
    return Uint8Array.from(this.names, (_, name) => Number(this.label(name).toLowerCase().includes(sought)));
  }

  // What the boxes of these names cover together; one above another counts once.
  covered(hits) {
    let sum = 0;
    let inside = new Uint8Array(this.depth.length);
    for (let at = 1, up = 0; at < this.depth.length; at++) {
      while (this.depth[up] < this.depth[at] - 1 || this.x[up] + this.width[up] <= this.x[at]) up++;
      const hit = hits[this.name[at]];
      if (hit && !inside[up]) sum += this.width[at];
      inside[at] = inside[up] | hit;
    }
    return sum;
  }
}

export { share };
