import { html, nothing } from "lit";
import "../styles/reports.css";
import { get } from "../core/api.js";
import { duration } from "../core/format.js";
import { lang, t } from "../core/i18n.js";
import { attempt, View } from "../core/view.js";
import { bars } from "../parts/bars.js";

// What can be turned: its least, most, step and where it stands at first (null: as it was).
const SLIDERS = {
  level: [50, 99, 1, 80],
  within: [5, 120, 5, 20],
  handling: [30, 1200, 10, null],
  patience: [10, 600, 10, null],
  shrinkage: [0, 60, 1, 30],
  volume: [50, 200, 5, 100],
};
const UNIT = { within: "s", handling: "s", patience: "s" };
const WAIT = 250;

/** The coming week: how many calls, how many agents; what is asked for is turned, the plan follows. */
class Staffing extends View {
  plan = null;
  turned = {};
  day = 0;
  queue = "";
  from = "90d";

  connectedCallback() {
    super.connectedCallback();
    this.start();
  }

  async start() {
    this.queues = (await attempt(() => get("/api/reports")))?.choices.queue ?? [];
    await this.load();
  }

  async load() {
    const asked = (this.asking = new URLSearchParams({ from: this.from, ...(this.queue && { queue: this.queue }), ...this.turned, language_of_titles: lang() }));
    this.spoken = lang();
    try {
      const plan = await get("/api/staffing?" + asked);
      if (asked === this.asking) [this.plan, this.wrong] = [plan, ""];
    } catch (error) {
      if (asked === this.asking) this.wrong = error.message || String(error);
    }
    this.requestUpdate();
  }

  updated() {
    if (this.spoken && this.spoken !== lang()) this.load();
  }

  turn(key, value) {
    this.turned = { ...this.turned, [key]: value };
    clearTimeout(this.later);
    this.later = setTimeout(() => this.load(), WAIT);
    this.requestUpdate();
  }

  said(key, value) {
    return key in UNIT ? `${value} ${t("staffing.seconds")}` : lang() === "tr" ? `%${value}` : `${value}%`;
  }

  slider(key) {
    const [least, most, step, first] = SLIDERS[key];
    const value = this.turned[key] ?? first ?? Math.round(this.plan?.about[key] || least);
    return html`<label>${t(`staffing.${key}`)} <output data-test=${key}>${this.said(key, value)}</output>
      <input type="range" name=${key} min=${least} max=${most} step=${step} .value=${String(value)} aria-valuetext=${this.said(key, value)} @input=${(event) => this.turn(key, event.target.value)} /></label>`;
  }

  number(value, digits = 0) {
    return value == null ? "–" : new Intl.NumberFormat(lang() === "tr" ? "tr-TR" : "en-GB", { maximumFractionDigits: digits }).format(value);
  }

  cell(value, kind) {
    if (value == null) return "–";
    if (kind === "percent") return lang() === "tr" ? `%${this.number(value, 1)}` : `${this.number(value, 1)}%`;
    return kind === "seconds" ? duration(value) : this.number(value, kind === "count" ? 0 : 1);
  }

  render() {
    return html`<div class="page-head"><h1>${t("nav.staffing")}</h1></div>
      <form class="card asked sliders no-print" @submit=${(event) => event.preventDefault()}>
        <label>${t("reports.filter.queue")}<select name="queue" @change=${(event) => { this.queue = event.target.value; this.load(); }}>
          <option value="">${t("said.any")}</option>${(this.queues ?? []).map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
        <label>${t("staffing.history")}<select name="from" @change=${(event) => { this.from = event.target.value; this.load(); }}>
          ${["90d", "30d"].map((one) => html`<option value=${one}>${t(`reports.period.${one}`)}</option>`)}</select></label>
        ${Object.keys(SLIDERS).map((key) => this.slider(key))}
        <button type="button" @click=${() => { this.turned = {}; this.load(); }}>${t("staffing.reset")}</button></form>
      ${this.wrong ? html`<p class="notice" role="alert">${this.wrong}</p>` : nothing}
      ${this.plan ? this.shown() : nothing}`;
  }

  shown() {
    const { about, columns, rows } = this.plan;
    const today = rows.slice(this.day * 48, this.day * 48 + 48).filter((row) => row.values.agents);
    const title = (key) => columns.find((one) => one.key === key).title;
    const date = (day) => new Intl.DateTimeFormat(lang() === "tr" ? "tr-TR" : "en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" }).format(new Date(Date.parse(about.week) + day * 864e5));
    const told = { hours: this.number(about.hours), calls: this.number(rows.reduce((sum, row) => sum + row.values.calls, 0)), wape: this.cell(about.wape, "percent"), inside: this.cell(about.inside, "percent") };
    return html`<dl class="headline" aria-label=${t("reports.totals")}>${Object.entries(told).map(([key, value]) => html`<div class="card"><dt>${t(`staffing.told.${key}`)}</dt><dd data-test=${`told-${key}`}>${value}</dd></div>`)}</dl>
      <p class="faint" role="status">${t(about.patience > 0 ? "staffing.model.a" : "staffing.model.c", { weeks: about.weeks, patience: Math.round(about.patience), handling: Math.round(about.handling) })}</p>
      <section class="card"><label>${t("staffing.day")}<select name="day" @change=${(event) => { this.day = +event.target.value; this.requestUpdate(); }}>
        ${[0, 1, 2, 3, 4, 5, 6].map((day) => html`<option value=${day}>${date(day)}</option>`)}</select></label>
        ${bars(today.map((row) => ({ label: row.values.slot.slice(11), values: [row.values.agents, row.values.rostered - row.values.agents] })), [{ key: "handled", title: title("agents") }, { key: "waiting", title: title("rostered") }], { title: title("agents"), label: (row) => row.label })}</section>
      <section class="card" aria-label=${t("reports.table")}><div class="scroll" tabindex="0" role="group" aria-label=${t("reports.table")}><table class="report" data-report="staffing">
        <thead><tr>${columns.map((column) => html`<th scope="col" class=${column.kind === "slot" ? "" : "number-cell"}>${column.title}</th>`)}</tr></thead>
        <tbody>${today.map((row) => html`<tr>${columns.map((column, i) => (i ? html`<td class="number-cell">${this.cell(row.values[column.key], column.kind)}</td>` : html`<th scope="row">${row.values.slot.slice(11)}</th>`))}</tr>`)}</tbody></table></div></section>`;
  }
}
customElements.define("santral-staffing", Staffing);
