// The state that all parts of the page share, and word of its changes. No part keeps a copy.

import { countOf, joined, rowsOf } from "./masks.js";

export const CHOSEN = 1; // bits of a row's flags, as the graphics card reads them
export const PASSES = 2;

/**
 * What is chosen, what passes the filter, how it is coloured, which image is looked at.
 * Names of changes: "flags" (chosen or passing), "colour", "hover", "focus", "decisions", "room",
 * "sort", "scope", "view", "where", "about", "inspecting".
 */
export class Store {
  constructor(about, ids) {
    this.about = about;
    this.count = about.count;
    this.ids = ids;
    this.flags = new Uint8Array(this.count).fill(PASSES);
    this.chosen = new Uint8Array(this.count);
    this.passing = new Uint8Array(this.count).fill(1);
    [this.hover, this.focus, this.inspecting] = [-1, -1, false];
    this.hoverPlace = null; // [x, y, map] while the mouse is on a map
    [this.colouring, this.found, this.map] = [null, null, 0];
    [this.chosenCount, this.passingCount] = [0, this.count];
    this.where = "";
    this.colourBy = "";
    this.room = "map";
    this.sort = { by: "", falling: false };
    this.scope = "chosen";
    this.decisions = new Map(); // row -> {decision, reason, by}
    this.listeners = new Map();
    this.rowOfId = null;
  }

  /** Call a function on each change of a name. */
  on(name, call) {
    const calls = this.listeners.get(name) ?? [];
    this.listeners.set(name, [...calls, call]);
  }

  tell(name) {
    for (const call of this.listeners.get(name) ?? []) call();
  }

  /** Set a plain field and say so, if it is another value than before. */
  put(field, value, name = field) {
    if (this[field] === value) return;
    this[field] = value;
    this.tell(name);
  }

  /** Choose rows: "set", "add" or "take". What the filter hides cannot be chosen by drawing. */
  choose(drawn, manner = "set") {
    this.chosen = joined(this.chosen, drawn, manner);
    this.#count();
  }

  /** All that passes and is not chosen. */
  invert() {
    for (let row = 0; row < this.count; row++) this.chosen[row] = this.passing[row] & (1 ^ this.chosen[row]);
    this.#count();
  }

  clear() {
    this.chosen = new Uint8Array(this.count);
    this.#count();
  }

  /** The filter has another text, and these rows pass it. */
  filter(where, passing) {
    [this.where, this.passing] = [where, passing];
    this.#count();
    this.tell("where");
  }

  /** What is worked on: the chosen rows that pass, or all that pass where none is chosen. */
  get working() {
    if (!this.chosenCount) return this.passing;
    const mask = new Uint8Array(this.count);
    for (let row = 0; row < this.count; row++) mask[row] = this.chosen[row] & this.passing[row];
    return mask;
  }

  get workingRows() {
    return rowsOf(this.working);
  }

  /** Rows of ids; those that are gone are left out. */
  rowsOfIds(ids) {
    this.rowOfId ??= new Map(Array.from(this.ids, (id, row) => [id, row]));
    return ids.map((id) => this.rowOfId.get(id)).filter((row) => row !== undefined);
  }

  #count() {
    for (let row = 0; row < this.count; row++) {
      this.flags[row] = (this.chosen[row] ? CHOSEN : 0) | (this.passing[row] ? PASSES : 0);
    }
    this.passingCount = countOf(this.passing);
    this.chosenCount = this.flags.reduce((sum, flag) => sum + (flag === (CHOSEN | PASSES) ? 1 : 0), 0);
    this.tell("flags");
  }
}
