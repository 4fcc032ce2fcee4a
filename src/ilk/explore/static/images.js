// The pane of images: those that are chosen, or all that the filter shows, as tiles or as a table.

import { button, el, fill, settled } from "./dom.js";
import { Order } from "./order.js";
import { drawTable } from "./table.js";
import { Tiles } from "./tiles.js";
import { count, whole } from "./words.js";

const NEAREST = 10; // of each chosen image, when the choice grows
const GROWS = 2000; // chosen images at most, from which it may

export class Images {
  constructor(host, { data, store, decisions, inspector, say, warn }) {
    Object.assign(this, { host, data, store, decisions, say, warn, table: false, asked: 0 });
    this.order = new Order(data, store);
    this.counted = el("p.chosen", { "aria-hidden": "true" }); // the status line says it to screen readers
    this.acts = el("div.bar");
    this.sorts = el("div.bar");
    this.scroll = el("div", { id: "tiles", "aria-label": "Images" });
    this.rows = el("div.scroll", { tabindex: 0, hidden: true, "aria-label": "Table of images" });
    this.empty = el("div.empty", { hidden: true });
    this.note = el("div.note-line", { hidden: true }); // of a search, while its result is shown
    host.append(this.acts, this.note, this.sorts, this.scroll, this.rows, this.empty);
    this.tiles = new Tiles(this.scroll, { data, store, open: (row) => inspector.open(row) });
    this.inspector = inspector;
    this.list = { rows: new Uint32Array(0), scores: null };
    const later = settled(30, () => this.refresh());
    store.on("flags", later);
    for (const name of ["sort", "scope"]) store.on(name, () => [this.#sorts(), later()]);
    store.on("about", () => [this.#sorts(), this.#acts()]);
    store.on("decisions", () => this.table && this.#draw());
    this.#sorts();
    this.refresh();
  }

  /** Sort and draw again. */
  async refresh() {
    const asked = ++this.asked;
    this.#acts();
    try {
      const list = await this.order.sorted({ ...this.store.sort, by: this.store.sort.by || "key" });
      if (asked !== this.asked) return;
      this.list = list;
      this.#draw();
    } catch (fault) {
      this.warn(fault);
    }
  }

  #draw() {
    const none = this.list.rows.length === 0;
    fill(this.empty, el("h3", {}, "No image is shown"), el("p", {}, "No image passes the filter that stands above."));
    this.empty.hidden = !none;
    this.scroll.hidden = this.table || none;
    this.rows.hidden = !this.table || none;
    if (this.table) drawTable(this.rows, this.list.rows, this).catch(this.warn);
    else this.tiles.show(this.list.rows, this.list.scores);
  }

  /** How many are chosen, in words. */
  words() {
    const { chosenCount, passingCount, count: all } = this.store;
    const of = passingCount === all ? "" : ` of ${whole(all)}`;
    return chosenCount ? `${whole(chosenCount)} chosen of ${whole(passingCount)} shown` : `${count(passingCount, "image")} shown${of}, none chosen`;
  }

  #acts() {
    const { store } = this;
    const { chosenCount, passingCount, count: all } = store;
    const some = chosenCount > 0;
    fill(this.counted, ...(some ? [el("b", {}, whole(chosenCount)), ` of ${whole(passingCount)} chosen`] : [el("b", {}, whole(passingCount)), passingCount === all ? " images" : ` of ${whole(all)} shown`]));
    const act = (words, title, call, able = some) => button(words, call, { class: "quiet", title, disabled: !able });
    const off = store.about.write;
    const decide = (decision) => this.decisions.all(store.workingRows, decision, "by hand").catch(this.warn);
    fill(this.acts, this.counted, el("span.push.tight", {},
      act("Keep", off ?? "Keep all chosen images", () => decide("keep"), some && !off),
      act("Drop", off ?? "Drop all chosen images", () => decide("drop"), some && !off),
      act("Grow", `Add the ${NEAREST} nearest of each (g)`, () => this.grow(), some && chosenCount <= GROWS),
      act("Invert", "Choose all others (v)", () => store.invert(), passingCount > 0),
      act("Clear", "Choose none (esc)", () => store.clear())));
  }

  #sorts() {
    const { store } = this;
    const scope = el("select", { "aria-label": "Which images", on: { change: () => store.put("scope", scope.value) } },
      ...[["chosen", "the choice"], ["all", "all shown"]].map(([value, words]) => el("option", { value, selected: value === store.scope }, words)));
    const by = store.sort.by || "key";
    const sort = el("select", { "aria-label": "Sort by", on: { change: () => this.sortBy(sort.value) } },
      ...this.order.ways().map(([value, words]) => el("option", { value, selected: value === by }, words)));
    const turn = button(store.sort.falling ? "↓" : "↑", () => store.put("sort", { by, falling: !store.sort.falling }),
      { class: "quiet", title: store.sort.falling ? "Largest first" : "Smallest first", "aria-label": store.sort.falling ? "Largest first" : "Smallest first" });
    const view = button(this.table ? "Images" : "Table", () => [(this.table = !this.table), this.#sorts(), this.#draw()], { class: "quiet push", title: "The same images as a table or as images (t)" });
    fill(this.sorts, el("label.group", {}, "Show", scope), el("span.tight", {}, el("label.group", {}, "by", sort), turn), view);
  }

  sortBy(by) {
    this.store.put("sort", { by, falling: by !== "key" });
  }

  toggleTable() {
    this.table = !this.table;
    this.#sorts();
    this.#draw();
  }

  /** Add the nearest of each chosen image. */
  async grow() {
    const { store } = this;
    if (!store.chosenCount || store.chosenCount > GROWS) return;
    const before = store.chosenCount;
    try {
      store.choose(await this.data.grow(store.working, NEAREST, store.map));
      this.say(`Added ${count(store.chosenCount - before, "image")}.`);
    } catch (fault) {
      this.warn(fault);
    }
  }

  /** Decide about the image that is looked at, and go to the next one. */
  decide(decision) {
    const row = this.store.focus;
    if (row < 0 || this.store.about.write) return false;
    this.decisions.all([row], decision, "by hand").then(() => {
      if (this.tiles.rows[this.tiles.at] === row) this.tiles.go(this.tiles.at + 1);
    }).catch(this.warn);
    return true;
  }
}
