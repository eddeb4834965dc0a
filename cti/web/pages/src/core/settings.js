// What this browser remembers for its person: nothing secret, nothing of a customer.
const KEY = "santral";
const DEFAULTS = {
  theme: "auto", language: "", autoAnswer: false, ringtone: true, shortcuts: true, microphone: "",
  speaker: "", voiceCleaning: true,
};

function read() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) || "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export const settings = read();
const heard = new EventTarget();

export function keep(changes) {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // a browser that keeps nothing: it holds until the page is closed
  }
  heard.dispatchEvent(new Event("change"));
}

export function onSettings(listener) {
  heard.addEventListener("change", listener);
  return () => heard.removeEventListener("change", listener);
}

export function showTheme() {
  document.documentElement.dataset.theme = settings.theme;
}
