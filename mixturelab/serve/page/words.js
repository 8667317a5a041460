// Numbers and lists as people write them.

const minus = (text) => text.replace(/-/g, "−");

/** A number with `digits` significant digits, without an exponent where none is needed. */
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : minus(value < 0 ? "-∞" : "∞");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return minus(value.toExponential(digits - 1).replace("e+", "e"));
  return minus(String(Number(value.toPrecision(digits))));
}

/** A probability: four places, and an exponent where these would show a zero that is none. */
export function probability(value) {
  if (value === 0) return "0";
  if (value < 1e-9) return "<\u00a01e−9";
  return value < 1e-4 ? minus(value.toExponential(1)) : value.toFixed(4);
}

/** A share as a percentage with one decimal, or as many as a small one needs. */
export const percent = (share) => `${share === 0 || share >= 1e-3 ? (100 * share).toFixed(1) : short(100 * share, 1)} %`;

export const grouped = (count) => count.toLocaleString("en");

export const plural = (count, noun) => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** `a`, `a and b`, `a, b and c`; of more than `most` the rest is counted. */
export function listed(items, most = 12) {
  if (items.length > most) return `${items.slice(0, most).join(", ")} and ${items.length - most} more`;
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Ticks as text, and the power of ten that is written once at the axis where they are very large or small. */
export function tickWords(values) {
  const largest = Math.max(...values.map(Math.abs));
  const power = largest === 0 ? 0 : Math.floor(Math.log10(largest));
  if (power > -4 && power < 6) return { words: values.map((value) => minus(String(value))), power: 0 };
  return { words: values.map((value) => minus(String(Number((value / 10 ** power).toPrecision(10))))), power };
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** `10⁻⁵`, for an axis. */
export function timesTen(power) {
  const digits = String(Math.abs(power)).replace(/\d/g, (digit) => RAISED[digit]);
  return ` (× 10${power < 0 ? "⁻" : ""}${digits})`;
}

/** `bill_length` as `bill length`. */
export const label = (name) => cut(name.replaceAll("_", " "), 60);

/** No more letters than there is room for. */
export const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

/** A cell or a name inside a sentence. */
export const quoted = (text) => `'${cut(text, 40)}'`;
