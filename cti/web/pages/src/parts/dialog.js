import { html } from "lit";
import { createRef, ref } from "lit/directives/ref.js";
import { t } from "../core/i18n.js";
import { View } from "../core/view.js";
import { icon } from "./icon.js";

/** A modal dialog: `open()`, `close()`; subclasses give `title()` and `content()`. */
export class Dialog extends View {
  #dialog = createRef();

  open() {
    this.shown = true;
    this.requestUpdate();
    this.updateComplete.then(() => {
      const dialog = this.#dialog.value;
      if (dialog && !dialog.open) dialog.showModal();
      dialog?.querySelector("[data-first]")?.focus();
    });
  }

  close() {
    this.#dialog.value?.close();
  }

  closed() {
    this.shown = false;
    this.requestUpdate();
  }

  render() {
    if (!this.shown) return html``;
    const id = `${this.localName}-title`;
    return html`<dialog ${ref(this.#dialog)} aria-labelledby=${id} class=${this.kind ?? ""}
      @close=${() => this.closed()}>
      <header>
        <h2 id=${id}>${this.title()}</h2>
        <button type="button" class="quiet square" aria-label=${t("close")} @click=${() => this.close()}>
          ${icon("x")}
        </button>
      </header>
      <div class="dialog-body">${this.content()}</div>
    </dialog>`;
  }
}
