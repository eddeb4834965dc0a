// The page's frame: who is signed in, which view is shown, whether we are connected.
import { html, nothing } from "lit";
import "./styles/main.css";
import { get, post, remove, useSession } from "./core/api.js";
import { now, startClock } from "./core/clock.js";
import { initials, time } from "./core/format.js";
import { lang, languages, onLanguage, speak, t, word } from "./core/i18n.js";
import { shortcut, startKeys } from "./core/keys.js";
import { phone } from "./core/phone.js";
import { follow, go, here, onRoute } from "./core/router.js";
import { keep, settings, showTheme } from "./core/settings.js";
import { store } from "./core/store.js";
import { Stream } from "./core/stream.js";
import { say, View } from "./core/view.js";
import "./parts/help.js";
import { icon } from "./parts/icon.js";
import "./parts/settings.js";
import "./parts/toasts.js";
import "./views/desk.js";
import "./views/sign-in.js";

// Views a supervisor opens are fetched when they are: the desk does not wait for them.
const VIEWS = [
  { path: "/desk", key: "desk", icon: "desk", scope: "desk", show: () => html`<santral-desk></santral-desk>` },
  { path: "/floor", key: "floor", icon: "board", scope: "wallboard", load: () => import("./views/floor.js"), show: () => html`<santral-floor></santral-floor>` },
  { path: "/flows", key: "flows", icon: "flow", scope: "flows", load: () => import("./views/flows.js"), show: () => html`<santral-flows></santral-flows>` },
  { path: "/outbound", key: "outbound", icon: "send", scope: "campaigns:read", load: () => import("./views/outbound.js"), show: () => html`<santral-outbound></santral-outbound>` },
  { path: "/reports", key: "reports", icon: "chart", scope: "reports", load: () => import("./views/reports.js"), show: () => html`<santral-reports></santral-reports>` },
  { path: "/users", key: "users", icon: "people", scope: "accounts", load: () => import("./views/users.js"), show: () => html`<santral-users></santral-users>` },
  { path: "/staffing", key: "staffing", icon: "board", scope: "reports", load: () => import("./views/staffing.js"), show: () => html`<santral-staffing></santral-staffing>` },
];

const tabName = () => {
  const made = sessionStorage.getItem("santral-tab") || crypto.randomUUID().slice(0, 8);
  sessionStorage.setItem("santral-tab", made);
  return made;
};

class App extends View {
  tab = tabName();

  connectedCallback() {
    super.connectedCallback();
    showTheme();
    speak(settings.language || navigator.language.slice(0, 2));
    startClock();
    startKeys();
    onRoute(() => this.routed());
    this.addEventListener("signed-in", (event) => this.signedIn(event.detail));
    this.addEventListener("speak", (event) => this.language(event.detail));
    document.addEventListener("santral-follow", (event) => this.stream?.follow(event.detail));
    store.addEventListener("online", () => phone.hurry());
    store.addEventListener("phone", () => setTimeout(() => phone.moved(), 800));
    onLanguage(() => (document.title = this.pageTitle()));
    useSession("", () => this.gone("not_signed_in"));
    this.begin();
  }

  async begin() {
    try {
      await this.signedIn(await get("/api/me"));
    } catch (error) {
      if (error.code === "offline" || error.status >= 500) return setTimeout(() => this.begin(), 1000);
      store.me = false;
      store.changed();
    }
  }

  async signedIn(me) {
    useSession(me.csrf);
    store.me = me;
    if (!settings.language) speak(me.language);
    const stream = (this.stream = new Stream(this.tab, (why) => this.gone(why)));
    this.routed();
    await stream.start();
    if (me.agent?.phone === "web" && stream === this.stream) phone.start(this.tab);
  }

  async signOut() {
    phone.release();
    this.stream?.stop();
    await remove("/api/session").catch(() => {});
    this.gone("");
  }

  gone(why) {
    phone.release();
    this.stream?.stop();
    this.stream = null;
    useSession("");
    if (store.me) {
      store.forget();
      if (why && why !== "signed_out") say(word("signed_out", why), "bad");
    }
    store.me = false;
    store.changed();
  }

