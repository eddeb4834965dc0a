import { html } from "lit";
import { t } from "../core/i18n.js";
import { View } from "../core/view.js";
import { icon } from "./icon.js";

const LASTS = 6000;

/** What was done or did not work, told by eye and by screen reader. */
class Toasts extends View {
  shown = [];

  connectedCallback() {
    super.connectedCallback();
    this.listen = (event) => this.add(event.detail);
    document.addEventListener("santral-say", this.listen);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("santral-say", this.listen);
  }

  add(one) {
    this.shown = [...this.shown.slice(-2), one];
    this.requestUpdate();
    setTimeout(() => this.drop(one), LASTS);
  }

  drop(one) {
    this.shown = this.shown.filter((other) => other !== one);
    this.requestUpdate();
  }

  render() {
    return html`<div class="toasts" role="status" aria-live="polite">
      ${this.shown.map(
        (one) => html`<div class="toast ${one.kind}">
          ${icon(one.kind === "bad" ? "warn" : "check")}<span>${one.text}</span>
          <button type="button" class="quiet square" aria-label=${t("close")} @click=${() => this.drop(one)}>${icon("x")}</button>
        </div>`,
      )}
    </div>`;
  }
}
customElements.define("santral-toasts", Toasts);
