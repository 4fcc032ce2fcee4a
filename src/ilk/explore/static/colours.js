// Which colour a point has. A point carries an index into a palette of 256 colours: 0 is "unknown",
// the last is "all others", the rest are categories or the steps of a ramp.

const MISSING = 0;
const OTHERS = 255;
export const NO_CODE = 65535;

// Ten colours for light and for dark grounds, chosen so that any two stay apart for people with
// protanopia or deuteranopia too (simulated after Machado et al. 2009, measured in Oklab; a test
// holds the least distance).
const LIGHT = ["#0f7f8f", "#9e0a0b", "#c6a77f", "#55499f", "#6ca828", "#a76a48", "#2c84f5", "#4b1748", "#a5a3f5", "#19573b"];
const DARK = ["#5cc3cf", "#ee9792", "#f5cb0a", "#b86cdb", "#89a51b", "#d44867", "#4f56d2", "#8a6017", "#5df59a", "#408997"];
// Ramps that grow evenly lighter or darker (after viridis), without the end that a ground swallows.
const RAMP_LIGHT = ["#d9c64a", "#8fc05a", "#3fa57a", "#1f8088", "#2d5b88", "#413a78", "#3d1a57"];
const RAMP_DARK = ["#4a4f9c", "#3d74a6", "#2f97a0", "#3fb48a", "#7fcb66", "#c6d84c", "#f7e88a"];

const rgb = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** The colour of a ramp at a share between 0 and 1. */
export function rampAt(share, dark = isDark()) {
  const stops = dark ? RAMP_DARK : RAMP_LIGHT;
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  const [from, to] = [rgb(stops[low]), rgb(stops[low + 1])];
  return from.map((part, i) => Math.round(part + (to[i] - part) * (at - low)));
}

/** All points in one colour. */
export function plain(count) {
  const dark = isDark();
  const palette = blank(dark);
  palette.set(rgb(dark ? DARK[0] : LIGHT[0]), 4);
  return { indices: new Uint8Array(count).fill(1), palette, legend: null };
}

/** The ten commonest categories in colours of their own, the rest in gray. */
export function byCategory(column, codes) {
  const dark = isDark();
  const hues = dark ? DARK : LIGHT;
  const palette = blank(dark);
  hues.forEach((hue, code) => palette.set(rgb(hue), 4 * (code + 1)));
  const indices = new Uint8Array(codes.length);
  for (let row = 0; row < codes.length; row++) {
    indices[row] = codes[row] === NO_CODE ? MISSING : codes[row] < hues.length ? codes[row] + 1 : OTHERS;
  }
  const entries = column.values.slice(0, hues.length).map((value, code) => ({
    value, count: column.counts[code], colour: hues[code],
  }));
  const rest = column.counts.slice(hues.length);
  const others = rest.length
    ? { values: rest.length, count: rest.reduce((sum, n) => sum + n, 0), colour: css(palette.slice(4 * OTHERS, 4 * OTHERS + 3)) }
    : null;
  return { indices, palette, legend: { kind: "category", name: column.name, entries, others, missing: column.missing } };
}

/** A ramp from the second to the ninety-eighth hundredth of the values, so that one outlier does not take it all. */
export function byNumber(column, values) {
  const dark = isDark();
  const palette = blank(dark);
  for (let step = 1; step < OTHERS; step++) palette.set(rampAt((step - 1) / (OTHERS - 2), dark), 4 * step);
  const [low, high] = middle(values);
  const span = high - low || 1;
  const indices = new Uint8Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const share = Math.max(0, Math.min(1, (values[row] - low) / span));
    indices[row] = Number.isNaN(values[row]) ? MISSING : 1 + Math.round(share * (OTHERS - 2));
  }
  return { indices, palette, legend: { kind: "number", name: column.name, date: column.date, low, high, missing: column.missing ?? 0 } };
}

/** The 2nd and 98th hundredth of those numbers that are known, from at most 20,000 of them. */
export function middle(values) {
  const step = Math.max(1, Math.floor(values.length / 20000));
  const some = [];
  for (let at = 0; at < values.length; at += step) if (!Number.isNaN(values[at])) some.push(values[at]);
  some.sort((a, b) => a - b);
  const at = (share) => some[Math.round(share * (some.length - 1))];
  return some.length ? [at(0.02), at(0.98)] : [0, 1];
}

/** The colour of one row, as a style sheet writes it. */
export const colourOf = ({ indices, palette }, row) => css(palette.slice(4 * indices[row], 4 * indices[row] + 3));

function blank(dark) {
  const palette = new Uint8Array(256 * 4);
  for (let index = 0; index < 256; index++) palette[4 * index + 3] = 255;
  palette.set(dark ? [112, 106, 96] : [182, 176, 164], 4 * OTHERS);
  palette.set(dark ? [84, 80, 72] : [207, 201, 190], 4 * MISSING);
  return palette;
}
