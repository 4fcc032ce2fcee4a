// By what the points are coloured, and the legend that says so.

import { byCategory, byNumber, NO_CODE, plain, rampAt } from "./colours.js";
import { button, el, fill } from "./dom.js";
import { anyOf } from "./facets.js";
import { dated, measured, readable, whole } from "./words.js";

const DECISIONS = ["keep", "drop", "select"];

/** The ways to colour: [value, words]. */
export function ways(about) {
  return [
    ["", "nothing"],
    ...about.columns.filter(divides).map(({ name }) => [name, readable(name)]),
    ["decision", "decision"],
    ...(about.pair ? [["kept", "share of neighbours kept"]] : []),
  ];
}

const divides = (column) => (column.kind === "category" ? column.values.length > 1 : column.max > column.min);

/** What is coloured at first: a label, else a group, else nothing. */
export function firstWay(about) {
  const names = ways(about).map(([name]) => name);
  return ["label", "label_name", "cluster", "class"].find((name) => names.includes(name)) ?? "";
}

/** The colours of all rows by a way; one that there is not colours by nothing. */
export async function coloured(by, { data, store }) {
  if (by === "decision") return byCategory(...decided(store));
  if (by === "kept" && store.about.pair) {
    const values = await data.kept(...store.about.pair);
    return byNumber({ name: "share of the 10 nearest kept", missing: 0 }, values);
  }
  const index = store.about.columns.findIndex(({ name }) => name === by);
  if (index < 0) return plain(store.count);
  const column = store.about.columns[index];
  const values = await data.column(index);
  return column.kind === "category" ? byCategory(column, values) : byNumber(column, values);
}

function decided(store) {
  const codes = new Uint16Array(store.count).fill(NO_CODE);
  for (const [row, { decision }] of store.decisions) codes[row] = DECISIONS.indexOf(decision);
  const counts = DECISIONS.map((_, code) => codes.reduce((sum, one) => sum + (one === code ? 1 : 0), 0));
  return [{ name: "decision", values: DECISIONS, counts, missing: store.count - store.decisions.size }, codes];
}

/** Fill the legend's place. */
export function drawLegend(host, { data, store, filtering }) {
  const { legend } = store.colouring;
  if (!legend) return fill(host);
  return legend.kind === "category" ? categories(host, legend, { data, store, filtering }) : ramp(host, legend);
}

function categories(host, legend, { data, store, filtering }) {
  const index = store.about.columns.findIndex(({ name }) => name === legend.name);
  const choose = async (code, manner) => {
    const codes = index < 0 ? decided(store)[1] : await data.column(index);
    store.choose(Uint8Array.from(codes, (one, row) => (one === code && store.passing[row] ? 1 : 0)), manner);
  };
  const isolate = (value) => {
    if (index < 0) return;
    const only = filtering.parts(legend.name).some(({ sign, value: held }) => sign === "=" && held === value);
    store.clear();
    filtering.replace(legend.name, only ? [] : anyOf(legend.name, [value]));
  };
  const entries = legend.entries.map(({ value, count, colour }, code) => {
    const entry = button("", (event) => choose(code, event.altKey ? "take" : event.shiftKey ? "add" : "set"),
      { title: `${value}: click to choose these, double click to show only these` });
    const dot = el("span.dot");
    dot.style.setProperty("--dot", colour);
    entry.addEventListener("dblclick", () => isolate(value));
    entry.append(dot, el("span.value", {}, value || "(empty)"), el("span.soft", {}, whole(count)));
    return el("li", {}, entry);
  });
  const more = [
    legend.others && `${whole(legend.others.values)} other values: gray, ${whole(legend.others.count)}`,
    legend.missing > 0 && `unknown: pale, ${whole(legend.missing)}`,
  ].filter(Boolean).map((words) => el("li.soft", {}, words));
  return fill(host, el("summary", {}, readable(legend.name)), el("ul", {}, ...entries, ...more));
}

function ramp(host, { name, date, low, high, missing }) {
  const [least, most] = [low, high].map((end) => (date ? dated(end) : measured(Number(end.toPrecision(3)))));
  const strip = el("canvas", { width: 64, height: 1, role: "img", "aria-label": `A ramp from ${least} to ${most}` });
  const context = strip.getContext("2d");
  for (let at = 0; at < 64; at++) {
    context.fillStyle = `rgb(${rampAt(at / 63).join(" ")})`;
    context.fillRect(at, 0, 1, 1);
  }
  fill(host, el("summary", {}, readable(name)), strip,
    el("div.ends", {}, el("span", {}, least), el("span", {}, most)),
    missing > 0 && el("p.soft", {}, `unknown: pale, ${whole(missing)}`));
}
