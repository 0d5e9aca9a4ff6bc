// A session's numbered log over a websocket: from the number asked for, again from the last seen after a break.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const FINAL = new Map([
  [1000, "ended: all sent"], [4400, "the request was not understood"], [4401, "not signed in"],
  [4403, "refused: another origin"], [4404, "there is no such session"],
]);
const WHY = new Map([[1001, "the server stops"], [4408, "this viewer was too slow"], [4429, "too many viewers"]]);

export class Feed {
  // path: of the websocket; from: the first number wanted; onFrame(frame), onLink(text, live)
  constructor(path, from, onFrame, onLink) {
    this.url = new URL(path, location.href);
    this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.next = from;
    this.onFrame = onFrame;
    this.onLink = onLink;
    this.wait = FIRST_WAIT_MS;
    this.paused = false;
    this.timer = 0;
    addEventListener("online", () => this.timer && this.open());
    addEventListener("pagehide", () => this.close());
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.url.searchParams.set("from", this.next);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.onLink("live", true);
      if (this.paused) socket.send('{"pause":true}');
    });
    socket.addEventListener("message", (event) => {
      this.wait = FIRST_WAIT_MS;
      const frame = JSON.parse(event.data);
      this.next = frame.last + 1;
      this.onFrame(frame, event.data.length);
    });
    socket.addEventListener("close", (event) => {
      if (this.socket === socket) this.onClose(event.code);
    });
  }

  onClose(code) {
    if (FINAL.has(code)) {
      this.onLink(FINAL.get(code), false, code === 1000);
      return;
    }
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(LONGEST_WAIT_MS, this.wait * 2);
    this.onLink(`${WHY.get(code) ?? "cut off"}; connects again in ${Math.max(1, Math.round(wait / 1000))} s`, false);
    this.timer = setTimeout(() => this.open(), wait);
  }

  // Paused, the server sends nothing; going on, it sends from where it stopped.
  pause(on) {
    this.paused = on;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ pause: on }));
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
