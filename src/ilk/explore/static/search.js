// Search by an image that is dropped, pasted or picked from a file.

import { button, el, fill } from "./dom.js";
import { maskOf } from "./masks.js";
import { count } from "./words.js";

const LARGEST = 64 * 2 ** 20; // bytes

export class Search {
  /** @param {Element} zone  is shown while a file is over the page; `notice` holds what was searched for */
  constructor({ zone, notice, data, store, say, warn }) {
    Object.assign(this, { zone, notice, data, store, say, warn });
    this.picker = el("input", { type: "file", accept: "image/*", hidden: true, on: { change: () => [this.run(this.picker.files[0]), (this.picker.value = "")] } });
    document.body.append(this.picker);
    const files = (event) => [...(event.dataTransfer ?? event.clipboardData)?.items ?? []].filter(({ kind }) => kind === "file");
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.hidden = !files(event).length;
    });
    document.addEventListener("dragleave", (event) => (zone.hidden = event.relatedTarget === null || zone.hidden));
    document.addEventListener("drop", (event) => {
      event.preventDefault(); // a browser would leave the page and open the file
      zone.hidden = true;
      if (files(event).length) this.run(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => files(event).length && this.run(event.clipboardData.files[0]));
  }

  pick() {
    if (this.store.about.search) this.warn(new Error(this.store.about.search));
    else this.picker.click();
  }

  /** Find the images most like this one, and choose them. */
  async run(file) {
    if (!file) return;
    if (this.store.about.search) return this.warn(new Error(this.store.about.search));
    if (file.size > LARGEST) return this.warn(new Error("The image must have at most 64 MiB; send a smaller one."));
    this.say("Searching…");
    try {
      const found = await this.data.search(file);
      this.#show(file, found);
    } catch (fault) {
      this.warn(fault);
    }
  }

  #show(file, found) {
    const { store } = this;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(file);
    store.found = found;
    store.put("room", "map");
    store.choose(maskOf(found.rows, store.count));
    store.put("scope", "chosen");
    store.sort = { by: "found", falling: true };
    store.tell("sort");
    const image = el("img", { src: this.address, alt: "The image that was searched for", width: 36, height: 36 });
    image.classList.add("query");
    const forget = button("Forget it", () => {
      store.found = null;
      this.notice.hidden = true;
      store.clear();
      store.put("sort", { by: "key", falling: false });
    }, { class: "quiet" });
    fill(this.notice, image, el("p", {}, `The ${count(found.rows.length, "image")} most like yours. ${found.words ?? ""}`), forget);
    this.notice.hidden = false;
    this.say(`Found ${count(found.rows.length, "image")}.`);
  }
}
