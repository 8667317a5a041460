// The colours and markers of the package's figures, in the same order, and how they mix by responsibility.

// Okabe and Ito (2008), then four of Paul Tol's muted colours.
export const COLOURS = [
  "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
  "#332288", "#882255", "#999933", "#44AA99", "#777777", "#F0E442",
];

const turn = (angle, radius) => `${(radius * Math.sin(angle)).toFixed(3)},${(-radius * Math.cos(angle)).toFixed(3)}`;
const ring = (count, radius, start = 0) =>
  `M${Array.from({ length: count }, (_, i) => turn(start + (2 * Math.PI * i) / count, radius(i))).join("L")}Z`;
const polygon = (count, radius, start = 0) => ring(count, () => radius, start);
const PLUS = [[-1, -3], [1, -3], [1, -1], [3, -1], [3, 1], [1, 1], [1, 3], [-1, 3], [-1, 1], [-3, 1], [-3, -1], [-1, -1]];
const plus = (angle) => {
  const [c, s] = [Math.cos(angle) / 2.6, Math.sin(angle) / 2.6];
  return `M${PLUS.map(([x, y]) => `${(c * x - s * y).toFixed(3)},${(s * x + c * y).toFixed(3)}`).join("L")}Z`;
};

// Outlines about the origin, in the size of a disc of radius 1; the names are matplotlib's.
export const MARKERS = [
  ["o", "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z"],
  ["s", polygon(4, 1.25, Math.PI / 4)],
  ["^", polygon(3, 1.35)],
  ["D", polygon(4, 1.3)],
  ["v", polygon(3, 1.35, Math.PI)],
  ["p", polygon(5, 1.2)],
  ["<", polygon(3, 1.35, -Math.PI / 2)],
  [">", polygon(3, 1.35, Math.PI / 2)],
  ["h", polygon(6, 1.15)],
  ["*", ring(10, (i) => (i % 2 ? 0.6 : 1.5))],
  ["d", `M0,-1.4L0.85,0L0,1.4L-0.85,0Z`],
  ["P", plus(0)],
  ["X", plus(Math.PI / 4)],
];

export const colour = (k) => COLOURS[k % COLOURS.length];
export const marker = (k) => MARKERS[k % MARKERS.length][1];

const light = COLOURS.map((hex) => [1, 3, 5].map((at) => (parseInt(hex.slice(at, at + 2), 16) / 255) ** 2.2));

/** The colour of a row: its components' colours in the proportion of its responsibilities, mixed as light. */
export function mix(gamma) {
  const sum = [0, 0, 0];
  for (let k = 0; k < gamma.length; k++) {
    for (let c = 0; c < 3; c++) sum[c] += gamma[k] * light[k % light.length][c];
  }
  return `rgb(${sum.map((value) => Math.round(255 * Math.min(1, value) ** (1 / 2.2))).join(",")})`;
}
