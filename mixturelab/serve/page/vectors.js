// What is drawn as vectors over the plane: axes, components, curves and the point.

import { svg } from "./dom.js";
import { density, ellipse, ticks } from "./geometry.js";
import { colour, marker, mix } from "./palette.js";
import { cut, percent, tickWords, timesTen } from "./words.js";

/** More components than these are drawn with one ellipse each. */
export const MANY = 20;
const DASHES = ["", "7 4", "9 3 2 3", "2 3", "9 3 2 3 2 3", "12 5", "4 2"];

/** Where values stand in pixels. */
export class Frame {
  top = 8;
  #ranges;

  constructor(width, across, up, flat) {
    this.#ranges = [across, up];
    this.flat = flat; // one feature: the height is a density
    this.width = width;
    this.height = Math.round(Math.min(560, Math.max(300, 0.74 * width)));
    this.up = this.height - this.top - 46;
    this.upTicks = withWords(ticks(up, this.up / 60).filter((one) => !flat || one >= 0));
    this.left = 32 + widest(this.upTicks);
    this.across = width - this.left - 12;
    this.acrossTicks = withWords(ticks(across, this.across / 80));
    const room = 1.6 * widest(this.acrossTicks);
    if (room > 80) this.acrossTicks = withWords(ticks(across, this.across / room));
  }

  range(axis) {
    return this.#ranges[axis];
  }

