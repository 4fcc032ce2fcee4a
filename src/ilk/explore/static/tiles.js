// A grid of small images of which only those that are seen are elements, so that a million of them
// scroll like a hundred. Every tile has its place before its image is there: nothing moves later.

import { el } from "./dom.js";
import { maskOf } from "./masks.js";
import { similarity, tail } from "./words.js";

const GAP = 8;
const EDGE = 10;
const TALLEST = 8e6; // pixels: browsers refuse taller elements; beyond it a pixel scrolls several

export class Tiles {
  /**
   * @param {Element} host  scrolls
   * @param {object} given  data, store, size (pixels), open: (row) => void, what is done on click
   */
  constructor(host, { data, store, size = 92, open }) {
    Object.assign(this, { host, data, store, size, open, rows: [], scores: null, at: -1 });
    this.inner = el("div.tiles");
    this.pool = new Map(); // place in the list -> element
    host.classList.add("scroll");
    host.tabIndex = 0;
    for (const [name, value] of [["role", "listbox"], ["aria-multiselectable", "true"]]) host.setAttribute(name, value);
    host.replaceChildren(this.inner);
    host.addEventListener("scroll", () => this.refresh(), { passive: true });
    host.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#layout()).observe(host);
    for (const name of ["flags", "decisions", "focus"]) store.on(name, () => this.refresh(true));
  }

  /** Show these rows, in this order; a score is shown on its tile. */
  show(rows, scores = null) {
    [this.rows, this.scores] = [rows, scores];
    this.at = Math.min(this.at, rows.length - 1);
    this.host.scrollTop = 0;
    this.#layout();
  }

  #layout() {
    const width = this.host.clientWidth - 2 * EDGE;
    if (width <= 0) return;
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.size + GAP)));
    this.step = (width + GAP) / this.columns; // tiles share what is left over
    this.lines = Math.ceil(this.rows.length / this.columns);
    this.height = this.lines * this.step + EDGE;
    this.inner.style.height = `${Math.min(TALLEST, this.height)}px`;
    for (const tile of this.pool.values()) tile.remove();
    this.pool.clear();
    this.refresh();
  }

  /** Fit the elements to what is seen, soon. */
  refresh(marks = false) {
    this.marks ||= marks;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  /** How far the list is scrolled, in its own pixels, which are more than the element's where it is very long. */
  get #offset() {
    const { scrollTop, clientHeight } = this.host;
    if (this.height <= TALLEST) return scrollTop;
    return (scrollTop / (TALLEST - clientHeight)) * (this.height - clientHeight);
  }

  #draw() {
    if (!this.columns) return;
    const [offset, seen] = [this.#offset, this.host.clientHeight];
    const first = Math.max(0, Math.floor(offset / this.step) - 1) * this.columns;
    const last = Math.min(this.rows.length, (Math.ceil((offset + seen) / this.step) + 1) * this.columns);
    for (const [place, tile] of this.pool) {
      if (place >= first && place < last) continue;
      tile.remove();
      this.pool.delete(place);
    }
    const shift = this.host.scrollTop - offset;
    for (let place = first; place < last; place++) {
      const known = this.pool.get(place);
      const tile = known ?? this.#tile(place);
      if (!known || this.height > TALLEST) {
        tile.style.transform = `translate(${EDGE + (place % this.columns) * this.step}px, ${EDGE + Math.floor(place / this.columns) * this.step + shift}px)`;
      }
      if (!known || this.marks) this.#mark(tile, place);
    }
    this.marks = false;
  }

  #tile(place) {
    const row = this.rows[place];
    const side = this.step - GAP;
    const tile = el("div.tile", { id: `${this.host.id}-${place}`, role: "option", on: {
      click: (event) => this.#click(place, event),
      pointerenter: () => [(this.store.hoverPlace = null), this.store.put("hover", row)],
      pointerleave: () => this.store.put("hover", -1),
    } }, shownImage(this.data, row));
    if (this.scores) tile.append(el("span.score", {}, similarity(this.scores[place])));
    Object.assign(tile.style, { width: `${side}px`, height: `${side}px` });
    this.inner.append(tile);
    this.pool.set(place, tile);
    return tile;
  }

  #mark(tile, place) {
    const row = this.rows[place];
    const decision = this.store.decisions.get(row)?.decision;
    tile.classList.toggle("here", place === this.at);
    tile.classList.toggle("chosen-one", this.store.chosen[row] === 1);
    for (const kind of ["keep", "drop"]) tile.classList.toggle(kind, decision === kind);
    tile.setAttribute("aria-selected", String(this.store.chosen[row] === 1));
    tile.setAttribute("aria-label", `${place + 1} of ${this.rows.length}${decision ? `, ${decision}` : ""}`);
    tile.querySelector(".badge")?.remove();
    if (decision) tile.append(el("span.badge", {}, decision));
    if (place === this.at) this.host.setAttribute("aria-activedescendant", tile.id);
  }

  #click(place, event) {
    this.go(place);
    const manner = event.altKey ? "take" : event.shiftKey ? "add" : null;
    if (manner) this.store.choose(maskOf([this.rows[place]], this.store.count), manner);
    else this.open(this.rows[place]);
  }

  /** Move to a place and bring it into view. */
  go(place) {
    if (!this.rows.length) return;
    this.at = Math.max(0, Math.min(this.rows.length - 1, place));
    const top = Math.floor(this.at / this.columns) * this.step;
    const [offset, seen] = [this.#offset, this.host.clientHeight];
    const wanted = top < offset ? top : top + this.step + EDGE > offset + seen ? top + this.step + EDGE - seen : offset;
    if (wanted !== offset) {
      const share = this.height <= TALLEST ? 1 : (TALLEST - seen) / (this.height - seen);
      this.host.scrollTop = wanted * share;
    }
    this.store.hoverPlace = null;
    this.store.put("hover", this.rows[this.at]);
    this.store.put("focus", this.rows[this.at]);
    this.refresh(true);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.host.clientHeight / this.step)) * this.columns;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey) return;
    if (event.key in moves) this.go(this.at < 0 && Number.isFinite(moves[event.key]) ? 0 : this.at + moves[event.key]);
    else if (event.key === "Enter" && this.at >= 0) this.open(this.rows[this.at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** The thumbnail of a row; where it cannot be had, words in its place. */
export function shownImage(data, row, { large = false, name = "" } = {}) {
  const image = el("img", { alt: name ? tail(name) : "", loading: "lazy", decoding: "async", draggable: "false",
    src: large ? data.image(row) : data.thumbnail(row) });
  image.addEventListener("error", () => image.replaceWith(el("span.broken", {}, "The image cannot be read")));
  return image;
}
