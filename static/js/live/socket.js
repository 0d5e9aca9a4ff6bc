// A session's numbered log over a websocket: from the number asked for, again from the last seen after a break.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const FINAL = new Map([
  [1000, "ended: all sent"], [4400, "the request was not understood"], [4401, "not signed in"],
  [4403, "refused: another origin"], [4404, "there is no such session"], [4409, "the session runs still"],
]);
const WHY = new Map([[1001, "the server stops"], [4408, "this viewer was too slow"], [4429, "too many viewers"]]);

export class Feed {
  // onFrame(frame), onLink(text, live, over)
  constructor(onFrame, onLink) {
    this.onFrame = onFrame;
    this.onLink = onLink;
    this.paused = false;
    this.timer = 0;
    this.socket = null;
    addEventListener("online", () => this.timer && this.open());
    addEventListener("pagehide", () => this.close());
  }

  // Begins at a number of the log. path: of the websocket; words(): more of the query, at each connection.
  start(path, from, words = () => ({})) {
    this.close();
    this.url = new URL(path, location.href);
    this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.words = words;
    this.next = from;
    this.wait = FIRST_WAIT_MS;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    for (const [name, value] of Object.entries({ from: this.next, ...this.words() })) this.url.searchParams.set(name, value);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", () => {
      if (this.socket !== socket) return;
      this.onLink("live", true);
      if (this.paused) socket.send('{"pause":true}');
    });
    socket.addEventListener("message", (event) => {
      if (this.socket !== socket) return;
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
    this.tell({ pause: on });
  }

  tell(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  close() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = this.socket;
    this.socket = null;
    // One that is closed before it is open is an error in the console.
    if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close());
    else socket?.close();
  }
}
