// The filter as one line of text, which is also what `--where` takes. Facets write into it, part by part.

import { button, el, icon, ICONS } from "./dom.js";
import { columnOf, conjuncts, parsed, written } from "./where.js";

export class Filtering {
  /** @param {Element} form  is filled; `say` tells a screen reader */
  constructor(form, { data, store, say }) {
    Object.assign(this, { data, store, say, asked: 0 });
    this.input = el("input", { type: "search", spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      "aria-label": "Filter, as --where takes it", placeholder: "Filter, such as width>200 and not label=cat" });
    this.fault = el("p.fault", { role: "alert", hidden: true });
    this.copy = button(icon(ICONS.copy), () => this.#copy(), { class: "symbol quiet", title: "Copy the filter as the command line takes it", "aria-label": "Copy the filter" });
    form.append(el("div.line", {}, icon(ICONS.search), this.input), this.copy, this.fault);
    form.addEventListener("submit", (event) => [event.preventDefault(), this.apply(this.input.value)]);
    this.input.addEventListener("search", () => this.apply(this.input.value));
    this.input.addEventListener("keydown", (event) => event.key === "Escape" && this.input.blur());
  }

  /** Show the rows that a text means; where it means none, say why and change nothing. */
  async apply(text) {
    const asked = ++this.asked;
    const wanted = text.trim();
    this.input.value = text;
    try {
      const mask = wanted ? await this.data.where(wanted) : new Uint8Array(this.store.count).fill(1);
      if (asked !== this.asked) return; // a later filter is on its way
      this.fault.hidden = true;
      this.store.filter(wanted, mask);
    } catch (fault) {
      if (asked !== this.asked) return;
      this.fault.textContent = fault.message;
      this.fault.hidden = false;
    }
  }

  /** The parts of the filter that ask about a column alone. */
  parts(column) {
    return this.#conjuncts().filter((part) => columnOf(part) === column);
  }

  /** Put these parts in the place of all that ask about a column. */
  replace(column, parts) {
    const others = this.#conjuncts().filter((part) => columnOf(part) !== column);
    const all = [...others, ...parts];
    return this.apply(written(all.length > 1 ? { kind: "both", parts: all } : all[0]));
  }

  #conjuncts() {
    try {
      return conjuncts(parsed(this.store.where));
    } catch {
      return []; // the server knows more of the language than is read here
    }
  }

  async #copy() {
    const { where, about } = this.store;
    const option = where && `--where '${where.replaceAll("'", "'\\''")}'`;
    try {
      await navigator.clipboard.writeText(`${about.where_command} ${option}`.trim());
      this.say("Copied the filter as a command.");
    } catch {
      this.input.select();
      this.say("The browser does not allow copying; the text is marked, so that you can.");
    }
  }
}
