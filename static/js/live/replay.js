// A session that is over, played again by the server: play and pause, speed, place.
import { seconds } from "./paint.js";

const SEEK_MS = 150;

export class Replay {
  constructor(root, live) {
    this.root = root;
    this.live = live;
    this.button = root.querySelector("[data-play]");
    this.speed = root.querySelector("[data-speed]");
    this.slider = root.querySelector("[data-place]");
    this.text = root.querySelector("[data-place-text]");
    this.leave = root.querySelector("[data-replay-end]");
    this.on = false;
    this.playing = false;
    this.place = 0;
    this.button.addEventListener("click", () => this.toggle());
    this.speed.addEventListener("change", () => this.live.feed.tell({ speed: Number(this.speed.value) }));
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.slider.addEventListener("change", () => this.seek());
    this.leave.addEventListener("click", () => this.end());
  }

  // Keys change the place many times a second: the last one is gone to.
  seek() {
    clearTimeout(this.seeking);
    const playing = this.on && this.playing;
    this.seeking = setTimeout(() => this.start(Number(this.slider.value), playing), SEEK_MS);
  }

  // The session is over: it can be played.
  offer() {
    if (!this.root.hidden) return;
    this.root.hidden = false;
    this.slider.max = Math.ceil(this.live.timeline.end);
    this.show(this.place);
  }

  toggle() {
    if (!this.on || this.place >= Number(this.slider.max)) this.start(0, true);
    else this.play(!this.playing);
  }

  play(on) {
    this.playing = on;
    this.live.feed.pause(!on);
    this.button.setAttribute("aria-pressed", String(on));
    this.button.querySelector("span").textContent = on ? "Pause" : "Play";
    this.live.address({ at: on ? null : Math.round(this.place) });
  }

  // From a place: what came up to it is there at once.
  start(place, playing) {
    this.on = true;
    this.place = Math.min(place, Number(this.slider.max));
    this.slider.value = this.place;
    this.leave.hidden = false;
    this.play(playing);
    this.live.replayFrom(() => ({ at: Math.round(this.place), speed: this.speed.value, paused: Number(!this.playing) }));
    this.show(this.place);
  }

  take(t) {
    this.place = Math.min(t, Number(this.slider.max));
    if (this.playing) this.slider.value = this.place;
    this.show(this.place);
  }

  // The server has sent all.
  ended() {
    if (!this.on) return;
    this.take(Number(this.slider.max));
    this.playing = false;
    this.button.setAttribute("aria-pressed", "false");
    this.button.querySelector("span").textContent = "Play";
  }

  end() {
    this.on = this.playing = false;
    this.place = 0;
    this.slider.value = 0;
    this.leave.hidden = true;
    this.button.setAttribute("aria-pressed", "false");
    this.button.querySelector("span").textContent = "Play";
    this.live.timeline.place = null;
    this.live.address({ at: null });
    this.live.follow();
    this.show(0);
  }

  show(place) {
    const text = `${seconds(place, 100)} of ${seconds(Number(this.slider.max), 100)}`;
    this.text.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    if (!this.on) return;
    this.live.timeline.place = place;
    this.live.timeline.soon();
  }
}
