// The images as a table, a page at a time: for screen readers, and for whoever likes to read.

import { button, el, fill } from "./dom.js";
import { count, measured, shown, whole } from "./words.js";

const PAGE = 50;
const FACTS = 6; // columns of facts, so that a line can be read

/** Fill a place with one page of rows. */
export async function drawTable(host, rows, { data, store, inspector }, page = 0) {
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const list = await data.rows(Array.from(rows.slice(page * PAGE, (page + 1) * PAGE)));
  const names = [...new Set(list.flatMap(({ facts }) => Object.keys(facts)))].slice(0, FACTS);
  const turn = (to) => drawTable(host, rows, { data, store, inspector }, to).then(() => host.scrollTo(0, 0));
  const head = ["Image", "Label", "Size", ...names, "Issues", "Decision"];
  const line = (one) => el("tr", {},
    el("th", { scope: "row" }, button(one.key, () => inspector.open(one.row), { class: "quiet" })),
    el("td", {}, one.label ?? ""), el("td", {}, one.width ? `${measured(one.width)} × ${measured(one.height)}` : ""),
    ...names.map((name) => el("td", {}, name in one.facts ? shown(one.facts[name]) : "")),
    el("td", {}, one.issues.join(", ")), el("td", {}, store.decisions.get(one.row)?.decision ?? ""));
  fill(host, el("table", {},
    el("caption", {}, `${count(rows.length, "image")}${pages > 1 ? `, page ${whole(page + 1)} of ${whole(pages)}` : ""}`),
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...list.map(line))),
  pages > 1 && el("div.bar", {}, button("Earlier", () => turn(page - 1), { disabled: page === 0 }), button("Later", () => turn(page + 1), { disabled: page + 1 === pages })));
}