  async language(code) {
    keep({ language: code });
    speak(code);
    if (store.me) post("/api/me/language", { language: code }).catch(() => {});
  }

  get views() {
    return VIEWS.filter((view) => store.can(view.scope) && (view.key !== "desk" || store.me.agent));
  }

  get view() {
    return this.views.find((view) => here().startsWith(view.path));
  }

  async routed() {
    if (!store.me) return this.requestUpdate();
    if (!this.view) return go(this.views[0]?.path ?? "/", { replace: true });
    await this.view.load?.();
    this.loaded = this.view.key;
    document.title = this.pageTitle();
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector("santral-flows")?.routed?.();
  }

  pageTitle() {
    return store.me && this.view ? `${t(`nav.${this.view.key}`)} · Santral` : "Santral";
  }

  render() {
    if (store.me === null) return html`<main class="starting" id="main" aria-busy="true"><h1 class="sr">Santral</h1><p>${t("starting")}</p></main>`;
    if (!store.me) return html`<santral-sign-in></santral-sign-in><santral-toasts></santral-toasts>`;
    const { view } = this;
    return html`<div class="app" @click=${follow}>
      <a class="skip" href="#main">${t("nav.skip")}</a>
      <header class="top">
        <a class="brand" href="/" aria-label="Santral"><img src="/static/icon.svg" alt="" width="28" height="28" /><span>Santral</span></a>
        <nav aria-label=${t("nav.label")}><ul>${this.views.map((one) => html`<li><a href=${one.path} aria-current=${one === view ? "page" : nothing}>${icon(one.icon)}<span>${t(`nav.${one.key}`)}</span></a></li>`)}</ul></nav>
        <div class="top-end">${this.connection()}
          <button class="quiet" aria-label="${this.other.toUpperCase()} – ${word("language", this.other)}" @click=${() => this.language(this.other)}>${this.other.toUpperCase()}</button>
          <button class="quiet square" aria-label=${t("help.title")} title="${t("help.title")} (?)" @click=${() => this.querySelector("santral-help").open()}>${icon("help")}</button>
          <button class="quiet square" aria-label=${t("settings.title")} title=${t("settings.title")} @click=${() => this.querySelector("santral-settings").open()}>${icon("gear")}</button>
          <span class="me"><span class="avatar small" aria-hidden="true">${initials(store.me.name)}</span><span>${store.me.name}</span></span>
          <button class="quiet square" aria-label=${t("nav.sign_out")} title=${t("nav.sign_out")} @click=${this.signOut}>${icon("out")}</button>
        </div>
      </header>
      ${this.trouble()}
      <main id="main" tabindex="-1">${view && (!view.load || this.loaded === view.key) ? view.show() : nothing}</main>
      <santral-help></santral-help><santral-settings></santral-settings><santral-toasts></santral-toasts>
    </div>`;
  }

  get other() {
    return languages.find((one) => one !== lang());
  }

  connection() {
    const state = !store.online ? (store.wasOnline ? "offline" : "connecting") : store.live ? "online" : "no_asterisk";
    return html`<span class="connection ${state}" data-test="connection" data-state=${state}><span class="dot"></span>${t(`connection.${state}`)}</span>`;
  }

  /** Said plainly: what is on the screen is not current. */
  trouble() {
    if (store.online && store.live) return html`<div class="trouble" role="alert"></div>`;
    if (!store.online && store.wasOnline) {
      return html`<div class="trouble shown" role="alert">${icon("warn")}${t("connection.offline_about", { time: time(store.offlineSince || now()) })}</div>`;
    }
    if (store.online) return html`<div class="trouble shown" role="alert">${icon("warn")}${t("connection.no_asterisk_about")}</div>`;
    return html`<div class="trouble" role="alert"></div>`;
  }
}
customElements.define("santral-app", App);

for (const [i, view] of VIEWS.entries()) {
  shortcut(String(i + 1), `nav.${view.key}`, () => go(view.path), () => store.can(view.scope));
}
