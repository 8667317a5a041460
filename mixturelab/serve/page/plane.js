// The plane: two features of the mixture (or one and its density), with the rows and the point, to be moved by hand.

import { byId, element, say, svg } from "./dom.js";
import { density, marginal, range, rounded } from "./geometry.js";
import { drawRows, shade } from "./paint.js";
import { Frame, MANY, drawAxes, drawComponents, drawCurves, drawPoint } from "./vectors.js";
import { grouped, label, plural, short, percent } from "./words.js";

const MOST_ROWS = 5000;
const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [1, -1], ArrowUp: [1, 1] };

export class Plane {
  #host = byId("plane");
  #canvas = element("canvas", { "aria-hidden": "true" });
  #svg = svg("svg", { "aria-hidden": "true" });
  #model;
  #moved;
  #chosen;
  #results = null;
  #shown = [];
  #frame = null;
  #values = [];
  #gamma = null;

  /** `moved(changes)` is called with pairs of a feature and its value when a hand moves the point. */
  constructor(model, chosen, moved) {
    [this.#model, this.#chosen, this.#moved] = [model, chosen, moved];
    this.#host.append(this.#canvas, this.#svg);
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.#host);
  }

  /** Choose the features that are drawn. */
  set chosen(features) {
    this.#chosen = features;
    this.draw();
  }

  /** The rows of a table, or null. */
  set results(results) {
    this.#results = results;
    this.#shown = results === null ? [] : results.sample(MOST_ROWS);
    this.draw();
  }

  /** The point; without `gamma` it keeps the colour of the last answer until the next, with null it has none. */
  point(values, gamma) {
    [this.#values, this.#gamma] = [values, gamma === undefined ? this.#gamma : gamma];
    if (this.#frame !== null) this.#drawPoint();
  }

  draw() {
    const width = this.#host.clientWidth;
    if (width === 0) return;
    const parts = marginal(this.#model, this.#chosen);
    this.#frame = this.#framed(width, parts);
    this.#svg.replaceChildren();
    this.#paint(parts);
    drawAxes(this.#svg, this.#frame, this.#labels());
    (this.#frame.flat ? drawCurves : drawComponents)(this.#svg, this.#frame, parts);
    this.#drawPoint();
    this.#say(parts);
  }

  #framed(width, parts) {
    const across = range(parts, 0, this.#column(0));
    const up = this.#chosen.length === 1 ? heights(parts, across) : range(parts, 1, this.#column(1));
    return new Frame(width, across, up, this.#chosen.length === 1);
  }

  #column(axis) {
    return this.#shown.map((i) => this.#results.value(i, this.#chosen[axis]));
  }

  #labels() {
    const names = this.#chosen.map((i) => label(this.#model.names[i]));
    return names.length === 1 ? [names[0], "probability density"] : names;
  }

  #paint(parts) {
    const frame = this.#frame;
    const pixels = window.devicePixelRatio || 1;
    [this.#canvas.width, this.#canvas.height] = [frame.width * pixels, frame.height * pixels];
    const context = this.#canvas.getContext("2d");
    context.scale(pixels, pixels);
    context.beginPath();
    context.rect(frame.left, frame.top, frame.across, frame.up);
    context.clip();
    if (!frame.flat && parts[0].factor !== null) shade(context, frame, (at) => sum(parts, at), parts.length);
    if (this.#results !== null) drawRows(context, frame, this.#results, this.#shown, this.#chosen);
  }

  #drawPoint() {
    const at = this.#chosen.map((i) => this.#values[i]);
    drawPoint(this.#svg, this.#frame, at.every(Number.isFinite) ? at : null, this.#gamma);
  }

  // ------------------------------------------------------------------------------------------------------ hands
  #listen() {
    this.#host.addEventListener("keydown", (event) => this.#key(event));
    this.#host.addEventListener("pointerdown", (event) => this.#down(event));
    this.#host.addEventListener("pointermove", (event) => this.#drag(event));
    this.#host.addEventListener("click", (event) => this.#take(event));
  }

  /** A finger moves the point only by the point itself: elsewhere it scrolls the page. */
  #down(event) {
    if (event.button !== 0 || (event.pointerType === "touch" && !event.target.closest(".point"))) return;
    this.#host.setPointerCapture(event.pointerId);
    this.#take(event);
  }

  #drag(event) {
    if (this.#host.hasPointerCapture(event.pointerId)) this.#take(event);
  }

  #take(event) {
    const box = this.#host.getBoundingClientRect();
    const at = this.#frame.values(event.clientX - box.left - this.#host.clientLeft, event.clientY - box.top - this.#host.clientTop);
    this.#moved(this.#chosen.map((feature, axis) => [feature, rounded(at[axis], this.#frame.range(axis))]));
  }

  #key(event) {
    const [axis, sign] = KEYS[event.key] ?? [];
    if (axis === undefined || axis >= this.#chosen.length || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const feature = this.#chosen[axis];
    const [low, high] = this.#frame.range(axis);
    const step = ((high - low) * sign) / (event.shiftKey ? 10 : 50);
    const now = Number.isFinite(this.#values[feature]) ? this.#values[feature] : (low + high) / 2;
    this.#moved([[feature, rounded(now + step, [low, high])]]);
  }

  // ------------------------------------------------------------------------------------------------------ words
  #say(parts) {
    say(byId("plane-note"), [...this.#aboutMixture(parts), ...this.#aboutRows()].join(" "));
    const axes = this.#labels();
    const each = parts.slice(0, 12).map(({ weight, mean }, k) =>
      `Component ${k} has weight ${percent(weight)} and mean ${mean.map((value) => short(value)).join(", ")}.`);
    const more = parts.length > 12 ? `And ${parts.length - 12} more.` : "";
    byId("plane-words").textContent = `${axes[1]} against ${axes[0]}. ${each.join(" ")} ${more}`;
  }

  #aboutMixture(parts) {
    const d = this.#model.n_features;
    if (parts[0].factor === null) {
      return ["The covariances of this model are too large to be sent here: only the means are drawn."];
    }
    if (d === 1) return ["Thick: the mixture's density, the sum of the components' shares in their colours."];
    const outer = parts.length > MANY ? "" : ` and 2 σ (dashed, ${percent(1 - Math.exp(-2))})`;
    const key = `Ellipses: 1 σ (solid, ${percent(1 - Math.exp(-0.5))} of a component's probability)${outer}. ` +
      "Grey: the mixture's density.";
    return d === 2 ? [key] : [key, `These are marginals in two of ${grouped(d)} features; the responsibilities are from all.`];
  }

  #aboutRows() {
    if (this.#results === null || this.#results.length === 0) return [];
    const [drawn, all] = [this.#shown.length, this.#results.length];
    const outside = this.#shown.filter((i) => !this.#frame.holds(this.#chosen.map((f) => this.#results.value(i, f)))).length;
    return [
      "A row has the marker of its component and the mixed colour of its responsibilities; uncertain rows are larger and edged.",
      ...(drawn < all ? [`${grouped(drawn)} of ${plural(all, "row")} are drawn.`] : []),
      ...(outside > 0 ? [`${plural(outside, "row")} of these lie outside.`] : []),
    ];
  }
}

const sum = (parts, at) => parts.reduce((total, one) => total + density(one, at), 0);

/** From below zero, for the rows, to a little above the highest density. */
function heights(parts, [low, high]) {
  if (parts[0].factor === null) return [-0.15, 1];
  const grid = Array.from({ length: 301 }, (_, i) => low + ((high - low) * i) / 300);
  const top = Math.max(...grid.concat(parts.map((one) => one.mean[0])).map((at) => sum(parts, [at])));
  return [-0.14 * top, 1.06 * top];
}
