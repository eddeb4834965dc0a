// What the page knows. The events of the stream are put in here; views show what is in it.
import { onBeat, serverSaid } from "./clock.js";

const OPEN = new Set(["ringing", "answered"]);
const byKey = (list, key) => new Map((list ?? []).map((one) => [one[key], one]));

class Store extends EventTarget {
  me = null; // null: not known yet; false: nobody is signed in
  online = false; // the stream of events stands
  wasOnline = false;
  offlineSince = 0;
  live = false; // the server's connection to Asterisk stands
  presence = null;
  agent = null;
  phoneTab = "";
  pops = new Map();
  lastPop = null; // the talk that was on the screen last: its notes are still to be written
  calls = new Map();
  numbers = new Map();
  queues = new Map();
  dispositions = [];
  pauses = [];
  floor = null;
  standing = new Map();
  findings = [];
  flows = new Map();
  lines = new Map();
  missed = [];

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  can(scope) {
    return Boolean(this.me && this.me.scopes.includes(scope));
  }

  /** GET /api/state: everything anew; what is not in it is gone. */
  load(state) {
    serverSaid(state.at);
    this.live = state.live;
    this.presence = state.presence;
    this.agent = state.agent;
    this.phoneTab = state.phone?.tab ?? "";
    this.calls = byKey(state.calls, "id");
    this.numbers = byKey(state.numbers, "queue");
    this.queues = byKey(state.queues, "name");
    this.dispositions = state.dispositions ?? [];
    this.pauses = state.pauses ?? [];
    this.pops = byKey(state.pops, "id");
    for (const pop of this.pops.values()) if (pop.state === "answered") this.lastPop = pop;
    if (state.findings) this.findings = state.findings;
    this.floor = state.floor && {
      people: byKey(state.floor.people, "login"),
      presences: byKey(state.floor.presences, "login"),
      agents: byKey(state.floor.agents, "interface"),
      queues: byKey(state.floor.queues, "name"),
      callbacks: byKey(state.floor.callbacks, "id"),
    };
    if (state.floor) this.calls = byKey([...state.floor.calls, ...state.calls], "id");
    this.changed();
  }

  /** One event of the stream. */
  take({ kind, key, value }) {
    this[`_${kind}`]?.(key, value);
    this.changed();
  }

  /** The calls this agent's own phone is in, the newest last. */
  get own() {
    const ids = new Set(this.agent?.calls ?? []);
    return [...this.calls.values()].filter((call) => ids.has(call.id));
  }

  get openPops() {
    return [...this.pops.values()].filter((pop) => OPEN.has(pop.state));
  }

  /** The pop that the desk shows: one that is talked, else one that rings, else the last one. */
  get shownPop() {
    const open = this.openPops;
    return open.find((pop) => pop.state === "answered") ?? open.at(-1) ?? this.lastPop;
  }

  dismiss() {
    this.lastPop = null;
    this.changed();
  }

  _pop(id, pop) {
    const before = this.pops.get(id);
    if (before && pop && pop.revision < before.revision) return;
    if (pop && OPEN.has(pop.state)) {
      this.pops.set(id, pop);
      if (pop.state === "answered") this.lastPop = pop;
      return;
    }
    this.pops.delete(id);
    if (this.lastPop?.id === id && pop) this.lastPop = pop;
    if (pop && (pop.state === "missed" || pop.state === "gone")) {
      this.missed = [pop, ...this.missed.filter((one) => one.id !== id)].slice(0, 5);
    }
  }

  _presence(login, presence) {
    if (login === this.me?.login) this.presence = presence;
    this.floor?.presences.set(login, presence);
  }

  _agent(interface_, agent) {
    if (interface_ === this.me?.agent?.interface) this.agent = agent;
    put(this.floor?.agents, interface_, agent);
  }

  _call(id, call) {
    put(this.calls, id, call);
  }

  _live(_, live) {
    this.live = Boolean(live);
  }

  _phone(_, phone) {
    this.phoneTab = phone?.tab ?? "";
    this.dispatchEvent(new Event("phone"));
  }

  _numbers(queue, numbers) {
    const before = this.numbers.get(queue)?.callbacks;
    put(this.numbers, queue, numbers);
    if (numbers?.callbacks !== before) this.dispatchEvent(new Event("callbacks"));
  }

  _queue(name, queue) {
    put(this.floor?.queues, name, queue);
  }

  _callback(id, callback) {
    const over = !callback || callback.state === "done" || callback.state === "failed";
    put(this.floor?.callbacks, id, over ? null : callback);
    this.dispatchEvent(new Event("callbacks"));
  }

  _standing(flow, steps) {
    this.standing.set(flow, steps ?? {});
  }

  _findings(_, findings) {
    this.findings = findings ?? [];
  }

  _flow(name, flow) {
    put(this.flows, name, flow);
  }

  _line(call, line) {
    if (line) this.lines.set(call, [...(this.lines.get(call) ?? []), line]);
  }

  forget() {
    Object.assign(this, new Store(), { me: false });
    this.changed();
  }
}

function put(map, key, value) {
  if (value == null) map?.delete(key);
  else map?.set(key, value);
}

export const store = new Store();

/** Keeps a Lit element up to date with the store, and with the clock when `ticks`. */
export class Follow {
  constructor(host, { ticks = false } = {}) {
    this.host = host;
    this.ticks = ticks;
    host.addController(this);
  }

  hostConnected() {
    this.update = () => this.host.requestUpdate();
    store.addEventListener("change", this.update);
    if (this.ticks) this.stopBeat = onBeat(this.update);
  }

  hostDisconnected() {
    store.removeEventListener("change", this.update);
    this.stopBeat?.();
  }
}
