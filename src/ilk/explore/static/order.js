// In which order images are shown.

import { middle } from "./colours.js";
import { rowsOf } from "./masks.js";

/** Orders of rows, each with what must be known for it. */
export class Order {
  constructor(data, store) {
    [this.data, this.store] = [data, store];
    this.places = null; // of each row by key
  }

  /** The ways to sort: [value, words]. */
  ways() {
    const { about, found } = this.store;
    const derived = { typicality: "how typical they are", outlier: "outlier score" };
    const columns = about.columns.map(({ name }) => [`column:${name}`, derived[name] ?? name.replaceAll("_", " ")]);
    return [
      ...(found ? [["found", "likeness to your image"]] : []),
      ["key", "file name"],
      ...(about.exported ? [] : [["near", "nearness to the choice"]]),
      ...columns,
    ];
  }

  /** Rows in order, and their scores where there are such: {rows, scores}. */
  async sorted(rows, { by, falling }) {
    if (by === "found" && this.store.found) return this.#byScores(rows, this.#foundScores(), true);
    if (by === "near" && this.store.chosenCount) {
      return this.#byScores(rows, await this.data.similar(this.store.working, this.store.map ?? 0), falling);
    }
    if (by.startsWith("column:")) {
      const index = this.store.about.columns.findIndex(({ name }) => `column:${name}` === by);
      if (index >= 0) return this.#byColumn(rows, index, falling);
    }
    const places = await this.#keyPlaces();
    const sign = falling ? -1 : 1;
    return { rows: rows.toSorted((a, b) => sign * (places[a] - places[b])), scores: null };
  }

  #foundScores() {
    const scores = new Float32Array(this.store.count).fill(NaN);
    this.store.found.rows.forEach((row, at) => (scores[row] = this.store.found.similarities[at]));
    return scores;
  }

  #byScores(rows, scores, falling) {
    const sorted = byValue(rows, scores, falling);
    return { rows: sorted, scores: Array.from(sorted, (row) => scores[row]) };
  }

  async #byColumn(rows, index, falling) {
    const column = this.store.about.columns[index];
    const values = await this.data.column(index);
    if (column.kind === "number") {
      const [low, high] = middle(values);
      const shared = low >= -1 && high <= 1 && !column.whole; // only shares read well on a tile
      return shared ? this.#byScores(rows, values, falling) : { rows: byValue(rows, values, falling), scores: null };
    }
    const names = column.values.map((value, code) => [value, code]).sort((a, b) => a[0].localeCompare(b[0]));
    const ranks = new Float32Array(names.length);
    names.forEach(([, code], rank) => (ranks[code] = rank));
    return { rows: byValue(rows, Float32Array.from(values, (code) => ranks[code] ?? NaN), falling), scores: null };
  }

  async #keyPlaces() {
    if (!this.places) {
      this.places = new Uint32Array(this.store.count);
      (await this.data.keyOrder()).forEach((row, place) => (this.places[row] = place));
    }
    return this.places;
  }

  /** All rows that are shown by the scope: the chosen ones, or all that pass. */
  rows() {
    const { store } = this;
    return store.scope === "chosen" ? store.workingRows : rowsOf(store.passing);
  }
}

/** Rows by a value, unknown ones last; equal ones stay in their order. */
function byValue(rows, values, falling) {
  const sign = falling ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [one, other] = [values[a], values[b]];
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
    return sign * (one - other);
  });
}
