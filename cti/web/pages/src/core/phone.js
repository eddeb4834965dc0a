// The telephone in the page: JsSIP over our own server's /sip, one call at a time.
import * as JsSIP from "jssip";
import { post } from "./api.js";
import { onBeat } from "./clock.js";
import { settings } from "./settings.js";
import { soon } from "./soon.js";
import { ring } from "./sounds.js";
import { store } from "./store.js";

const EXPECTED_FOR = 15000; // ms in which a call that was asked for answers itself
const POP_WITHIN = 700; // ms the ring waits for the story
const SETTLES = 800; // ms after which it is known who has the phone
const PATIENCE = 1000; // ms for a first registration; twice as long each time, up to
const MOST_PATIENCE = 8000;
const CLOSED_ELSEWHERE = 4001;
const CLOSED_SIGNED_OUT = 4002;

/** state: off, connecting, registered, failed, elsewhere. call: null or what is below. */
class Phone extends EventTarget {
  state = "off";
  problem = "";
  call = null; // {id, state: ringing|talking|ended, direction, number, muted, held, since}
  #agent = null;
  #session = null;
  #stopRing = null;
  #expected = 0;
  #next = 0;
  #patience = PATIENCE;

  constructor() {
    super();
    this.audio = new Audio();
    this.audio.autoplay = true;
  }

  #tell(changes = {}) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }

  /** Take the phone into this tab; the other tab of this agent gives it up. */
  async start(tab) {
    this.tab = tab;
    this.wanted = true;
    this.stopBeat ??= onBeat(() => this.#watch());
    await this.#connect();
  }

  async #connect() {
    this.#next = Infinity;
    this.#tell({ state: "connecting", problem: "" });
    try {
      const account = await post("/api/phone", { tab: this.tab });
      if (!this.wanted) return;
      this.#open(account);
    } catch (error) {
      this.#failed(error.code || String(error));
    }
  }

