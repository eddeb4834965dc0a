// The stream of events: loses nothing (the server sends what was missed), says when it is cut, and
// comes back within a second of the network.
import { get, post } from "./api.js";
import { onBeat, serverSaid } from "./clock.js";
import { soon } from "./soon.js";
import { store } from "./store.js";

const SILENT = 12000; // ms without a beat: the line is dead, whatever the browser thinks
const WAITS = [200, 400, 800, 1000];
const KINDS = [
  "pop", "presence", "agent", "call", "live", "phone", "numbers", "queue", "callback", "standing",
  "findings", "flow", "line",
];

export class Stream {
  constructor(tab, onSignedOut) {
    this.tab = tab;
    this.onSignedOut = onSignedOut;
    this.place = "";
    this.failed = 0;
    this.call = "";
  }

  async start() {
    this.wanted = true;
    this.stopBeat = onBeat(() => this.watch());
    this.back = () => this.hurry();
    addEventListener("online", this.back);
    document.addEventListener("visibilitychange", this.back);
    await this.connect();
  }

  stop() {
    this.wanted = false;
    this.stopBeat?.();
    removeEventListener("online", this.back);
    document.removeEventListener("visibilitychange", this.back);
    this.source?.close();
  }

  /** Also send the lines of one call's transcript ("": of none). */
  follow(call) {
    if (call === this.call) return;
    this.call = call;
    store.lines.clear();
    if (this.wanted && this.source) this.open();
  }

  async connect() {
    this.source?.close();
    this.source = null;
    this.next = 0;
    this.connecting = true;
    try {
      if (!this.place) {
        const state = await get("/api/state");
        this.place = state.place;
        store.load(state);
      }
      if (this.wanted) this.open();
    } catch (error) {
      if (error.code !== "not_signed_in") this.lost();
    } finally {
      this.connecting = false;
    }
  }

  open() {
    this.source?.close();
    const query = new URLSearchParams({ after: this.place, tab: this.tab });
    if (store.can("floor")) query.append("view", "floor");
    if (store.can("flows")) query.append("view", "flows");
    if (this.call) query.set("call", this.call);
    const source = new EventSource(`/events?${query}`);
    this.source = source;
    this.heard = Date.now();
    const on = (kind, handle) =>
      source.addEventListener(kind, (event) => {
        if (source !== this.source) return;
        this.heard = Date.now();
        if (event.lastEventId) this.place = event.lastEventId;
        handle(event.data ? JSON.parse(event.data) : {});
      });
    for (const kind of KINDS) on(kind, (data) => this.take(data));
    on("hello", (data) => this.stands(data));
    on("beat", (data) => serverSaid(data.at));
    on("resync", () => this.reload());
    on("signed-out", (data) => this.onSignedOut(data.why));
    source.onerror = () => {
      if (source === this.source) this.lost();
    };
  }

  stands(data) {
    serverSaid(data.at);
    this.failed = 0;
    store.online = true;
    store.wasOnline = true;
    store.offlineSince = 0;
    store.changed();
    store.dispatchEvent(new Event("online"));
  }

  take(event) {
    store.take(event);
    if (event.kind === "pop") store.dispatchEvent(new CustomEvent("pop", { detail: event.value }));
    // Lit has put it on the page when its microtask is over; only then is it shown.
    if (event.ack) soon(() => this.acknowledge(event.sequence));
  }

  async acknowledge(sequence) {
    try {
      await post("/api/ack", { sequence });
    } catch {
      // Not taken: the server sends the pop again after the next connection.
    }
  }

  async reload() {
    try {
      const state = await get("/api/state");
      store.load(state);
    } catch {
      this.place = "";
      this.lost();
    }
  }

  lost() {
    this.source?.close();
    this.source = null;
    if (!this.wanted) return;
    store.online = false;
    store.offlineSince ||= Date.now() / 1000;
    store.changed();
    this.next = Date.now() + WAITS[Math.min(this.failed++, WAITS.length - 1)];
    setTimeout(() => this.watch(), WAITS[0] + 20);
  }

  /** Called twice a second by the clock's worker: is the line alive, is it time to try again? */
  watch() {
    if (!this.wanted || this.connecting) return;
    if (this.source && Date.now() - this.heard > SILENT) this.lost();
    if (!this.source && this.next && Date.now() >= this.next) this.connect();
  }

  hurry() {
    if (this.wanted && !this.source && !this.connecting) this.connect();
  }
}
