import { html, nothing } from "lit";
import { at, post } from "../core/api.js";
import { now } from "../core/clock.js";
import { dateTime, duration, initials, phone as shown } from "../core/format.js";
import { lang, t, titled, word } from "../core/i18n.js";
import { shortcut } from "../core/keys.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { contactsOf, customerFacts, notesOf, ordersOf } from "./customer.js";
import { icon } from "./icon.js";
import { dial } from "./phone.js";

const DRAFTS = "santral-note-";

/** What is known of the call that rings or is talked: before the phone rings, it is here. */
class Pop extends View {
  static ticks = true;

  render() {
    const pop = store.shownPop;
    if (!pop) return this.nobody();
    const others = store.openPops.filter((one) => one.id !== pop.id);
    const queue = store.queues.get(pop.queue);
    return html`<article class="pop card state-${pop.state}" data-pop=${pop.id} data-call=${pop.call}
        data-state=${pop.state} aria-labelledby="pop-name">
      ${this.head(pop, queue)}
      ${others.length ? html`<p class="notice">${t("pop.more", { n: others.length })}</p>` : nothing}
      <div class="pop-grid">
        <section aria-labelledby="pop-story"><h3 id="pop-story">${t("pop.story")}</h3>${this.story(pop)}</section>
        <section aria-labelledby="pop-orders"><h3 id="pop-orders">${t("pop.orders")}</h3>
          ${pop.card ? ordersOf(pop.card, this.mentioned(pop)) : this.waiting()}</section>
        <section aria-labelledby="pop-contacts"><h3 id="pop-contacts">${t("pop.contacts")}</h3>
          ${pop.card ? contactsOf(pop.card) : this.waiting()}</section>
        <section aria-labelledby="pop-notes"><h3 id="pop-notes">${t("pop.notes")}</h3>
          ${pop.card ? notesOf(pop.card) : this.waiting()}</section>
      </div>
      ${queue?.script
        ? html`<section class="script" aria-labelledby="pop-script"><h3 id="pop-script">${t("pop.script")}</h3><p>${queue.script}</p></section>`
        : nothing}
      ${pop.state === "ringing" ? nothing : this.form(pop)}
    </article>`;
  }

  nobody() {
    const ready = store.presence?.state === "ready";
    return html`<section class="card nobody">
      ${icon(ready ? "desk" : "pause")}
      <h2>${ready ? t("pop.nobody_ready") : t("pop.nobody")}</h2>
      <p class="faint">${ready ? t("pop.nobody_ready_about") : t("pop.nobody_about")}</p>
    </section>`;
  }

  waiting() {
    return html`<p class="faint">${t("pop.looking")}</p>`;
  }

  head(pop, queue) {
    const customer = pop.card?.customer ?? {};
    const name = customer.name || pop.caller_name || shown(pop.caller) || t("pop.withheld");
    return html`<header class="pop-head">
      <span class="avatar" aria-hidden="true">${initials(name)}</span>
      <div class="grow">
        <h2 id="pop-name" data-test="customer">${name}
          ${pop.card?.tier ? html`<span class="tag tier-${pop.card.tier}">${word("tier", pop.card.tier)}</span>` : nothing}
        </h2>
        <p class="facts">
          <button type="button" class="number" @click=${() => dial(pop.caller)} title=${t("phone.dial")}>${icon("phone")}${shown(pop.caller)}</button>
          ${customerFacts(customer)}
        </p>
      </div>
      <div class="pop-side">
        <span class="tag call-${pop.state}" data-test="pop-state">${word("pop_state", pop.state)}</span>
        <span class="faint">${titled(queue?.title, pop.queue) || t("pop.direct")}</span>
        ${pop.waited ? html`<span class="faint">${icon("clock")} ${t("pop.waited", { time: duration(pop.waited) })}</span>` : nothing}
        ${/^https?:\/\//.test(pop.crm || "")
          ? html`<a class="button" href=${pop.crm} target="_blank" rel="noopener noreferrer">${icon("link")}${t("pop.crm")}</a>`
          : nothing}
      </div>
    </header>
    ${pop.intent || pop.why || pop.fault
      ? html`<p class="intent">
          ${pop.intent ? html`<span class="tag strong" data-test="intent">${t("pop.wants", { intent: pop.intent.replaceAll("_", " ") })}</span>` : nothing}
          ${pop.why ? html`<span>${t("pop.why", { why: pop.why.replaceAll("_", " ") })}</span>` : nothing}
          ${pop.fault ? html`<span class="bad">${icon("warn")}${t("pop.fault", { step: pop.fault })}</span>` : nothing}
        </p>`
      : nothing}`;
  }

