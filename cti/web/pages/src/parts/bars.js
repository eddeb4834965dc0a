import { html, nothing, svg } from "lit";
import { t } from "../core/i18n.js";

const WIDTH = 960;
const HEIGHT = 210;
const BOTTOM = 22;
const TOP = 10;

/** The next round number above. */
function ceiling(value) {
  const step = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 2.5, 5, 10].map((n) => n * step).find((n) => n >= value) ?? value;
}

/**
 * Stacked bars over time: a picture of a table that stands below it, so readers of the page hear its
 * name and its summary only. `rows` have a `label` and `values`, as many as there are `parts`.
 */
export function bars(rows, parts, { title, label }) {
  if (!rows.length) return nothing;
  const top = ceiling(Math.max(...rows.map((row) => row.values.reduce((sum, n) => sum + n, 0)), 1));
  const left = 46;
  const wide = (WIDTH - left - 24) / rows.length;
  const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / top);
  const every = Math.ceil(rows.length / 13);
  const bar = (row, i) => {
    let sum = 0;
    return row.values.map((value, part) => {
      const from = y(sum);
      sum += value;
      return value ? svg`<rect class="part-${parts[part].key}" x=${left + i * wide + wide * 0.12} y=${y(sum)} width=${wide * 0.76} height=${from - y(sum)}><title>${label(row)}: ${parts[part].title} ${value}</title></rect>` : nothing;
    });
  };
  return html`<figure class="bars">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${title} preserveAspectRatio="xMidYMid meet">
      ${[0, 0.25, 0.5, 0.75, 1].map((share) => svg`<line class="grid" x1=${left} x2=${WIDTH} y1=${y(top * share)} y2=${y(top * share)} /><text x=${left - 8} y=${y(top * share) + 4} text-anchor="end">${+(top * share).toFixed(2)}</text>`)}
      ${rows.map(bar)}
      ${rows.map((row, i) => (i % every ? nothing : svg`<text x=${left + (i + 0.5) * wide} y=${HEIGHT - 5} text-anchor="middle">${label(row)}</text>`))}
    </svg>
    <figcaption><ul class="legend" aria-label=${t("reports.legend")}>${parts.map((part) => html`<li><span class="swatch part-${part.key}"></span>${part.title}</li>`)}</ul></figcaption>
  </figure>`;
}
