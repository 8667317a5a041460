// What is painted on the canvas of the plane: the density's grey, and the rows.

import { marker, mix } from "./palette.js";
import { CERTAIN } from "./results.js";

const INK = "34,34,34";
const MOST_WORK = 1_500_000; // densities of components in one picture: about 30 ms

/** Grey by density. The root lifts what is low, so that a wide component is seen beside a narrow one. */
export function shade(context, frame, densityAt, nComponents) {
  const cell = Math.max(4, Math.ceil(Math.sqrt((frame.across * frame.up * nComponents) / MOST_WORK)));
  const [columns, rows] = [Math.ceil(frame.across / cell), Math.ceil(frame.up / cell)];
  const found = new Float64Array(columns * rows);
  for (let i = 0; i < found.length; i++) {
    const [x, y] = [(i % columns) + 0.5, Math.floor(i / columns) + 0.5];
    found[i] = densityAt(frame.values(frame.left + (x / columns) * frame.across, frame.top + (y / rows) * frame.up));
  }
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(greys(found, columns, rows), 0, 0);
  context.drawImage(small, frame.left, frame.top, frame.across, frame.up);
}

function greys(found, columns, rows) {
  const top = found.reduce((most, one) => Math.max(most, one), 0) || 1;
  const image = new ImageData(columns, rows);
  for (let i = 0; i < found.length; i++) {
    image.data.fill(34, 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 70 * Math.sqrt(found[i] / top);
  }
  return image;
}

/** Certain rows small and pale, uncertain ones larger, edged and on top; the marker says which component leads. */
export function drawRows(context, frame, results, shown, chosen) {
  const shrink = Math.min(1, Math.max(0.3, Math.sqrt(400 / Math.max(shown.length, 1))));
  const unsure = [];
  context.globalAlpha = 0.6;
  for (const i of shown) {
    if (results.gamma(i)[results.component(i)] < CERTAIN) unsure.push(i);
    else drawRow(context, frame, results, i, chosen, 3.4 * Math.sqrt(shrink), false);
  }
  context.globalAlpha = 1;
  for (const i of unsure) drawRow(context, frame, results, i, chosen, 4.6 * Math.sqrt(shrink), true);
}

const shapes = new Map();

function shape(k) {
  if (!shapes.has(k)) shapes.set(k, new Path2D(marker(k)));
  return shapes.get(k);
}

function drawRow(context, frame, results, i, chosen, size, edged) {
  const at = chosen.map((feature) => results.value(i, feature));
  if (chosen.length === 1) at.push(strip(frame, i));
  context.save();
  context.translate(frame.x(at[0]), frame.y(at[1]));
  context.scale(size, size);
  const outline = shape(results.component(i));
  context.fillStyle = mix(results.gamma(i));
  context.fill(outline);
  if (edged) {
    context.lineWidth = 1 / size;
    context.strokeStyle = `rgb(${INK})`;
    context.stroke(outline);
  }
  context.restore();
}

/** With one feature the rows lie in the strip below zero, at heights that part those of the same value. */
function strip(frame, i) {
  const part = (i * 0.6180339887) % 1; // the golden ratio's parts lie evenly
  return frame.range(1)[0] * (0.15 + 0.7 * part);
}
