// Two corners of a box on a grid that is drawn: dragged, set by two clicks, or by arrow keys and Enter.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Brush {
  // place(event): the cell {column, row} under a pointer, or null; size(): {columns, rows};
  // changed(): the cursor or a corner moved; done(box): {c0, c1, r0, r1}, or null when it is dropped.
  constructor(canvas, { place, size, changed, done }) {
    this.place = place;
    this.size = size;
    this.changed = changed;
    this.done = done;
    this.cursor = null;
    this.corner = null; // the first corner, while the second is not set
    this.pressed = null;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => this.drop());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // The box as it would be now.
  get box() {
    if (!this.corner || !this.cursor) return null;
    const [a, b] = [this.corner, this.cursor];
    return {
      c0: Math.min(a.column, b.column), c1: Math.max(a.column, b.column),
      r0: Math.min(a.row, b.row), r1: Math.max(a.row, b.row),
    };
  }

  press(event) {
    const cell = this.place(event);
    if (!cell || event.button) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    this.pressed = { cell, second: this.corner !== null };
    this.corner ??= cell;
    this.cursor = cell;
    this.changed();
  }

  move(event) {
    const cell = this.place(event);
    if (!cell || (this.cursor && cell.column === this.cursor.column && cell.row === this.cursor.row)) return;
    this.cursor = cell;
    this.changed();
  }

  release(event) {
    if (!this.pressed) return;
    const { cell, second } = this.pressed;
    this.pressed = null;
    this.cursor = this.place(event) ?? this.cursor;
    const dragged = this.cursor.column !== cell.column || this.cursor.row !== cell.row;
    if (dragged || second) this.finish();
    else this.changed();
  }

  key(event) {
    const step = STEPS[event.key];
    if (step) this.step(...step);
    else if (event.key === "Home" || event.key === "End") this.step(event.key === "Home" ? -Infinity : Infinity, 0);
    else if (event.key === "Enter") this.enter();
    else if (event.key === "Escape") this.drop();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  step(columns, rows) {
    const size = this.size();
    if (!size.columns || !size.rows) return;
    const from = this.cursor ?? { column: size.columns - 1, row: 0 };
    const within = (value, count) => Math.max(0, Math.min(count - 1, value));
    this.cursor = this.cursor ? { column: within(from.column + columns, size.columns), row: within(from.row + rows, size.rows) } : from;
    this.changed();
  }

  enter() {
    if (!this.cursor) this.step(0, 0);
    else if (this.corner) this.finish();
    else {
      this.corner = this.cursor;
      this.changed();
    }
  }

  finish() {
    const { box } = this;
    this.corner = this.pressed = null;
    this.done(box);
  }

  drop() {
    this.corner = this.pressed = null;
    this.done(null);
  }

  // What it points at is there no more.
  reset() {
    this.cursor = this.corner = this.pressed = null;
  }
}