  #open(account) {
    this.#close();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new JsSIP.WebSocketInterface(`${scheme}//${location.host}${account.path}`);
    const agent = new JsSIP.UA({
      sockets: [socket], uri: account.uri, password: account.password,
      authorization_user: account.user, display_name: account.display, register: true,
      register_expires: 120, session_timers: false, user_agent: "Santral",
      connection_recovery_min_interval: 3600, connection_recovery_max_interval: 3600,
    });
    this.#agent = agent;
    // An Asterisk that has just started takes the socket before it answers REGISTER, and JsSIP
    // would wait 32 s for that answer.
    this.#next = Date.now() + this.#patience;
    this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE);
    const mine = (handle) => (event) => agent === this.#agent && handle(event);
    agent.on("registered", mine(() => {
      this.#next = 0;
      this.#patience = PATIENCE;
      this.#tell({ state: "registered", problem: "" });
    }));
    agent.on("registrationFailed", mine((event) => this.#failed(event.cause || "registration")));
    agent.on("disconnected", mine((event) => this.#cut(event)));
    agent.on("newRTCSession", mine((event) => this.#incoming(event)));
    agent.start();
  }

  #cut(event) {
    if (event.code === CLOSED_ELSEWHERE) {
      this.release();
      this.#tell({ state: "elsewhere" });
      setTimeout(() => this.moved(), SETTLES);
    } else if (event.code === CLOSED_SIGNED_OUT) {
      this.release();
    } else if (this.state !== "failed") {
      this.#failed("connection");
    }
  }

  #failed(problem) {
    this.#next = problem === "conflict" ? Infinity : Date.now() + 700;
    this.#tell({ state: problem === "conflict" ? "elsewhere" : "failed", problem });
  }

  /** By the clock's worker: try again, also in a hidden tab; JsSIP's own waits are too long. */
  #watch() {
    if (this.wanted && this.#next && Date.now() >= this.#next && store.online) this.#connect();
  }

  /** The network or the server is back. */
  hurry() {
    if (this.wanted && this.state === "failed") this.#connect();
  }

  #close() {
    const agent = this.#agent;
    this.#agent = null;
    try {
      agent?.stop();
    } catch {
      // it was not started
    }
  }

  /** Off, because another tab has it or nobody is signed in any more. */
  release() {
    this.wanted = false;
    this.#next = 0;
    this.#close();
    this.#ended();
    this.#tell({ state: "off" });
  }

  /** Nobody else has the phone (any more): it comes back here. */
  moved() {
    const elsewhere = store.phoneTab && store.phoneTab !== this.tab;
    if (this.state === "elsewhere" && !elsewhere && store.me) this.start(this.tab);
  }

  /** Somebody here asked for a call: the next one that no queue sent answers itself. */
  expect() {
    this.#expected = Date.now() + EXPECTED_FOR;
  }

  #incoming({ originator, session, request }) {
    if (originator !== "remote") return;
    if (this.#session) {
      session.terminate({ status_code: 486 });
      return;
    }
    this.#session = session;
    session.on("accepted", () => this.#talking(session));
    session.on("confirmed", () => this.#talking(session));
    session.on("hold", () => this.#change({ held: session.isOnHold().local }));
    session.on("unhold", () => this.#change({ held: session.isOnHold().local }));
    session.on("muted", () => this.#change({ muted: true }));
    session.on("unmuted", () => this.#change({ muted: false }));
    const over = () => session === this.#session && this.#ended();
    session.on("ended", over);
    session.on("failed", over);
    session.on("peerconnection", ({ peerconnection }) => this.#listen(peerconnection));
    this.#ringing(session, request.from, request.getHeader("X-Santral-Call") || "");
  }

  /** First the story, then the ring: the INVITE and the pop come by different ways. */
  async #ringing(session, from, id) {
    await popShown(id);
    if (session !== this.#session) return;
    this.#tell({
      call: {
        id, state: "ringing", direction: "inbound", number: from?.uri?.user ?? "",
        name: from?.display_name ?? "", muted: false, held: false, since: Date.now() / 1000,
      },
    });
    const asked = !id && Date.now() < this.#expected;
    if (asked) this.#expected = 0;
    if (asked || settings.autoAnswer) this.answer();
    else if (settings.ringtone) this.#stopRing = ring();
  }

  #listen(connection) {
    this.connection = connection;
    connection.addEventListener("track", (event) => {
      // a stream of our own: Asterisk takes the track out of its own when it renegotiates
      this.audio.srcObject = new MediaStream([event.track]);
      this.useSpeaker();
      this.audio.play().catch(() => {});
    });
  }

  async useSpeaker() {
    if (settings.speaker && this.audio.setSinkId) {
      await this.audio.setSinkId(settings.speaker).catch(() => {});
    }
  }

  answer() {
    if (!this.#session || this.call?.state !== "ringing") return;
    this.#silence();
    try {
      this.#session.answer({ mediaConstraints: constraints(), pcConfig: { iceServers: [] } });
    } catch (error) {
      this.#tell({ problem: String(error) });
    }
  }

  #silence() {
    this.#stopRing?.();
    this.#stopRing = null;
  }

  #talking(session) {
    if (session !== this.#session) return;
    this.#silence();
    if (this.call.state !== "talking") this.#change({ state: "talking", since: Date.now() / 1000 });
  }

  #change(changes) {
    if (this.call) this.#tell({ call: { ...this.call, ...changes } });
  }

  #ended() {
    this.#silence();
    this.#session = null;
    this.connection = null;
    this.audio.srcObject = null;
    if (this.call) this.#tell({ call: null });
  }

  hangUp() {
    try {
      this.#session?.terminate();
    } catch {
      this.#ended();
    }
  }

  mute(on) {
    if (on) this.#session?.mute({ audio: true });
    else this.#session?.unmute({ audio: true });
  }

  hold(on) {
    if (on) this.#session?.hold();
    else this.#session?.unhold();
  }

  press(key) {
    this.#session?.sendDTMF(key, { transportType: "RFC2833", duration: 120, interToneGap: 80 });
  }

  /** Another microphone while talking. */
  async changeMicrophone() {
    const sender = this.connection?.getSenders().find((one) => one.track?.kind === "audio");
    if (!sender) return;
    const stream = await navigator.mediaDevices.getUserMedia(constraints());
    await sender.replaceTrack(stream.getAudioTracks()[0]);
  }
}

/** Resolves when the pop of that call is on the page, and after a moment in any case. */
function popShown(id) {
  const there = () => [...store.pops.values()].some((pop) => pop.call === id);
  if (!id || there()) return Promise.resolve();
  return new Promise((shown) => {
    const timer = setTimeout(done, POP_WITHIN);
    const look = () => there() && soon(done); // Lit draws before the next task
    store.addEventListener("change", look);
    function done() {
      clearTimeout(timer);
      store.removeEventListener("change", look);
      shown();
    }
  });
}

export function constraints() {
  const cleaning = settings.voiceCleaning;
  return {
    audio: {
      deviceId: settings.microphone ? { ideal: settings.microphone } : undefined,
      echoCancellation: cleaning, noiseSuppression: cleaning, autoGainControl: cleaning,
    },
    video: false,
  };
}

export const phone = new Phone();
