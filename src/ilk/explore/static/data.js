// The one door to the data: a server on this machine, or what an exported page holds. Both have the
// same functions, and a row is always a place between 0 and the count of images.

import { Embedded } from "./embedded.js";
import { Served } from "./served.js";

/** Where the data come from: the element that an exported page has, or else the server. */
export function openData() {
  const inside = document.getElementById("embedded");
  return inside ? new Embedded(JSON.parse(inside.textContent)) : new Served();
}
