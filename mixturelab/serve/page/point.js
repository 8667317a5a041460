// The point: a field for each feature, and what the mixture says of it, asked again whenever it changes.

import { ApiError } from "./api.js";
import { Bars } from "./bars.js";
import { byId, element, say } from "./dom.js";
import { mixtureMean, rounded, spread, marginal } from "./geometry.js";
import { grouped, label, probability, short } from "./words.js";

/** More features than these have no field of their own. */
const MOST_FIELDS = 256;

export class Point {
  #model;
  #api;
  #told;
  #bars;
  #fields = new Map(); // feature → its input
  #errors = new Map(); // feature → where its error is said
  #wanted = false;
  #busy = false;

  /** `told(values, gamma)` is called when the point moves (no gamma yet) and when it is answered (null: refused). */
  constructor(model, api, told) {
    [this.#model, this.#api, this.#told] = [model, api, told];
    this.#bars = new Bars(byId("bars"), model.weights);
    this.scales = scalesOf(model);
    this.values = this.#mean();
    this.#makeFields();
    byId("to-mean").addEventListener("click", () => this.move(this.#mean().map((value, i) => [i, value])));
    byId("point").addEventListener("submit", (event) => event.preventDefault());
  }

  #mean() {
    return mixtureMean(this.#model).map((value, i) => rounded(value, [0, 5 * this.scales[i]]));
  }

  #makeFields() {
    const { n_features: d } = this.#model;
    for (let i = 0; i < Math.min(d, MOST_FIELDS); i++) byId("fields").append(this.#field(i));
    if (d <= MOST_FIELDS) return;
    say(byId("point-note"), `${grouped(d - MOST_FIELDS)} more of the ${grouped(d)} features have no field here: they ` +
      "stay at the mixture's mean unless the plane moves them.");
  }

  #field(i) {
    const input = element("input", { type: "number", step: stepOf(this.scales[i]), id: `feature-${i}`,
      "aria-describedby": `fault-${i}`, autocomplete: "off" });
    const fault = element("span", { class: "error", id: `fault-${i}`, role: "alert", hidden: "" });
    input.value = this.values[i];
    input.addEventListener("input", () => this.#typed(i));
    this.#fields.set(i, input);
    this.#errors.set(i, fault);
    const name = element("label", { for: `feature-${i}` }, label(this.#model.names[i]));
    return element("div", { class: "field" }, name, input, fault);
  }

  #typed(i) {
    const value = this.#fields.get(i).valueAsNumber;
    this.values[i] = value;
    this.ask();
  }

  /** Move the point: `changes` are pairs of a feature and its value. */
  move(changes) {
    for (const [i, value] of changes) {
      this.values[i] = value;
      if (this.#fields.has(i)) this.#fields.get(i).value = value;
    }
    this.ask();
  }

  /** Ask the service; while an answer is on its way, only the last change waits. */
  async ask() {
    this.#told(this.values);
    this.#wanted = true;
    if (this.#busy) return;
    this.#busy = true;
    byId("bars").setAttribute("aria-busy", "true");
    while (this.#wanted) {
      this.#wanted = false;
      await this.#once();
    }
    this.#busy = false;
    byId("bars").setAttribute("aria-busy", "false");
  }

  async #once() {
    const empty = this.values.findIndex((value) => !Number.isFinite(value));
    if (empty >= 0) return this.#refuse(new ApiError("wanted a number", { feature: empty }));
    try {
      const { responsibilities, logDensity } = await this.#api.scores(JSON.stringify([this.values]));
      if (!this.#wanted) this.#show(responsibilities[0], logDensity[0]);
    } catch (error) {
      if (!this.#wanted) this.#refuse(error);
    }
  }

  #show(gamma, logDensity) {
    this.#faults(null, "");
    this.#bars.show(gamma, (k) => probability(gamma[k]));
    const best = gamma.indexOf(Math.max(...gamma));
    const words = `Component ${best}, with uncertainty ${probability(Math.max(0, 1 - gamma[best]))}; ` +
      `log density ${short(logDensity, 5)}.`;
    byId("verdict").textContent = words;
    this.#told(this.values, gamma);
  }

  /** Say what is wrong beside the field it is about, or below all of them. */
  #refuse(error) {
    const names = this.#model.feature_names ?? [];
    const feature = typeof error.feature === "string" ? names.indexOf(error.feature) : error.feature;
    this.#faults(this.#fields.has(feature) ? feature : null, error.reason);
    this.#bars.clear();
    this.#told(this.values, null);
    byId("verdict").textContent = "";
  }

  #faults(feature, message) {
    for (const [i, place] of this.#errors) {
      say(place, i === feature ? message : "");
      this.#fields.get(i).setAttribute("aria-invalid", String(i === feature));
    }
    say(byId("point-error"), feature === null ? message : "");
  }
}

/** The mixture's standard deviation in each feature: what a small step is. */
function scalesOf(model) {
  const mean = mixtureMean(model);
  return mean.map((centre, i) => {
    const parts = marginal(model, [i]);
    const variance = parts.reduce((sum, one) => sum + one.weight * (spread(one, 0) ** 2 + (one.mean[0] - centre) ** 2), 0);
    return Math.sqrt(variance) || Math.abs(centre) || 1;
  });
}

const stepOf = (scale) => 10 ** Math.floor(Math.log10(scale / 4));
