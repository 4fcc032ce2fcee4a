// What is under the mouse on a map: a thumbnail at once, its name as soon as it is known.

import { el, fill, settled } from "./dom.js";
import { shownImage } from "./tiles.js";
import { tail } from "./words.js";

/** Show the card beside the pointer while a map is hovered over. */
export function hints(card, { data, store, warn }) {
  const about = settled(60, async (row) => {
    const [one] = await data.rows([row]);
    if (row !== store.hover || card.hidden || !one) return;
    const lines = [tail(one.key), one.label, ...one.issues].filter(Boolean);
    card.lastChild.replaceChildren(...lines.map((line, at) => el("p", { class: at ? "soft" : "" }, line)));
  });
  store.on("hover", () => {
    card.hidden = store.hover < 0 || !store.hoverPlace;
    if (card.hidden) return;
    const [x, y, view] = store.hoverPlace;
    const box = view.above.getBoundingClientRect();
    fill(card, shownImage(data, store.hover), el("div", {}));
    const [left, top] = [box.left + x + 18, box.top + y + 18];
    card.style.left = `${Math.max(4, left + 310 > innerWidth ? box.left + x - 318 : left)}px`;
    card.style.top = `${top + 120 > innerHeight ? box.top + y - 130 : top}px`;
    about(store.hover).catch?.(warn);
  });
}
