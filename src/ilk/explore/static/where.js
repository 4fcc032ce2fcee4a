// The language of filters, as `--where` takes it: `label=cat and not width<64`. Here it is read so
// that the facets show what the text says, and so that an exported page can filter without a server.

import { NO_CODE } from "./colours.js";
import { Fault } from "./fault.js";
import { dated } from "./words.js";

const TOKENS = /\s*(?:(?<sign>!=|<=|>=|[=<>~])|(?<bracket>[()])|(?<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<word>[^\s()=!<>~"']+)|(?<other>\S))/gsy;
const WORDS = new Set(["and", "or", "not", "is", "missing"]);
const BARE = /^[\p{L}\p{M}\p{N}\p{So}_.,:;/*?@#%&+\\-]+$/u; // all else stands in quotes
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;
const MOMENT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$/;

const isWord = (text) => WORDS.has(text.toLowerCase());

/** A name or a value as it stands in a filter. */
function quoted(text) {
  if (BARE.test(text) && !isWord(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/**
 * The tree of a filter: {kind: "compare", column, sign, value}, {kind: "missing", column},
 * {kind: "not", inner}, {kind: "both" | "either", parts}; null for an empty text.
 */
export function parsed(text) {
  const tokens = Array.from(text.matchAll(TOKENS), ({ groups, index }) => {
    const [kind, value] = Object.entries(groups).find(([, found]) => found !== undefined);
    return kind === "quoted"
      ? { kind: "word", plain: false, value: value.slice(1, -1).replaceAll(/\\(.)/gs, "$1"), index }
      : { kind, plain: true, value, index };
  });
  if (!tokens.length) return null;
  let at = 0;
  const is = (value) => tokens[at]?.plain && tokens[at].value.toLowerCase() === value;
  const fail = (must) => {
    throw new Fault(`The filter ${must}${tokens[at] ? ` at “${tokens[at].value}”` : " at its end"}.`, tokens[at]?.index ?? text.length);
  };
  const take = (kind, must) => (tokens[at]?.kind === kind && !(tokens[at].plain && isWord(tokens[at].value)) ? tokens[at++].value : fail(must));

  const either = () => many("or", "either", both);
  const both = () => many("and", "both", one);
  const many = (word, kind, part) => {
    const parts = [part()];
    while (is(word)) {
      at++;
      parts.push(part());
    }
    return parts.length === 1 ? parts[0] : { kind, parts };
  };
  const one = () => {
    if (is("not")) {
      at++;
      return { kind: "not", inner: one() };
    }
    if (is("(")) {
      at++;
      const inner = either();
      if (!is(")")) fail("must close its parenthesis");
      at++;
      return inner;
    }
    const column = take("word", "must name a column");
    if (is("is")) return missing(column);
    return { kind: "compare", column, sign: take("sign", "must have one of = != < <= > >= ~"), value: take("word", "must have a value") };
  };
  const missing = (column) => {
    at++;
    const not = is("not");
    if (not) at++;
    if (!is("missing")) fail("must say “missing” after “is”");
    at++;
    return not ? { kind: "not", inner: { kind: "missing", column } } : { kind: "missing", column };
  };

  const tree = either();
  if (at < tokens.length) fail("must go on with and, or, or end");
  return tree;
}

/** The text of a tree, which reads back as the same tree. */
export function written(tree) {
  const within = (part) => (part.kind === "either" || part.kind === "both" ? `(${written(part)})` : written(part));
  switch (tree?.kind) {
    case "compare": return `${quoted(tree.column)}${tree.sign}${quoted(tree.value)}`;
    case "missing": return `${quoted(tree.column)} is missing`;
    case "not": return `not ${within(tree.inner)}`;
    case "both": return tree.parts.map(within).join(" and ");
    case "either": return tree.parts.map((part) => (part.kind === "either" ? within(part) : written(part))).join(" or ");
    default: return "";
  }
}

/** The parts of a tree that must all hold. */
export const conjuncts = (tree) => (!tree ? [] : tree.kind === "both" ? tree.parts : [tree]);

/** The column that a part asks about where it asks about one alone, else null. */
export function columnOf(part) {
  if (part.kind === "compare" || part.kind === "missing") return part.column;
  if (part.kind === "not") return columnOf(part.inner);
  const columns = new Set(part.parts.map(columnOf));
  return columns.size === 1 ? [...columns][0] : null;
}

/**
 * A mask of the rows that a filter means.
 * @param {{count: number, columns: Map, key: (row: number) => string}} table  a column is what
 *   `about` says of it, with its `data`
 */
export function meant(text, table) {
  const tree = parsed(text);
  const holds = tree ? test(tree, table) : () => true;
  return Uint8Array.from({ length: table.count }, (_, row) => (holds(row) ? 1 : 0));
}

function test(tree, table) {
  if (tree.kind === "not") {
    const inner = test(tree.inner, table);
    return (row) => !inner(row);
  }
  if (tree.kind === "both" || tree.kind === "either") {
    const parts = tree.parts.map((part) => test(part, table));
    return tree.kind === "both" ? (row) => parts.every((part) => part(row)) : (row) => parts.some((part) => part(row));
  }
  const column = table.columns.get(tree.column);
  if (!column && tree.column !== "key") throw new Fault(`The filter names ${tree.column}, which is no column; there are key, ${[...table.columns.keys()].join(", ")}.`);
  if (tree.kind === "missing") return column ? (row) => unknown(column, row) : () => false;
  if (tree.sign === "!=") return test({ kind: "not", inner: { ...tree, sign: "=" } }, table);
  if (column?.date) return onDays(column, tree);
  if (column?.kind === "number") return ordered(column, tree);
  const texts = column?.values ?? Array.from({ length: table.count }, (_, row) => table.key(row));
  const fits = tree.sign === "~" ? globbed(tree.value) : compared(tree, texts);
  if (!column) return (row) => fits(table.key(row));
  const codes = column.values.map(fits);
  return (row) => codes[column.data[row]] ?? false;
}

const unknown = ({ kind, data }, row) => (kind === "number" ? Number.isNaN(data[row]) : data[row] === NO_CODE);

function ordered({ name, data }, { sign, value }) {
  const limit = Math.fround(Number(value));
  if (sign === "~" || !NUMBER.test(value)) throw new Fault(`The filter must compare ${name} with a number, got ${value}.`);
  return (row) => signs[sign](data[row], limit);
}

function onDays({ name, data }, { sign, value }) {
  const span = daysOf(value);
  if (sign === "~" || !span) throw new Fault(`The filter must compare ${name} with a date such as 2024, 2024-05 or 2024-05-31, got ${value}.`);
  return (row) => spans[sign](data[row], span);
}

/** How a day stands to the span between a first day and the one after the last. */
const spans = {
  "=": (day, [first, after]) => day >= first && day < after,
  "<": (day, [first]) => day < first,
  "<=": (day, [, after]) => day < after,
  ">": (day, [, after]) => day >= after,
  ">=": (day, [first]) => day >= first,
};

/** The first day of a year, a month or a day, and that after its last, in days since 1970; null for other text. */
export function daysOf(text) {
  if (!/^\d{4}(-\d\d){0,2}$/.test(text)) return null;
  const first = Date.parse(text) / 864e5;
  if (!dated(first).startsWith(text)) return null; // such as a 31st of February
  const after = new Date(first * 864e5);
  if (text.length === 10) after.setUTCDate(after.getUTCDate() + 1);
  else if (text.length === 7) after.setUTCMonth(after.getUTCMonth() + 1);
  else after.setUTCFullYear(after.getUTCFullYear() + 1);
  return [first, after / 864e5];
}

const signs = { "=": (a, b) => a === b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b };

/** Where all texts of a column are numbers, or all are dates, less and more go by these. */
function compared({ sign, value }, texts) {
  if (sign === "=") return (text) => text === value;
  if (NUMBER.test(value) && texts.every((text) => NUMBER.test(text))) return (text) => signs[sign](Number(text), Number(value));
  const span = daysOf(value);
  if (span && texts.every((text) => dayOf(text) !== null)) return (text) => spans[sign](dayOf(text), span);
  return (text) => signs[sign](text, value);
}

/** A date or a time in UTC as days since 1970; null for other text. */
function dayOf(text) {
  if (!MOMENT.test(text) || !daysOf(text.slice(0, 10))) return null;
  const day = Date.parse(`${text.replace(" ", "T")}${text.length > 10 ? "Z" : ""}`) / 864e5;
  return Number.isNaN(day) ? null : day;
}

/** Whether the whole of a text fits a pattern; * stands for any characters and ? for one. */
function globbed(pattern) {
  const parts = pattern.replaceAll(/[\\^$.|+()[\]{}]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const whole = new RegExp(`^(?:${parts})$`, "s");
  return (text) => whole.test(text);
}
