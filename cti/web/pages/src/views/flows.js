import { html, nothing } from "lit";
import { at, get } from "../core/api.js";
import { now } from "../core/clock.js";
import { dateTime, duration, phone as shown, time } from "../core/format.js";
import { lang, onLanguage, t, word } from "../core/i18n.js";
import { go, here } from "../core/router.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import "../parts/graph.js";
import { icon } from "../parts/icon.js";

const MARKS = { caller: "◂", us: "▸", step: "●", note: "·" };

/** Flows that are on the line: drawn with the callers in them, versions, findings, transcripts. */
class Flows extends View {
  static ticks = true;
  graph = null;
  shown = "";
  step = "";
  callers = [];
  versions = [];
  told = null;

  connectedCallback() {
    super.connectedCallback();
    this.load();
    this.stopWords = onLanguage(() => this.draw(this.name, true));
    this.onFlow = () => this.stale();
    store.addEventListener("change", this.onFlow);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopWords();
    store.removeEventListener("change", this.onFlow);
    this.follow("");
  }

  get name() {
    return decodeURIComponent(here().split("/")[2] ?? "");
  }

  get call() {
    return decodeURIComponent(here().split("/")[3] ?? "");
  }

  async load() {
    const answer = await attempt(() => get("/api/flows"));
    if (!answer) return;
    store.flows = new Map(answer.flows.map((flow) => [flow.name, flow]));
    store.findings = answer.findings;
    store.changed();
    this.routed();
  }

  /** The address has changed. */
  routed() {
    const name = store.flows.has(this.name) ? this.name : this.best();
    if (name !== this.name && name) return go(`/flows/${encodeURIComponent(name)}`, { replace: true });
    this.draw(name);
    this.tell(this.call);
  }

  /** The flow with the most callers, else the one that most lines lead to. */
  best() {
    const rank = (flow) => [flow.calls, flow.lines.length];
    return [...store.flows.values()].sort((a, b) => rank(b)[0] - rank(a)[0] || rank(b)[1] - rank(a)[1])[0]?.name;
  }

  async draw(name, again = false) {
    const flow = store.flows.get(name);
    const key = `${name} ${flow?.version}`;
    if (!flow || (key === this.shown && !again)) return;
    this.shown = key;
    const [graph, versions] = await Promise.all([
      attempt(() => get(at`/api/flows/${name}/graph?language=` + lang())),
      attempt(() => get(at`/api/flows/${name}/versions`)),
    ]);
    if (key !== this.shown || !graph) return;
    this.graph = graph;
    this.versions = versions?.versions ?? [];
    store.standing.set(name, graph.standing);
    this.step = "";
    store.changed();
  }

  /** A new version came on the line: draw it. */
  stale() {
    if (this.name) this.draw(this.name);
    if (this.told && store.lines.has(this.told.call)) this.requestUpdate();
  }

  async choose(step) {
    this.step = this.step === step ? "" : step;
    this.requestUpdate();
  }

  async tell(call) {
    if (!call || !store.can("transcripts")) {
      this.told = null;
      this.follow("");
      return this.requestUpdate();
    }
    if (this.told?.call === call) return;
    this.follow(call);
    this.told = { call, lines: [] };
    const told = await attempt(() => get(at`/api/calls/${call}/transcript`));
    if (this.call !== call) return;
    this.told = told || null;
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector("#told-title")?.focus();
  }

  follow(call) {
    this.dispatchEvent(new CustomEvent("follow-call", { detail: call, bubbles: true }));
    document.dispatchEvent(new CustomEvent("santral-follow", { detail: call }));
  }

  render() {
    const flow = store.flows.get(this.name);
    return html`<div class="page-head"><h1>${t("nav.flows")}</h1></div>
      <div class="flows">
        <nav class="card flow-list" aria-label=${t("nav.flows")}><ul class="plain">
          ${[...store.flows.values()].map((one) => this.link(one))}</ul></nav>
        <section class="card flow-main" aria-labelledby="flow-title">
          ${flow ? this.head(flow) : nothing}
          <div class="zoom buttons" role="group" aria-label=${t("graph.size")}>
            ${[["−", 0.8, "graph.smaller"], ["+", 1.25, "graph.larger"], ["⤢", 0, "graph.fit"]].map(
              ([sign, by, label]) => html`<button class="square" aria-label=${t(label)} title=${t(label)} @click=${() => this.querySelector("santral-graph").zoom(by)}>${sign}</button>`)}
          </div>
          <div class="scroll graph-space" tabindex="0" role="group" aria-label=${t("graph.space")}>
            <santral-graph .graph=${this.graph} .chosen=${this.step} .path=${this.walked()} @step=${(event) => this.choose(event.detail)}></santral-graph></div>
        </section>
        <div class="flow-side">${this.told ? this.transcript() : nothing}${this.people()}${this.found()}${this.history()}</div>
      </div>`;
  }

