// Small images for drawing on the map, loaded when they are first asked for and kept while they are
// asked for again. A place never waits for one: until it is there, nothing is drawn.

const KEPT = 900;

export class Thumbnails {
  /**
   * @param {(row: number) => string} address
   * @param {() => void} arrived  called when an image can be drawn
   */
  constructor(address, arrived) {
    [this.address, this.arrived] = [address, arrived];
    this.images = new Map(); // in the order in which they were last asked for
  }

  /** The image of a row, or null while it loads or where it cannot be had. */
  of(row) {
    let image = this.images.get(row);
    if (image) this.images.delete(row);
    else {
      image = new Image();
      image.addEventListener("load", this.arrived, { once: true });
      image.src = this.address(row);
    }
    this.images.set(row, image);
    if (this.images.size > KEPT) this.images.delete(this.images.keys().next().value);
    return image.complete && image.naturalWidth > 0 ? image : null;
  }
}
