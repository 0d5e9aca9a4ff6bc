// What every page loads. The rest comes when an element asks for it, also after htmx has put in a part.
import { attachKeys } from "./keys.js";
import { say } from "./page.js";

const MODULES = [
  ["table[data-table]", () => import("./table.js")],
  ["[data-session]", () => import("./live/session.js")],
  ["[data-flame-alone]", () => import("./live/flame.js")],
  ["[data-editor]", () => import("./builder.js")],
  ["[data-theme-form]", () => import("./theme.js")],
  ["#drop", () => import("./upload.js")],
];
const attached = new WeakSet();

async function scan() {
  for (const [selector, load] of MODULES) {
    for (const element of document.querySelectorAll(selector)) {
      if (attached.has(element)) continue;
      attached.add(element);
      (await load()).attach(element);
    }
  }
}

attachKeys();
scan();
document.addEventListener("htmx:after:swap", scan);

// A part that came from the sign-in page means that the cookie is void: sign in, then come back here.
document.addEventListener("htmx:before:response", (event) => {
  const response = event.detail.ctx.response.raw;
  if (response.redirected && new URL(response.url).pathname === "/login") {
    event.preventDefault();
    location.assign(`/login?${new URLSearchParams({ next: location.pathname + location.search })}`);
  }
});
document.addEventListener("htmx:error", () => say("The server did not answer. Is it still running?"));
