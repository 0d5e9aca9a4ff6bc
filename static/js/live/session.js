// A session's page, live: frames of the feed go to the views, which paint at a reader's pace; the status says all.
import { ask, icon, make, number, plain, say } from "../page.js";
import { Counters } from "./counters.js";
import { Flame } from "./flame.js";
import { Heatmap } from "./heatmap.js";
import { Histograms } from "./histogram.js";
import { Log } from "./log.js";
import { MapTables } from "./maptable.js";
import { seldom } from "./overtime.js";
import { Replay } from "./replay.js";
import { Feed } from "./socket.js";
import { Spanned } from "./span.js";
import { Timeline } from "./timeline.js";
import { attachWords } from "./words.js";

const REPLAYED = 100_000;
// Between two pictures of what comes: nobody reads faster, and a browser on the target's own cores takes its time.
const PAINT_MS = 100;
const SUMMARY_MS = 10_000;
const RATE_MS = 1000;
const FOLLOW_POLL_MS = 1000;
const FOLLOWED_MS = 3_600_000;
const OVER = new Set(["ended", "failed"]);
// By the name of its panel: each has add(event) for the events of its types (null: those that no view names),
// paint(), which is called ten times a second, and reset(), which empties it. One with setSpan(span) loads a span of
// time by itself; to the others the lines and maps of the span are given. frame(frame) takes every event,
// missed() says that prints of maps were left out on the way.
const VIEWS = {
  log: { types: null, make: (panel) => new Log(panel) },
  table: { types: ["map", "stats"], make: (panel, only, live) => new MapTables(panel, only, live) },
  histogram: { types: ["hist"], make: (panel, only, live) => new Histograms(panel, only, live) },
  heatmap: { types: ["hist"], make: (panel, only, live) => new Heatmap(panel, only, live) },
  flame: { types: ["map", "hist", "stats"], make: (panel, only, live) => new Flame(panel, only, live) },
  counters: { types: ["map", "stats", "hist"], make: (panel, only, live) => new Counters(panel, only, live) },
};

function bound(text) {
  return text === undefined ? null : Number(text);
}

class Live {
  constructor(root) {
    this.root = root;
    const { first, last, t0, t1, at } = root.dataset;
    this.first = Math.max(1, Number(first));
    this.last = Number(last);
    this.over = OVER.has(root.querySelector("[data-state]").dataset.state);
    this.elapsed = 0;
    this.span = t0 === undefined && t1 === undefined ? null : { t0: bound(t0), t1: bound(t1) };
    attachWords(root, this);
    this.panels = {};
    this.views = {};
    this.takers = new Map(); // type of event to the views that take it
    for (const [name, { types, make: build }] of Object.entries(VIEWS)) {
      const panel = root.querySelector(`[data-view-panel=${name}]`);
      const view = build(panel, root.dataset.map || null, this);
      this.panels[name] = panel;
      this.views[name] = view;
      for (const type of types ?? [null]) this.takers.set(type, [...(this.takers.get(type) ?? []), view]);
    }
    this.status = null;
    this.frame = 0;
    this.paused = false;
    this.marks = [];
    this.find = (name) => root.querySelector(name);
    this.paced = seldom(() => this.onFrame(), PAINT_MS);
    this.attachViews();
    this.attachPause();
    this.attachStop();
    this.timeline = new Timeline(root.querySelector("[data-timeline]"), this);
    this.replay = new Replay(root.querySelector("[data-replay]"), this);
    this.spanned = new Spanned(this, (event) => this.give(event), () => this.empty());
    this.feed = new Feed((frame) => this.take(frame), (text, live, over) => this.link(text, live, over));
    this.summary = setInterval(() => this.summarise(), SUMMARY_MS);
    setInterval(() => this.rate(), RATE_MS);
    this.address({});
    if (this.over) this.replay.offer();
    if (this.over && at !== undefined) this.replay.start(Number(at), false);
    else this.begin();
  }

  begin() {
    if (this.span) this.tellSpan();
    this.feed.start(this.root.dataset.socket, this.span ? this.last + 1 : this.oldest);
  }

  // The first number of what the views keep.
  get oldest() {
    return Math.max(this.first, this.last - REPLAYED + 1);
  }

  takersOf(event) {
    return this.takers.get(event.type) ?? this.takers.get(null);
  }

  take(frame) {
    for (const event of frame.events) {
      this.timeline.add(event);
      if (this.span) this.spanned.add(event);
      for (const view of this.takersOf(event)) if (!this.span || view.setSpan) view.add(event);
    }
    for (const view of Object.values(this.views)) {
      view.frame?.(frame);
      if (frame.events.length <= frame.last - frame.first) view.missed?.();
    }
    this.last = Math.max(this.last, frame.last);
    this.status = frame;
    if (this.replay.on) this.replay.take(frame.t);
    else this.elapsed = frame.t;
    this.schedule();
  }

  // Of a chosen span, to the views that do not load it by themselves.
  give(event) {
    for (const view of this.takersOf(event)) if (!view.setSpan) view.add(event);
  }

  empty() {
    for (const view of Object.values(this.views)) if (!view.setSpan) view.reset?.();
  }

