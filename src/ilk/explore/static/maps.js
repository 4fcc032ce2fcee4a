// The pane of maps: one, or two side by side that share choice, colour and hovering.

import { coloured, drawLegend, firstWay, ways } from "./colouring.js";
import { button, el, fill, icon, ICONS } from "./dom.js";
import { MapView } from "./map.js";
import { count, similarity, whole } from "./words.js";

export class Maps {
  /** @param {Element} host  is filled; `flat` draws without WebGL */
  constructor(host, { data, store, filtering, say, warn, flat }) {
    Object.assign(this, { host, data, store, filtering, say, warn, flat, views: [], tool: "hand", asked: 0 });
    this.body = el("div.maps-body", { "data-tool": "hand" });
    this.legend = el("details.legend", { open: !matchMedia("(max-width: 44rem)").matches });
    const honest = el("p.honest", {}, "Nearness on a flat map is a hint; at trustworthiness 1 it would be exact. The neighbours in an image's drawer are measured.");
    this.bar = el("div.bar");
    host.append(this.bar, this.body, honest);
    store.on("colour", () => drawLegend(this.legend, this));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.colour(store.colourBy));
    store.on("decisions", () => store.colourBy === "decision" && this.colour("decision"));
    this.shown = store.about.pair && store.about.maps.length > 1 ? "pair" : "0";
    this.projections = store.about.maps.map(({ projections }) => ready(projections)?.name ?? null);
  }

  /** Colour by a way; the last one that was asked for holds. */
  async colour(by) {
    const asked = ++this.asked;
    const colouring = await coloured(by, this);
    if (asked !== this.asked) return;
    this.store.colourBy = by;
    this.store.colouring = colouring;
    this.store.tell("colour");
    if (this.bar.firstChild) this.#bar();
  }

  /** Load the points and draw the maps that are asked for. */
  async open() {
    const which = this.shown === "pair" ? this.store.about.pair : [Number(this.shown)];
    const points = which.map((map) => this.projections[map] && this.data.points(map, this.projections[map]));
    for (const asked of points) asked?.catch?.(() => {}); // it is met where it is waited for
    if (!this.store.colouring) await this.colour(firstWay(this.store.about));
    this.store.map = which[0];
    this.#bar();
    fill(this.body, ...which.map((map) => this.#place(map)), this.#tools(), this.legend);
    this.views = [];
    await Promise.all(which.map((map, at) => this.#load(map, this.body.children[at], points[at])));
    drawLegend(this.legend, this);
  }

  #place(map) {
    const { maps } = this.store.about;
    const one = maps[map].projections.find(({ name }) => name === this.projections[map]);
    const trust = one?.trustworthiness;
    const some = one?.points && one.points < maps[map].rows && `${whole(one.points)} of ${count(maps[map].rows, "image")}, drawn at random`;
    const words = [one?.title, trust && `trustworthiness ${similarity(trust.value)}`, some].filter(Boolean).join(", ");
    const title = one && `${one.words}${trust ? `; 95 % interval of the trustworthiness ${similarity(trust.low)} to ${similarity(trust.high)}, ${trust.neighbours} neighbours of ${whole(trust.sample)} images` : ""}`;
    return el("div.map", {}, el("div.draw"), el("p.map-name", { title }, maps[map].name, words && el("span.soft.small", {}, words)));
  }

  async #load(map, place, asked) {
    const { about } = this.store;
    if (!asked) {
      return place.firstChild.replaceWith(el("div.empty", {}, el("h3", {}, "The map is being made"), el("p", {}, "It appears here when it is done. Images, filters, duplicates and issues work meanwhile.")));
    }
    const points = await asked;
    const view = new MapView(place.firstChild, {
      store: this.store, points, groups: [], address: this.data.thumbnail, flat: this.flat, tool: () => this.tool,
      name: `Map of ${count(about.count, "image")} by ${about.maps[map].name}`,
    });
    this.views.push(view);
    if (about.clusters === null) {
      this.data.clusters(map).then((groups) => {
        view.groups = groups.toSorted((a, b) => b.size - a.size);
        view.refresh();
      }).catch(() => {}); // without groups it still is a map
    }
    return view;
  }

  #bar() {
    const { about } = this.store;
    const choose = (words, options, value, change) => el("label.group", {}, el("span.word", {}, words), el("select", { "aria-label": words, on: { change: (event) => change(event.target.value) } },
      ...options.map(([name, title, disabled]) => el("option", { value: name, selected: name === value, disabled }, title))));
    const maps = about.maps.map(({ name }, at) => [String(at), name]);
    if (about.pair) maps.push(["pair", "side by side"]);
    const only = this.shown === "pair" ? about.pair[0] : Number(this.shown);
    const projections = about.maps[only].projections.map(({ name, title, state }) => [name, state === "ready" ? title : `${title} (${state === "absent" ? "make it" : "being made"})`, state === "working"]);
    const colour = (by) => this.colour(by).catch((fault) => this.warn(fault));
    fill(this.bar,
      choose("Colour", ways(about), this.store.colourBy, colour),
      maps.length > 1 && choose("Encoder", maps, this.shown, (shown) => [(this.shown = shown), this.open().catch(this.warn)]),
      this.projections[only] && projections.length > 1 && choose("Projection", projections, this.projections[only], (name) => this.#project(name)));
  }

  async #project(name) {
    this.picked = true;
    const which = this.shown === "pair" ? this.store.about.pair : [Number(this.shown)];
    for (const map of which) {
      const wanted = this.store.about.maps[map].projections.find((one) => one.name === name);
      if (wanted?.state === "ready") this.projections[map] = name;
      else if (wanted) await this.data.startProjection(map, name).catch((fault) => this.warn(fault));
    }
    await this.data.jobs();
    await this.open().catch(this.warn);
  }

  /** `about` changed: a better projection is shown, unless a person already works on the map. */
  refreshed() {
    const touched = this.picked || this.store.chosenCount > 0 || this.views.some(({ camera }) => camera.zoom !== 1);
    const before = this.projections.join();
    this.projections = this.store.about.maps.map(({ projections }, map) => (touched && this.projections[map]) || ready(projections)?.name || null);
    if (this.projections.join() !== before) this.open().catch(this.warn);
    else this.#bar();
  }

  #tools() {
    const tools = [["hand", "Move the map (h)"], ["lasso", "Lasso: draw around images (l)"], ["rectangle", "Rectangle (r)"]].map(([name, title]) =>
      button(icon(ICONS[name]), () => this.use(name), { class: "symbol", title, "aria-label": title, "aria-pressed": name === this.tool, "data-name": name }));
    const looks = [["plus", "Zoom in (+)", () => this.zoom(1.6)], ["minus", "Zoom out (−)", () => this.zoom(1 / 1.6)], ["whole", "The whole map (0)", () => this.home()]].map(([name, title, call]) =>
      button(icon(ICONS[name]), call, { class: "symbol", title, "aria-label": title }));
    return el("div.tools", {}, el("div.set", {}, ...tools), el("div.set", {}, ...looks));
  }

  /** Take a tool: "hand", "lasso" or "rectangle". */
  use(name) {
    this.tool = name;
    this.body.dataset.tool = name;
    for (const one of this.body.querySelectorAll("[data-name]")) one.setAttribute("aria-pressed", String(one.dataset.name === name));
  }

  zoom = (factor) => this.views.forEach((view) => view.zoomBy(factor));
  home = () => this.views.forEach((view) => view.flyHome());
  flyTo = (rows) => this.views.forEach((view) => view.flyTo(rows));

  /** The maps as PNG, with what lies over the points. */
  async png() {
    const canvases = this.views.map((view) => {
      view.draw(); // the buffer of WebGL is only sure to be there in the same task
      const [below, above] = [view.below, view.above];
      const page = el("canvas", { width: below.width, height: below.height });
      const context = page.getContext("2d");
      context.fillStyle = getComputedStyle(document.body).backgroundColor;
      context.fillRect(0, 0, page.width, page.height);
      for (const layer of [below, above]) context.drawImage(layer, 0, 0);
      return page;
    });
    const whole = el("canvas", { width: canvases.reduce((sum, { width }) => sum + width, 0), height: Math.max(...canvases.map(({ height }) => height)) });
    let left = 0;
    for (const one of canvases) {
      whole.getContext("2d").drawImage(one, left, 0);
      left += one.width;
    }
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}

const ready = (projections) => projections.find(({ name, state }) => name !== "pca" && state === "ready") ?? projections.find(({ state }) => state === "ready");
