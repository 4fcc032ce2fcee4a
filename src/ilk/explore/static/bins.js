// Where points lie: which is nearest to a place, which are inside a box or a lasso.

/** Points sorted into square cells, some four to a cell, so that hovering looks at few of them. */
export class Bins {
  /** @param {Float32Array} points  x, y of each row, in [-1, 1] */
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(count / 4))));
    const cells = new Uint32Array(count);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let row = 0; row < count; row++) {
      const cell = this.cell(points[2 * row + 1]) * this.side + this.cell(points[2 * row]);
      cells[row] = cell;
      this.starts[cell + 1]++;
    }
    for (let cell = 0; cell < this.side * this.side; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.rows = new Uint32Array(count);
    for (let row = 0; row < count; row++) this.rows[next[cells[row]]++] = row;
  }

  cell(place) {
    return Math.max(0, Math.min(this.side - 1, Math.floor(((place + 1) / 2) * this.side)));
  }

  /** Call with each row of the cells that touch a box, until the call returns false. */
  eachNear(box, call) {
    const [left, right] = [this.cell(box.left), this.cell(box.right)];
    for (let y = this.cell(box.bottom); y <= this.cell(box.top); y++) {
      const end = this.starts[y * this.side + right + 1];
      for (let at = this.starts[y * this.side + left]; at < end; at++) {
        if (call(this.rows[at]) === false) return;
      }
    }
  }

  /** The row nearest to a place and at most `reach` away that `accepts` takes, or -1. */
  nearest(x, y, reach, accepts) {
    let [best, least] = [-1, reach * reach];
    const box = { left: x - reach, right: x + reach, bottom: y - reach, top: y + reach };
    this.eachNear(box, (row) => {
      const away = (this.points[2 * row] - x) ** 2 + (this.points[2 * row + 1] - y) ** 2;
      if (away <= least && accepts(row)) [best, least] = [row, away];
    });
    return best;
  }

  /** At most `limit` rows inside a box that `accepts` takes; null where there are more. */
  inside(box, limit, accepts) {
    const found = [];
    this.eachNear(box, (row) => {
      const [x, y] = [this.points[2 * row], this.points[2 * row + 1]];
      if (x >= box.left && x <= box.right && y >= box.bottom && y <= box.top && accepts(row)) {
        found.push(row);
      }
      return found.length <= limit;
    });
    return found.length > limit ? null : found;
  }

  /**
   * Which points lie inside a polygon. In a cell that no edge comes near all points are on the same
   * side, and so are those of the cells beside it up to the next edge: few points are tested.
   * @param {number[]} polygon  x, y of each corner; the last is joined to the first
   * @returns {Uint8Array} one byte a row
   */
  inPolygon(polygon) {
    const mask = new Uint8Array(this.points.length / 2);
    const near = this.#nearEdges(polygon);
    for (let y = 0; y < this.side; y++) {
      let side = -1; // not known
      for (let cell = y * this.side; cell < (y + 1) * this.side; cell++) {
        if (near[cell]) side = -1;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const row = this.rows[at];
          const known = near[cell] ? -1 : side;
          const odd = known < 0 ? isInside(this.points[2 * row], this.points[2 * row + 1], polygon) : known;
          mask[row] = odd;
          if (!near[cell]) side = odd;
        }
      }
    }
    return mask;
  }

  /** Cells that the box of an edge touches. */
  #nearEdges(polygon) {
    const near = new Uint8Array(this.side * this.side);
    for (let at = 0, before = polygon.length - 2; at < polygon.length; before = at, at += 2) {
      const columns = [polygon[before], polygon[at]].map((x) => this.cell(x)).sort((a, b) => a - b);
      const lines = [polygon[before + 1], polygon[at + 1]].map((y) => this.cell(y)).sort((a, b) => a - b);
      for (let y = lines[0]; y <= lines[1]; y++) near.fill(1, y * this.side + columns[0], y * this.side + columns[1] + 1);
    }
    return near;
  }
}

/** The even-odd rule: a ray to the right from an inner point crosses the edges an odd number of times. */
function isInside(x, y, polygon) {
  let odd = 0;
  for (let at = 0, before = polygon.length - 2; at < polygon.length; before = at, at += 2) {
    const [y1, y2] = [polygon[at + 1], polygon[before + 1]];
    if (y1 > y !== y2 > y && x < ((polygon[before] - polygon[at]) * (y - y1)) / (y2 - y1) + polygon[at]) odd ^= 1;
  }
  return odd;
}
