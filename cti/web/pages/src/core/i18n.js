// One catalogue of messages for each language; both have the same keys (a test sees to it).
import en from "../locales/en.json";
import tr from "../locales/tr.json";

const CATALOGUES = { tr, en };
const heard = new EventTarget();
let language = "tr";

export const languages = Object.keys(CATALOGUES);
export const lang = () => language;

export function speak(wanted) {
  language = CATALOGUES[wanted] ? wanted : "tr";
  document.documentElement.lang = language;
  heard.dispatchEvent(new Event("change"));
}

export function onLanguage(listener) {
  heard.addEventListener("change", listener);
  return () => heard.removeEventListener("change", listener);
}

/** The message of a key, with `{name}` filled in. A key that is missing is shown as it is. */
export function t(key, values = {}) {
  const message = CATALOGUES[language][key] ?? key;
  return message.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The word for a code of the server's (`state.ready`), or the code itself. */
export function word(group, code) {
  return CATALOGUES[language][`${group}.${code}`] ?? code;
}

/** The title in this language out of `{"tr": …, "en": …}`. */
export const titled = (titles, otherwise = "") =>
  titles?.[language] || titles?.en || titles?.tr || otherwise;
