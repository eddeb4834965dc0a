import { html, nothing } from "lit";
import "../styles/reports.css";
import { at, get } from "../core/api.js";
import { dateTime, duration, phone as shown } from "../core/format.js";
import { lang, t, titled, word } from "../core/i18n.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { bars } from "../parts/bars.js";
import "../parts/call-story.js";
import { icon } from "../parts/icon.js";
import "../parts/said.js";

const PRESETS = ["today", "yesterday", "7d", "30d", "90d", "month"];
const STACKS = {
  calls: ["handled", "contained", "abandoned", "diverted", "waiting"],
  queues: ["handled", "abandoned", "diverted", "waiting"],
};
const TEXT = new Set(["text", "slot", "call", "moment"]);
const MISSED = { down: ["abandonment", "abandoned", "asa", "longest", "faults", "no_matches", "no_inputs"] };

/** What calls add up to: every figure opens into the calls behind it; the address keeps what is asked. */
class Reports extends View {
  about = null;
  table = null;
  behind = null;

  connectedCallback() {
    super.connectedCallback();
    this.back = () => this.load();
    addEventListener("popstate", this.back);
    this.start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("popstate", this.back);
  }

  async start() {
    this.about = await attempt(() => get("/api/reports"));
    await this.load();
  }

  get report() {
    return this.about?.reports.find((one) => one.name === this.asked.name);
  }

  /** The filters that have a field. */
  get fields() {
    return this.report?.filters ?? [];
  }

  /** What is asked, as the address says. */
  get asked() {
    const given = new URLSearchParams(location.search);
    const name = location.pathname.split("/")[2] || "calls";
    return { name, from: given.get("from") || "7d", to: given.get("to") || "", by: given.get("by") || "day", filters: Object.fromEntries((this.about?.filters ?? []).map((key) => [key, given.get(key) || ""])) };
  }

  query(more = {}) {
    const { from, to, by, filters } = this.asked;
    const own = Object.fromEntries((this.report?.takes ?? []).map((key) => [key, filters[key]]));
    const given = { from, to, by, ...own, language_of_titles: lang(), ...more };
    return new URLSearchParams(Object.entries(given).filter(([, value]) => value));
  }

  ask(changes) {
    const asked = this.asked;
    const next = { from: asked.from, to: asked.to, by: asked.by, ...asked.filters, ...changes };
    const name = changes.name ?? asked.name;
    delete next.name;
    const query = new URLSearchParams(Object.entries(next).filter(([, value]) => value));
    history.pushState(null, "", `/reports/${name}?${query}`);
    this.load();
  }

  async load() {
    if (!location.pathname.startsWith("/reports")) return;
    const { name } = this.asked;
    this.behind = null;
    const made = await attempt(() => get(at`/api/reports/${name}?` + this.query()));
    if (made && name === this.asked.name) this.table = made;
    this.spoken = lang();
    this.requestUpdate();
  }

  updated() {
    if (this.spoken && this.spoken !== lang()) this.load();
  }

  async open(row, column, cell) {
    this.cell = cell;
    const where = JSON.stringify({ ...row.where, ...column.where });
    const found = await attempt(() => get(at`/api/reports/${this.asked.name}/calls?` + this.query({ where })));
    if (!found) return;
    this.behind = { ...found, title: `${column.title}${row.values.slot ? ` · ${this.slot(row.values.slot)}` : ""}` };
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector("#behind-title")?.focus();
  }

  close() {
    this.behind = null;
    this.requestUpdate();
    this.cell?.focus();
  }

