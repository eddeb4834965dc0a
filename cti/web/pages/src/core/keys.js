// Shortcuts: single keys, not while somebody types, and off when they are not wanted.
import { settings } from "./settings.js";

const registered = new Map(); // key -> {label, run, when}

export function shortcut(key, label, run, when = () => true) {
  registered.set(key, { key, label, run, when });
}

export const shortcuts = () => [...registered.values()];

const TYPING = "input, textarea, select, [contenteditable]";

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (!settings.shortcuts || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.target instanceof Element && event.target.matches(TYPING)) return;
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const found = registered.get(event.key) ?? registered.get(event.key.toLowerCase());
    if (!found || !found.when()) return;
    event.preventDefault();
    found.run();
  });
}
