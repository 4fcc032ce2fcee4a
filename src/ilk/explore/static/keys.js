// All keys of the page, in one list that also is the help.

import { button, el, fill } from "./dom.js";

/** Keys work where no text is being written; the first that is able to takes a key. */
export class Keys {
  constructor(store) {
    [this.store, this.list] = [store, []];
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /**
   * Add a key.
   * @param {string} keys  names as `event.key` has them, separated by spaces; "Space" is one
   * @param {string} words  what it does, or "" where another line of the help says so
   * @param {() => (boolean|void)} call  returns false where it has nothing to do
   * @param {string} room  "map", "duplicates", "issues", or "" for all
   */
  add(keys, words, call, room = "") {
    this.list.push({ keys: keys.split(" "), words, call, room });
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key === " " ? "Space" : event.key;
    const typing = event.target.closest?.("input:not([type=checkbox],[type=range]), textarea, select");
    if (typing && key !== "Escape") return;
    const onButton = event.target.closest?.("button, summary, input, a") && (key === "Space" || key === "Enter");
    if (onButton) return;
    for (const one of this.list) {
      if (!one.keys.includes(key) || (one.room && one.room !== this.store.room)) continue;
      if (one.call(event) === false) continue;
      event.preventDefault();
      return;
    }
  }

  /** A dialog with all keys. */
  help(dialog) {
    const rooms = [["", "Everywhere"], ["map", "Map and images"], ["duplicates", "Duplicates"], ["issues", "Issues"]];
    const columns = rooms.map(([room, title]) => el("section", {}, el("h3", {}, title), el("ul", {},
      ...this.list.filter((one) => one.room === room && one.words).map((one) => el("li", {},
        el("kbd", {}, one.keys.map((key) => NAMES[key] ?? key).slice(0, 2).join(" ")), el("span", {}, one.words))))));
    show(dialog, "Help",
      el("h2", {}, "How this page works"),
      el("p", { class: "soft" }, "Each point is an image; images that are similar to the encoder lie near each other. Draw around some with the lasso, or click one. What is chosen is shown beside the map. Hold shift to add to the choice and alt to take away. A flat map cannot show every likeness: the neighbours in the lower drawer are measured in full."),
      el("p", { class: "soft" }, "Keep and drop are written to a list with reasons. No file is ever changed or deleted."),
      el("div", { class: "keys" }, ...columns));
  }
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "esc", Enter: "enter", Space: "space" };

/** Show something in the dialog, with a button that closes it. */
export function show(dialog, name, ...children) {
  dialog.setAttribute("aria-label", name);
  const close = button("Close", () => dialog.close(), { class: "main" });
  fill(dialog, ...children, el("p", {}, close));
  dialog.showModal();
  close.focus({ preventScroll: true });
  dialog.scrollTop = 0;
}
