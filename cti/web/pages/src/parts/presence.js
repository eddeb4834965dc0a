import { html, nothing } from "lit";
import { post } from "../core/api.js";
import { now } from "../core/clock.js";
import { duration } from "../core/format.js";
import { lang, t, word } from "../core/i18n.js";
import { shortcut } from "../core/keys.js";
import { store } from "../core/store.js";
import { attempt, View } from "../core/view.js";
import { icon } from "./icon.js";

export const act = (name, body) => attempt(() => post(`/api/agent/${name}`, body));
export const state = () => store.presence?.state ?? "signed_out";
const may = (...states) => store.me?.agent && states.includes(state());

/** What the agent does now, since when, and what they can do about it. */
class Presence extends View {
  static ticks = true;

  reason(code) {
    const known = store.pauses.find((pause) => pause.code === code);
    return known ? known[lang()] : word("reason", code);
  }

  counted(presence) {
    if (presence.state === "wrap_up" && presence.until) {
      const left = presence.until - now();
      const share = Math.max(0, left / Math.max(1, presence.until - presence.since));
      return html`<strong class="timer" role="timer">${duration(Math.ceil(left))}</strong>
        <progress class="wrap-left" max="1" value=${share} aria-label=${t("presence.wrap_left")}></progress>`;
    }
    return html`<strong class="timer" role="timer">${duration(now() - presence.since)}</strong>`;
  }

  render() {
    if (!store.me?.agent) return nothing;
    const presence = store.presence ?? { state: "signed_out", since: 0 };
    const at = presence.state;
    return html`<section class="card presence state-${at}" aria-labelledby="presence-title">
      <div class="presence-now">
        <h2 id="presence-title"><span class="dot"></span>${word("state", at)}</h2>
        ${at === "signed_out" ? nothing : this.counted(presence)}
      </div>
      ${presence.reason ? html`<p class="faint">${this.reason(presence.reason)}</p>` : nothing}
      ${presence.next_pause
        ? html`<p class="notice">${t("presence.next", { reason: this.reason(presence.next_pause) })}</p>`
        : nothing}
      <div class="buttons">${this.buttons(at)}</div>
    </section>`;
  }

  buttons(at) {
    if (at === "signed_out") {
      return html`<button class="primary wide" @click=${() => act("sign-in")}>${icon("play")}${t("presence.sign_in")}</button>`;
    }
    return html`
      ${["paused", "wrap_up"].includes(at)
        ? html`<button class="primary grow" @click=${() => act("ready")}>${icon("check")}${t("presence.ready")}</button>`
        : nothing}
      ${at === "wrap_up"
        ? html`<button @click=${() => act("extend", { seconds: 60 })}>${t("presence.extend")}</button>`
        : nothing}
      <label class="pick grow"><span class="sr">${t("presence.pause")}</span>
        <select id="pause" @change=${this.pause}>
          <option value="" selected>${t("presence.pause")}…</option>
          ${store.pauses.map((pause) => html`<option value=${pause.code}>${pause[lang()]}</option>`)}
        </select>
      </label>
      ${presenceHas("next_pause") ? html`<button @click=${() => act("ready")}>${t("presence.no_pause")}</button>` : nothing}
      <button class="quiet" @click=${() => act("sign-out")}>${icon("out")}${t("presence.sign_out")}</button>`;
  }

  pause(event) {
    const reason = event.target.value;
    event.target.value = "";
    if (reason) act("pause", { reason });
  }
}
const presenceHas = (name) => Boolean(store.presence?.[name]);
customElements.define("santral-presence", Presence);

shortcut("r", "key.ready", () => (state() === "signed_out" ? act("sign-in") : act("ready")),
  () => may("paused", "wrap_up", "signed_out"));
shortcut("p", "key.pause", () => document.querySelector("#pause")?.focus(), () => Boolean(document.querySelector("#pause")));
