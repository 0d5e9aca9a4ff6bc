// Small things that the modules share: messages, elements, numbers, errors of the API.

const SPRITE = document.querySelector(".icon use")?.getAttribute("href").split("#")[0];
const NUMBER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

export function number(value) {
  return NUMBER.format(value);
}

// An element with attributes and children; texts become text nodes, never markup.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${SPRITE}#${name}`);
  svg.append(use);
  return svg;
}

// Control and bidirectional characters shown as escapes, as the server's pages show them.
export function plain(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (c) =>
    c === "\t" ? c : `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);
}

// A message that screen readers speak and that goes away by itself, or stays until remove() is called.
export function say(text, stays = false) {
  const toast = make("div", { class: "toast" }, text);
  document.getElementById("status").append(toast);
  if (!stays) setTimeout(() => toast.remove(), 5000);
  return toast;
}

// The JSON of an answer; throws with the server's sentence and hint.
export async function ask(url, options = {}) {
  const response = await fetch(url, options);
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return body;
  const error = body?.error;
  throw new Error(error ? `${error.message} ${error.hint}`.trim() : `The server answered ${response.status}.`);
}

export function post(url, body) {
  return ask(url, {
    method: "POST",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}