  x(value) {
    return this.left + this.across * share(value, this.#ranges[0]);
  }

  y(value) {
    return this.top + this.up * (1 - share(value, this.#ranges[1]));
  }

  values(x, y) {
    const parts = [(x - this.left) / this.across, 1 - (y - this.top) / this.up].map((part) => Math.min(1, Math.max(0, part)));
    return parts.map((part, axis) => this.#ranges[axis][0] + part * (this.#ranges[axis][1] - this.#ranges[axis][0]));
  }

  holds(at) {
    return at.every((value, axis) => value >= this.#ranges[axis][0] && value <= this.#ranges[axis][1]);
  }
}

const withWords = (values) => ({ values, ...tickWords(values) });
const widest = ({ words }) => 7.4 * Math.max(2, ...words.map((word) => word.length)); // pixels
const share = (value, [low, high]) => (value - low) / (high - low);
const path = (points) => `M${points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L")}`;

// --------------------------------------------------------------------------------------------------------- axes
export function drawAxes(host, frame, names) {
  host.setAttribute("width", frame.width);
  host.setAttribute("height", frame.height);
  const bottom = frame.top + frame.up;
  for (const [i, value] of frame.acrossTicks.values.entries()) {
    const x = frame.x(value);
    host.append(svg("path", { class: "grid", d: `M${x},${frame.top}V${bottom}` }),
      svg("text", { class: "tick", x, y: bottom + 16, "text-anchor": "middle" }, frame.acrossTicks.words[i]));
  }
  for (const [i, value] of frame.upTicks.values.entries()) {
    const y = frame.y(value);
    host.append(svg("path", { class: "grid", d: `M${frame.left},${y}H${frame.left + frame.across}` }),
      svg("text", { class: "tick", x: frame.left - 7, y: y + 4, "text-anchor": "end" }, frame.upTicks.words[i]));
  }
  nameAxes(host, frame, names);
}

function nameAxes(host, frame, names) {
  const room = [frame.across + frame.left, frame.up].map((length) => Math.floor(length / 8));
  const [across, up] = [frame.acrossTicks, frame.upTicks].map(({ power }, axis) =>
    cut(names[axis], room[axis]) + (power ? timesTen(power) : ""));
  const middle = frame.top + frame.up / 2;
  host.append(
    svg("text", { class: "axis", x: frame.left + frame.across / 2, y: frame.height - 6, "text-anchor": "middle" }, across),
    svg("text", { class: "axis", transform: `translate(15 ${middle}) rotate(-90)`, "text-anchor": "middle" }, up));
}

// --------------------------------------------------------------------------------------------------- components
export function drawComponents(host, frame, parts) {
  const clip = clipped(host, frame);
  if (parts[0].factor !== null) {
    for (const [k, one] of parts.entries()) drawEllipses(clip, frame, k, one, parts.length > MANY);
  }
  for (const [k, one] of parts.entries()) drawName(clip, frame, k, one, parts.length);
}

function clipped(host, frame) {
  const box = svg("rect", { x: frame.left, y: frame.top, width: frame.across, height: frame.up });
  const group = svg("g", { "clip-path": "url(#paper)" });
  host.append(svg("clipPath", { id: "paper" }, box), group);
  return group;
}

/** Of many components only the inner ellipses, and these as lines: the rest would cover the plane. */
function drawEllipses(host, frame, k, one, many) {
  const at = (radius) => `${path(ellipse(one, radius).map(([x, y]) => [frame.x(x), frame.y(y)]))}Z`;
  const look = { stroke: colour(k), fill: many ? "none" : colour(k) };
  if (!many) host.append(svg("path", { class: "ellipse outer", d: at(2), ...look }));
  host.append(svg("path", { class: "ellipse", d: at(1), ...look }));
}

/** A disc with the component's number at its mean; its weight below, where there are few. */
function drawName(host, frame, k, { weight, mean }, count) {
  const [x, y] = [frame.x(mean[0]), frame.y(mean[1])];
  const size = count <= 8 ? 10 : 8;
  host.append(svg("circle", { class: "disc", cx: x, cy: y, r: size, stroke: colour(k) }),
    svg("text", { class: count <= 8 ? "name" : "name small", x, y: y + 0.4 * size, "text-anchor": "middle" }, `${k}`));
  if (count > 8 || frame.width < 480) return; // the table beside it has the weights
  host.append(svg("text", { class: "weight", x, y: y + size + 13, "text-anchor": "middle" }, percent(weight)));
}

// ------------------------------------------------------------------------------------------------ one feature
export function drawCurves(host, frame, parts) {
  const clip = clipped(host, frame);
  clip.append(svg("path", { class: "zero", d: `M${frame.left},${frame.y(0)}h${frame.across}` }));
  if (parts[0].factor === null) return;
  const grid = curveGrid(frame, parts);
  const total = grid.map((at) => [at, parts.reduce((sum, one) => sum + density(one, [at]), 0)]);
  clip.append(svg("path", { class: "total", d: path(total.map(([x, y]) => [frame.x(x), frame.y(y)])) }));
  for (const [k, one] of parts.entries()) drawShare(clip, frame, k, seen(grid.map((at) => [at, density(one, [at])])));
  for (const [k, one] of parts.entries()) drawTop(clip, frame, k, one, parts.length);
}

/** Even steps, and the means: a component narrower than a step is still seen. */
function curveGrid(frame, parts) {
  const [low, high] = frame.range(0);
  const even = Array.from({ length: 501 }, (_, i) => low + ((high - low) * i) / 500);
  return even.concat(parts.map((one) => one.mean[0])).sort((a, b) => a - b);
}

/** Where a share is more than a line along the axis. */
function seen(points) {
  const least = 2e-3 * Math.max(...points.map(([, y]) => y));
  return points.filter(([, y]) => y >= least);
}

function drawShare(host, frame, k, points) {
  const line = path(points.map(([x, y]) => [frame.x(x), frame.y(y)]));
  const [first, last] = [frame.x(points[0][0]), frame.x(points.at(-1)[0])];
  host.append(
    svg("path", { class: "share-area", d: `${line}L${last},${frame.y(0)}L${first},${frame.y(0)}Z`, fill: colour(k) }),
    svg("path", { class: "share", d: line, stroke: colour(k), "stroke-dasharray": DASHES[k % DASHES.length] }));
}

function drawTop(host, frame, k, one, count) {
  const top = { ...one, mean: [one.mean[0], density(one, one.mean)] };
  drawName(host, frame, k, top, count);
}

// ---------------------------------------------------------------------------------------------------- the point
/** The point with lines to both axes, in the mixed colour of its responsibilities; at the edge where it lies outside. */
export function drawPoint(host, frame, at, gamma) {
  host.querySelector(".point")?.remove();
  if (at === null) return;
  const inside = frame.holds(at);
  const [low, high] = frame.range(0);
  const x = frame.x(Math.min(high, Math.max(low, at[0])));
  const y = frame.flat ? frame.y(0) : frame.y(Math.min(frame.range(1)[1], Math.max(frame.range(1)[0], at[1])));
  const lead = gamma === null ? 0 : gamma.indexOf(Math.max(...gamma));
  host.append(svg("g", { class: inside ? "point" : "point outside" },
    svg("path", { class: "hair", d: `M${x},${frame.top}V${frame.top + frame.up}` }),
    svg("path", { class: "hair", d: frame.flat ? "" : `M${frame.left},${y}H${frame.left + frame.across}` }),
    svg("circle", { class: "grip", cx: x, cy: y, r: 18 }),
    svg("path", { class: "mark halo", d: marker(lead), transform: `translate(${x} ${y}) scale(10)` }),
    svg("path", { class: "mark", d: marker(lead), transform: `translate(${x} ${y}) scale(8)`, fill: gamma === null ? "#fff" : mix(gamma) })));
}
