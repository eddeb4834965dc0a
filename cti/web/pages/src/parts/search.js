import { html, nothing } from "lit";
import { at, get, post } from "../core/api.js";
import { initials, phone as shown } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { shortcut } from "../core/keys.js";
import { attempt, View } from "../core/view.js";
import { contactsOf, customerFacts, notesOf, ordersOf } from "./customer.js";
import { icon } from "./icon.js";
import { dial } from "./phone.js";

/** Looks customers up by name, number or order, and shows their card. */
class Search extends View {
  query = "";
  found = null;
  card = null;

  async look(event) {
    this.query = event.target.value.trim();
    const asked = (this.asked = this.query);
    if (this.query.length < 2) {
      this.found = null;
      return this.requestUpdate();
    }
    await new Promise((done) => setTimeout(done, 180));
    if (asked !== this.asked) return;
    const answer = await attempt(() => get(`/api/customers?q=${encodeURIComponent(asked)}`));
    if (answer && asked === this.asked) this.found = answer.customers;
    this.requestUpdate();
  }

  async show(number) {
    const card = await attempt(() => get(at`/api/customers/${number}`));
    if (!card) return;
    this.card = { ...card, number };
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector(".customer h3")?.focus();
  }

  render() {
    return html`<section class="card search" aria-labelledby="search-title">
      <h2 id="search-title">${t("search.title")}</h2>
      <label class="search-field">${icon("search")}<span class="sr">${t("search.field")}</span>
        <input id="search" type="search" autocomplete="off" placeholder=${t("search.field")} @input=${this.look} /></label>
      ${this.found ? this.list() : nothing}
      ${this.card ? this.shown() : nothing}
    </section>`;
  }

  list() {
    if (!this.found.length) return html`<p class="faint" role="status">${t("search.nobody")}</p>`;
    return html`<ul class="pick-list" aria-label=${t("search.results")}>
      ${this.found.map(
        (one) => html`<li><button type="button" @click=${() => this.show(one.phone)}>
          <span class="avatar small" aria-hidden="true">${initials(one.name)}</span>
          <strong>${one.name}</strong><span class="faint">${[shown(one.phone), one.city].filter(Boolean).join(" · ")}</span>
        </button></li>`,
      )}
    </ul>`;
  }

  shown() {
    const { card } = this;
    const name = card.customer.name || shown(card.number);
    return html`<div class="customer">
      <div class="card-head"><h3 tabindex="-1">${name}
        ${card.tier ? html`<span class="tag tier-${card.tier}">${word("tier", card.tier)}</span>` : nothing}</h3>
        <button type="button" class="quiet square" aria-label=${t("close")} @click=${() => this.close()}>${icon("x")}</button></div>
      <p class="facts"><button type="button" class="number" @click=${() => dial(card.number)}>${icon("phone")}${shown(card.number)}</button>
        ${customerFacts(card.customer)}</p>
      <h4>${t("pop.orders")}</h4>${ordersOf(card)}
      <h4>${t("pop.contacts")}</h4>${contactsOf(card)}
      <h4>${t("pop.notes")}</h4>${notesOf(card)}
      <form class="buttons" @submit=${this.note}>
        <label class="grow"><span class="sr">${t("note.text")}</span><input name="text" required maxlength="4000" placeholder=${t("note.text")} /></label>
        <button>${t("note.save")}</button>
      </form>
    </div>`;
  }

  close() {
    this.card = null;
    this.requestUpdate();
    this.querySelector("#search")?.focus();
  }

  async note(event) {
    event.preventDefault();
    const form = event.target;
    const text = new FormData(form).get("text").trim();
    if (!text) return;
    if (await attempt(() => post(at`/api/customers/${this.card.number}/notes`, { text }), t("note.saved"))) {
      form.reset();
      this.show(this.card.number);
    }
  }
}
customElements.define("santral-search", Search);

shortcut("/", "key.search", () => document.querySelector("#search")?.focus(), () => Boolean(document.querySelector("#search")));
