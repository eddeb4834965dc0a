import { html, nothing } from "lit";
import { at, post } from "../core/api.js";
import { now } from "../core/clock.js";
import { duration, phone as shown } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { shortcut } from "../core/keys.js";
import { phone } from "../core/phone.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { icon } from "./icon.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const inPage = () => store.me?.agent?.phone === "web";

/** The call at this agent's phone: of the page's own phone, or what Asterisk tells of a desk phone. */
export function current() {
  const own = store.own.at(-1);
  if (inPage()) {
    if (!phone.call) return null;
    const call = store.calls.get(phone.call.id) ?? own;
    return { ...phone.call, id: phone.call.id || own?.id || "", live: call };
  }
  if (!own) return null;
  const ringing = own.ringing.includes(store.me.agent.interface);
  return {
    id: own.id, state: ringing ? "ringing" : "talking", live: own, number: own.caller,
    name: own.caller_name, held: own.phase === "held", muted: false,
    since: ringing ? own.phase_since : own.answered || own.phase_since,
  };
}

const command = (name, body) => {
  const call = current();
  if (call?.id) return attempt(() => post(at`/api/calls/${call.id}/` + name, body));
};
const talking = () => current()?.state === "talking";

export function answer() {
  if (inPage()) phone.answer();
}

export function hangUp() {
  const call = current();
  if (inPage() && (call?.state === "ringing" || !call?.id)) phone.hangUp();
  else if (call) command("hang-up");
}

function hold() {
  phone.hold(!current().held);
}

/** As it is dialled: a number without what people put between its digits; a name as it is. */
export const dialled = (to) => {
  const text = String(to ?? "").trim();
  return /^[+\d\s()./-]+$/.test(text) ? text.replace(/[^+\d]/g, "") : text;
};

/** Ring a number: the own phone first (it answers itself), then the other side. */
export async function dial(to) {
  const number = dialled(to);
  if (!number) return;
  if (inPage()) phone.expect();
  await attempt(() => post("/api/dial", { to: number }), t("phone.dialling", { to: shown(number) }));
}

class PhonePart extends View {
  static ticks = true;
  pad = false;

  connectedCallback() {
    super.connectedCallback();
    this.listen = () => this.requestUpdate();
    phone.addEventListener("change", this.listen);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    phone.removeEventListener("change", this.listen);
  }

  render() {
    if (!store.me?.agent) return nothing;
    const call = current();
    return html`<section class="card phone" aria-labelledby="phone-title" data-state=${this.status()}>
      <div class="card-head"><h2 id="phone-title">${t("phone.title")}</h2>${this.standing()}</div>
      ${call ? this.call(call) : this.idle()}
    </section>`;
  }

  status() {
    return inPage() ? phone.state : "desk";
  }

  standing() {
    if (!inPage()) return html`<span class="tag">${t("phone.desk", { extension: store.me.agent.extension })}</span>`;
    return html`<span class="tag phone-${phone.state}">${word("phone", phone.state)}</span>`;
  }

  idle() {
    if (inPage() && phone.state === "elsewhere") {
      return html`<p class="notice">${t("phone.elsewhere_about")}</p>
        <button class="primary wide" @click=${() => phone.start(phone.tab)}>${t("phone.take")}</button>`;
    }
    return html`<form class="dial" @submit=${this.submit}>
      <label class="grow"><span class="sr">${t("phone.number")}</span>
        <input id="dial" name="to" inputmode="tel" autocomplete="off" placeholder=${t("phone.number")} /></label>
      <button class="primary square" aria-label=${t("phone.dial")} title=${t("phone.dial")}>${icon("phone")}</button>
    </form>`;
  }

  submit(event) {
    event.preventDefault();
    dial(new FormData(event.target).get("to"));
    event.target.reset();
  }

  call(call) {
    // Who is asked by a colleague talks; only the one who asks has a caller to come back to.
    const asks = call.live?.phase === "consulting" && call.live.agent === store.me.agent.interface;
    const label = call.state === "ringing" ? "ringing" : call.held ? "held" : asks ? "consulting" : "talking";
    return html`<div class="call-now ${label}" data-call=${call.id} data-phase=${label}>
        <div><strong>${call.live?.caller_name || call.name || shown(call.number)}</strong>
          <span class="faint">${shown(call.live?.caller || call.number)}</span></div>
        <div class="call-state"><span class="dot"></span>${word("call", label)}
          <span class="timer">${duration(now() - call.since)}</span></div>
      </div>
      <div class="call-keys">${call.state === "ringing" ? this.ringing() : this.talking(call, asks)}</div>
      ${this.pad && call.state === "talking" ? this.keypad() : nothing}`;
  }

  ringing() {
    if (!inPage()) return html`<p class="faint">${t("phone.answer_there")}</p>`;
    return html`<button class="go" @click=${answer}>${icon("phone")}${t("phone.answer")}</button>
      <button class="stop" @click=${hangUp}>${icon("hang-up")}${t("phone.reject")}</button>`;
  }

  talking(call, consulting) {
    const key = (name, label, run, { pressed, kind = "" } = {}) =>
      html`<button class=${kind} aria-pressed=${pressed ?? nothing} @click=${run}>${icon(name)}<span>${label}</span></button>`;
    return html`
      ${inPage() ? key(call.muted ? "mic-off" : "mic", t("phone.mute"), () => phone.mute(!call.muted), { pressed: call.muted }) : nothing}
      ${inPage() ? key("pause", t("phone.hold"), hold, { pressed: call.held }) : nothing}
      ${inPage() ? key("keypad", t("phone.keypad"), () => this.toggle(), { pressed: this.pad }) : nothing}
      ${consulting
        ? html`${key("check", t("phone.complete"), () => command("complete"), { kind: "go" })}
            ${key("back", t("phone.back"), () => command("back"))}
            ${key("three", t("phone.three"), () => command("three-way"))}`
        : html`${key("forward", t("phone.transfer"), () => openTransfer())}
            ${key("shield", t("phone.off_record"), () => this.offRecord(call), { pressed: this.off === call.id })}`}
      ${key("hang-up", t("phone.hang_up"), hangUp, { kind: "stop" })}`;
  }

  toggle() {
    this.pad = !this.pad;
    this.requestUpdate();
  }

  async offRecord(call) {
    const on = this.off !== call.id;
    if (await command("keep-off-record", { on })) this.off = on ? call.id : "";
    this.requestUpdate();
  }

  keypad() {
    return html`<div class="keypad" role="group" aria-label=${t("phone.keypad")}>
      ${KEYS.map((key) => html`<button type="button" @click=${() => phone.press(key)}>${key}</button>`)}
    </div>`;
  }
}
customElements.define("santral-phone", PhonePart);

const openTransfer = () => document.querySelector("santral-transfer")?.open();
const ringing = () => current()?.state === "ringing";
shortcut("a", "key.answer", answer, () => inPage() && ringing());
shortcut("e", "key.hang_up", hangUp, () => Boolean(current()));
shortcut("h", "key.hold", hold, () => inPage() && talking());
shortcut("m", "key.mute", () => phone.mute(!phone.call.muted), () => inPage() && talking());
shortcut("k", "key.keypad", () => document.querySelector("santral-phone")?.toggle(), () => inPage() && talking());
shortcut("t", "key.transfer", openTransfer, talking);
shortcut("d", "key.dial", () => document.querySelector("#dial")?.focus(), () => Boolean(document.querySelector("#dial")));
export { command };