  /** The orders the caller talked about with the IVR, to be shown first. */
  mentioned(pop) {
    const said = new Set(pop.said.flatMap((one) => [one.text, one.answer]).filter(Boolean).map(String));
    const order = pop.variables?.order;
    if (order?.number) said.add(String(order.number));
    return said;
  }

  /** The way through the IVR, with what was keyed or said at each step. */
  story(pop) {
    if (!pop.path.length) return html`<p class="faint">${t("pop.no_story")}</p>`;
    const answers = new Map();
    for (const one of pop.said) answers.set(one.step, [...(answers.get(one.step) ?? []), one]);
    const begun = pop.path[0].at;
    return html`<ol class="story" data-test="path">
      ${pop.path.map(
        (station) => html`<li data-step=${station.step}>
          <span class="at">${duration(station.at - begun)}</span>
          <span class="step">${station.step.replaceAll("_", " ")}</span>
          ${(answers.get(station.step) ?? []).map((one) => this.said(one))}
        </li>`,
      )}
    </ol>`;
  }

  said(one) {
    const text = one.text === null ? "•••" : one.text;
    const label = one.kind === "speech" ? t("pop.said") : t("pop.keyed");
    return html`<span class="said ${one.kind}"><span class="sr">${label}</span>${one.kind === "speech" ? html`“${text}”` : html`<kbd>${text}</kbd>`}</span>`;
  }

  form(pop) {
    const draft = this.draft(pop.call);
    const over = pop.state === "over";
    return html`<form class="note" @submit=${(event) => this.save(event, pop)} @input=${(event) => this.keep(event, pop.call)}>
      <h3>${t("note.title")}</h3>
      <label><span class="sr">${t("note.text")}</span>
        <textarea id="note" name="text" rows="3" maxlength="4000" placeholder=${t("note.text")} .value=${draft.text ?? ""}></textarea></label>
      <div class="buttons">
        <label class="pick grow"><span class="sr">${t("note.disposition")}</span>
          <select name="disposition" .value=${draft.disposition ?? ""}>
            <option value="">${t("note.disposition")}…</option>
            ${this.dispositions(pop).map((one) => html`<option value=${one.code} ?selected=${one.code === draft.disposition}>${one[lang()]}</option>`)}
          </select></label>
        <button class="primary">${icon("check")}${t("note.save")}</button>
        ${over ? html`<button type="button" @click=${() => dial(pop.caller)}>${icon("phone")}${t("note.call_back")}</button>` : nothing}
        ${over ? html`<button type="button" class="quiet" @click=${() => store.dismiss()}>${t("note.dismiss")}</button>` : nothing}
      </div>
      ${this.saved?.call === pop.call ? html`<p class="faint">${t("note.saved_at", { time: dateTime(this.saved.at) })}</p>` : nothing}
    </form>`;
  }

  dispositions(pop) {
    const fitting = store.queues.get(pop.queue)?.dispositions;
    return fitting?.length ? store.dispositions.filter((one) => fitting.includes(one.code)) : store.dispositions;
  }

  draft(call) {
    try {
      return JSON.parse(sessionStorage.getItem(DRAFTS + call)) ?? {};
    } catch {
      return {};
    }
  }

  keep(event, call) {
    const form = new FormData(event.currentTarget);
    sessionStorage.setItem(DRAFTS + call, JSON.stringify(Object.fromEntries(form)));
  }

  async save(event, pop) {
    event.preventDefault();
    const form = new FormData(event.target);
    const body = { text: form.get("text").trim(), disposition: form.get("disposition") };
    if (!body.text && !body.disposition) return;
    if (!(await attempt(() => post(at`/api/calls/${pop.call}/note`, body), t("note.saved")))) return;
    sessionStorage.removeItem(DRAFTS + pop.call);
    event.target.reset();
    this.saved = { call: pop.call, at: now() };
    if (pop.state === "over" && store.presence?.state !== "wrap_up") store.dismiss();
    this.requestUpdate();
  }
}
customElements.define("santral-pop", Pop);

shortcut("n", "key.note", () => document.querySelector("#note")?.focus(), () => Boolean(document.querySelector("#note")));
