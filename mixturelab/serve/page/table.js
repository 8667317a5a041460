// From records to rows of numbers: columns matched by name, and what cannot be a number refused with its reason.

import { listed, quoted } from "./words.js";

export class TableError extends Error {}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DECIMAL_COMMA = /^[+-]?\d*,\d+(e[+-]?\d+)?$/i;
const MISSING = new Set(["", "na", "n/a", "nan", "null", "none", "-"]);
const INFINITE = /^[+-]?inf(inity)?$/i;

/** Turns records into rows; the first record is the header, unless the model has no names and it is all numbers. */
export class TableReader {
  #names;
  #count;
  #columns = null;
  #width = 0;
  #row = 0;

  constructor({ feature_names: names, n_features: count }) {
    this.#names = names;
    this.#count = count;
  }

  /** `{ row, line, values }`, or `{ row, line, reason }`; null for the header. Rows count from 0, lines from 1. */
  take({ line, cells }) {
    if (this.#columns === null && this.#begin(cells)) return null;
    const place = { row: this.#row++, line };
    try {
      return { ...place, values: this.#values(cells) };
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      return { ...place, reason: error.message };
    }
  }

  /** Whether the first record was a header. */
  #begin(cells) {
    this.#width = cells.length;
    if (this.#names !== null) {
      this.#columns = positions(cells, this.#names);
      return true;
    }
    if (cells.length !== this.#count) {
      throw new TableError(`The table has ${cells.length} columns (${listed(cells.map(quoted))}); the model has ` +
        `${this.#count} features and no names to match them by.`);
    }
    this.#columns = cells.map((_, i) => i);
    return !cells.every((cell) => NUMBER.test(cell.trim()));
  }

  #values(cells) {
    if (cells.length !== this.#width) {
      throw new TableError(`${cells.length} cells; the first line has ${this.#width}`);
    }
    return this.#columns.map((column, i) => number(cells[column], this.#names?.[i] ?? `feature ${i}`));
  }
}

/** Where each feature stands among the columns. */
function positions(header, names) {
  const places = new Map();
  const twice = new Set();
  for (const [i, cell] of header.entries()) {
    for (const name of new Set([cell, cell.trim()])) {
      if (places.has(name)) twice.add(name);
      else places.set(name, i);
    }
  }
  const missing = names.filter((name) => !places.has(name));
  if (missing.length > 0) {
    throw new TableError(`No column ${listed(missing.map(quoted))}; the columns are ${listed(header.map(quoted))}.`);
  }
  const repeated = names.filter((name) => twice.has(name));
  if (repeated.length > 0) throw new TableError(`Column ${listed(repeated.map(quoted))} is there twice.`);
  return names.map((name) => places.get(name));
}

/** A cell's number. */
function number(cell, name) {
  const text = cell.trim();
  const value = NUMBER.test(text) ? Number(text) : NaN;
  if (Number.isFinite(value)) return value;
  throw new TableError(`${quoted(name)} ${whyNot(text)}`);
}

function whyNot(text) {
  if (MISSING.has(text.toLowerCase())) return "is missing";
  if (DECIMAL_COMMA.test(text)) return `is ${quoted(text)}, with a decimal comma; wanted a decimal point`;
  if (NUMBER.test(text) || INFINITE.test(text)) return `is ${quoted(text)}, which is not a finite number`;
  return `is ${quoted(text)}; wanted a number`;
}
