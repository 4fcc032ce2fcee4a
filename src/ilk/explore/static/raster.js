// The map without WebGL: each point colours the pixels under it. Far out that is a raster of density,
// since a pixel grows more opaque with every point on it; near by the points are small squares.

import { CHOSEN, PASSES } from "./store.js";

/** The same calls as Points in points.js, on a canvas of two dimensions. */
export class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.points = new Float32Array(0);
  }

  setPoints(points) {
    this.points = points;
  }

  setColours({ indices, palette }) {
    [this.indices, this.palette] = [indices, palette];
  }

  setFlags(flags, someChosen) {
    [this.flags, this.someChosen] = [flags, someChosen];
  }

  draw(camera, { size, opacity, ratio }) {
    const { width, height } = this.canvas;
    const raster = new ImageData(width, height);
    const [scale, half] = [camera.scale * ratio, Math.max(0, Math.round((size * ratio - 1) / 2))];
    for (const lit of [false, true]) { // what is lit is painted over the rest
      for (let row = 0; row < this.points.length / 2; row++) {
        if (this.#lit(row) !== lit) continue;
        const x = Math.round((this.points[2 * row] - camera.x) * scale + width / 2);
        const y = Math.round(height / 2 - (this.points[2 * row + 1] - camera.y) * scale);
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        this.#paint(raster, x, y, row, { half, share: lit ? opacity : opacity * this.#faint(row) });
      }
    }
    this.context.putImageData(raster, 0, 0);
  }

  #lit(row) {
    const passes = (this.flags[row] & PASSES) !== 0;
    return passes && (!this.someChosen || (this.flags[row] & CHOSEN) !== 0);
  }

  #faint(row) {
    return (this.flags[row] & PASSES) === 0 ? 0.06 : 0.2;
  }

  #paint(raster, x, y, row, { half, share }) {
    const { width, height, data } = raster;
    const colour = 4 * this.indices[row];
    for (let below = Math.max(0, y - half); below <= Math.min(height - 1, y + half); below++) {
      for (let right = Math.max(0, x - half); right <= Math.min(width - 1, x + half); right++) {
        const at = 4 * (below * width + right);
        const before = data[at + 3] / 255;
        const after = before + share * (1 - before);
        for (let part = 0; part < 3; part++) {
          data[at + part] += ((this.palette[colour + part] - data[at + part]) * share) / after;
        }
        data[at + 3] = after * 255;
      }
    }
  }
}
