import { html, nothing } from "lit";
import { at, get } from "../core/api.js";
import { dateTime, duration, phone as shown } from "../core/format.js";
import { t, word } from "../core/i18n.js";
import { attempt } from "../core/view.js";
import { Dialog } from "./dialog.js";

const MARKS = { caller: "◂", us: "▸", step: "●", note: "·" };

/** One call: what was said, line by line, and what was recorded of it, to listen to. `show(call)`. */
class CallStory extends Dialog {
  kind = "wide";
  call = null;

  async show(call) {
    const id = call.call;
    const found = await attempt(() => Promise.all([get(at`/api/calls/${id}/transcript`), get(at`/api/calls/${id}/recordings`)]));
    if (!found) return;
    this.call = call;
    [this.told, { recordings: this.recordings }] = found;
    this.open();
  }

  title() {
    return `${shown(this.call.caller) || t("pop.withheld")} · ${dateTime(this.call.began)}`;
  }

  content() {
    const { call, told } = this;
    const where = [word("ending", call.ending), call.queue, call.agent, call.seconds ? duration(call.seconds) : ""];
    return html`<p class="faint">${where.filter(Boolean).join(" · ")}</p>
      ${this.recordings.length ? html`<section aria-label=${t("story.recordings")}>${this.recordings.map((one) => this.recording(one))}</section>` : nothing}
      <ol class="told" tabindex="0" aria-label=${t("told.title")} data-first data-test="told">${told.lines.map((line) => html`<li class="who-${line.who} depth-${Math.min(3, line.depth ?? 0)}">
        <span class="at">${duration(line.at)}</span><span aria-hidden="true">${MARKS[line.who] ?? ""}</span>
        <span><span class="sr">${word("who", line.who)}:</span> ${line.text}</span></li>`)}</ol>
      ${call.flow ? html`<p><a href="/flows/${encodeURIComponent(call.flow)}/${encodeURIComponent(call.call)}">${t("story.in_flow")}</a></p>` : nothing}`;
  }

  recording(one) {
    return html`<figure class="recording" data-recording=${one.id}><figcaption>${one.name.replaceAll("_", " ")} <span class="faint">${duration(one.seconds)}</span></figcaption>
      ${one.there ? html`<audio controls preload="metadata" src=${`/api/recordings/${one.id}`} aria-label=${t("story.listen", { name: one.name })}></audio>` : html`<p class="faint">${t("story.gone")}</p>`}
      ${one.transcript ? html`<blockquote>${one.transcript}</blockquote>` : nothing}</figure>`;
  }
}
customElements.define("santral-call-story", CallStory);
