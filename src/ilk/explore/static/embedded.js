// Data inside an exported page: no server is asked, and nothing can be written.

import { Fault, placed } from "./fault.js";
import { rowsOf } from "./masks.js";
import { meant } from "./where.js";

const NONE = 4294967295; // in the place of a neighbour that there is not

export class Embedded {
  constructor(inside) {
    this.inside = inside;
    this.count = inside.about.count;
    this.read = new Map();
  }

  about = async () => this.inside.about;
  ids = async () => array(this.inside.ids, Float64Array);
  points = async (map, projection) => placed(array(this.inside.points[map][projection], Float32Array));
  startProjection = async () => cannot("start a projection");
  keyOrder = async () => array(this.inside.order, Uint32Array);
  thumbnail = (row) => this.inside.thumbnails[row] || "data:,";
  image = (row) => this.thumbnail(row);
  exif = async () => [];
  clusters = async (map) => this.inside.clusters[map] ?? [];
  kept = async () => (this.inside.kept ? array(this.inside.kept, Float32Array) : cannot("compare two encoders"));
  issues = async () => this.inside.issues?.list ?? cannot("look for issues");
  issue = async (kind) => this.inside.issues?.found[kind] ?? cannot("look for issues");
  duplicates = async () => this.inside.duplicates ?? cannot("look for duplicates");
  decide = async () => cannot("keep a decision");
  pair = async () => cannot("keep a pair");
  search = async () => cannot("search by an image");
  similar = async () => cannot("sort by similarity to a selection");
  jobs = async () => ({ jobs: [] });
  rows = async (rows) => rows.map((row) => this.inside.rows[row]).filter(Boolean);

  async column(index) {
    const category = this.inside.about.columns[index].kind === "category";
    if (!this.read.has(index)) {
      this.read.set(index, array(this.inside.columns[index], category ? Uint16Array : Float32Array));
    }
    return this.read.get(index);
  }

  async decisions() {
    return this.inside.rows.flatMap(({ row, decision }) => (decision ? [{ row, ...decision }] : []));
  }

  /** Rows that a filter means; columns are read as they are asked for. */
  async where(text) {
    const columns = new Map();
    for (const [index, column] of this.inside.about.columns.entries()) {
      columns.set(column.name, { ...column, data: await this.column(index) });
    }
    const key = (row) => this.inside.rows[row].key;
    return meant(text, { count: this.count, columns, key });
  }

  async neighbours(map, row) {
    const { k, rows, similarities } = this.#neighbours(map);
    const list = Array.from(rows.subarray(row * k, row * k + k));
    return list.flatMap((other, at) => (other === NONE ? [] : [{
      row: other, similarity: similarities[row * k + at], reason: "embedding", pair: null,
      rank_back: rows.subarray(other * k, other * k + k).indexOf(row) + 1 || null,
    }]));
  }

  async grow(mask, n, map) {
    const grown = Uint8Array.from(mask);
    const { k, rows } = this.#neighbours(map);
    for (const row of rowsOf(mask)) {
      for (const other of rows.subarray(row * k, row * k + Math.min(n, k))) if (other !== NONE) grown[other] = 1;
    }
    return grown;
  }

  async exported(kind, mask) {
    if (kind !== "list") cannot("write parquet");
    return new Blob([Array.from(rowsOf(mask), (row) => `${this.inside.rows[row].key}\n`).join("")]);
  }

  #neighbours(map) {
    const one = this.inside.neighbours?.[map] ?? cannot("show neighbours");
    if (typeof one.rows === "string") {
      [one.rows, one.similarities] = [array(one.rows, Uint32Array), array(one.similarities, Float32Array)];
    }
    return one;
  }
}

function cannot(what) {
  throw new Fault(`An exported page cannot ${what}: open the index with ilk view.`);
}

function array(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
