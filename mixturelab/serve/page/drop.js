// The table: dropped, chosen or pasted, scored in the background, summed up, and taken home as CSV.

import { ApiError } from "./api.js";
import { Bars } from "./bars.js";
import { byId, element, say } from "./dom.js";
import { CERTAIN, Results } from "./results.js";
import { piecesOfFile, piecesOfText, scoreTable } from "./scoring.js";
import { TableError } from "./table.js";
import { grouped, listed, percent, plural, quoted, short } from "./words.js";

const MOST_REFUSED = 20;
const REDRAW = 400; // milliseconds between two pictures of a table that is still being scored

export class Drop {
  #model;
  #api;
  #drawn;
  #bars;
  #running = null;
  #results = null;
  #name = "";
  #last = 0;

  /** `drawn(results)` is called when rows were scored; with null when the table is taken away. */
  constructor(model, api, drawn) {
    [this.#model, this.#api, this.#drawn] = [model, api, drawn];
    this.#bars = new Bars(byId("by-component"), model.weights);
    byId("table-words").textContent = wanted(model);
    this.#listen();
  }

  #listen() {
    byId("file").addEventListener("click", (event) => (event.target.value = "")); // the same file may be chosen again
    byId("file").addEventListener("change", (event) => this.#takeFiles(event.target.files));
    byId("score-pasted").addEventListener("click", () => this.#takeText(byId("pasted").value));
    byId("stop").addEventListener("click", () => this.#running?.abort());
    byId("clear").addEventListener("click", () => this.#clear());
    byId("download").addEventListener("click", () => this.#download());
    document.addEventListener("dragover", (event) => this.#over(event, true));
    document.addEventListener("dragleave", (event) => this.#over(event, false));
    document.addEventListener("drop", (event) => this.#dropped(event));
  }

  /** Only files are taken: text that is dragged into a field goes there. */
  #over(event, is) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    byId("zone").classList.toggle("over", is && event.type === "dragover");
  }

  #dropped(event) {
    this.#over(event, false);
    if (event.dataTransfer?.files.length) this.#takeFiles(event.dataTransfer.files);
  }

  #takeFiles(files) {
    if (files.length === 0) return;
    if (files !== byId("file").files) byId("file").value = "";
    if (files.length > 1) say(byId("table-error"), `${files.length} files were dropped; wanted one.`);
    else this.#score(files[0].name, piecesOfFile(files[0]));
  }

  #takeText(text) {
    if (text.trim() === "") say(byId("table-error"), "There is nothing to score: paste a header and rows first.");
    else this.#score("the pasted rows", piecesOfText(text));
  }

  // ---------------------------------------------------------------------------------------------------- scoring
  async #score(name, pieces) {
    this.#clear();
    const mine = (this.#running = new AbortController());
    const results = new Results(this.#model.n_components, this.#model.n_features);
    [this.#results, this.#name] = [results, name];
    this.#progress(0);
    const told = (share) => this.#running === mine && this.#progress(share);
    const task = { api: this.#api, model: this.#model, results, told, signal: mine.signal };
    const fault = await scoreTable(pieces, task).then(() => "", (error) => this.#fault(error));
    if (this.#running !== mine) return; // another table has taken its place
    this.#running = null;
    byId("progress").hidden = true;
    say(byId("table-error"), fault);
    this.#show();
  }

  #fault(error) {
    if (error.name === "AbortError") return "Stopped before the end.";
    if (error instanceof TableError) return error.message;
    if (error instanceof ApiError) return error.status ? `The service refused to go on: ${error.message}` : error.message;
    if (error instanceof DOMException) return "The file could not be read to its end.";
    throw error;
  }

  #progress(share) {
    byId("progress").hidden = false;
    byId("progress-bar").value = share;
    byId("progress-words").textContent = `${plural(this.#results.length, "row")} scored, ${Math.floor(100 * share)} % read`;
    if (this.#results.length === 0 || performance.now() - this.#last < REDRAW) return;
    this.#drawn(this.#results);
    this.#last = performance.now();
  }

  // ---------------------------------------------------------------------------------------------------- summary
  #show() {
    const results = this.#results;
    if (results.length + results.refused.length === 0) return;
    byId("summary").hidden = false;
    byId("summary-title").textContent = this.#name;
    byId("summary-words").textContent = sentence(results);
    byId("by-component").hidden = results.length === 0;
    if (results.length > 0) this.#bars.show(results.counts.map((one) => one / results.length), (k) => inWords(results, k));
    showRefused(results.refused);
    this.#drawn(results.length > 0 ? results : null);
  }

  #clear() {
    this.#running?.abort();
    [this.#running, this.#results] = [null, null];
    byId("summary").hidden = true;
    say(byId("table-error"), "");
    this.#drawn(null);
  }

  async #download() {
    const parts = await this.#results.csv();
    const address = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
    const name = `${this.#name.replace(/\.\w+$/, "").replace(/[^\w.-]+/g, "_")}_scores.csv`;
    element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

function wanted({ feature_names: names, n_features: d }) {
  if (names === null) return `The model has no names for its ${plural(d, "feature")}: the table has as many columns, in their order.`;
  return `The first line names the columns, among them ${listed(names.map(quoted))}; others are passed over.`;
}

function sentence(results) {
  const refused = results.refused.length === 0 ? "" : `${plural(results.refused.length, "row")} refused.`;
  if (results.length === 0) return `No row was scored; ${refused}`;
  return `${plural(results.length, "row")} scored, mean log density ${short(results.meanLogDensity, 5)}; ` +
    `${grouped(results.uncertain)} uncertain (largest responsibility below ${CERTAIN}). ${refused}`;
}

const inWords = (results, k) => `${grouped(results.counts[k])} (${percent(results.counts[k] / results.length)})`;

function showRefused(refused) {
  byId("refused").hidden = refused.length === 0;
  byId("refused-title").textContent = `${plural(refused.length, "row")} refused`;
  const shown = [...refused].sort((one, other) => one.row - other.row).slice(0, MOST_REFUSED);
  byId("refused-rows").replaceChildren(...shown.map(({ line, reason }) => element("li", {}, `line ${line}: ${reason}`)));
  const rest = refused.length - shown.length;
  say(byId("refused-more"), rest > 0 ? `And ${grouped(rest)} more: the download has all of them, each with its reason.` : "");
}