  // All views show the span, {t0, t1} in ms of which one may be null; null: all of the session.
  setSpan(span) {
    if (this.replay.on) this.replay.end();
    this.span = span;
    this.address({ t0: span?.t0 ?? null, t1: span?.t1 ?? null });
    if (!span) {
      this.timeline.tell(null);
      this.spanned.stop();
      this.follow();
      return;
    }
    this.tellSpan();
  }

  tellSpan() {
    this.timeline.tell(this.span);
    for (const view of Object.values(this.views)) view.setSpan?.(this.span);
    this.spanned.load();
    this.schedule(true);
  }

  // All of the session, from its log and on.
  follow() {
    this.reset();
    this.feed.start(this.root.dataset.socket, this.oldest);
  }

  // A replay, which `words` tells the server where and how fast.
  replayFrom(words) {
    if (this.span) {
      this.span = null;
      this.spanned.stop();
      this.address({ t0: null, t1: null });
      this.timeline.tell(null);
    }
    this.reset();
    this.feed.start(`${this.root.dataset.socket}/replay`, this.first, words);
  }

  reset() {
    for (const view of Object.values(this.views)) view.reset?.();
    this.schedule();
  }

  // The part of the session that the views show, as the API asks for it.
  bounds() {
    if (this.replay.on) return { t1: Math.round(this.replay.place) };
    if (this.paused && !this.span && this.status) return { t1: this.status.t };
    return Object.fromEntries(Object.entries(this.span ?? {}).filter(([, ms]) => ms !== null));
  }

  api(path, query = {}) {
    return `/api/v1/sessions/${encodeURIComponent(this.root.dataset.session)}/${path}?${new URLSearchParams(query)}`;
  }

  // Changes the page's address, so that it opens as it is now; null takes a word out.
  address(changes) {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    history.replaceState(history.state, "", url);
    for (const link of this.root.querySelectorAll("[data-view-link]")) {
      url.searchParams.set("view", link.dataset.viewLink);
      link.href = url.pathname + url.search;
    }
  }

  // What somebody asks to see is painted while the page is paused, too.
  schedule(asked = false) {
    this.asked ||= asked;
    if (asked) this.onFrame();
    else this.paced();
  }

  onFrame() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.paused || this.asked) for (const view of Object.values(this.views)) view.paint();
      this.asked = false;
      this.timeline.soon();
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
    // Detaching takes old versions a sixth of a second a probe: the number goes down.
    put("[data-attached]", session.still_attached ?? session.attached_probes, "attached");
    if (session.expected_probes != null) put("[data-expected]", session.expected_probes, "expected");
    put("[data-viewers]", session.viewers);
    for (const kind of ["kernel", "server", "viewer"]) {
      put(`[data-loss=${kind}]`, loss[kind]);
      this.find(`[data-loss=${kind}]`).classList.toggle("lossy", loss[kind] > 0);
    }
    const seconds = (this.replay.on ? this.elapsed : t) / 1000;
    if (seconds) this.find("[data-elapsed]").textContent = seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
    this.waiting(session);
    this.state(session);
  }

  // The process of a name that the session waits for has come, or will not.
  waiting(session) {
    const place = this.find("[data-waiting]");
    if (!place || (session.pid == null && !OVER.has(session.state))) return;
    place.remove();
    if (session.pid == null) return;
    this.find("[data-process]").replaceChildren(make("a", { href: `/processes/${session.pid}` }, String(session.pid)));
    say(`Process ${session.pid} (${plain(session.wait_for)}) started.`);
  }

  state(session) {
    const badge = this.find("[data-state]");
    if (badge.dataset.state === session.state) return;
    badge.dataset.state = session.state;
    badge.className = `state ${session.state}`;
    badge.textContent = session.state;
    this.over = OVER.has(session.state);
    if (!this.over) return;
    this.find("[data-stop]")?.remove();
    if (session.code === "target_gone") this.goOn();
    if (session.reason) {
      const failed = session.state === "failed";
      this.find("[data-reason]").replaceChildren(make("div", { class: `note ${failed ? "err" : "info"}` }, icon(failed ? "triangle-alert" : "info"), make("div", {}, plain(session.reason))));
    }
    this.summarise();
    clearInterval(this.summary);
  }

  // A session that follows its process says which one goes on, once that is there.
  async goOn() {
    const place = this.find("[data-followed]");
    const until = performance.now() + FOLLOWED_MS;
    while (place?.isConnected && !place.querySelector("a") && performance.now() < until) {
      const { followed_by: next } = await ask(`/api/v1/sessions/${encodeURIComponent(this.root.dataset.session)}`).catch(() => ({}));
      if (next) {
        place.replaceChildren(make("a", { href: `/sessions/${encodeURIComponent(next)}` }, `goes on in session ${next}`));
        say("The process is back: the session goes on in another.");
      } else await new Promise((resolve) => setTimeout(resolve, FOLLOW_POLL_MS));
    }
  }

  link(text, live, over) {
    this.find("[data-link]").textContent = this.paused ? `${text}, paused` : text;
    this.find("[data-link]").classList.toggle("lossy", !live && !over);
    this.find("[data-pause]").hidden = this.over || (!live && Boolean(over));
    this.linkText = text;
    if (!over) return;
    if (this.replay.on) this.replay.ended();
    else this.replay.offer();
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
        this.schedule(true);
      });
    }
  }

  attachPause() {
    const button = this.find("[data-pause]");
    button.hidden = this.over;
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
