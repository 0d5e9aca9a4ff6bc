// The functions of a flame graph as a table: the picture's twin, sorted by any column, rows patched in place.
import { make, number, plain } from "../page.js";
import { share } from "./flameboxes.js";

const MOST_ROWS = 200;
// Title, field to sort by, and of what a cell shows the share.
const NAMES = [["Function", "name"], ["File", "file"]];
const FIGURES = [["Self", "self"], ["Share", "", "self"], ["Total", "total"], ["Share", "", "total"]];
const CHANGES = [["Self before", "before"], ["Self", "self"], ["Self grown by", "delta"], ["Total before", "total_before"], ["Total", "total"]];

export class FlameTable {
  // linkOf(name): where a function is traced, or null
  constructor(place, linkOf) {
    this.place = place;
    this.linkOf = linkOf;
    this.down = true;
    this.rows = new Map(); // label to its row
  }

  // hits: the names to keep, one byte a name; null: all
  show(answer, boxes, hits) {
    Object.assign(this, { answer, boxes, hits });
    if (!this.body) this.start();
    this.draw();
  }

  start() {
    const changed = Boolean(this.answer.frames.before);
    this.sort = changed ? "delta" : "self";
    this.figures = changed ? CHANGES : FIGURES;
    this.heads = [...NAMES, ...this.figures].map(([title, field]) => this.head(title, field));
    this.caption = make("caption");
    this.body = make("tbody");
    this.note = make("p", { class: "muted" });
    const table = make("table", { class: "wide map", "data-flame-table": true, "data-list": true }, this.caption, make("thead", {}, make("tr", {}, ...this.heads)), this.body);
    this.place.replaceChildren(make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Functions" }, table), this.note);
  }

  head(title, field) {
    const text = field === "name" || field === "file";
    const cell = make("th", { scope: "col", class: text ? null : "num" });
    cell.field = field;
    if (!field) {
      cell.append(title);
      return cell;
    }
    const button = make("button", { type: "button" }, title);
    button.addEventListener("click", () => {
      this.down = this.sort === field ? !this.down : !text;
      this.sort = field;
      this.draw();
    });
    cell.append(button);
    return cell;
  }

  // Indexes into the frames of the answer, in the order that is wanted.
  order() {
    const { frames } = this.answer;
    const texts = { name: (row) => this.boxes.label(frames.name[row]), file: (row) => this.file(frames.name[row]) };
    const text = texts[this.sort];
    // What shrank most is as far up as what grew most.
    const size = this.sort === "delta" ? Math.abs : (value) => value;
    const compare = text ? (a, b) => text(a).localeCompare(text(b), "en") : (a, b) => size(frames[this.sort][a]) - size(frames[this.sort][b]);
    const sign = this.down ? -1 : 1;
    return frames.name.map((_, row) => row).filter((row) => !this.hits || this.hits[frames.name[row]]).sort((a, b) => sign * compare(a, b));
  }

  file(name) {
    return plain(this.boxes.modules[name] ?? "");
  }

  draw() {
    const found = this.order();
    const kept = new Map();
    let next = this.body.firstElementChild;
    for (const at of found.slice(0, MOST_ROWS)) {
      const name = this.answer.frames.name[at];
      const key = `${this.boxes.names[name]}\n${this.boxes.apart ? this.boxes.modules[name] : ""}`;
      const row = this.rows.get(key) ?? this.build(name);
      this.fill(row, at, name);
      kept.set(key, row);
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
    for (const [key, row] of this.rows) if (!kept.has(key)) row.remove();
    this.rows = kept;
    this.caption.textContent = `Functions of ${plain(this.answer.map)}`;
    this.note.textContent = found.length > MOST_ROWS ? `The first ${number(MOST_ROWS)} of ${number(found.length)} functions in this order; the exports have all.` : "";
    for (const cell of this.heads) {
      if (cell.field && cell.field === this.sort) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  build(name) {
    const link = this.linkOf(name);
    return make("tr", { "data-frame": this.boxes.names[name] },
      make("td", { class: "long mono" }, make(link ? "a" : "span", link ? { "data-trace": true } : {})),
      make("td", { class: "short mono" }), ...this.figures.map(() => make("td", { class: "num" })));
  }

  fill(row, at, name) {
    const { frames, total } = this.answer;
    const [text, file] = [this.boxes.label(name), this.file(name)];
    const [first, second, ...cells] = row.cells;
    first.title = text;
    this.put(first.firstElementChild, text);
    if (first.firstElementChild.localName === "a") first.firstElementChild.href = this.linkOf(name);
    second.title = file;
    this.put(second, file.split("/").at(-1));
    this.figures.forEach(([, field, part], column) => {
      this.put(cells[column], part ? share(frames[part][at], total) : number(frames[field][at]));
      if (field) cells[column].dataset[field] = frames[field][at];
    });
  }

  put(cell, text) {
    if (cell.textContent !== text) cell.textContent = text;
  }
}
