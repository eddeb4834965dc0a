import { html, nothing } from "lit";
import { at, get, post } from "../core/api.js";
import { dateTime } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { store } from "../core/store.js";
import { attempt } from "../core/view.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icon.js";

/** Everything about one order: what happened, and why it was called or not. */
class OrderStory extends Dialog {
  async show(number) {
    const found = await attempt(() => Promise.all([
      get(at`/api/v1/orders/${number}/why`), get(at`/api/v1/orders/${number}/timeline`),
    ]));
    if (!found) return;
    [this.why, this.story] = found;
    this.number = number;
    this.open();
  }

  title() {
    return t("outbound.order_title", { number: this.number });
  }

  content() {
    return html`<h3>${t("outbound.timeline")}</h3>
      <ol class="timeline">${this.story.items.map((one) => html`<li><time class="faint">${dateTime(one.at)}</time>
        <strong>${word("happening", one.what)}</strong><p class="faint">${told(one)}</p></li>`)}</ol>
      ${this.why.jobs.map((job) => this.job(job))}`;
  }

  job(job) {
    return html`<section data-job=${job.job}><h4>${job.campaign}: ${word("job_state", job.state)}, ${word("verdict", job.verdict)}
        ${job.at ? dateTime(job.at) : nothing}</h4>
      <ul class="clauses" aria-label=${t("outbound.reasons")}>${job.reasons.map((one) => html`<li class=${one.holds ? "holds" : "forbids"}>
        ${icon(one.holds ? "check" : "x")}<span><strong>${clause(one.name)}</strong> <span class="sr">${t(one.holds ? "outbound.holds" : "outbound.forbids")}</span></span>
        <p>${one.value}</p></li>`)}</ul>
      ${job.state === "open" && store.can("orders:write") ? html`<div class="buttons"><button @click=${() => this.withdraw(job)}>${icon("x")}${t("outbound.cancel")}</button></div>` : nothing}
    </section>`;
  }

  async withdraw(job) {
    if (!(await attempt(() => post(at`/api/v1/jobs/${job.job}/cancel`), t("outbound.cancelled_done")))) return;
    this.dispatchEvent(new CustomEvent("changed", { bubbles: true }));
    await this.show(this.number);
  }
}

/** "number's cap" is `clause.number_s_cap`; a name that is not known is shown as it is. */
const clause = (name) => {
  const key = name.replace(/[^a-z]+/g, "_");
  const known = word("clause", key);
  return known === key ? name : known;
};
const told = ({ data }) =>
  Object.entries(data).filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => (name === "next_at" ? dateTime(value) : name === "verdict" ? word("verdict", value) : String(value)))
    .join(" · ");
customElements.define("santral-order-story", OrderStory);
