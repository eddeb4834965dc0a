// What every part of the page has: light DOM, the store, the language, and commands that tell.
import { LitElement } from "lit";
import { onLanguage, t } from "./i18n.js";
import { Follow } from "./store.js";

export class View extends LitElement {
  static ticks = false;

  constructor() {
    super();
    new Follow(this, { ticks: this.constructor.ticks });
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.stopLanguage = onLanguage(() => this.requestUpdate());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopLanguage?.();
  }
}

/** Do what was asked for and say when it did not work. Gives back the answer, or undefined. */
export async function attempt(command, done = "") {
  try {
    const answer = await (typeof command === "function" ? command() : command);
    if (done) say(done);
    return answer ?? true;
  } catch (error) {
    say(problem(error), "bad");
    return undefined;
  }
}

/** An error in the reader's language; the server's own words behind it, which name the value. */
export function problem(error) {
  const code = error?.code || "unknown";
  const known = t(`error.${code}`);
  const text = known === `error.${code}` ? t("error.unknown") : known;
  const detail = ["bad_input", "asterisk_refused", "conflict"].includes(code) ? error.message : "";
  return detail ? `${text} (${detail})` : text;
}

export function say(text, kind = "good") {
  document.dispatchEvent(new CustomEvent("santral-say", { detail: { text, kind } }));
}
