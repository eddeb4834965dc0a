import { html, nothing } from "lit";
import { post } from "../core/api.js";
import { onBeat } from "../core/clock.js";
import { t } from "../core/i18n.js";
import { constraints, phone } from "../core/phone.js";
import { keep, settings, showTheme } from "../core/settings.js";
import { levelOf, testTone } from "../core/sounds.js";
import { store } from "../core/store.js";
import { attempt, say } from "../core/view.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icon.js";

/** This browser's phone, looks and keys; and whether the headset works. */
class Settings extends Dialog {
  devices = [];
  level = 0;

  title() {
    return t("settings.title");
  }

  open() {
    super.open();
    this.list();
  }

  async list() {
    try {
      this.devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    } catch {
      this.devices = [];
    }
    this.requestUpdate();
  }

  closed() {
    this.stopTest();
    super.closed();
  }

  content() {
    const box = (name, label, about = "") => html`<label class="check"><input type="checkbox" ?checked=${settings[name]}
      @change=${(event) => this.set(name, event.target.checked)} /><span>${label}${about ? html`<span class="faint">${about}</span>` : nothing}</span></label>`;
    return html`
      ${store.me?.agent?.phone === "web" ? html`<fieldset><legend>${t("settings.phone")}</legend>
        ${box("autoAnswer", t("settings.auto_answer"), t("settings.auto_answer_about"))}
        ${box("ringtone", t("settings.ringtone"))}
        ${box("voiceCleaning", t("settings.cleaning"), t("settings.cleaning_about"))}
        ${this.device("audioinput", "microphone", t("settings.microphone"))}
        ${this.device("audiooutput", "speaker", t("settings.speaker"))}
        ${this.headset()}
      </fieldset>` : nothing}
      <fieldset><legend>${t("settings.looks")}</legend>
        <label>${t("settings.theme")}<select @change=${(event) => this.set("theme", event.target.value)}>
          ${["auto", "light", "dark"].map((one) => html`<option value=${one} ?selected=${settings.theme === one}>${t(`settings.theme_${one}`)}</option>`)}
        </select></label>
        ${box("shortcuts", t("settings.shortcuts"), t("settings.shortcuts_about"))}
      </fieldset>
      <form @submit=${this.password}><fieldset><legend>${t("settings.password")}</legend>
        <input type="text" name="login" autocomplete="username" .value=${store.me?.login ?? ""} hidden />
        <label>${t("settings.password_old")}<input type="password" name="old" autocomplete="current-password" required /></label>
        <label>${t("settings.password_new")}<input type="password" name="new" autocomplete="new-password" minlength="10" required /></label>
        <div class="buttons end"><button>${t("settings.password_go")}</button></div>
      </fieldset></form>`;
  }

  set(name, value) {
    keep({ [name]: value });
    if (name === "theme") showTheme();
    if (name === "speaker") phone.useSpeaker();
    if (name === "microphone") phone.changeMicrophone().catch(() => say(t("settings.no_microphone"), "bad"));
    this.requestUpdate();
  }

  device(kind, name, label) {
    const found = this.devices.filter((one) => one.kind === kind && one.deviceId);
    return html`<label>${label}<select @change=${(event) => this.set(name, event.target.value)}>
      <option value="" ?selected=${!settings[name]}>${t("settings.standard")}</option>
      ${found.map((one, i) => html`<option value=${one.deviceId} ?selected=${settings[name] === one.deviceId}>${one.label || `${label} ${i + 1}`}</option>`)}
    </select></label>`;
  }

  headset() {
    return html`<div class="headset" data-test="headset"><div class="buttons">
        <button type="button" @click=${() => attempt(() => testTone(settings.speaker))}>${icon("ear")}${t("settings.hear")}</button>
        ${this.meter
          ? html`<button type="button" @click=${() => this.stopTest()}>${icon("x")}${t("settings.stop_test")}</button>`
          : html`<button type="button" @click=${this.speak}>${icon("mic")}${t("settings.speak")}</button>`}
      </div>
      ${this.meter ? html`<label>${t("settings.level")}<meter min="0" max="1" low="0.05" high="0.9" optimum="0.4" .value=${this.level}></meter></label>
        <p role="status">${this.peak > 0.05 ? t("settings.heard_you") : t("settings.say_something")}</p>` : nothing}</div>`;
  }

  async speak() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(constraints());
    } catch {
      return say(t("settings.no_microphone"), "bad");
    }
    await this.list();
    this.peak = 0;
    this.meter = levelOf(this.stream);
    const look = () => {
      if (!this.meter) return;
      this.level = this.meter.read();
      this.peak = Math.max(this.peak, this.level);
      this.requestUpdate();
    };
    this.timer = setInterval(look, 80);
    this.stopLook = onBeat(look);
  }

  stopTest() {
    clearInterval(this.timer);
    this.stopLook?.();
    this.meter?.close();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.meter = this.stream = null;
    this.requestUpdate();
  }

  async password(event) {
    event.preventDefault();
    const form = event.target;
    const given = new FormData(form);
    const body = { old: given.get("old"), new: given.get("new") };
    if (await attempt(() => post("/api/me/password", body), t("settings.password_done"))) form.reset();
  }
}
customElements.define("santral-settings", Settings);