  slot(text) {
    const day = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d))?/.exec(text);
    if (!day) return word("weekday", text);
    const date = new Date(Date.UTC(+day[1], day[2] - 1, +day[3]));
    const shape = day[4] ? { day: "numeric", month: "short" } : { weekday: "short", day: "numeric", month: "short" };
    const said = new Intl.DateTimeFormat(lang() === "tr" ? "tr-TR" : "en-GB", { ...shape, timeZone: "UTC" }).format(date);
    return day[4] ? `${said} ${day[4]}` : said;
  }

  value(row, column) {
    const value = row.values[column.key];
    if (value == null || value === "") return column.kind === "text" ? "" : "–";
    const number = (digits) => new Intl.NumberFormat(lang() === "tr" ? "tr-TR" : "en-GB", { maximumFractionDigits: digits }).format(value);
    switch (column.kind) {
      case "seconds": return duration(value);
      case "percent": return lang() === "tr" ? `%${number(1)}` : `${number(1)}%`;
      case "number": return number(2);
      case "count": return number(0);
      case "moment": return dateTime(value);
      case "slot": return this.slot(value);
      case "call": return value.slice(0, 12);
      default: return column.key === "caller" ? shown(value) : column.key === "weekday" ? word("weekday", value) : column.key === "ending" || column.key === "reason" ? word("ending", value) : value;
    }
  }

  render() {
    if (!this.about) return html`<div class="page-head"><h1>${t("nav.reports")}</h1></div>`;
    const { name } = this.asked;
    return html`<div class="page-head"><h1>${t("nav.reports")}</h1>
        <span class="buttons no-print">
          <a class="button" href=${at`/api/reports/${name}.csv?` + this.query()} download>${t("reports.csv")}</a>
          <a class="button" href=${at`/api/reports/${name}.xlsx?` + this.query()} download>${t("reports.xlsx")}</a>
          <button type="button" @click=${() => print()}>${t("reports.print")}</button></span></div>
      ${this.about.demo ? html`<p class="notice demo" data-test="demo">${icon("warn")}${t("reports.demo")} <code>./santral reports forget-demo --demo</code></p>` : nothing}
      <nav class="tabs no-print" aria-label=${t("reports.which")}><ul>${this.about.reports.map((one) => html`<li><a href="/reports/${one.name}?${this.query()}" aria-current=${one.name === name ? "page" : nothing}
        @click=${(event) => { event.preventDefault(); event.stopPropagation(); this.ask({ name: one.name }); }}>${titled(one.title, one.name)}</a></li>`)}</ul></nav>
      ${this.form()}
      ${(this.table?.notes ?? []).map((note) => html`<p class="notice" role="status" data-test="note">${icon("warn")}${t(`reports.never.${note.filter}`, { name: note.value })} ${note.known.length ? t("reports.there_are", { names: note.known.join(", ") }) : nothing}</p>`)}
      ${this.table ? html`${this.headline()}${this.picture()}${this.drawn()}` : nothing}
      ${this.behind ? this.list() : nothing}
      ${["themes", "surveys"].includes(name) && store.can("transcripts") ? html`<santral-said ?rated=${name === "surveys"} .query=${String(this.query())} .show=${(call) => this.querySelector("santral-call-story").show(call)}></santral-said>` : nothing}<santral-call-story></santral-call-story>`;
  }

  form() {
    const { from, to, by, filters, name } = this.asked;
    const timed = this.about.reports.find((one) => one.name === name)?.timed;
    const own = PRESETS.includes(from) ? "" : from;
    return html`<form class="card asked no-print" @submit=${(event) => this.submit(event)}>
      <label>${t("reports.period")}<select name="preset" @change=${(event) => event.target.value && this.ask({ from: event.target.value, to: "" })}>
        ${PRESETS.map((one) => html`<option value=${one} ?selected=${one === from}>${t(`reports.period.${one}`)}</option>`)}
        <option value="" ?selected=${Boolean(own)}>${t("reports.period.own")}</option></select></label>
      <label>${t("reports.from")}<input type="date" name="from" .value=${own.slice(0, 10)} /></label>
      <label>${t("reports.to")}<input type="date" name="to" .value=${to.slice(0, 10)} /></label>
      ${timed ? html`<label>${t("reports.by")}<select name="by" @change=${(event) => this.ask({ by: event.target.value })}>
        ${this.about.units.map((unit) => html`<option value=${unit} ?selected=${unit === by}>${t(`reports.by.${unit}`)}</option>`)}</select></label>` : nothing}
      ${this.fields.map((key) => html`<label>${t(`reports.filter.${key}`)}<input name=${key} .value=${filters[key] ?? ""} list=${this.about.choices[key] ? `known-${key}` : nothing} autocomplete="off" />
        ${this.about.choices[key] ? html`<datalist id="known-${key}">${this.about.choices[key].map((one) => html`<option value=${one}></option>`)}</datalist>` : nothing}</label>`)}
      <button class="primary">${t("reports.show")}</button></form>`;
  }

  submit(event) {
    event.preventDefault();
    const given = new FormData(event.target);
    const changes = Object.fromEntries(this.fields.map((key) => [key, given.get(key).trim()]));
    const [from, to] = [given.get("from"), given.get("to")];
    this.ask({ ...changes, ...(from ? { from, to } : {}) });
  }

  /** The totals, and how they compare with the period before. */
  headline() {
    const { total, before, columns } = this.table;
    if (!total || !before || this.table.report === "busiest") return nothing;
    const told = columns.filter((column) => !TEXT.has(column.kind) && total[column.key] != null).slice(0, 6);
    return html`<dl class="headline" aria-label=${t("reports.totals")}>${told.map((column) => {
      const [now, then] = [total[column.key], before[column.key]];
      const much = then ? (100 * (now - then)) / then : null;
      const change = Math.abs(much) < 1000 ? much : null;
      const worse = change && (change > 0) === MISSED.down.includes(column.key);
      return html`<div class="card"><dt>${column.title}</dt><dd>${this.value({ values: total }, column)}</dd>
        ${change == null || !Number.isFinite(change) ? nothing : html`<dd class="change ${Math.abs(change) < 0.5 ? "" : worse ? "worse" : "better"}">${change > 0 ? "▲" : "▼"} ${Math.abs(change).toFixed(0)}% <span class="sr">${t("reports.before")}</span></dd>`}</div>`;
    })}</dl>`;
  }

  picture() {
    const parts = STACKS[this.table.report];
    if (!parts || !this.table.rows.length) return nothing;
    const named = parts.map((key) => ({ key, title: this.table.columns.find((one) => one.key === key).title }));
    const rows = new Map();
    for (const row of this.table.rows) {
      const there = rows.get(row.values.slot) ?? parts.map(() => 0);
      rows.set(row.values.slot, there.map((n, i) => n + row.values[parts[i]]));
    }
    const title = titled(this.about.reports.find((one) => one.name === this.table.report).title);
    return html`<section class="card">${bars([...rows].map(([label, values]) => ({ label, values })), named, { title, label: (row) => this.slot(row.label) })}</section>`;
  }

  drawn() {
    const { columns, rows, total } = this.table;
    const kind = (column) => (TEXT.has(column.kind) ? "" : "number-cell");
    return html`<section class="card" aria-label=${t("reports.table")}>
      ${rows.length ? nothing : html`<p class="faint">${t("reports.nothing")}</p>`}
      <div class="scroll" tabindex="0" role="group" aria-label=${t("reports.table")}><table class="report" data-report=${this.table.report}>
        <thead><tr>${columns.map((column) => html`<th scope="col" class=${kind(column)}>${column.title}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr>${columns.map((column, i) => this.cellOf(row, column, i, kind(column)))}</tr>`)}</tbody>
        ${total && rows.length ? html`<tfoot><tr>${columns.map((column, i) => (i ? html`<td class=${kind(column)}>${this.value({ values: total }, column)}</td>` : html`<th scope="row">${t("reports.total")}</th>`))}</tr></tfoot>` : nothing}
      </table></div></section>`;
  }

  cellOf(row, column, i, kind) {
    const text = this.value(row, column);
    if (!i && !column.where) return html`<th scope="row">${text}</th>`;
    if (!column.where || !row.values[column.key]) return html`<td class=${kind}>${text}</td>`;
    const heat = this.table.report === "busiest" && column.key !== "offered" ? this.heat(row.values[column.key]) : 0;
    return html`<td class="${kind} ${heat ? `heat-${heat}` : ""}"><button type="button" class="cell" aria-label="${column.title} ${text}: ${t("reports.open")}"
      @click=${(event) => this.open(row, column, event.currentTarget)}>${text}</button></td>`;
  }

  heat(value) {
    const most = Math.max(...this.table.rows.flatMap((row) => this.table.columns.slice(2).map((column) => row.values[column.key])));
    return Math.ceil((5 * value) / most);
  }

  list() {
    const { title, calls, count, most } = this.behind;
    return html`<section class="card behind" aria-labelledby="behind-title" data-test="behind" @keydown=${(event) => event.key === "Escape" && this.close()}>
      <div class="card-head"><h2 id="behind-title" tabindex="-1">${title} <span class="tag">${count}${count === most ? "+" : ""}</span></h2>
        <button type="button" class="quiet square no-print" aria-label=${t("close")} @click=${() => this.close()}>${icon("x")}</button></div>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="behind-title"><table>
        <thead><tr>${["began", "caller", "flow", "ending", "queue", "agent", "waited", "talked", "mark", "note"].map((key) => html`<th scope="col">${t(`reports.call.${key}`)}</th>`)}</tr></thead>
        <tbody>${calls.map((call) => html`<tr data-call=${call.call}>
          <th scope="row">${store.can("transcripts") ? html`<button type="button" class="cell" aria-label="${dateTime(call.began)}: ${t("story.open")}" @click=${() => this.querySelector("santral-call-story").show(call)}>${dateTime(call.began)}</button>` : dateTime(call.began)}</th>
          <td>${shown(call.caller)}</td><td>${call.flow}</td><td>${word("ending", call.ending)}${call.reason ? html` <span class="faint">${word("ending", call.reason)}</span>` : nothing}</td>
          <td>${call.queue}</td><td>${call.agent}</td><td class="number-cell">${call.waited ? duration(call.waited) : ""}</td><td class="number-cell">${call.talked ? duration(call.talked) : ""}</td>
          <td class="number-cell">${call.mark ?? ""}</td><td>${call.note ?? ""}</td></tr>`)}</tbody></table></div></section>`;
  }
}
customElements.define("santral-reports", Reports);
