// A customer's card in parts: used by the pop and by the search.
import { html, nothing } from "lit";
import { date, dateTime, money } from "../core/format.js";
import { lang, t, word } from "../core/i18n.js";
import { store } from "../core/store.js";

const outcome = (code) => {
  const known = store.dispositions.find((one) => one.code === code);
  return known ? known[lang()] : word("outcome", code);
};
const SHOWN = new Set(["id", "name", "phone", "tier", "email", "city", "language", "since", "created_at"]);

export function customerFacts(customer) {
  const facts = [customer.city, customer.email].filter(Boolean);
  const since = customer.since ?? customer.created_at;
  if (since) facts.push(t("customer.since", { date: date(since) }));
  const more = Object.entries(customer).filter(([name, value]) => !SHOWN.has(name) && value != null && value !== "");
  return html`${facts.map((fact) => html`<span>${fact}</span>`)}
    ${more.map(([name, value]) => html`<span>${name.replaceAll("_", " ")}: ${String(value)}</span>`)}`;
}

export function ordersOf(card, first = new Set()) {
  if (!card.orders.length) return html`<p class="faint">${t("customer.no_orders")}</p>`;
  const asked = (order) => first.has(String(order.number));
  const orders = [...card.orders].sort((a, b) => asked(b) - asked(a));
  return html`<ul class="orders" data-test="orders">
    ${orders.slice(0, 6).map(
      (order) => html`<li class=${asked(order) ? "asked" : ""} data-order=${order.number}>
        <strong>${order.number}</strong>
        <span class="tag order-${order.state ?? ""}">${(lang() === "en" ? order.status_en : order.status) ?? order.status}</span>
        <span class="amount">${money(order.total, order.currency)}</span>
        <span class="faint">${date(order.placed_at)}${order.tracking ? html` · ${order.carrier} ${order.tracking}` : nothing}</span>
      </li>`,
    )}
  </ul>`;
}

export function contactsOf(card) {
  if (!card.contacts.length) return html`<p class="faint">${t("customer.no_contacts")}</p>`;
  return html`<ul class="contacts">
    ${card.contacts.slice(0, 6).map(
      (contact) => html`<li>
        <span class="tag">${word("channel", contact.channel)}</span>
        <span>${[contact.summary, contact.outcome && outcome(contact.outcome), contact.agent].filter(Boolean).join(" · ")}</span>
        <span class="faint">${dateTime(contact.at)}</span>
      </li>`,
    )}
  </ul>`;
}

export function notesOf(card) {
  if (!card.notes.length) return html`<p class="faint">${t("customer.no_notes")}</p>`;
  return html`<ul class="notes">
    ${card.notes.slice(0, 6).map(
      (note) => html`<li><p>${note.text}</p>
        <span class="faint">${[note.disposition && outcome(note.disposition), note.agent, dateTime(note.at)].filter(Boolean).join(" · ")}</span></li>`,
    )}
  </ul>`;
}
