import { html, nothing } from "lit";
import { get } from "../core/api.js";
import { dateTime } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { attempt, View } from "../core/view.js";

/** Who may do what here, and who did what. */
class Users extends View {
  users = [];
  entries = [];

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    const [users, audit] = await Promise.all([attempt(() => get("/api/users")), attempt(() => get("/api/audit?limit=100"))]);
    this.users = users?.users ?? [];
    this.entries = audit?.entries ?? [];
    this.requestUpdate();
  }

  render() {
    return html`<div class="page-head"><h1>${t("nav.users")}</h1></div>
      <section class="card" aria-labelledby="users-title"><h2 id="users-title">${t("users.people")}</h2>
        <p class="faint">${t("users.about")} <code>./santral user add ayse --role agent</code></p>
        <div class="scroll" tabindex="0" role="group" aria-labelledby="users-title"><table>
          <thead><tr><th scope="col">${t("users.login")}</th><th scope="col">${t("users.name")}</th><th scope="col">${t("users.role")}</th>
            <th scope="col">${t("users.phone")}</th><th scope="col">${t("users.last")}</th><th scope="col">${t("users.state")}</th></tr></thead>
          <tbody>${this.users.map((user) => html`<tr data-user=${user.login}><th scope="row">${user.login}</th><td>${user.name}</td>
            <td>${word("role", user.role)}</td><td>${user.agent?.extension ?? user.extension ?? ""}</td><td>${dateTime(user.last_login_at)}</td>
            <td>${user.active ? t("users.active") : html`<span class="tag bad">${t("users.disabled")}</span>`}</td></tr>`)}</tbody>
        </table></div></section>
      <section class="card" aria-labelledby="audit-title"><h2 id="audit-title">${t("users.audit")}</h2>
        ${this.entries.length ? nothing : html`<p class="faint">${t("users.no_audit")}</p>`}
        <div class="scroll" tabindex="0" role="group" aria-labelledby="audit-title"><table>
          <thead><tr><th scope="col">${t("users.when")}</th><th scope="col">${t("users.who")}</th><th scope="col">${t("users.what")}</th>
            <th scope="col">${t("users.whom")}</th><th scope="col">${t("users.from")}</th><th scope="col">${t("users.detail")}</th></tr></thead>
          <tbody>${this.entries.map((one) => html`<tr><td>${dateTime(one.at)}</td><td>${one.actor}</td><td>${one.action}</td>
            <td>${one.subject}</td><td>${one.address}</td><td>${detail(one.detail)}</td></tr>`)}</tbody>
        </table></div></section>`;
  }
}
const detail = (given) => Object.entries(given ?? {}).map(([name, value]) => `${name}: ${value}`).join(", ");
customElements.define("santral-users", Users);
