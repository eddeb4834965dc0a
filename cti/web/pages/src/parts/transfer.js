import { html, nothing } from "lit";
import { at, get, post } from "../core/api.js";
import { t, word } from "../core/i18n.js";
import { store } from "../core/store.js";
import { attempt } from "../core/view.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icon.js";
import { current, dialled } from "./phone.js";

/** Whom to hand the caller to: a colleague or a number; at once, or after asking. */
class Transfer extends Dialog {
  targets = [];
  to = "";

  open() {
    this.call = current()?.id;
    if (!this.call) return;
    this.to = "";
    super.open();
    this.look("");
  }

  title() {
    return t("transfer.title");
  }

  async look(query) {
    const asked = (this.asked = Symbol("asked"));
    const found = await attempt(() => get(`/api/targets?q=${encodeURIComponent(query)}`));
    if (asked !== this.asked || !found) return;
    this.targets = found.agents.filter((agent) => agent.login !== store.me.login);
    this.requestUpdate();
  }

  content() {
    return html`<form @submit=${(event) => this.send(event, "consult")}>
      <label>${t("transfer.to")}
        <input data-first name="to" autocomplete="off" .value=${this.to}
          @input=${(event) => { this.to = event.target.value; this.requestUpdate(); this.look(this.to); }} />
      </label>
      <ul class="pick-list">
        ${this.targets.map(
          (agent) => html`<li><button type="button" aria-pressed=${this.to === agent.extension}
              @click=${() => { this.to = agent.extension; this.requestUpdate(); }}>
              <span class="dot state-${agent.state}"></span><strong>${agent.name}</strong>
              <span class="faint">${agent.extension}</span><span class="tag">${word("state", agent.state)}</span>
            </button></li>`,
        )}
      </ul>
      <div class="buttons end">
        <button type="button" ?disabled=${!this.to} @click=${(event) => this.send(event, "transfer")}>${icon("forward")}${t("transfer.blind")}</button>
        <button class="primary" ?disabled=${!this.to}>${icon("ask")}${t("transfer.consult")}</button>
      </div>
      ${this.targets.length ? nothing : html`<p class="faint">${t("transfer.nobody")}</p>`}
    </form>`;
  }

  async send(event, how) {
    event.preventDefault();
    const to = dialled(this.to);
    const done = await attempt(() => post(at`/api/calls/${this.call}/` + how, { to }));
    if (done) this.close();
  }
}
customElements.define("santral-transfer", Transfer);
