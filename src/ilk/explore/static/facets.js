// The panel of filters: what values there are, how many of each, and which are shown.

import { button, el, fill, settled } from "./dom.js";
import { daysOf } from "./where.js";
import { dated, measured, readable, whole } from "./words.js";

const LISTED = 200; // values of a column, by count; the rest is found by its name
const BARS = 28;

export class Facets {
  constructor(host, { data, store, filtering }) {
    Object.assign(this, { host, data, store, filtering, opened: new Set() });
    for (const name of ["where", "about"]) store.on(name, () => this.draw());
    this.draw();
  }

  /** Draw all facets again; what was open stays open. */
  draw() {
    const { columns } = this.store.about;
    if (!this.opened.size) columns.slice(0, 2).forEach(({ name }) => this.opened.add(name));
    const focus = this.host.contains(document.activeElement) ? document.activeElement.id : null;
    const lists = columns.map((column, index) => this.#facet(column, index)).filter(Boolean);
    const scroll = this.host.scrollTop;
    fill(this.host, el("h2", {}, "Filters"), this.#path(), ...lists,
      this.store.where && button("Show all again", () => this.filtering.apply(""), { class: "wide" }));
    this.host.scrollTop = scroll;
    if (focus) document.getElementById(focus)?.focus();
  }

  #path() {
    const now = this.filtering.parts("key").find(({ kind, sign }) => kind === "compare" && sign === "~")?.value ?? "";
    const input = el("input.wide", { type: "search", id: "facet-key", value: now, placeholder: "*holiday*/?.jpg", "aria-label": "File name, with * and ?", spellcheck: "false" });
    const set = () => {
      const value = input.value.trim();
      const pattern = value && !/[*?]/.test(value) ? `*${value}*` : value;
      if (pattern !== now) this.filtering.replace("key", pattern ? [{ kind: "compare", column: "key", sign: "~", value: pattern }] : []);
    };
    input.addEventListener("change", set);
    input.addEventListener("search", set);
    return el("div.facet", {}, el("h3", {}, "file name"), input);
  }

  #facet(column, index) {
    const bare = column.kind === "category" ? column.values.length < 2 && !column.missing : endsOf(column)[0] === endsOf(column)[1];
    const parts = this.filtering.parts(column.name);
    if (bare && !parts.length) return null; // what all images share divides nothing
    const open = this.opened.has(column.name);
    const body = el("div");
    const facet = el("details.facet", { open }, el("summary", { id: `facet-${index}` }, readable(column.name), parts.length > 0 && el("span.on", {}, "on")), body);
    const draw = () => (column.kind === "category" ? this.#values(body, column, parts, index) : this.#range(body, column, parts, index));
    if (open) draw();
    facet.addEventListener("toggle", () => {
      if (facet.open === this.opened.has(column.name)) return;
      if (facet.open) this.opened.add(column.name);
      else this.opened.delete(column.name);
      if (facet.open) draw();
    });
    return facet;
  }

  #values(body, column, parts, index) {
    const on = new Set(parts.flatMap(equalities));
    const most = Math.max(...column.counts);
    const entry = (value, code) => {
      const box = el("input", { type: "checkbox", id: `facet-${index}-${code}`, checked: on.has(value), on: { change: () => {
        if (box.checked) on.add(value);
        else on.delete(value);
        this.filtering.replace(column.name, anyOf(column.name, [...on]));
      } } });
      return el("li", {}, el("label", { title: value }, box, el("span.value", {}, value || "(empty)"),
        el("span.soft", {}, whole(column.counts[code])), el("meter", { max: most, value: column.counts[code], "aria-hidden": "true" })));
    };
    const list = el("ul");
    const draw = (needle) => {
      const found = column.values.map((value, code) => [value, code]).filter(([value]) => value.toLowerCase().includes(needle));
      fill(list, ...found.slice(0, LISTED).map(([value, code]) => entry(value, code)),
        found.length > LISTED && el("li.soft", {}, `and ${whole(found.length - LISTED)} more`));
    };
    draw("");
    const find = column.values.length > 14 && el("input.wide", { type: "search", placeholder: `Find in ${whole(column.values.length)}`, "aria-label": `Find in ${readable(column.name)}`,
      on: { input: (event) => draw(event.target.value.toLowerCase()) } });
    fill(body, find, list, column.missing > 0 && this.#unknown(column, parts, index));
  }

