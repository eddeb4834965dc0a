// Which view is shown: by the address, so that reload, back and a bookmark work.
const heard = new EventTarget();

export const here = () => location.pathname;

export function go(path, { replace = false } = {}) {
  if (path !== location.pathname) history[replace ? "replaceState" : "pushState"](null, "", path);
  heard.dispatchEvent(new Event("change"));
}

export function onRoute(listener) {
  const listen = () => listener();
  addEventListener("popstate", listen);
  heard.addEventListener("change", listen);
}

/** For `@click` on links: stay in the page. */
export function follow(event) {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || link.target || link.hasAttribute("download") || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.getAttribute("href"));
}
