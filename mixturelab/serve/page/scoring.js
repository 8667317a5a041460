// Scoring a table: read piece by piece, sent in batches within the service's limits, the rest counted as refused.

import { ApiError } from "./api.js";
import { CsvReader } from "./csv.js";
import { breathe } from "./dom.js";
import { TableError, TableReader } from "./table.js";

const BATCH_ROWS = 2000;
const ANSWER_NUMBERS = 200_000; // responsibilities in one answer
const KEPT_NUMBERS = 2e7; // what a page may keep: 160 MB
const PIECE = 1 << 16;
const PATIENCE = 5; // how often a service that is busy is asked again

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, 10)));

/** Pieces of a file's text, with the share of it that has been read. */
export async function* piecesOfFile(file) {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const encoding = head[0] === 0xff && head[1] === 0xfe ? "utf-16le" : "utf-8";
  const decoder = new TextDecoder(encoding);
  for (let at = 0; at < file.size; at += PIECE) {
    const bytes = await file.slice(at, at + PIECE).arrayBuffer();
    yield { text: decoder.decode(bytes, { stream: true }), share: Math.min(1, (at + PIECE) / file.size) };
  }
  yield { text: decoder.decode(), share: 1 };
}

/** The same of text that was pasted. */
export async function* piecesOfText(text) {
  for (let at = 0; at < text.length; at += PIECE) {
    await breathe();
    yield { text: text.slice(at, at + PIECE), share: Math.min(1, (at + PIECE) / text.length) };
  }
}

/**
 * Fill `results` from pieces of text. `told` is called with the share read after each batch.
 * Throws a TableError where the table as a whole cannot be scored, an ApiError where the service refuses to go on.
 */
export async function scoreTable(pieces, { api, model, results, told, signal }) {
  const [csv, table, batches] = [new CsvReader(), new TableReader(model), new Batches(api, model, results, signal)];
  const take = async (records) => {
    for (const record of records) await batches.take(table.take(record));
  };
  for await (const { text, share } of pieces) {
    signal.throwIfAborted();
    if (text.includes("\0")) throw new TableError("This is not text; wanted a CSV.");
    await take(csv.push(text));
    told(share);
  }
  await take(csv.finish());
  await batches.send();
  if (results.length + results.refused.length === 0) throw new TableError("The table has no rows.");
}

class Batches {
  #waiting = [];
  #size = 0;

  constructor(api, model, results, signal) {
    Object.assign(this, { api, results, signal });
    const { json_rows: rows = Infinity, bytes = Infinity } = model.limits ?? {};
    this.rows = Math.max(1, Math.min(rows, BATCH_ROWS, Math.floor(ANSWER_NUMBERS / model.n_components)));
    this.bytes = bytes - 64; // for what stands about the rows
    this.most = Math.floor(KEPT_NUMBERS / (model.n_components + model.n_features));
  }

  async take(row) {
    if (row === null) return;
    if (row.reason !== undefined) {
      this.results.refuse(row, row.reason);
      return;
    }
    const json = JSON.stringify(row.values);
    if (this.#waiting.length >= this.rows || this.#size + json.length + 1 > this.bytes) await this.send();
    this.#waiting.push({ ...row, json });
    this.#size += json.length + 1;
  }

  async send() {
    const rows = this.#waiting;
    [this.#waiting, this.#size] = [[], 0];
    if (this.results.length + rows.length > this.most) {
      throw new TableError(`This page keeps no more than ${this.most} rows; mixturelab score takes any number.`);
    }
    await this.#send(rows);
  }

  /** Ask; where the service has too much to do, wait as it says, and ask a few times again. */
  async #ask(json, again = PATIENCE) {
    try {
      return await this.api.scores(json, this.signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.wait === null || again === 0) throw error;
      await pause(error.wait);
      return this.#ask(json, again - 1);
    }
  }

  /** Send rows; where the service refuses one, that one is set aside and those before and after are sent again. */
  async #send(rows) {
    if (rows.length === 0) return;
    try {
      const { responsibilities, logDensity } = await this.#ask(`[${rows.map((one) => one.json)}]`);
      this.results.add(rows, responsibilities, logDensity);
    } catch (error) {
      const bad = rows[error.row];
      if (!(error instanceof ApiError) || error.row === null || bad === undefined) throw error;
      await this.#send(rows.slice(0, error.row));
      this.results.refuse(bad, error.reason);
      await this.#send(rows.slice(error.row + 1));
    }
  }
}