  #unknown(column, parts, index) {
    const on = parts.some(({ kind }) => kind === "missing");
    const change = () => this.filtering.replace(column.name, on ? [] : [{ kind: "missing", column: column.name }]);
    return el("label.group", {}, el("input", { type: "checkbox", id: `facet-${index}-missing`, checked: on, on: { change } }), `unknown (${whole(column.missing)})`);
  }

  async #range(body, column, parts, index) {
    const { date } = column;
    const [least, most] = endsOf(column);
    const limit = (signs, other) => {
      const part = parts.find(({ sign }) => signs.includes(sign));
      return part ? limitOf(part, date) : other;
    };
    const now = [limit([">=", ">"], least), limit(["<=", "<"], most)];
    const bars = el("div", { "aria-hidden": "true" });
    const span = most - least;
    const tidy = (value) => (date ? dated(value) : column.whole ? Math.round(value) : Number(value.toPrecision(4)));
    const read = ({ value }) => (date ? Date.parse(value) / 864e5 : Number(value));
    const text = date ? dated : String;
    const [lowest, highest] = date ? [least, most] : [tidy(least), tidy(most)]; // as the boxes show them
    const set = (low, high) => this.filtering.replace(column.name, [
      ...(low > lowest ? [{ kind: "compare", column: column.name, sign: ">=", value: text(low) }] : []),
      ...(high < highest ? [{ kind: "compare", column: column.name, sign: "<=", value: text(high) }] : []),
    ]);
    const slider = (at, words) => el("input", { type: "range", id: `facet-${index}-${at}`, min: 0, max: 200, value: Math.round((200 * (now[at] - least)) / span), "aria-label": `${words} ${readable(column.name)}`, on: {
      input: (event) => moved(at, least + (span * event.target.value) / 200),
      change: () => set(...ends.map(read)),
    } });
    const end = (at, words) => el("input", { type: date ? "date" : "number", step: "any", value: tidy(now[at]), "aria-label": `${words} ${readable(column.name)}`, on: { change: () => set(...ends.map(read)) } });
    const ends = [end(0, "Least"), end(1, "Most")];
    const moved = (at, value) => {
      ends[at].value = tidy(value);
      paint();
    };
    fill(body, el("div.range", {}, bars, el("div.sliders", {}, slider(0, "Least"), slider(1, "Most")), el("div.ends", {}, ...ends)),
      column.missing > 0 && this.#unknown(column, parts, index));
    const heights = histogram(await this.data.column(index), column);
    const paint = settled(16, () => fill(bars, drawn(heights, ends.map((one) => (read(one) - least) / span))));
    paint();
    bars.title = [least, most].map(date ? dated : measured).join(" to ");
  }
}

/** The least and the most value of a column of numbers; of dates, in whole days. */
const endsOf = ({ min, max, date }) => (date ? [Math.floor(min), Math.floor(max)] : [min, max]);

/** The number that a part sets as a limit; of dates, the first or the last day that it allows. */
function limitOf({ sign, value }, date) {
  if (!date) return Number(value);
  const [first, after] = daysOf(value) ?? [NaN, NaN];
  return { ">=": first, ">": after, "<=": after - 1, "<": first - 1 }[sign];
}

/** The values that a part allows, where it is of the kind that the checkboxes write. */
function equalities(part) {
  if (part.kind === "either") return part.parts.flatMap(equalities);
  return part.kind === "compare" && part.sign === "=" ? [part.value] : [];
}

/** The parts of a filter for any of some values of a column. */
export function anyOf(column, values) {
  const parts = values.map((value) => ({ kind: "compare", column, sign: "=", value }));
  return parts.length > 1 ? [{ kind: "either", parts }] : parts;
}

/** Heights of bars between 0 and 1; the square root, so that few are still seen. */
function histogram(values, { min, max }) {
  const counts = new Float32Array(BARS);
  for (const value of values) {
    if (!Number.isNaN(value)) counts[Math.min(BARS - 1, Math.floor(((value - min) / (max - min)) * BARS))]++;
  }
  const most = Math.sqrt(Math.max(1, ...counts));
  return Array.from(counts, (count) => Math.sqrt(count) / most);
}

function drawn(heights, [low, high]) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${BARS} 10`);
  svg.setAttribute("preserveAspectRatio", "none");
  heights.forEach((height, at) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const inside = (at + 1) / BARS > low && at / BARS < high;
    bar.classList.toggle("in", inside);
    for (const [name, value] of [["x", at + 0.08], ["y", 10 - 10 * height], ["width", 0.84], ["height", 10 * height]]) bar.setAttribute(name, value);
    svg.append(bar);
  });
  return svg;
}
