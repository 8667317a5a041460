// Asking the service: JSON out, JSON back, and one kind of error for whatever goes wrong.

export class ApiError extends Error {
  /**
   * `status` is 0 where no answer came; `row` and `feature` say where the service found the fault, or are null;
   * `wait` is the seconds after which it wants to be asked again, or null.
   */
  constructor(message, { status = 0, row = null, feature = null, wait = null } = {}) {
    super(message);
    Object.assign(this, { status, row, feature, wait });
  }

  /** The message without the number of the row: that is one of the request, and no one has seen the request. */
  get reason() {
    return this.message.replace(/^row \d+(, feature|:)? ?/, "");
  }
}

export class Api {
  #token = null; // in memory alone: nothing is stored in the browser
  #unauthorised;

  /** `unauthorised` is called when the service wants a token, or another one. */
  constructor(unauthorised) {
    this.#unauthorised = unauthorised;
  }

  /** Characters that no header can hold are written as percent signs and digits: a wrong token, and no failure. */
  set token(value) {
    this.#token = value.replace(/[^\x21-\x7e]/gu, encodeURIComponent);
  }

  model() {
    return this.#ask("model");
  }

  /** The answers to rows given by position. `rows` is their JSON, an array of arrays. */
  async scores(rows, signal) {
    const body = `{"rows":${rows}}`;
    const asked = ["responsibilities", "score"].map((name) => this.#ask(name, body, signal));
    const [{ responsibilities }, { log_density: logDensity }] = await Promise.all(asked);
    return { responsibilities, logDensity };
  }

  async #ask(name, body, signal) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    if (this.#token !== null) headers.Authorization = `Bearer ${this.#token}`;
    const method = body === undefined ? "GET" : "POST";
    const answer = await fetched(name, { method, headers, body, signal, cache: "no-store", credentials: "omit" });
    const said = await answer.json().catch(nothingUnlessStopped);
    if (answer.ok && said !== null) return said;
    if (answer.status === 401) this.#unauthorised();
    throw refusal(answer, said?.error);
  }
}

/** An answer that is no JSON says nothing; one that was given up is not to be taken for that. */
function nothingUnlessStopped(error) {
  if (error.name === "AbortError") throw error;
  return null;
}

async function fetched(name, options) {
  try {
    return await fetch(name, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The service does not answer. Is it still running?");
  }
}

function refusal({ status, headers }, error) {
  const message = error?.message ?? `The service answered with status ${status}.`;
  const wait = status === 503 && headers.has("retry-after") ? Number(headers.get("retry-after")) || 1 : null;
  return new ApiError(message, { status, wait, row: error?.row ?? null, feature: error?.feature ?? null });
}
