// The scores of a table: kept as plain numbers, counted, and written out again as CSV.

import { csvRecord } from "./csv.js";
import { breathe } from "./dom.js";

/** Below this largest responsibility a row is called uncertain, as in the package's figures. */
export const CERTAIN = 0.9;

/** An array of float64 that grows. */
class Column {
  #values = new Float64Array(4096);
  length = 0;

  push(values) {
    const length = this.length + values.length;
    if (length > this.#values.length) {
      const larger = new Float64Array(Math.max(length, 2 * this.#values.length));
      larger.set(this.#values.subarray(0, this.length));
      this.#values = larger;
    }
    this.#values.set(values, this.length);
    this.length = length;
  }

  at(i) {
    return this.#values[i];
  }

  slice(start, end) {
    return this.#values.subarray(start, end);
  }
}

export class Results {
  refused = []; // { row, line, reason }
  #rows = new Column();
  #values = new Column();
  #gamma = new Column();
  #logDensity = new Column();
  #sum = 0;

  constructor(nComponents, nFeatures) {
    this.nComponents = nComponents;
    this.nFeatures = nFeatures;
    this.counts = new Array(nComponents).fill(0);
    this.uncertain = 0;
  }

  get length() {
    return this.#rows.length;
  }

  get meanLogDensity() {
    return this.#sum / this.length;
  }

  add(rows, responsibilities, logDensity) {
    this.#rows.push(rows.map((one) => one.row));
    this.#logDensity.push(logDensity);
    for (const [i, one] of rows.entries()) {
      this.#values.push(one.values);
      this.#gamma.push(responsibilities[i]);
      this.#sum += logDensity[i];
      this.#count(this.length - rows.length + i);
    }
  }

  #count(i) {
    const k = this.component(i);
    this.counts[k] += 1;
    if (this.gamma(i)[k] < CERTAIN) this.uncertain += 1;
  }

  refuse({ row, line }, reason) {
    this.refused.push({ row, line, reason });
  }

  value(i, feature) {
    return this.#values.at(i * this.nFeatures + feature);
  }

  gamma(i) {
    return this.#gamma.slice(i * this.nComponents, (i + 1) * this.nComponents);
  }

  /** The most responsible component; of equals the first. */
  component(i) {
    const gamma = this.gamma(i);
    let best = 0;
    for (let k = 1; k < gamma.length; k++) if (gamma[k] > gamma[best]) best = k;
    return best;
  }

  /** Evenly spaced rows, no more than `most`. */
  sample(most) {
    const step = Math.max(1, Math.ceil(this.length / most));
    return Array.from({ length: Math.ceil(this.length / step) }, (_, i) => i * step);
  }

  /** All rows in the table's order, the refused ones with their reason, as parts of a CSV file. */
  async csv() {
    const parts = [csvRecord(this.#header())];
    const refused = [...this.refused].sort((one, other) => one.row - other.row);
    let next = 0;
    for (let i = 0; i < this.length; i++) {
      while (next < refused.length && refused[next].row < this.#rows.at(i)) parts.push(this.#gap(refused[next++]));
      parts.push(this.#record(i));
      if (i % 2000 === 1999) await breathe();
    }
    return parts.concat(refused.slice(next).map((one) => this.#gap(one)));
  }

  #header() {
    const gamma = this.counts.map((_, k) => `responsibility_${k}`);
    return ["row", "component", "uncertainty", "log_density", ...gamma, "refused"];
  }

  #record(i) {
    const [gamma, k] = [this.gamma(i), this.component(i)];
    return csvRecord([this.#rows.at(i), k, 1 - gamma[k], this.#logDensity.at(i), ...gamma, ""]);
  }

  #gap({ row, reason }) {
    return csvRecord([row, "", "", "", ...this.counts.map(() => ""), reason]);
  }
}
