// Issues, a tab for each kind: what it means, and its images with the worst first.

import { button, el, fill } from "./dom.js";
import { maskOf } from "./masks.js";
import { Tiles } from "./tiles.js";
import { count, whole } from "./words.js";

export class Issues {
  constructor(host, { data, store, decisions, inspector, say, warn }) {
    Object.assign(this, { host, data, store, decisions, inspector, say, warn, kind: null, opened: false });
    store.on("room", () => store.room === "issues" && !this.opened && this.open());
  }

  /** Ask for the kinds and show the first that has images. */
  async open() {
    this.opened = true;
    const { about } = this.store;
    if (about.issues) return this.#empty("Issues cannot be looked for", about.issues);
    this.#empty("Looking for issues", "The images are being read. This is done once; the result is kept with the index.");
    try {
      this.kinds = await this.data.issues();
    } catch (fault) {
      this.opened = false;
      return this.#empty("Issues cannot be looked for", fault.message);
    }
    const first = this.kinds.find(({ count: many }) => many > 0);
    if (!first) return this.#empty("No issue was found", `All ${whole(about.count)} images were looked at for ${this.kinds.map(({ kind }) => kind).join(", ")}.`);
    this.list = el("div.list");
    this.head = el("div.bar");
    this.scroll = el("div", { id: "issue-tiles", "aria-label": "Images with this issue" });
    fill(this.host, el("div.split", {}, this.list, el("div.body", {}, this.head, this.scroll)));
    this.tiles = new Tiles(this.scroll, { data: this.data, store: this.store, size: 116, open: (row) => this.inspector.open(row) });
    return this.show(first.kind);
  }

  /** Show the images of one kind. */
  async show(kind) {
    this.kind = kind;
    fill(this.list, el("h2", {}, "Issues"), el("ul", { "aria-label": "Kinds of issues" }, ...this.kinds.map((one) =>
      el("li", {}, button("", () => this.show(one.kind), { "aria-current": one.kind === kind, disabled: !one.count })))));
    this.list.querySelectorAll("li button").forEach((tab, at) => tab.append(el("span", {}, this.kinds[at].kind), el("span.soft.numbers", {}, whole(this.kinds[at].count))));
    try {
      const { rows } = await this.data.issue(kind);
      if (this.kind !== kind) return;
      this.#head(this.kinds.find((one) => one.kind === kind), rows);
      this.tiles.show(rows);
      this.say(`${kind}: ${count(rows.length, "image")}.`);
    } catch (fault) {
      this.warn(fault);
    }
  }

  #head({ kind, words }, rows) {
    const { store } = this;
    const off = store.about.write;
    const decide = (decision) => this.decisions.all(rows, decision, kind).catch(this.warn);
    const toMap = () => {
      store.choose(maskOf(rows, store.count));
      store.put("room", "map");
    };
    fill(this.head, el("div", {}, el("h2", {}, `${kind}, ${count(rows.length, "image")}`), el("p.soft", {}, words)), el("span.push.row", {},
      button("Choose them on the map", toMap),
      button(`Keep all ${whole(rows.length)}`, () => decide("keep"), { disabled: !!off, title: off ?? "" }),
      button(`Drop all ${whole(rows.length)}`, () => decide("drop"), { disabled: !!off, title: off ?? "" })));
  }

  #empty(title, words) {
    fill(this.host, el("div.empty", {}, el("h3", {}, title), el("p", {}, words)));
  }

  /** Decide about the image where the keyboard is, and go on. */
  decide(decision) {
    const row = this.tiles?.rows[this.tiles.at];
    if (row === undefined || this.store.about.write) return false;
    this.decisions.all([row], decision, this.kind).then(() => this.tiles.go(this.tiles.at + 1)).catch(this.warn);
    return true;
  }
}
