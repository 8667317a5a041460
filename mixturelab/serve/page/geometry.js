// What is drawn of a mixture: marginals of two features or one, ellipses, densities, ranges and ticks.

const LOG_2PI = Math.log(2 * Math.PI);

/** The two features with the largest share of variance between the components, in their own order. */
export function furthestApart({ weights, means, covariances, n_features: d }) {
  const centre = mixtureMean({ weights, means, n_features: d });
  const share = Array.from({ length: d }, (_, i) => {
    const between = weights.reduce((sum, w, k) => sum + w * (means[k][i] - centre[i]) ** 2, 0);
    const within = covariances ? weights.reduce((sum, w, k) => sum + w * covariances[k][i][i], 0) : 1;
    return between / within;
  });
  const order = share.map((_, i) => i).sort((i, j) => share[j] - share[i] || i - j);
  return order.slice(0, 2).sort((i, j) => i - j);
}

export function mixtureMean({ weights, means, n_features: d }) {
  return Array.from({ length: d }, (_, i) => weights.reduce((sum, w, k) => sum + w * means[k][i], 0));
}

/** The mixture's marginal in the features `chosen` (one or two): a weight, a mean and a factor for each component. */
export function marginal({ weights, means, covariances }, chosen) {
  return weights.map((weight, k) => ({
    weight,
    mean: chosen.map((i) => means[k][i]),
    factor: covariances ? factorOf(chosen.map((i) => chosen.map((j) => covariances[k][i][j]))) : null,
  }));
}

/** The lower triangular L with L Lᵀ = Σ, as [l11, l21, l22]. */
function factorOf([[a, b], [, c] = []]) {
  const l11 = Math.sqrt(a);
  if (c === undefined) return [l11];
  const l21 = b / l11;
  return [l11, l21, Math.sqrt(Math.max(c - l21 * l21, 0))];
}

/** The curve at `radius` standard deviations from the mean. */
export function ellipse({ mean, factor: [l11, l21, l22] }, radius, count = 72) {
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    const [c, s] = [radius * Math.cos(angle), radius * Math.sin(angle)];
    return [mean[0] + l11 * c, mean[1] + l21 * c + l22 * s];
  });
}

/** A component's weighted density at a point of the marginal. */
export function density({ weight, mean, factor }, at) {
  const u = (at[0] - mean[0]) / factor[0];
  if (factor.length === 1) return weight * Math.exp(-0.5 * (u * u + LOG_2PI)) / factor[0];
  const v = (at[1] - mean[1] - factor[1] * u) / factor[2];
  return (weight * Math.exp(-0.5 * (u * u + v * v) - LOG_2PI)) / (factor[0] * factor[2]);
}

/** A component's standard deviation along one of the drawn axes. */
export function spread({ factor }, axis) {
  return factor === null ? 0 : axis === 0 ? factor[0] : Math.hypot(factor[1], factor[2]);
}

/**
 * From where to where an axis goes: every component to 2.6 standard deviations, and the rows, as far as they lie
 * within three widths of that. One row in other units does not make the mixture a dot.
 */
export function range(components, axis, values) {
  let [low, high] = [Infinity, -Infinity];
  for (const one of components) {
    const reach = 2.6 * spread(one, axis);
    [low, high] = [Math.min(low, one.mean[axis] - reach), Math.max(high, one.mean[axis] + reach)];
  }
  if (high === low) [low, high] = [low - 1, high + 1];
  const far = 3 * (high - low);
  const [floor, ceiling] = [low - far, high + far];
  for (const value of values) {
    if (value < low && value >= floor) low = value;
    if (value > high && value <= ceiling) high = value;
  }
  const margin = (components[0].factor === null ? 0.2 : 0.03) * (high - low); // means alone need room
  return [low - margin, high + margin];
}

/** Round numbers in a range, about `count` of them, and how many decimals they need. */
export function ticks([low, high], count) {
  const rough = (high - low) / Math.max(count, 1);
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find((one) => one * ten >= rough * 0.999);
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A value in steps that a hand on this axis can tell apart: a point that was dragged has no seventeen digits. */
export function rounded(value, [low, high]) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 500));
  return Number((Math.round(value / step) * step).toPrecision(12));
}
