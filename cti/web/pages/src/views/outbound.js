import { html, nothing } from "lit";
import { at, get, post, put, remove } from "../core/api.js";
import { dateTime, money, phone } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { icon } from "../parts/icon.js";
import "../parts/order-story.js";

const EVERY = 2000;
const STATES = ["open", "done", "never", "cancelled"];
const FIRST = ["confirmed", "cancelled", "unreachable", "open"];

/** Calls that go out: campaigns live, every order's story, who is not called, what the shop was told. */
class Outbound extends View {
  campaigns = null;
  jobs = [];
  next = null;
  entries = [];
  webhooks = [];
  failed = [];
  filter = { campaign: "", state: "" };

  connectedCallback() {
    super.connectedCallback();
    this.load();
    this.beat = setInterval(() => document.hidden || this.live(), EVERY);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.beat);
  }

  async load() {
    await Promise.all([this.live(true), this.lists(), this.messages()]);
  }

  async live(tell = false) {
    const asked = () => Promise.all([get("/api/v1/campaigns"), get(`/api/v1/jobs?limit=20${this.query()}`)]);
    const found = tell ? await attempt(asked) : await asked().catch(() => undefined);
    if (!found) return;
    this.campaigns = found[0].items;
    if (!this.longer) [this.jobs, this.next] = [found[1].items, found[1].next];
    this.requestUpdate();
  }

  query() {
    const { campaign, state } = this.filter;
    return (campaign ? `&campaign=${encodeURIComponent(campaign)}` : "") + (state ? `&state=${state}` : "");
  }

  async more() {
    const found = await attempt(() => get(`/api/v1/jobs?limit=20&after=${this.next}${this.query()}`));
    if (!found) return;
    this.longer = true;
    [this.jobs, this.next] = [[...this.jobs, ...found.items], found.next];
    this.requestUpdate();
  }

  async lists() {
    if (!store.can("contacts:read")) return;
    this.entries = (await attempt(() => get("/api/v1/do-not-call?limit=100")))?.items ?? [];
    this.requestUpdate();
  }

  async messages() {
    if (!store.can("webhooks:read")) return;
    const found = await attempt(() => Promise.all([get("/api/v1/webhooks"), get("/api/v1/deliveries?state=failed&limit=50")]));
    if (found) [this.webhooks, this.failed] = [found[0].items, found[1].items];
    this.requestUpdate();
  }

  render() {
    return html`<div class="page-head"><h1>${t("nav.outbound")}</h1></div>
      <section class="board" aria-label=${t("outbound.campaigns")}>
        ${this.campaigns?.length === 0 ? html`<p class="faint">${t("outbound.no_campaigns")}</p>` : nothing}
        ${(this.campaigns ?? []).map((one) => this.campaign(one))}</section>
      <div class="outbound">${this.orders()}<div>${this.doNotCall()}${this.told()}</div></div>
      <santral-order-story @changed=${() => this.live()}></santral-order-story>`;
  }

  campaign(one) {
    const figure = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
    const results = [...new Set([...FIRST, ...Object.keys(one.jobs)])];
    const sums = one.confirmed_today.map((sum) => money(sum.amount, sum.currency)).join(" + ");
    return html`<article class="card queue campaign ${one.paused ? "held" : ""}" data-campaign=${one.name} aria-labelledby="c-${one.name}">
      <div class="card-head"><h2 id="c-${one.name}">${one.name}</h2>
        ${one.paused ? html`<span class="tag warm">${t("outbound.paused")}</span>` : nothing}
        ${one.listed ? nothing : html`<span class="tag">${t("outbound.unlisted")}</span>`}
        ${store.can("campaigns:write") ? html`<button @click=${() => this.brake(one)} aria-label="${t(one.paused ? "outbound.resume" : "outbound.pause")}: ${one.name}">
          ${icon(one.paused ? "play" : "pause")}${t(one.paused ? "outbound.resume" : "outbound.pause")}</button>` : nothing}</div>
      <dl class="big">${figure(t("outbound.due"), one.due)}${figure(t("outbound.dialling"), one.dialling)}${figure(t("outbound.talking"), one.talking)}</dl>
      <dl class="small">${results.map((name) => figure(word("result", name), one.jobs[name] ?? 0))}</dl>
      <p class="faint">${t("outbound.money")}: <span class="money">${sums || "–"}</span></p></article>`;
  }

  async brake(one) {
    const [where, told] = one.paused ? ["resume", "outbound.resumed_done"] : ["pause", "outbound.paused_done"];
    if (await attempt(() => post(at`/api/v1/campaigns/${one.name}/${where}`), t(told, { name: one.name }))) await this.live();
  }

  orders() {
    const choose = (name) => (event) => {
      this.filter = { ...this.filter, [name]: event.target.value };
      this.longer = false;
      this.live(true);
    };
    const names = (this.campaigns ?? []).map((one) => one.name);
    return html`<section class="card" aria-labelledby="jobs-title"><h2 id="jobs-title">${t("outbound.jobs")}</h2>
      <div class="filters">
        <label>${t("outbound.campaign")}<select @change=${choose("campaign")}><option value="">${t("outbound.any_campaign")}</option>
          ${names.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
        <label>${t("outbound.state")}<select @change=${choose("state")}><option value="">${t("outbound.any_state")}</option>
          ${STATES.map((state) => html`<option value=${state}>${word("job_state", state)}</option>`)}</select></label>
        <form class="filters" @submit=${(event) => this.find(event)}><label>${t("outbound.find")}<input name="number" required maxlength="64" autocomplete="off" /></label>
          <button>${icon("search")}${t("outbound.show")}</button></form></div>
      ${this.campaigns && !this.jobs.length ? html`<p class="faint">${t("outbound.no_jobs")}</p>` : nothing}
      <div class="scroll" tabindex="0" role="group" aria-labelledby="jobs-title"><table>
        <thead><tr><th scope="col">${t("outbound.order")}</th><th scope="col">${t("outbound.phone")}</th><th scope="col">${t("outbound.campaign")}</th>
          <th scope="col">${t("outbound.state")}</th><th scope="col">${t("outbound.next")}</th><th scope="col">${t("outbound.why")}</th></tr></thead>
        <tbody>${this.jobs.map((job) => this.job(job))}</tbody></table></div>
      ${this.next ? html`<div class="buttons end"><button @click=${() => this.more()}>${t("outbound.more")}</button></div>` : nothing}</section>`;
  }

  job(job) {
    return html`<tr data-job=${job.id}>
      <th scope="row">${job.order ? html`<button class="link" aria-label=${t("outbound.open_order", { number: job.order })} @click=${() => this.story(job.order)}>${job.order}</button>` : "–"}</th>
      <td>${phone(job.phone)}</td><td>${job.campaign}</td>
      <td><span class="tag job-${job.state}">${job.result ? word("result", job.result) : word("job_state", job.state)}</span></td>
      <td>${dateTime(job.next_at)}</td><td class="why">${job.why}</td></tr>`;
  }

  story(number) {
    this.querySelector("santral-order-story").show(number);
  }

  find(event) {
    event.preventDefault();
    this.story(new FormData(event.target).get("number").trim());
  }

  doNotCall() {
    if (!store.can("contacts:read")) return nothing;
    const may = store.can("contacts:write");
    return html`<section class="card" aria-labelledby="dnc-title"><h2 id="dnc-title">${t("outbound.do_not_call")}</h2>
      ${may ? html`<form class="filters" @submit=${(event) => this.add(event)}>
        <label>${t("outbound.phone")}<input name="phone" type="tel" required minlength="3" maxlength="32" autocomplete="off" /></label>
        <label>${t("outbound.reason")}<input name="reason" maxlength="200" autocomplete="off" /></label>
        <button>${icon("shield")}${t("outbound.add")}</button></form>` : nothing}
      ${this.entries.length ? nothing : html`<p class="faint">${t("outbound.nobody")}</p>`}
      <ul class="plain lines">${this.entries.map((one) => html`<li data-number=${one.phone}><span>${phone(one.phone)} <span class="tag">${one.list}</span>
        <span class="faint">${one.reason} · ${dateTime(one.added_at)}</span></span>
        ${may ? html`<button class="quiet square" aria-label=${t("outbound.take_off", { number: phone(one.phone), list: one.list })} @click=${() => this.takeOff(one)}>${icon("x")}</button>` : nothing}</li>`)}</ul></section>`;
  }

  async add(event) {
    event.preventDefault();
    const form = event.target;
    const given = new FormData(form);
    const number = given.get("phone").trim();
    const done = await attempt(() => put(at`/api/v1/do-not-call/${number}`, { reason: given.get("reason").trim() }), t("outbound.added", { number }));
    if (!done) return;
    form.reset();
    await this.lists();
  }

  async takeOff(one) {
    const where = at`/api/v1/do-not-call/${one.phone}?list=${one.list}`;
    if (await attempt(() => remove(where), t("outbound.taken_off", { number: phone(one.phone) }))) await this.lists();
  }

  told() {
    if (!store.can("webhooks:read")) return nothing;
    return html`<section class="card" aria-labelledby="hooks-title"><h2 id="hooks-title">${t("outbound.webhooks")}</h2>
      ${this.webhooks.length ? nothing : html`<p class="faint">${t("outbound.no_webhooks")}</p>`}
      ${this.webhooks.length ? html`<table><thead><tr><th scope="col">${t("outbound.webhook")}</th><th scope="col" class="number-cell">${t("outbound.waiting")}</th>
        <th scope="col" class="number-cell">${t("outbound.done")}</th><th scope="col" class="number-cell">${t("outbound.failed")}</th></tr></thead>
        <tbody>${this.webhooks.map((one) => html`<tr data-webhook=${one.name}><th scope="row">${one.name}</th><td class="number-cell">${one.waiting}</td>
          <td class="number-cell">${one.done}</td><td class="number-cell ${one.failed ? "bad" : ""}">${one.failed}</td></tr>`)}</tbody></table>
        ${this.failed.length ? nothing : html`<p class="faint">${t("outbound.all_good")}</p>`}` : nothing}
      <ul class="plain lines">${this.failed.map((one) => html`<li data-delivery=${one.id}><span>${one.event} <span class="tag bad">${t("outbound.failed")}</span>
        <span class="faint">${one.webhook} · ${dateTime(one.made_at)} · ${t("outbound.tries")}: ${one.attempts}</span></span>
        ${store.can("webhooks:write") ? html`<button aria-label=${t("outbound.replay_of", { event: one.event, at: dateTime(one.made_at) })} @click=${() => this.replay(one)}>${icon("send")}${t("outbound.replay")}</button>` : nothing}</li>`)}</ul></section>`;
  }

  async replay(one) {
    if (await attempt(() => post(at`/api/v1/deliveries/${one.id}/replay`), t("outbound.replayed"))) setTimeout(() => this.messages(), 500);
  }
}
customElements.define("santral-outbound", Outbound);
