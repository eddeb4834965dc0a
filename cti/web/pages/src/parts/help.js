import { html } from "lit";
import { t } from "../core/i18n.js";
import { shortcut, shortcuts } from "../core/keys.js";
import { settings } from "../core/settings.js";
import { Dialog } from "./dialog.js";

/** Every shortcut there is. */
class Help extends Dialog {
  title() {
    return t("help.title");
  }

  content() {
    return html`<p class="faint">${settings.shortcuts ? t("help.about") : t("help.off")}</p>
      <dl class="shortcuts">${shortcuts().map((one) => html`<div><dt><kbd>${one.key}</kbd></dt><dd>${t(one.label)}</dd></div>`)}</dl>`;
  }
}
customElements.define("santral-help", Help);

shortcut("?", "key.help", () => {
  const help = document.querySelector("santral-help");
  if (help.shown) help.close();
  else help.open();
});
