// What can go wrong with the data, in words for the person.

/** A fault that is shown as it stands; `at` is the place in a filter, where it is known. */
export class Fault extends Error {
  constructor(words, at = null) {
    super(words);
    [this.name, this.at] = ["Fault", at];
  }
}

/** Points that a row does not have lie far outside of the map, where no camera goes. */
export const NOWHERE = 9;

/** The points of an array that says NaN where a row has none. */
export function placed(points) {
  for (let at = 0; at < points.length; at++) if (Number.isNaN(points[at])) points[at] = NOWHERE;
  return points;
}
