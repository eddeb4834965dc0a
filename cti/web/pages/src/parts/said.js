import { html, nothing } from "lit";
import { get } from "../core/api.js";
import { dateTime, phone as shown } from "../core/format.js";
import { lang, t, titled } from "../core/i18n.js";
import { attempt, View } from "../core/view.js";

/** The texts behind the themes: searched, and opened into their calls. `query` is the report's own;
 * `rated`: the comments of surveys, with their marks, to be read and listened to. */
class Said extends View {
  static properties = { query: {}, show: {}, rated: { type: Boolean } };
  found = null;

  updated(changed) {
    if (changed.has("query") && String(changed.get("query") ?? "") !== String(this.query)) this.search();
  }

  async search() {
    const form = this.querySelector("form");
    const given = new URLSearchParams(this.query);
    given.delete("language_of_titles");
    for (const [key, value] of form ? new FormData(form) : []) if (value) given.set(key, value);
    if (this.rated) given.set("rated", "1");
    const found = await attempt(() => get("/api/said?" + given));
    if (found) this.found = found;
    this.requestUpdate();
  }

  render() {
    const { count, of, texts, themes } = this.found ?? { count: 0, of: 0, texts: [], themes: {} };
    const name = (theme) => titled(themes[theme], theme);
    return html`<section class="card" aria-labelledby="said-title" data-test="said"><h2 id="said-title">${t(this.rated ? "said.comments" : "said.title")}</h2>
      <p class="faint">${t("said.lists")}</p>
      <form class="asked no-print" role="search" @submit=${(event) => { event.preventDefault(); this.search(); }}>
        <label>${t("said.words")}<input type="search" name="words" autocomplete="off" maxlength="200" /></label>
        <label>${t("said.theme")}<select name="theme" @change=${() => this.search()}><option value="">${t("said.any")}</option>
          ${Object.keys(themes).map((theme) => html`<option value=${theme}>${name(theme)}</option>`)}<option value="-">${t("said.none")}</option></select></label>
        <label>${t("said.tone")}<select name="tone" @change=${() => this.search()}><option value="">${t("said.any")}</option>
          <option value="good">${t("said.good")}</option><option value="bad">${t("said.bad")}</option></select></label>
        <button class="primary">${t("said.search")}</button></form>
      <p role="status">${t("said.count", { count, of })}</p>
      <ul class="said">${texts.map((text) => html`<li data-call=${text.call}>
        <button type="button" class="cell" aria-label="${dateTime(text.at)}: ${t("story.open")}" @click=${() => this.show({ ...text, began: text.at })}>${dateTime(text.at)}</button>
        <span class="faint">${shown(text.caller)} ${text.queue} ${text.agent}</span>
        ${text.themes.map((theme) => html`<span class="tag">${name(theme)}</span> `)}
        ${text.tone ? html`<span class="tag">${t(text.tone > 0 ? "said.good" : "said.bad")}</span>` : nothing}
        ${this.rated ? text.answers.map((one) => html`<span class="tag">${one.question}: ${one.mark} / ${one.scale === "1-5" ? 5 : 10}${one.product ? ` (${one.product})` : nothing}</span> `) : nothing}
        <blockquote lang=${lang()}>${text.text || t("said.no_text")}</blockquote>
        ${this.rated ? html`<audio controls preload="none" src=${`/api/recordings/${text.recording}`} aria-label=${t("story.listen", { name: dateTime(text.at) })}></audio>` : nothing}</li>`)}</ul></section>`;
  }
}
customElements.define("santral-said", Said);
