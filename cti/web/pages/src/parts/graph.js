// A flow drawn: dagre says where the boxes go, the drawing is our own SVG, and every box is a
// button that says what it is and how many callers stand there now.
import dagre from "@dagrejs/dagre";
import { html, nothing, svg } from "lit";
import { t, word } from "../core/i18n.js";
import { store } from "../core/store.js";
import { View } from "../core/view.js";

const CHARACTER = 7.1;
const LINE = 16;
const SMALLEST = 0.72; // below it nobody reads a box
const WIDEST = 32; // characters of a line in a box

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Lines of at most `most` characters; at most `count` of them. */
function wrapped(text, most, count) {
  const lines = [];
  let line = "";
  for (const part of text.split(" ")) {
    if (line && line.length + part.length + 1 > most) {
      lines.push(line);
      line = part;
    } else line = line ? `${line} ${part}` : part;
  }
  if (line) lines.push(line);
  if (lines.length > count) return [...lines.slice(0, count - 1), cut(lines.slice(count - 1).join(" "), most)];
  return lines.map((one) => cut(one, most));
}

function laidOut(graph) {
  const drawn = new dagre.graphlib.Graph({ multigraph: true });
  drawn.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 54, marginx: 14, marginy: 14, edgesep: 14 });
  drawn.setDefaultEdgeLabel(() => ({}));
  const boxes = new Map();
  for (const node of graph.nodes) {
    const [type = "", said = ""] = node.lines;
    const lines = [...(type ? [cut(type, WIDEST)] : []), ...wrapped(said, WIDEST, 2)];
    const longest = Math.max(node.title.length + 4, ...lines.map((line) => line.length));
    const box = { node, lines, width: Math.max(104, longest * CHARACTER + 26), height: 32 + lines.length * LINE };
    boxes.set(node.id, box);
    drawn.setNode(node.id, { width: box.width, height: box.height });
  }
  graph.edges.forEach((edge, i) => {
    const label = cut(edge.label || "", 26);
    drawn.setEdge(edge.source, edge.target, { edge, label, width: label.length * 6.2 + 6, height: label ? 15 : 0, labelpos: "c" }, String(i));
  });
  dagre.layout(drawn);
  for (const [id, box] of boxes) Object.assign(box, { x: drawn.node(id).x, y: drawn.node(id).y });
  const edges = drawn.edges().map((id) => drawn.edge(id));
  return { boxes: [...boxes.values()], edges, width: drawn.graph().width, height: drawn.graph().height };
}

/** A smooth way through dagre's points. */
function way(points) {
  const at = (p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i++) {
    const middle = { x: (points[i].x + points[i + 1].x) / 2, y: (points[i].y + points[i + 1].y) / 2 };
    path += ` Q${at(points[i])} ${at(i === points.length - 2 ? points[i + 1] : middle)}`;
  }
  return points.length === 2 ? `${path} L${at(points[1])}` : path;
}

class Graph extends View {
  static properties = { graph: { attribute: false }, chosen: {}, path: { attribute: false }, scale: { type: Number } };
  scale = 1;

  willUpdate(changed) {
    if (changed.has("graph")) {
      this.layout = this.graph && laidOut(this.graph);
      this.focused = this.layout?.boxes[0]?.node.id;
      this.scale = this.fitting();
    }
  }

  /** As large as the space allows, but never too small to read. */
  fitting() {
    const space = this.parentElement?.clientWidth ?? 0;
    return this.layout && space ? Math.min(1, Math.max(SMALLEST, (space - 8) / this.layout.width)) : 1;
  }

  zoom(by) {
    this.scale = by ? Math.min(1.6, Math.max(0.3, this.scale * by)) : this.fitting();
  }

  /** The beginning of the flow in the middle. */
  updated(changed) {
    const space = this.parentElement;
    if (!changed.has("graph") || !this.layout || !space) return;
    space.scrollTop = 0;
    space.scrollLeft = this.layout.boxes[0].x * this.scale - space.clientWidth / 2;
  }

  callers(node) {
    return node.step && node.id === node.step ? (store.standing.get(this.graph.flow)?.[node.step] ?? 0) : 0;
  }

