// The drawer: one image, what is known of it, its neighbours with reasons, what is decided about it.

import { button, el, fill, icon, ICONS } from "./dom.js";
import { shownImage } from "./tiles.js";
import { similarity, shown, tail, readable } from "./words.js";

export class Inspector {
  /** @param {Element} host  is shown while an image is looked at */
  constructor(host, { data, store, decisions, preview, say, warn }) {
    Object.assign(this, { host, data, store, decisions, preview, say, warn });
    store.on("focus", () => store.inspecting && this.draw());
    store.on("inspecting", () => this.draw());
    store.on("decisions", () => store.inspecting && this.draw());
  }

  /** Look at an image. */
  open(row) {
    this.store.put("focus", row);
    this.store.put("inspecting", true);
  }

  shut() {
    if (!this.store.inspecting) return false;
    this.store.put("inspecting", false);
    return true;
  }

  async draw() {
    const { store, data } = this;
    const row = store.focus;
    this.host.hidden = !store.inspecting || row < 0;
    if (this.host.hidden) return;
    try {
      const [one] = await data.rows([row]);
      if (row !== store.focus || !one) return;
      if (this.drawn === row) this.#verdict(); // only what was decided is another
      else this.#whole(one);
    } catch (fault) {
      this.drawn = null;
      this.warn(fault);
    }
  }

  #whole(one) {
    this.drawn = one.row;
    const large = button("", () => this.preview(one.row), { class: "large", title: "Look at it large (space)", "aria-label": `Look at ${tail(one.key)} large` });
    large.append(shownImage(this.data, one.row, { large: !this.store.about.exported }));
    this.state = el("div.row");
    this.kin = el("div.across");
    this.more = el("dl.facts");
    const close = button(icon(ICONS.close), () => this.shut(), { class: "symbol quiet shut", title: "Close (esc)", "aria-label": "Close" });
    fill(this.host, el("div.in", {}, large,
      el("div", {}, el("h2", { title: one.key }, tail(one.key)), this.state, el("div.known", { tabindex: 0, "aria-label": "What is known of it" }, facts(one), this.more)), this.kin), close);
    this.host.scrollTop = 0;
    this.#verdict();
    this.#neighbours(one.row).catch(this.warn);
    this.data.exif(one.row).then((list) => {
      if (this.drawn === one.row) fill(this.more, ...list.flatMap(([name, value]) => pair(name, value)));
    }).catch(() => {}); // what a camera wrote is no loss
  }

  #verdict() {
    const { store, decisions } = this;
    const row = this.drawn;
    const now = store.decisions.get(row);
    const set = (decision) => decisions.all([row], decision, "by hand").catch(this.warn);
    const off = store.about.write;
    fill(this.state,
      button("Keep", () => set("keep"), { "aria-pressed": now?.decision === "keep", disabled: !!off, title: off ?? "Keep (k)" }),
      button("Drop", () => set("drop"), { "aria-pressed": now?.decision === "drop", disabled: !!off, title: off ?? "Drop (x)" }),
      now && el("span.soft.small", {}, `${now.decision}: ${now.reason}`));
  }

  async #neighbours(row) {
    fill(this.kin, el("h3", {}, "Nearest images"), el("p.soft.small", {}, "Searching…"));
    const map = this.store.map;
    const list = await this.data.neighbours(map, row);
    if (this.drawn !== row) return;
    const choose = button("Choose them", () => {
      const mask = new Uint8Array(this.store.count);
      for (const other of [{ row }, ...list]) mask[other.row] = 1;
      this.store.choose(mask);
    }, { class: "quiet" });
    fill(this.kin, el("div.row", {}, el("h3", {}, "Nearest images"), el("span.soft.small", {}, `by ${this.store.about.maps[map].encoder ?? this.store.about.maps[map].name}`), list.length > 0 && choose),
      list.length ? el("ul.kin", {}, ...list.map((other) => this.#neighbour(row, other))) : el("p.soft", {}, "None is known."));
  }

  #neighbour(row, other) {
    const { store } = this;
    const tile = button("", () => this.open(other.row), { class: "tile", title: "Look at this one" });
    tile.append(shownImage(this.data, other.row), el("span.score", {}, similarity(other.similarity)));
    tile.addEventListener("pointerenter", () => [(store.hoverPlace = null), store.put("hover", other.row)]);
    tile.addEventListener("pointerleave", () => store.put("hover", -1));
    tile.setAttribute("aria-label", `Neighbour, similarity ${similarity(other.similarity)}`);
    const reason = other.reason === "embedding" ? [] : [el("span.tag", {}, other.reason)];
    const mutual = other.rank_back ? "mutual" : "one way";
    const title = other.rank_back ? `Each is among the other's neighbours; this one is number ${other.rank_back} back.` : "The other has nearer neighbours than this image.";
    return el("li", {}, tile, el("p", { title }, el("span.soft", {}, mutual), " ", ...reason), this.#marks(row, other));
  }

  #marks(row, other) {
    const off = this.store.about.write;
    const marks = el("div.marks");
    const draw = () => fill(marks, ...[["same", true, "The same thing: training may draw them together"], ["different", false, "Different things: training keeps them apart"]].map(([word, same, title]) =>
      button(word === "same" ? "same" : "differs", async () => {
        try {
          const { file } = await this.data.pair(row, other.row, other.pair === word ? null : same);
          other.pair = other.pair === word ? null : word;
          this.say(other.pair ? `Marked as ${word} in ${file}.` : `Took the mark back in ${file}.`);
          draw();
        } catch (fault) {
          this.warn(fault);
        }
      }, { "aria-pressed": other.pair === word, title: off ?? title, disabled: !!off })));
    draw();
    return marks;
  }
}

const pair = (name, value) => [el("dt", {}, readable(name)), el("dd", {}, shown(value))];

/** What is known of an image, as a list of names and values. */
export function facts(one) {
  const size = one.width ? pair("size", `${one.width} × ${one.height}`) : [];
  const label = one.label === null ? [] : pair("label", one.label);
  const issues = one.issues.length ? [el("dt", {}, "issues"), el("dd", {}, ...one.issues.flatMap((issue) => [el("span.tag.bad", {}, issue), " "]))] : [];
  return el("dl.facts", {}, ...label, ...size, ...Object.entries(one.facts).flatMap(([name, value]) => pair(name, value)), ...issues, ...pair("key", one.key));
}
