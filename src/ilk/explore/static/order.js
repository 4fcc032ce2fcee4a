// In which order images are shown.

import { middle } from "./colours.js";
import { countOf, rowsOf } from "./masks.js";
import { readable } from "./words.js";

const KEPT = 4; // rankings of all rows that are kept

/** Orders of rows, each with what must be known for it. */
export class Order {
  constructor(data, store) {
    [this.data, this.store] = [data, store];
    this.rankings = new Map(); // way and direction -> all rows in that order
  }

  /** The ways to sort: [value, words]. */
  ways() {
    const { about, found } = this.store;
    const derived = { typicality: "how typical they are", outlier: "outlier score" };
    const columns = about.columns.map(({ name }) => [`column:${name}`, derived[name] ?? readable(name)]);
    return [
      ...(found ? [["found", "likeness to your image"]] : []),
      ["key", "file name"],
      ...(about.exported ? [] : [["near", "nearness to the choice"]]),
      ...columns,
    ];
  }

  /** What is to be shown: the chosen rows, or all that pass. */
  get mask() {
    return this.store.scope === "chosen" ? this.store.working : this.store.passing;
  }

  /** The rows of the mask in order, with a score for each where a tile can show one. */
  async sorted({ by, falling }) {
    const { store, mask } = this;
    if (by === "found" && store.found) return scored(mask, this.#foundScores(), true);
    if (by === "near" && store.chosenCount) return scored(mask, await this.data.similar(store.working, store.map), falling);
    const rows = only(await this.#ranking(by, falling), mask);
    const column = store.about.columns.find(({ name }) => `column:${name}` === by);
    if (column?.kind !== "number" || column.whole || column.date) return { rows, scores: null };
    const values = await this.data.column(store.about.columns.indexOf(column));
    const [low, high] = middle(values);
    return { rows, scores: low >= -1 && high <= 1 ? Array.from(rows, (row) => values[row]) : null }; // only shares read well on a tile
  }

  #foundScores() {
    const scores = new Float32Array(this.store.count).fill(NaN);
    this.store.found.rows.forEach((row, at) => (scores[row] = this.store.found.similarities[at]));
    return scores;
  }

  /** All rows by a way. Sorting a million takes a second, choosing among them does not. */
  async #ranking(by, falling) {
    const name = `${by} ${falling}`;
    if (!this.rankings.has(name)) this.rankings.set(name, await this.#ranked(by, falling));
    if (this.rankings.size > KEPT) this.rankings.delete(this.rankings.keys().next().value);
    return this.rankings.get(name);
  }

  async #ranked(by, falling) {
    const index = this.store.about.columns.findIndex(({ name }) => `column:${name}` === by);
    if (index < 0) {
      const order = await this.data.keyOrder();
      return falling ? order.toReversed() : order;
    }
    const column = this.store.about.columns[index];
    const values = await this.data.column(index);
    const all = Uint32Array.from({ length: this.store.count }, (_, row) => row);
    if (column.kind === "number") return byValue(all, values, falling);
    const names = column.values.map((value, code) => [value, code]).sort((a, b) => a[0].localeCompare(b[0]));
    const ranks = new Float32Array(names.length);
    names.forEach(([, code], rank) => (ranks[code] = rank));
    return byValue(all, Float32Array.from(values, (code) => ranks[code] ?? NaN), falling);
  }
}

/** Those of a ranking that a mask holds. */
function only(ranking, mask) {
  const rows = new Uint32Array(countOf(mask));
  let filled = 0;
  for (const row of ranking) if (mask[row]) rows[filled++] = row;
  return rows;
}

function scored(mask, scores, falling) {
  const rows = byValue(rowsOf(mask), scores, falling);
  return { rows, scores: Array.from(rows, (row) => scores[row]) };
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