  link(flow) {
    const standing = Object.values(store.standing.get(flow.name) ?? {}).reduce((sum, n) => sum + n, 0);
    const findings = store.findings.filter((one) => one.file === flow.file).length;
    return html`<li><a href="/flows/${encodeURIComponent(flow.name)}" aria-current=${flow.name === this.name ? "page" : nothing} data-flow=${flow.name}>
      <strong>${flow.name.replaceAll("_", " ")}</strong>
      <span class="faint">${flow.lines.join(", ") || t("flows.no_line")}</span>
      ${standing ? html`<span class="tag warm">${t("flows.callers", { n: standing })}</span>` : nothing}
      ${flow.good === false ? html`<span class="tag bad">${t("flows.refused")}</span>` : nothing}
      ${findings && flow.good !== false ? html`<span class="tag">${t("flows.findings", { n: findings })}</span>` : nothing}</a></li>`;
  }

  head(flow) {
    return html`<div class="card-head"><div><h2 id="flow-title">${flow.name.replaceAll("_", " ")}</h2>
        <p class="faint">${flow.about}</p></div>
      <p class="faint">${flow.version.replace("sha256:", "").slice(0, 8)} · ${t("flows.since", { date: dateTime(flow.since) })} · ${flow.languages.map((one) => word("language", one)).join(", ")}</p></div>`;
  }

  /** The ways of the call that is told, for the graph. */
  walked() {
    const steps = (this.told?.path ?? []).filter((one) => one.startsWith(`${this.name}.`)).map((one) => one.slice(this.name.length + 1));
    return new Set(steps.slice(1).flatMap((step, i) => [`${steps[i]}>${step}`, `${steps[i]}>${step}__${steps[i]}`]));
  }

  people() {
    const callers = [...store.calls.values()].filter((call) => call.flow === this.name && call.phase === "flow" && (!this.step || call.step === this.step));
    return html`<section class="card" aria-labelledby="people-title"><h2 id="people-title">${this.step ? t("flows.at_step", { step: this.step.replaceAll("_", " ") }) : t("flows.in_flow")}</h2>
      ${callers.length ? nothing : html`<p class="faint">${t("flows.nobody")}</p>`}
      <ul class="plain lines">${callers.map((call) => html`<li><a href="/flows/${encodeURIComponent(this.name)}/${encodeURIComponent(call.id)}" data-caller=${call.id}>${shown(call.caller) || t("pop.withheld")}</a>
        <span class="faint">${call.step.replaceAll("_", " ")}</span><span class="timer">${duration(now() - call.phase_since)}</span></li>`)}</ul></section>`;
  }

  transcript() {
    const { told } = this;
    const known = new Set(told.lines.map((line) => `${line.at}|${line.who}|${line.text}`));
    const later = (store.lines.get(told.call) ?? []).filter((line) => !known.has(`${line.at}|${line.who}|${line.text}`));
    return html`<section class="card transcript" aria-labelledby="told-title" data-call=${told.call}><div class="card-head"><h2 id="told-title" tabindex="-1">${t("told.title")}</h2>
        <button class="quiet square" aria-label=${t("close")} @click=${() => go(`/flows/${encodeURIComponent(this.name)}`)}>${icon("x")}</button></div>
      <p class="faint">${told.started_at ? time(told.started_at) : ""} ${told.ended ? word("why", told.ended) : t("told.going_on")}</p>
      <ol class="told">${[...told.lines, ...later].map((line) => html`<li class="who-${line.who} depth-${Math.min(3, line.depth ?? 0)}">
        <span class="at">${duration(line.at)}</span><span aria-hidden="true">${MARKS[line.who] ?? ""}</span>
        <span><span class="sr">${word("who", line.who)}:</span> ${line.text}</span></li>`)}</ol></section>`;
  }

  found() {
    const file = store.flows.get(this.name)?.file;
    const findings = store.findings.filter((one) => one.file === file);
    return html`<section class="card" aria-labelledby="found-title"><h2 id="found-title">${t("flows.findings_title")}</h2>
      ${findings.length ? nothing : html`<p class="faint">${t("flows.no_findings")}</p>`}
      <ul class="plain findings">${findings.map((one) => html`<li class=${one.severity}><span class="tag ${one.severity === "error" ? "bad" : ""}">${word("severity", one.severity)}</span>
        <span>${one.message}</span> <span class="faint">${one.file}:${one.line}:${one.column} ${one.code}</span>
        ${one.path?.length ? html`<span class="faint">${one.path.join(" › ")}</span>` : nothing}</li>`)}</ul></section>`;
  }

  history() {
    return html`<section class="card" aria-labelledby="versions-title"><h2 id="versions-title">${t("flows.versions")}</h2>
      <ul class="plain lines">${this.versions.map((one) => html`<li><code>${one.version.replace("sha256:", "").slice(0, 8)}</code>
        <span class="faint">${dateTime(one.first_seen_at)}${one.author ? ` · ${one.author}` : ""}</span>
        ${one.on_line ? html`<span class="tag state-ready"><span class="dot"></span>${t("flows.on_line")}</span>` : nothing}
        <button class="quiet" @click=${() => this.source(one.version)}>${t("flows.source")}</button></li>`)}</ul>
      ${this.text ? html`<pre class="scroll source" tabindex="0" aria-label=${t("flows.source")}>${this.text}</pre>` : nothing}</section>`;
  }

  async source(version) {
    const answer = await attempt(() => get(at`/api/flows/${this.name}/versions/${version}`));
    this.text = answer?.source === this.text ? "" : answer?.source;
    this.requestUpdate();
  }
}
customElements.define("santral-flows", Flows);
