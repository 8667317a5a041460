// Tables of components: a marker in the component's colour, its weight, a bar and a number.

import { element, svg } from "./dom.js";
import { colour, marker } from "./palette.js";
import { percent } from "./words.js";

/** More components than these have no row of their own. */
export const MOST = 20;

export class Bars {
  #body;
  #weights;

  constructor(table, weights) {
    this.#body = table.tBodies[0];
    this.#weights = weights;
  }

  /** Draw the share of each component; `words` makes the number that stands beside the bar. */
  show(shares, words) {
    const shown = largest(shares, MOST);
    if (!sameRows(this.#body, shown)) this.#body.replaceChildren(...shown.map((k) => barRow(k, this.#weights[k])));
    for (const [place, k] of shown.entries()) setBar(this.#body.rows[place], shares[k], words(k));
    if (shown.length < shares.length) this.#body.append(restRow(shares, shown));
  }

  clear() {
    this.#body.replaceChildren();
  }
}

/** The components with the largest shares, in their own order. */
function largest(shares, most) {
  const all = Array.from(shares, (_, k) => k);
  if (all.length <= most) return all;
  return all.sort((i, j) => shares[j] - shares[i] || i - j).slice(0, most).sort((i, j) => i - j);
}

function sameRows(body, shown) {
  body.querySelector(".rest")?.remove();
  return body.rows.length === shown.length && shown.every((k, place) => body.rows[place].dataset.component === `${k}`);
}

function barRow(k, weight) {
  const fill = element("div", { class: "fill" });
  fill.style.backgroundColor = colour(k);
  return element("tr", { "data-component": k },
    element("th", { scope: "row" }, swatch(k), `${k}`),
    element("td", { class: "number" }, percent(weight)),
    element("td", { class: "bar", "aria-hidden": "true" }, element("div", { class: "track" }, fill)),
    element("td", { class: "number" }, element("data")));
}

function setBar(row, share, words) {
  row.querySelector(".fill").style.width = `${100 * share}%`;
  const data = row.querySelector("data");
  data.value = String(share);
  data.textContent = words;
}

function restRow(shares, shown) {
  const rest = 1 - shown.reduce((sum, k) => sum + shares[k], 0);
  const words = `… and ${shares.length - shown.length} others, together ${percent(Math.max(0, rest))}`;
  return element("tr", { class: "rest" }, element("td", { colspan: 4 }, words));
}

/** A component's marker on paper, as it stands in the plane. */
export function swatch(k) {
  const shape = svg("path", { d: marker(k), fill: colour(k), transform: "translate(9 9) scale(5)" });
  return svg("svg", { class: "swatch", width: 18, height: 18, "aria-hidden": "true" }, shape);
}
