import { html, nothing } from "lit";
import { at, get, remove } from "../core/api.js";
import { duration, phone as shown, time } from "../core/format.js";
import { t, titled, word } from "../core/i18n.js";
import { onBeat } from "../core/clock.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { icon } from "../parts/icon.js";
import "../parts/phone.js";
import { dial } from "../parts/phone.js";
import "../parts/pop.js";
import "../parts/presence.js";
import "../parts/search.js";
import "../parts/transfer.js";

const ASK_EVERY = 20000;

/** The agent's desk: who calls, the phone, what I do, my queues, my figures. */
class Desk extends View {
  today = null;
  callbacks = [];
  #asked = 0;
  #state = "";

  connectedCallback() {
    super.connectedCallback();
    this.stopBeat = onBeat(() => this.look());
    this.again = () => this.look(true);
    store.addEventListener("callbacks", this.again);
    this.look();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopBeat();
    store.removeEventListener("callbacks", this.again);
  }

  /** The own figures: after each change of the state, and now and then. */
  async look(again = false) {
    const state = store.presence?.state;
    if (!store.me?.agent || !store.online) return;
    if (!again && state === this.#state && Date.now() - this.#asked < ASK_EVERY) return;
    this.#state = state;
    this.#asked = Date.now();
    try {
      [this.today, this.callbacks] = await Promise.all([
        get("/api/agent/today"), get("/api/callbacks").then((answer) => answer.callbacks),
      ]);
    } catch {
      return; // it is asked again soon
    }
    this.requestUpdate();
  }

  render() {
    if (!store.me.agent) {
      return html`<section class="card nobody">${icon("desk")}<h1>${t("desk.no_agent")}</h1>
        <p class="faint">${t("desk.no_agent_about")}</p></section><santral-search></santral-search>`;
    }
    return html`<h1 class="sr">${t("nav.desk")}</h1>
      <div class="desk">
        <div class="desk-left"><santral-presence></santral-presence><santral-phone></santral-phone>${this.queues()}${this.figures()}</div>
        <div class="desk-main"><santral-pop></santral-pop></div>
        <div class="desk-right"><santral-search></santral-search>${this.waiting()}${this.missed()}</div>
      </div>
      <santral-transfer></santral-transfer>`;
  }

  queues() {
    const mine = store.me.agent.queues.map((name) => [name, store.numbers.get(name)]);
    return html`<section class="card" aria-labelledby="queues-title"><h2 id="queues-title">${t("desk.queues")}</h2>
      <ul class="plain lines">
        ${mine.map(([name, numbers]) => html`<li>
          <span>${titled(store.queues.get(name)?.title, name)}</span>
          <span class=${numbers?.waiting ? "tag warm" : "tag"}>${t("desk.waiting", { n: numbers?.waiting ?? 0 })}</span></li>`)}
      </ul></section>`;
  }

  figures() {
    const { today } = this;
    if (!today) return nothing;
    const row = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
    return html`<section class="card" aria-labelledby="today-title"><h2 id="today-title">${t("today.title")}</h2>
      <dl class="figures">
        ${row(t("today.answered"), today.answered)}${row(t("today.missed"), today.missed)}
        ${row(t("today.outbound"), today.outbound)}${row(t("today.mean_talk"), duration(today.mean_talk))}
        ${row(t("today.talk"), duration(today.talk))}${row(t("today.paused"), duration(today.paused))}
      </dl></section>`;
  }

  waiting() {
    if (!this.callbacks.length) return nothing;
    return html`<section class="card" aria-labelledby="callbacks-title"><h2 id="callbacks-title">${t("callbacks.title")}</h2>
      <ul class="plain lines">${this.callbacks.map((one) => html`<li data-callback=${one.id}>
        <span><strong>${shown(one.number)}</strong> <span class="faint">${titled(store.queues.get(one.queue)?.title, one.queue)} · ${time(one.joined)}</span></span>
        <span class="tag">${word("callback", one.state)}</span>
        ${one.state === "waiting" ? html`<button class="quiet square" aria-label=${t("callbacks.cancel", { number: shown(one.number) })}
          @click=${() => this.cancel(one.id)}>${icon("x")}</button>` : nothing}</li>`)}</ul></section>`;
  }

  async cancel(id) {
    if (await attempt(() => remove(at`/api/callbacks/${id}`))) this.look(true);
  }

  missed() {
    if (!store.missed.length) return nothing;
    return html`<section class="card" aria-labelledby="missed-title"><h2 id="missed-title">${t("missed.title")}</h2>
      <ul class="plain lines">${store.missed.map((pop) => html`<li>
        <span>${pop.card?.customer?.name || shown(pop.caller)} <span class="faint">${time(pop.at)}</span></span>
        <span class="tag">${word("pop_state", pop.state)}</span>
        <button class="quiet square" aria-label=${t("missed.call", { number: shown(pop.caller) })} @click=${() => dial(pop.caller)}>${icon("phone")}</button></li>`)}</ul></section>`;
  }
}
customElements.define("santral-desk", Desk);
