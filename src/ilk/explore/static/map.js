// One map: points, what lies over them, and what a person does with them.

import { Bins } from "./bins.js";
import { Camera } from "./camera.js";
import { colourOf } from "./colours.js";
import { calm, el } from "./dom.js";
import { NOWHERE } from "./fault.js";
import { listen } from "./gestures.js";
import { maskOf } from "./masks.js";
import { NEAR, Overlay } from "./overlay.js";
import { webglPoints } from "./points.js";
import { Raster } from "./raster.js";
import { CHOSEN, PASSES } from "./store.js";
import { Thumbnails } from "./thumbnails.js";

const REACH = 10; // pixels from a point within which it is hovered over

export class MapView {
  /**
   * @param {Element} host  is filled
   * @param {object} given  store, points, groups, address (of a thumbnail), name, tool: () => string,
   *   flat: without WebGL
   */
  constructor(host, { store, points, groups, address, name, tool, flat }) {
    Object.assign(this, { host, store, points, groups });
    this.bins = new Bins(points);
    this.camera = new Camera();
    this.below = el("canvas.points");
    this.above = el("canvas.over", { tabindex: 0, role: "application", "aria-label": name, "aria-describedby": "map-keys" });
    host.replaceChildren(this.below, this.above);
    this.layer = (flat ? null : webglPoints(this.below)) ?? new Raster(this.below);
    this.layer.setPoints(points);
    this.overlay = new Overlay(this.above, new Thumbnails(address, () => this.refresh(false)));
    this.seen = { stroke: null, cross: false };
    this.#follow();
    this.#gestures(tool);
    new ResizeObserver(() => this.#resize()).observe(host);
    this.#resize();
  }

  /** Draw soon: many changes make one frame. What lies over the points is drawn without them. */
  refresh(points = true) {
    this.stale ||= points;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw(this.stale);
    });
  }

  draw(points = true) {
    const { camera, store } = this;
    const style = getComputedStyle(this.host);
    const ink = Object.fromEntries(["paper", "ink", "accent", "wash"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    const ground = [1, 3, 5].map((at) => Number.parseInt(ink.paper.trim().slice(at, at + 2), 16) / 255);
    if (points) this.layer.draw(camera, { ...this.#size(), ground, ratio: this.ratio });
    this.stale &&= !points;
    const lit = (row) => store.flags[row] === (store.chosenCount ? CHOSEN | PASSES : PASSES);
    const passes = (row) => (store.flags[row] & PASSES) !== 0;
    this.overlay.draw({
      camera, ink, lit, points: this.points, groups: this.groups, ratio: this.ratio,
      visible: this.bins.inside(camera.box, NEAR, passes),
      colour: (row) => colourOf(store.colouring, row),
      hover: store.hover, focus: store.focus, ...this.seen,
    });
  }

  /** Points grow with the zoom, and shrink and fade where there are many. */
  #size() {
    const { camera, store } = this;
    const room = Math.sqrt((camera.width * camera.height) / Math.max(1, store.count));
    const size = Math.max(1.6, Math.min(7, room * 0.48));
    return { size: Math.min(13, size * camera.zoom ** 0.35), opacity: store.count > 150000 ? 0.5 : 0.86 };
  }

  /** Go to a centre and a zoom, smoothly unless less motion is asked for. */
  #fly(to) {
    const { camera } = this;
    const from = { x: camera.x, y: camera.y, zoom: camera.zoom };
    const [began, length] = [performance.now(), calm() ? 0 : 260];
    const step = (now) => {
      const share = length ? Math.min(1, (now - began) / length) : 1;
      const eased = 1 - (1 - share) ** 3;
      const between = (key) => from[key] + (to[key] - from[key]) * eased;
      camera.moveTo(between("x"), between("y"), from.zoom * (to.zoom / from.zoom) ** eased);
      this.#moved();
      if (share < 1) requestAnimationFrame(step);
    };
    step(began);
  }

  /** Look at the whole map. */
  flyHome() {
    this.#fly({ x: 0, y: 0, zoom: 1 });
  }

  /** Look at all rows of a list. */
  flyTo(rows) {
    const box = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
    for (const row of rows) {
      if (this.points[2 * row] === NOWHERE) continue;
      box.left = Math.min(box.left, this.points[2 * row]);
      box.right = Math.max(box.right, this.points[2 * row]);
      box.bottom = Math.min(box.bottom, this.points[2 * row + 1]);
      box.top = Math.max(box.top, this.points[2 * row + 1]);
    }
    if (box.left <= box.right) this.#fly(this.camera.fitting(box));
  }

  zoomBy(factor) {
    this.camera.zoomAt(factor, this.camera.width / 2, this.camera.height / 2);
    this.#moved();
  }

  #moved() {
    this.refresh();
    this.store.tell("view");
  }

  #follow() {
    const { store, layer } = this;
    const flags = () => layer.setFlags(store.flags, store.chosenCount > 0);
    const colours = () => layer.setColours(store.colouring);
    this.reload = () => [flags(), colours()];
    this.reload();
    store.on("flags", () => [flags(), this.refresh()]);
    store.on("colour", () => [colours(), this.refresh()]);
    for (const name of ["hover", "focus"]) store.on(name, () => this.refresh(false));
  }

  #resize() {
    const { clientWidth, clientHeight } = this.host;
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    this.camera.resize(clientWidth, clientHeight);
    for (const canvas of [this.below, this.above]) {
      canvas.width = Math.max(1, Math.round(clientWidth * this.ratio));
      canvas.height = Math.max(1, Math.round(clientHeight * this.ratio));
    }
    this.draw(); // at once: a canvas that was resized is empty
  }

  /** The row under a pixel that passes the filter, or -1. */
  rowAt(x, y) {
    const [worldX, worldY] = this.camera.toWorld(x, y);
    const reach = REACH / this.camera.scale;
    return this.bins.nearest(worldX, worldY, reach, (row) => (this.store.flags[row] & PASSES) !== 0);
  }

  #gestures(tool) {
    const { store, camera, seen } = this;
    listen(this.above, {
      tool,
      pan: (dx, dy) => [camera.pan(dx, dy), this.#moved()],
      zoom: (factor, x, y) => [camera.zoomAt(factor, x, y), this.#moved()],
      draw: (corners) => [(seen.stroke = corners), this.refresh(false)],
      drawn: (corners, manner) => this.#choose(corners, manner),
      click: (x, y, manner) => this.#click(this.rowAt(x, y), manner),
      hover: (x, y) => [store.put("hover", this.rowAt(x, y)), (store.hoverPlace = [x, y, this])],
      leave: () => store.put("hover", -1),
    });
    this.above.addEventListener("keydown", (event) => this.#key(event));
    for (const [event, cross] of [["focus", true], ["blur", false], ["pointerdown", false]]) {
      this.above.addEventListener(event, () => [(seen.cross = cross && this.above.matches(":focus-visible")), this.refresh(false)]);
    }
    this.below.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.below.addEventListener("webglcontextrestored", () => {
      this.layer = webglPoints(this.below);
      this.layer.setPoints(this.points);
      this.reload();
      this.refresh();
    });
  }

  #choose(corners, manner) {
    const polygon = [];
    for (let at = 0; at < corners.length; at += 2) polygon.push(...this.camera.toWorld(corners[at], corners[at + 1]));
    const mask = this.bins.inPolygon(polygon);
    for (let row = 0; row < mask.length; row++) mask[row] &= this.store.passing[row];
    this.store.choose(mask, manner);
  }

  #click(row, manner) {
    if (row < 0) return manner === "set" ? this.store.clear() : undefined;
    this.store.choose(maskOf([row], this.store.count), manner);
    return this.store.put("focus", row);
  }

  /** With the keyboard the cross in the middle stays and the map moves under it. */
  #key(event) {
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (event.ctrlKey || event.metaKey) return;
    if (moves[event.key]) {
      this.camera.pan(...moves[event.key]);
      this.seen.cross = true;
      const [x, y] = [this.camera.width / 2, this.camera.height / 2];
      this.store.put("hover", this.rowAt(x, y));
      this.store.hoverPlace = [x, y, this];
      this.#moved();
    } else if (event.key === "Enter") {
      const manner = event.altKey ? "take" : event.shiftKey ? "add" : "set";
      this.#click(this.rowAt(this.camera.width / 2, this.camera.height / 2), manner);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
