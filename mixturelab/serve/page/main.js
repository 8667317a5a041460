// The page: asks the service for its model, and brings point, plane and table together.

import { Api, ApiError } from "./api.js";
import { byId, element, say } from "./dom.js";
import { Drop } from "./drop.js";
import { furthestApart } from "./geometry.js";
import { Plane } from "./plane.js";
import { Point } from "./point.js";
import { grouped, label, listed, plural } from "./words.js";

const MOST_CHOICES = 1000; // features to choose from; more make a list that nobody reads
const api = new Api(askForToken);
let hasToken = false;
let again = () => start(); // what to do when a token is given

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.token = byId("token").value;
  hasToken = true;
  byId("token-form").hidden = true;
  say(byId("trouble"), "");
  again();
});
start();

async function start() {
  try {
    open(await api.model());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("sentence").textContent = "";
    say(byId("trouble"), error.status === 401 ? unauthorised() : error.message);
    if (!byId("token-form").hidden) byId("token").focus();
  }
}

const unauthorised = () => (hasToken ? "That is not the token of this service." : "This service asks for its token.");

/** The service wants a token, or another one. */
function askForToken() {
  byId("token").value = "";
  byId("token-form").hidden = false;
}

function open(answer) {
  const model = { ...answer, names: answer.feature_names ?? Array.from({ length: answer.n_features }, (_, i) => `feature ${i}`) };
  describe(model);
  byId("main").hidden = false;
  const chosen = model.n_features === 1 ? [0] : furthestApart(model);
  const plane = new Plane(model, chosen, (changes) => point.move(changes));
  const point = new Point(model, api, (values, gamma) => plane.point(values, gamma));
  new Drop(model, api, (results) => (plane.results = results));
  chooseAxes(model, chosen, plane);
  again = () => point.ask();
  point.ask();
}

function describe(model) {
  const { n_components: k, n_features: d, covariance_type: family, names, feature_names: named, header } = model;
  const words = `K\u00a0=\u00a0${grouped(k)}, D\u00a0=\u00a0${grouped(d)}`;
  document.title = `mixturelab: a Gaussian mixture, ${words}`;
  byId("title").textContent = `A Gaussian mixture, ${words}`;
  byId("sentence").textContent = `${plural(k, "component")} with covariances of the family '${family}', over ` +
    `${plural(d, "feature")}${named === null ? " without names" : `: ${listed(names.map(label))}`}.`;
  byId("about").hidden = !header;
  byId("header").textContent = JSON.stringify(header, null, 2) ?? "";
}

/** Two lists of the features. Choosing one that is drawn already swaps the two. */
function chooseAxes(model, chosen, plane) {
  byId("axes").hidden = model.n_features < 3;
  const lists = [byId("across"), byId("up")];
  const now = [...chosen];
  for (const [axis, list] of lists.entries()) {
    list.append(...model.names.slice(0, MOST_CHOICES).map((name, i) => element("option", { value: i }, label(name))));
    list.value = now[axis];
    list.addEventListener("change", () => {
      const wanted = Number(list.value);
      if (wanted === now[1 - axis]) now[1 - axis] = now[axis];
      now[axis] = wanted;
      lists.forEach((one, i) => (one.value = now[i]));
      plane.chosen = [...now];
    });
  }
}
