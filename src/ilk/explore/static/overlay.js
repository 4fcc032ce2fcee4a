// What lies over the points: images of groups far out, images themselves near by, the lasso, the ring
// around the point that is hovered over, the cross of the keyboard.

export const NEAR = 300; // so many images may be seen at most before they are drawn instead of points
const GROUP = 52; // pixels, the long side of the image of a group

/** Draws on a canvas of two dimensions above the points. */
export class Overlay {
  constructor(canvas, thumbnails) {
    [this.canvas, this.thumbnails] = [canvas, thumbnails];
    this.context = canvas.getContext("2d");
  }

  /**
   * Draw all of it.
   * @param {object} scene  camera, points, visible (rows that are near, or null), groups, colour
   *   (row -> colour), stroke, hover, focus, cross, ink (colours of the style sheet), ratio
   */
  draw(scene) {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.scale(scene.ratio, scene.ratio);
    if (scene.visible) this.#images(scene);
    else if (scene.groups.length) this.#groups(scene);
    this.#ring(scene, scene.focus, 8);
    this.#ring(scene, scene.hover, 11);
    if (scene.stroke) this.#stroke(scene);
    if (scene.cross) this.#cross(scene);
  }

  /** One image in each cell of a grid that is fixed to the map, so that panning makes none flicker. */
  #images(scene) {
    const { camera, points, visible, lit } = scene;
    const room = Math.sqrt((camera.width * camera.height) / Math.max(1, visible.length));
    const size = Math.round(Math.max(30, Math.min(112, room * 0.62)));
    const cell = (size * 0.92) / camera.scale;
    const taken = new Set();
    const order = visible.toSorted((a, b) => lit(b) - lit(a) || a - b);
    for (const row of order) {
      const [worldX, worldY] = [points[2 * row], points[2 * row + 1]];
      const place = `${Math.floor(worldX / cell)},${Math.floor(worldY / cell)}`;
      if (taken.has(place)) continue;
      const image = this.thumbnails.of(row);
      if (!image) continue;
      taken.add(place);
      const [x, y] = camera.toScreen(worldX, worldY);
      this.#framed(image, x, y, { size, colour: scene.colour(row), faint: !lit(row) });
    }
  }

  /** Groups from the largest, each with the image in its middle, as far as they do not touch. */
  #groups(scene) {
    const { context } = this;
    const drawn = [];
    for (const group of scene.groups) {
      const [x, y] = scene.camera.toScreen(scene.points[2 * group.row], scene.points[2 * group.row + 1]);
      if (x < 0 || y < 0 || x > scene.camera.width || y > scene.camera.height) continue;
      if (drawn.some(([otherX, otherY]) => Math.abs(x - otherX) < GROUP + 34 && Math.abs(y - otherY) < GROUP + 26)) continue;
      const image = this.thumbnails.of(group.row);
      if (!image) continue;
      drawn.push([x, y]);
      const low = this.#framed(image, x, y, { size: GROUP, colour: scene.colour(group.row), faint: !scene.lit(group.row) });
      context.font = "500 11px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "top";
      context.lineJoin = "round";
      [context.lineWidth, context.strokeStyle, context.fillStyle] = [4, scene.ink.paper, scene.ink.ink];
      const words = group.words.length > 26 ? `${group.words.slice(0, 25)}…` : group.words;
      context.strokeText(words, x, low + 5);
      context.fillText(words, x, low + 5);
    }
  }

  /** An image in its own aspect with a frame; says where its lower edge is. */
  #framed(image, x, y, { size, colour, faint }) {
    const { context } = this;
    const scale = size / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    context.save();
    context.globalAlpha = faint ? 0.25 : 1;
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x - width / 2 - 2, y - height / 2 - 2, width + 4, height + 4, 4);
    context.fill();
    context.beginPath();
    context.roundRect(x - width / 2, y - height / 2, width, height, 2.5);
    context.clip();
    context.drawImage(image, x - width / 2, y - height / 2, width, height);
    context.restore();
    return y + height / 2;
  }

  #ring({ camera, points, ink }, row, radius) {
    if (row < 0) return;
    const [x, y] = camera.toScreen(points[2 * row], points[2 * row + 1]);
    const { context } = this;
    for (const [wide, colour] of [[5, ink.paper], [2, ink.ink]]) {
      [context.lineWidth, context.strokeStyle] = [wide, colour];
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #stroke({ stroke, ink }) {
    const { context } = this;
    context.beginPath();
    for (let at = 0; at < stroke.length; at += 2) context.lineTo(stroke[at], stroke[at + 1]);
    context.closePath();
    [context.fillStyle, context.strokeStyle, context.lineWidth] = [ink.wash, ink.accent, 1.5];
    context.fill();
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  #cross({ camera, ink }) {
    const { context } = this;
    const [x, y] = [camera.width / 2, camera.height / 2];
    [context.strokeStyle, context.lineWidth] = [ink.accent, 1.5];
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    context.stroke();
  }
}
