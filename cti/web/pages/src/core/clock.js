// What the time is at the server, and a beat twice a second that a hidden tab does not slow down.
const beats = new EventTarget();
let ahead = 0; // seconds the server's clock is ahead of ours

export const now = () => Date.now() / 1000 + ahead;

export function serverSaid(at) {
  if (at) ahead = at - Date.now() / 1000;
}

export function onBeat(listener) {
  beats.addEventListener("beat", listener);
  return () => beats.removeEventListener("beat", listener);
}

export function startClock() {
  const beat = () => beats.dispatchEvent(new Event("beat"));
  try {
    const worker = new Worker("/static/clock.js");
    worker.onmessage = beat;
    worker.onerror = () => setInterval(beat, 500);
  } catch {
    setInterval(beat, 500);
  }
}
