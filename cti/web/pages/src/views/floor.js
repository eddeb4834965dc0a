import { html, nothing } from "lit";
import { at, post } from "../core/api.js";
import { now } from "../core/clock.js";
import { account, duration, percent, phone as shown } from "../core/format.js";
import { lang, t, titled, word } from "../core/i18n.js";
import { go } from "../core/router.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { icon } from "../parts/icon.js";
import { listen, listening, stop } from "../parts/listening.js";
import "../parts/phone.js";

const ORDER = ["talking", "ringing", "wrap_up", "ready", "paused", "offline", "signed_out"];
const STATES = ["ready", "ringing", "talking", "wrap_up", "paused", "offline"];

/** The supervisor's view of the floor: queues in figures, who does what, every call. */
class Floor extends View {
  static ticks = true;

  render() {
    return html`<div class="page-head"><h1>${t("nav.floor")}</h1>${this.ear()}</div>
      ${this.board()}
      ${store.floor ? html`<div class="floor">${this.agents()}${this.calls()}</div>` : nothing}
      ${store.me.agent ? html`<aside class="floor-phone" aria-label=${t("phone.title")}><santral-phone></santral-phone></aside>` : nothing}`;
  }

  ear() {
    if (!listening.id) return nothing;
    return html`<p class="notice listening" data-listening=${listening.how}>${icon("ear")}
      ${t(`listen.${listening.how}_on`)} · ${account(listening.agent)}
      <span class="buttons">
        ${["listen", "whisper", "barge"].filter((how) => how !== listening.how).map(
          (how) => html`<button @click=${() => listen(listening.call, listening.agent, how)}>${t(`listen.${how}`)}</button>`)}
        <button class="stop" @click=${stop}>${icon("x")}${t("listen.stop")}</button></span></p>`;
  }

  board() {
    const all = [...store.numbers.values()];
    return html`<section class="board" aria-label=${t("floor.queues")}>
      ${all.map((numbers) => this.queue(numbers))}
    </section>`;
  }

  queue(n) {
    const target = store.queues.get(n.queue);
    const longest = n.longest_since ? now() - n.longest_since : 0;
    const late = longest > (target?.service_level ?? 20);
    const low = n.level != null && n.level < 0.8;
    const figure = (label, value, kind = "") => html`<div class=${kind}><dt>${label}</dt><dd>${value}</dd></div>`;
    return html`<article class="card queue ${late ? "late" : ""}" data-queue=${n.queue} aria-labelledby="q-${n.queue}">
      <h2 id="q-${n.queue}">${titled(target?.title, n.queue)}</h2>
      <dl class="big">
        ${figure(t("floor.waiting"), n.waiting, n.waiting ? "warm" : "")}
        ${figure(t("floor.longest"), n.waiting ? duration(longest) : "–", late ? "hot" : "")}
        ${figure(t("floor.level"), percent(n.level), low ? "hot" : "")}
      </dl>
      <dl class="small">
        ${figure(t("floor.answered"), n.answered)}${figure(t("floor.abandoned"), n.abandoned)}
        ${figure(t("floor.mean_wait"), duration(n.mean_wait))}${figure(t("floor.callbacks"), n.callbacks)}
      </dl>
      <ul class="states" aria-label=${t("floor.agents_by_state")}>
        ${STATES.map((state) => html`<li class="state-${state} ${n.agents[state] ? "" : "none"}">
          <span class="dot"></span>${n.agents[state] ?? 0}<span class="state-word">${word("state", state)}</span></li>`)}
      </ul>
    </article>`;
  }

  agents() {
    const rows = [...store.floor.people.values()]
      .map((person) => [person, store.floor.presences.get(person.login)])
      .sort((a, b) => ORDER.indexOf(a[1]?.state ?? "signed_out") - ORDER.indexOf(b[1]?.state ?? "signed_out") || a[0].name.localeCompare(b[0].name, lang()));
    return html`<section class="card" aria-labelledby="agents-title"><h2 id="agents-title">${t("floor.agents")}</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="agents-title"><table>
        <thead><tr><th scope="col">${t("floor.agent")}</th><th scope="col">${t("floor.state")}</th>
          <th scope="col" class="number-cell">${t("floor.since")}</th><th scope="col">${t("floor.call")}</th>
          <th scope="col"><span class="sr">${t("floor.actions")}</span></th></tr></thead>
        <tbody>${rows.map(([person, presence]) => this.agent(person, presence))}</tbody>
      </table></div></section>`;
  }

