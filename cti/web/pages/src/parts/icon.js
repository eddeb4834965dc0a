import { html, svg } from "lit";

const line = (d) => svg`<path d=${d} />`;
const SHAPES = {
  phone: [line("M5 4h3.5l2 5-2.3 1.6a11 11 0 0 0 5.2 5.2L15 13.5l5 2V19a2 2 0 0 1-2.2 2A16 16 0 0 1 3 6.2 2 2 0 0 1 5 4Z")],
  "hang-up": [line("M3.2 14.6c5-4.8 12.6-4.8 17.6 0l-2.6 3-3.8-1.6v-2.6a11 11 0 0 0-4.8 0V16l-3.8 1.6Z")],
  mic: [line("M12 4a2.6 2.6 0 0 1 2.6 2.6v5a2.6 2.6 0 0 1-5.2 0v-5A2.6 2.6 0 0 1 12 4Z"), line("M6 11.5a6 6 0 0 0 12 0M12 17.5V21")],
  "mic-off": [line("M14.6 11.6v-5a2.6 2.6 0 0 0-5.1-.7M9.4 9.5v2.1a2.6 2.6 0 0 0 3.9 2.2M6 11.5a6 6 0 0 0 9.4 5M18 11.5a6 6 0 0 1-.4 2.1M12 17.5V21M4 4l16 16")],
  pause: [line("M9 5v14M15 5v14")],
  play: [line("M7 5l12 7-12 7Z")],
  forward: [line("M4 12h13M12 6l6 6-6 6M20.5 5v14")],
  ask: [line("M4 6h10v7H9l-3 3v-3H4ZM17 9h3v7h-2v3l-3-3h-4v-1")],
  three: [line("M12 6.5m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M6 17m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M18 17m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M10.6 9l-3.2 5.6M13.4 9l3.2 5.6M8.5 17h7")],
  keypad: [6, 12, 18].flatMap((y) => [6, 12, 18].map((x) => svg`<circle cx=${x} cy=${y} r="1.4" fill="currentColor" stroke="none" />`)),
  search: [line("M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12ZM15.5 15.5 20 20")],
  help: [line("M9 9a3 3 0 1 1 4.2 2.8c-.8.4-1.2 1-1.2 1.9M12 17.2v.1"), line("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z")],
  gear: [line("M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1")],
  clock: [line("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7.5V12l3 2")],
  check: [line("M5 12.5 10 17 19 7")],
  note: [line("M6 4h12v16H6ZM9 9h6M9 13h6M9 17h3")],
  ear: [line("M7 10a5 5 0 0 1 10 0c0 3-3 4-3 7a3 3 0 0 1-5.6 1.4M10 10.5a2 2 0 0 1 4 0c0 1.6-2 2-2 3.5")],
  whisper: [line("M4 9v6h3l5 4V5L7 9ZM16 9.5a4 4 0 0 1 0 5M18.5 7a8 8 0 0 1 0 10")],
  step: [line("M4 12h9M9 7l5 5-5 5M17 4v16M20 4v16")],
  x: [line("M6 6l12 12M18 6 6 18")],
  out: [line("M14 4H5v16h9M10 12h10M16 8l4 4-4 4")],
  back: [line("M9 7l-5 5 5 5M4 12h16")],
  people: [line("M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM3.5 19c0-3 2.4-5 5.5-5s5.5 2 5.5 5M15 5.4a3 3 0 0 1 0 5.4M17 14.4c2.1.6 3.5 2.3 3.5 4.6")],
  flow: [line("M4 4h6v5H4ZM14 15h6v5h-6ZM14 4h6v5h-6ZM10 6.5h4M7 9v8.5h7")],
  board: [line("M4 5h16v14H4ZM8 15v-3M12 15V9M16 15v-5")],
  chart: [line("M4 20h16M7 16v-5M12 16V5M17 16V9")],
  desk: [line("M5 13v-1a7 7 0 0 1 14 0v1M5 13h2.5v5H6a1 1 0 0 1-1-1ZM19 13h-2.5v5H18a1 1 0 0 0 1-1ZM18 18c0 1.700-2 3-5 3")],
  warn: [line("M12 4 21 19H3ZM12 10v4M12 16.500v.1")],
  sun: [line("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400")],
  link: [line("M13 5h6v6M19 5l-8 8M16 14v5H5V8h5")],
  send: [line("M4 12 20 5l-5 15-3.500-6.500ZM11.500 13.500 20 5")],
  shield: [line("M12 3 5 6v5c0 4.500 3 8 7 10 4-2 7-5.500 7-10V6ZM9 12l2 2 4-4")],
};

/** A drawing beside words; it says nothing by itself. */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${SHAPES[name]}</svg>`;