  render() {
    if (!this.layout) return nothing;
    const { boxes, edges, width, height } = this.layout;
    return html`<svg class="flow-graph" viewBox="0 0 ${width} ${height}" width=${width * this.scale} height=${height * this.scale} role="group" aria-label=${t("graph.label", { flow: this.graph.flow })}
      @keydown=${this.move}>
      <defs><marker id="arrow" viewBox="0 0 10 10" refX="8" refY="5" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto-start-reverse"><path d="M0 1 9 5 0 9Z"></path></marker></defs>
      <g aria-hidden="true">${edges.map((edge) => this.edge(edge))}</g>
      ${boxes.map((box) => this.box(box))}
    </svg>`;
  }

  edge({ edge, label, points, x, y, width }) {
    const walked = this.path?.has(`${edge.source}>${edge.target}`);
    return svg`<g class="edge ${edge.failing ? "failing" : ""} ${walked ? "walked" : ""}">
      <path d=${way(points)} marker-end="url(#arrow)"></path>
      ${label ? svg`<g><rect x=${x - width / 2} y=${y - 8} width=${width} height="16" rx="4"></rect><text x=${x} y=${y + 4} text-anchor="middle">${label}</text></g>` : nothing}</g>`;
  }

  box({ node, lines, x, y, width, height }) {
    const callers = this.callers(node);
    const left = x - width / 2;
    const top = y - height / 2;
    const ways = this.graph.edges.filter((edge) => edge.source === node.id);
    const leads = ways.map((edge) => `${edge.label || t("graph.next")}: ${edge.target.split("__")[0]}`).join("; ");
    // what is to be seen comes first and word for word, for who speaks to the computer
    const seen = [node.title.replaceAll("_", " "), ...lines, callers || ""].filter(Boolean).join(" ");
    const said = [seen, word("kind", node.kind), t("graph.callers", { n: callers }), leads && t("graph.leads", { ways: leads })].filter(Boolean).join(". ");
    return svg`<g class="box kind-${node.kind} ${callers ? "busy" : ""} ${this.chosen === node.step && node.step ? "chosen" : ""} ${this.walked?.has(node.id) ? "walked" : ""}" role="button" data-node=${node.id} data-step=${node.step} data-callers=${callers}
      tabindex=${this.focused === node.id ? 0 : -1} aria-label=${said} aria-pressed=${this.chosen === node.step && Boolean(node.step)} @click=${() => this.choose(node)} @focus=${() => this.focus_(node)}>
      <rect x=${left} y=${top} width=${width} height=${height} rx=${node.kind === "end" || node.kind === "person" ? 18 : 8}></rect>
      <text class="title" x=${x} y=${top + 21} text-anchor="middle">${node.title.replaceAll("_", " ")} </text>
      ${lines.map((line, i) => svg`<text class="line" x=${x} y=${top + 21 + LINE * (i + 1)} text-anchor="middle">${line} </text> `)}
      ${callers ? svg`<g class="count"><circle cx=${left + width} cy=${top} r="13"></circle><text x=${left + width} y=${top + 4.5} text-anchor="middle">${callers}</text></g>` : nothing}
    </g>`;
  }

  focus_(node) {
    if (this.focused === node.id) return;
    this.focused = node.id;
    this.requestUpdate();
  }

  choose(node) {
    if (node.step) this.dispatchEvent(new CustomEvent("step", { detail: node.step, bubbles: true }));
  }

  /** Arrow keys go to the nearest box in that direction; Enter and the space bar choose. */
  move(event) {
    const here = this.layout.boxes.find((box) => box.node.id === this.focused);
    if (!here) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return this.choose(here.node);
    }
    const way_ = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!way_) return;
    event.preventDefault();
    const ahead = (box) => (box.x - here.x) * way_[0] + (box.y - here.y) * way_[1];
    const aside = (box) => Math.abs((box.x - here.x) * way_[1]) + Math.abs((box.y - here.y) * way_[0]);
    const next = this.layout.boxes.filter((box) => ahead(box) > 4).sort((a, b) => ahead(a) + 2 * aside(a) - ahead(b) - 2 * aside(b))[0];
    if (next) this.querySelector(`[data-node="${CSS.escape(next.node.id)}"]`)?.focus();
  }
}
customElements.define("santral-graph", Graph);