  agent(person, presence) {
    const state = presence?.state ?? "signed_out";
    const call = store.calls.get(presence?.call);
    const talking = state === "talking" && call;
    const mine = person.login === store.me.login;
    const listenKey = (how, name) => html`<button class="square" title=${t(`listen.${how}`)}
      aria-label="${t(`listen.${how}`)}: ${person.name}" aria-pressed=${listening.call === call.id && listening.how === how}
      @click=${() => listen(call.id, person.interface, how)}>${icon(name)}</button>`;
    return html`<tr data-agent=${person.login} data-state=${state}>
      <th scope="row">${person.name} <span class="faint">${person.extension}</span></th>
      <td><span class="tag state-${state}"><span class="dot"></span>${word("state", state)}</span>
        ${presence?.reason ? html`<span class="faint">${this.reason(presence.reason)}</span>` : nothing}</td>
      <td class="number-cell timer">${state === "signed_out" ? "" : duration(now() - presence.since)}</td>
      <td>${call ? html`${call.caller_name || shown(call.caller)}` : nothing}</td>
      <td class="actions">
        ${talking && !mine && store.me.agent ? html`${listenKey("listen", "ear")}${listenKey("whisper", "whisper")}${listenKey("barge", "step")}` : nothing}
        ${state === "paused" || state === "wrap_up" ? html`<button class="square" title=${t("floor.ready")} aria-label="${t("floor.ready")}: ${person.name}" @click=${() => this.force(person, "ready")}>${icon("play")}</button>` : nothing}
        ${["ready", "talking", "ringing", "wrap_up"].includes(state) ? html`<button class="square" title=${t("floor.pause")} aria-label="${t("floor.pause")}: ${person.name}" @click=${() => this.force(person, "pause", { reason: "supervisor" })}>${icon("pause")}</button>` : nothing}
        ${state === "signed_out" ? nothing : html`<button class="square" title=${t("floor.sign_out")} aria-label="${t("floor.sign_out")}: ${person.name}" @click=${() => this.force(person, "sign-out")}>${icon("out")}</button>`}
      </td></tr>`;
  }

  reason(code) {
    const known = store.pauses.find((pause) => pause.code === code);
    return known ? known[lang()] : word("reason", code);
  }

  force(person, what, body) {
    return attempt(() => post(at`/api/agents/${person.login}/` + what, body));
  }

  calls() {
    const calls = [...store.calls.values()].filter((call) => !call.listens_to).sort((a, b) => a.started - b.started);
    return html`<section class="card" aria-labelledby="calls-title"><h2 id="calls-title">${t("floor.calls")} <span class="tag">${calls.length}</span></h2>
      ${calls.length ? nothing : html`<p class="faint">${t("floor.no_calls")}</p>`}
      <ul class="calls">${calls.map((call) => this.call(call))}</ul></section>`;
  }

  call(call) {
    const where =
      call.phase === "flow" ? `${call.flow} · ${call.step.replaceAll("_", " ")}`
      : call.queue ? `${titled(store.queues.get(call.queue)?.title, call.queue)} · ${t("floor.place", { n: call.position })}`
      : call.agent_name || account(call.agent) || call.ringing.map(account).join(", ");
    return html`<li data-call=${call.id} data-phase=${call.phase}><button type="button" class="row" @click=${() => go(`/flows/${encodeURIComponent(call.flow || "-")}/${encodeURIComponent(call.id)}`)}
        ?disabled=${!store.can("transcripts") || !call.flow}>
        <span class="tag phase-${call.phase}">${word("phase", call.phase)}</span>
        <strong>${shown(call.caller) || t("pop.withheld")}</strong><span class="faint">${where}</span>
        ${call.listeners.length ? html`<span class="tag">${icon("ear")}<span class="sr">${t("listen.listened")}</span></span>` : nothing}
        <span class="timer">${duration(now() - call.started)}</span></button></li>`;
  }
}
customElements.define("santral-floor", Floor);
