// Reading delimited text piece by piece: quoted fields, commas, semicolons or tabs, with or without a byte order mark.

const DELIMITERS = [",", ";", "\t"];

/** The delimiter that stands most often in the first record, outside quotes. */
export function delimiterOf(text) {
  const counts = DELIMITERS.map(() => 0);
  let inside = false;
  for (const letter of text) {
    if (letter === '"') inside = !inside;
    else if (!inside && (letter === "\n" || letter === "\r")) {
      if (counts.some(Boolean)) break;
    } else if (!inside) counts[DELIMITERS.indexOf(letter)] += 1; // of no delimiter: at -1, which nobody reads
  }
  return DELIMITERS[counts.indexOf(Math.max(...counts))];
}

/** Takes text in pieces, gives records: `{ line, cells }`, the line being the one where the record begins. */
export class CsvReader {
  #delimiter = null;
  #waiting = ""; // before the delimiter is known
  #cells = [];
  #cell = "";
  #quoted = false; // inside quotes
  #closed = false; // after a quote that ends a field, or is the first of two
  #carriage = false;
  #line = 1;
  #start = 1;

  /** The records that this piece ends. */
  push(text) {
    if (this.#delimiter !== null) return this.#read(text);
    this.#waiting += text;
    return hasRecord(this.#waiting) || this.#waiting.length > 1e6 ? this.#begin() : [];
  }

  /** The last record, where no line ends it. */
  finish() {
    const records = this.#delimiter === null ? this.#begin() : [];
    if (this.#cell !== "" || this.#cells.length > 0 || this.#closed) this.#endRecord(records);
    return records;
  }

  #begin() {
    const text = this.#waiting.replace(/^\ufeff/, "");
    this.#delimiter = delimiterOf(text);
    this.#waiting = "";
    return this.#read(text);
  }

  #read(text) {
    const records = [];
    for (let i = 0; i < text.length; i++) {
      i = this.#plain(text, i);
      if (i < text.length) this.#take(text[i], records);
    }
    return records;
  }

  /** Take a run of letters that mean nothing at once: most of a file is such. */
  #plain(text, start) {
    if (this.#closed || this.#carriage) return start;
    let end = start;
    while (end < text.length && !this.#means(text.charCodeAt(end))) end++;
    if (end > start) this.#cell += text.slice(start, end);
    return end;
  }

  #means(code) {
    return code === 34 || code === 10 || code === 13 || code === this.#delimiter.charCodeAt(0);
  }

  #take(letter, records) {
    const afterCarriage = this.#carriage;
    this.#carriage = letter === "\r";
    if (letter === "\n" && afterCarriage) {
      if (this.#quoted) this.#cell += letter;
      else this.#start = this.#line;
      return;
    }
    if (letter === "\n" || letter === "\r") this.#line += 1;
    if (this.#quoted) this.#takeInside(letter);
    else this.#takeOutside(letter, records);
  }

  #takeInside(letter) {
    if (letter === '"') [this.#quoted, this.#closed] = [false, true];
    else this.#cell += letter;
  }

  #takeOutside(letter, records) {
    const wasClosed = this.#closed;
    this.#closed = false;
    if (letter === '"' && wasClosed) {
      this.#cell += '"'; // two quotes inside quotes are one
      this.#quoted = true;
    } else if (letter === '"' && this.#cell.trim() === "") {
      this.#cell = "";
      this.#quoted = true;
    } else if (letter === this.#delimiter) this.#endCell();
    else if (letter === "\n" || letter === "\r") this.#endRecord(records);
    else {
      this.#cell += letter;
      this.#closed = wasClosed && letter === " ";
    }
  }

  #endCell() {
    this.#cells.push(this.#cell);
    this.#cell = "";
  }

  #endRecord(records) {
    this.#endCell();
    const blank = this.#cells.length === 1 && this.#cells[0].trim() === "";
    if (!blank) records.push({ line: this.#start, cells: this.#cells });
    this.#cells = [];
    this.#closed = false;
    this.#start = this.#line;
  }
}

const hasRecord = (text) => /\S[^\n\r]*[\n\r]/.test(text);

/** One record of delimited text. */
export function csvRecord(cells) {
  return `${cells.map(csvCell).join(",")}\r\n`;
}

function csvCell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
