// What every canvas needs: its size in the screen's own pixels, colours of the tokens, a call when these change.
import { make } from "../page.js";

// The pen of a canvas that is cleared, in the page's pixels; null while it is not shown.
export function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const ratio = devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  return { pen, width, height };
}

let probe = null;
const dark = matchMedia("(prefers-color-scheme: dark)");
const colours = new Map(); // of the theme that is shown: to ask the browser costs it a pass over the styles

function onTheme(call) {
  document.addEventListener("theme", call);
  dark.addEventListener("change", call);
}

onTheme(() => colours.clear());

// A token of the style sheet, such as "--accent", as a colour that a canvas takes.
export function colour(name) {
  if (!colours.has(name)) {
    probe ??= document.body.appendChild(make("span", { hidden: true }));
    probe.style.setProperty("color", `var(${name})`);
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}

export function onRedraw(canvas, redraw) {
  onTheme(redraw);
  new ResizeObserver(redraw).observe(canvas);
}

// Milliseconds as the pages write times: seconds, with as many places as their distance asks for.
export function seconds(ms, step = 1) {
  return `${(ms / 1000).toFixed(step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3)} s`;
}

// Round times between two, at most so many.
export function ticks(t0, t1, most) {
  const length = Math.max(1, t1 - t0);
  let step = 1;
  for (let at = 0; length / step > most; at++) step *= [2, 2.5, 2][at % 3];
  const found = [];
  for (let t = Math.ceil(t0 / step) * step; t <= t1; t += step) found.push(t);
  return { step, at: found };
}
