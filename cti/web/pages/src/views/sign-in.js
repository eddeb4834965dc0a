import { html } from "lit";
import { post } from "../core/api.js";
import { lang, languages, t, word } from "../core/i18n.js";
import { problem, View } from "../core/view.js";

class SignIn extends View {
  failed = "";
  busy = false;

  async submit(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    this.busy = true;
    this.failed = "";
    this.requestUpdate();
    try {
      const me = await post("/api/session", { login: form.get("login"), password: form.get("password") });
      this.dispatchEvent(new CustomEvent("signed-in", { detail: me, bubbles: true }));
    } catch (error) {
      this.failed =
        error.code === "locked" && error.retryAfter
          ? t("error.locked_for", { n: Math.ceil(error.retryAfter / 60) })
          : problem(error);
      this.busy = false;
      this.requestUpdate();
      await this.updateComplete;
      this.querySelector("[name=password]")?.select();
    }
  }

  render() {
    return html`<main class="sign-in" id="main">
      <form class="card" @submit=${this.submit}>
        <img src="/static/icon.svg" alt="" width="56" height="56" />
        <h1>Santral</h1>
        <p class="faint">${t("signin.about")}</p>
        <label>${t("signin.login")}
          <input name="login" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus />
        </label>
        <label>${t("signin.password")}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <p class="form-error" role="alert">${this.failed}</p>
        <button class="primary wide" ?disabled=${this.busy}>${t("signin.go")}</button>
        <p class="languages">
          ${languages.map(
            (code) => html`<button type="button" class="quiet" lang=${code} aria-pressed=${code === lang()}
              @click=${() => this.dispatchEvent(new CustomEvent("speak", { detail: code, bubbles: true }))}>
              ${word("language", code)}</button>`,
          )}
        </p>
      </form>
    </main>`;
  }
}
customElements.define("santral-sign-in", SignIn);
