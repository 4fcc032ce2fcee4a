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
}

/**
 * Which points lie inside a polygon, by the even-odd rule: a ray to the right crosses its edges an
 * odd number of times. Points outside of the polygon's box are passed over first.
 * @param {Float32Array} points  x, y of each row
 * @param {number[]} polygon  x, y of each corner; the last is joined to the first
 * @returns {Uint8Array} one byte a row
 */
export function insidePolygon(points, polygon) {
  const mask = new Uint8Array(points.length / 2);
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < polygon.length; at += 2) {
    left = Math.min(left, polygon[at]);
    right = Math.max(right, polygon[at]);
    bottom = Math.min(bottom, polygon[at + 1]);
    top = Math.max(top, polygon[at + 1]);
  }
  for (let row = 0; row < mask.length; row++) {
    const [x, y] = [points[2 * row], points[2 * row + 1]];
    if (x < left || x > right || y < bottom || y > top) continue;
    let odd = 0;
    for (let at = 0, before = polygon.length - 2; at < polygon.length; before = at, at += 2) {
      const [y1, y2] = [polygon[at + 1], polygon[before + 1]];
      if (y1 > y !== y2 > y && x < ((polygon[before] - polygon[at]) * (y - y1)) / (y2 - y1) + polygon[at]) {
        odd ^= 1;
      }
    }
    mask[row] = odd;
  }
  return mask;
}
