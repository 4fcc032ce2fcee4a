// What part of the map is seen. World: x to the right, y upwards, both in [-1, 1]. Screen: pixels of
// the page, y downwards.

const LEAST = 0.5;
const MOST = 4000; // of the scale at which the whole map fits

/** Centre of the view in the world, and pixels for one unit of it. */
export class Camera {
  constructor() {
    [this.x, this.y, this.zoom] = [0, 0, 1];
    [this.width, this.height] = [1, 1];
  }

  resize(width, height) {
    [this.width, this.height] = [Math.max(1, width), Math.max(1, height)];
  }

  /** Pixels for one unit; at zoom 1 the whole map fits with a margin. */
  get scale() {
    return (Math.min(this.width, this.height) / 2) * 0.93 * this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  toWorld(x, y) {
    return [(x - this.width / 2) / this.scale + this.x, (this.height / 2 - y) / this.scale + this.y];
  }

  /** The box of the world that is seen. */
  get box() {
    const [left, top] = this.toWorld(0, 0);
    const [right, bottom] = this.toWorld(this.width, this.height);
    return { left, right, bottom, top };
  }

  pan(dx, dy) {
    this.moveTo(this.x - dx / this.scale, this.y + dy / this.scale, this.zoom);
  }

  /** Zoom so that the place under a pixel stays under it. */
  zoomAt(factor, x, y) {
    const [worldX, worldY] = this.toWorld(x, y);
    this.zoom = within(this.zoom * factor, LEAST, MOST);
    const [nowX, nowY] = this.toWorld(x, y);
    this.moveTo(this.x + worldX - nowX, this.y + worldY - nowY, this.zoom);
  }

  /** The centre stays on the map: one cannot lose it. */
  moveTo(x, y, zoom) {
    this.x = within(x, -1.05, 1.05);
    this.y = within(y, -1.05, 1.05);
    this.zoom = within(zoom, LEAST, MOST);
  }

  /** Centre and zoom at which a box of the world fits. */
  fitting({ left, right, bottom, top }) {
    const least = 0.004; // the box of one point has no size
    const whole = Math.min(this.width, this.height) * 0.93;
    const zoom = Math.min(
      (this.width * 1.6) / (Math.max(right - left, least) * whole),
      (this.height * 1.6) / (Math.max(top - bottom, least) * whole),
    );
    return { x: (left + right) / 2, y: (bottom + top) / 2, zoom: within(zoom, LEAST, 60) };
  }
}

const within = (value, least, most) => Math.max(least, Math.min(most, Number.isFinite(value) ? value : least));
