// A session's page, live: frames of the feed go to the views, which paint once a frame; the status says all.
import { ask, icon, make, number, plain, say } from "../page.js";
import { Flame } from "./flame.js";
import { Histograms } from "./histogram.js";
import { Log } from "./log.js";
import { MapTables } from "./maptable.js";
import { Feed } from "./socket.js";

const REPLAYED = 100_000;
const SUMMARY_MS = 10_000;
const RATE_MS = 1000;
const OVER = new Set(["ended", "failed"]);
// By the name of its panel: each has add(event) for the events of its types (null: those that no view names),
// and paint(), which is called once a frame.
const VIEWS = {
  log: { types: null, make: (panel) => new Log(panel) },
  table: { types: ["map", "stats"], make: (panel, only) => new MapTables(panel, only) },
  histogram: { types: ["hist"], make: (panel, only) => new Histograms(panel, only) },
  flame: { types: ["map", "hist", "stats"], make: (panel, only) => new Flame(panel, only) },
};

class Live {
  constructor(root) {
    this.root = root;
    this.panels = {};
    this.views = {};
    this.takers = new Map(); // type of event to the views that take it
    for (const [name, { types, make: build }] of Object.entries(VIEWS)) {
      const panel = root.querySelector(`[data-view-panel=${name}]`);
      const view = build(panel, root.dataset.map);
      this.panels[name] = panel;
      this.views[name] = view;
      for (const type of types ?? [null]) this.takers.set(type, [...(this.takers.get(type) ?? []), view]);
    }
    this.status = null;
    this.frame = 0;
    this.paused = false;
    this.marks = [];
    this.find = (name) => root.querySelector(name);
    this.attachViews();
    this.attachPause();
    this.attachStop();
    const { first, last, socket } = root.dataset;
    const from = Math.max(1, Number(first), Number(last) - REPLAYED + 1);
    this.feed = new Feed(socket, from, (frame) => this.take(frame), (text, live, over) => this.link(text, live, over));
    this.summary = setInterval(() => this.summarise(), SUMMARY_MS);
    setInterval(() => this.rate(), RATE_MS);
  }

  take(frame) {
    for (const event of frame.events) {
      for (const view of this.takers.get(event.type) ?? this.takers.get(null)) view.add(event);
    }
    this.status = frame;
    this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.paused) for (const view of Object.values(this.views)) view.paint();
      this.show();
    });
  }

  show() {
    if (!this.status) return;
    const { session, loss, t } = this.status;
    const put = (selector, value, data) => {
      const element = this.find(selector);
      if (!element) return;
      const text = value == null ? "–" : number(value);
      if (element.textContent !== text) element.textContent = text;
      if (data) element.dataset[data] = value ?? "";
    };
    put("[data-events]", session.events, "events");
    put("[data-attached]", session.attached_probes, "attached");
    if (session.expected_probes != null) put("[data-expected]", session.expected_probes, "expected");
    put("[data-viewers]", session.viewers);
    for (const kind of ["kernel", "server", "viewer"]) {
      put(`[data-loss=${kind}]`, loss[kind]);
      this.find(`[data-loss=${kind}]`).classList.toggle("lossy", loss[kind] > 0);
    }
    const seconds = t / 1000;
    this.find("[data-elapsed]").textContent = seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
    this.state(session);
  }

  state(session) {
    const badge = this.find("[data-state]");
    if (badge.dataset.state === session.state) return;
    badge.dataset.state = session.state;
    badge.className = `state ${session.state}`;
    badge.textContent = session.state;
    if (!OVER.has(session.state)) return;
    this.find("[data-stop]")?.remove();
    if (session.reason) {
      const failed = session.state === "failed";
      this.find("[data-reason]").replaceChildren(make("div", { class: `note ${failed ? "err" : "info"}` }, icon(failed ? "triangle-alert" : "info"), make("div", {}, plain(session.reason))));
    }
    this.summarise();
    clearInterval(this.summary);
  }

  link(text, live, over) {
    this.find("[data-link]").textContent = this.paused ? `${text}, paused` : text;
    this.find("[data-link]").classList.toggle("lossy", !live && !over);
    this.find("[data-pause]").hidden = !live && Boolean(over);
    this.linkText = text;
  }

  rate() {
    if (!this.status) return;
    this.marks.push([performance.now(), this.status.session.events]);
    if (this.marks.length > 4) this.marks.shift();
    const [[then, before], [now, events]] = [this.marks[0], this.marks.at(-1)];
    const over = OVER.has(this.status.session.state);
    this.find("[data-rate]").textContent = over || now === then ? "" : `${number(Math.round(((events - before) * 1000) / (now - then)))}/s`;
  }

  // For screen readers, every ten seconds and at the end, instead of each line.
  summarise() {
    if (!this.status) return;
    const { session, loss } = this.status;
    const text = `${session.state}: ${number(session.events)} events, lost ${number(loss.kernel + loss.server)}`;
    const place = this.find("[data-summary]");
    if (place.textContent !== text) place.textContent = text;
  }

  attachViews() {
    for (const link of this.root.querySelectorAll("[data-view-link]")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        for (const [name, panel] of Object.entries(this.panels)) panel.hidden = name !== link.dataset.viewLink;
        for (const other of this.root.querySelectorAll("[data-view-link]")) {
          if (other === link) other.setAttribute("aria-current", "page");
          else other.removeAttribute("aria-current");
        }
        history.replaceState(history.state, "", link.href);
        this.views.log.dirty = true;
        this.schedule();
      });
    }
  }

  attachPause() {
    const button = this.find("[data-pause]");
    button.hidden = false;
    button.addEventListener("click", () => {
      this.paused = !this.paused;
      this.feed.pause(this.paused);
      button.setAttribute("aria-pressed", String(this.paused));
      button.querySelector("span").textContent = this.paused ? "Go on" : "Pause";
      this.link(this.linkText ?? "live", true);
      this.schedule();
    });
  }

  attachStop() {
    this.find("[data-stop]")?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.currentTarget.querySelector("button");
      button.disabled = true;
      try {
        await ask(`/api/v1/sessions/${encodeURIComponent(this.root.dataset.session)}/stop`, { method: "POST" });
        say("The session stops.");
      } catch (error) {
        button.disabled = false;
        say(error.message);
      }
    });
  }
}

export function attach(root) {
  new Live(root);
}
