// Sets of rows. In the page a set is one byte a row, which the graphics card takes as it is; on the
// way to the server it is one bit a row, the lowest bit first; in the address it is a list of ids.

/** The rows that a mask holds, ascending. */
export function rowsOf(mask) {
  const rows = new Uint32Array(countOf(mask));
  let filled = 0;
  for (let row = 0; row < mask.length; row++) if (mask[row]) rows[filled++] = row;
  return rows;
}

/** How many rows a mask holds. */
export function countOf(mask) {
  let total = 0;
  for (let row = 0; row < mask.length; row++) if (mask[row]) total++;
  return total;
}

/** A mask over `size` rows that holds these. */
export function maskOf(rows, size) {
  const mask = new Uint8Array(size);
  for (const row of rows) if (row >= 0 && row < size) mask[row] = 1;
  return mask;
}

/** One bit a row; bit i of byte i >> 3 is row i. */
export function packed(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  for (let row = 0; row < mask.length; row++) if (mask[row]) bytes[row >> 3] |= 1 << (row & 7);
  return bytes;
}

/** The mask of packed bytes. */
export function unpacked(bytes, size) {
  const mask = new Uint8Array(size);
  for (let row = 0; row < size; row++) mask[row] = (bytes[row >> 3] >> (row & 7)) & 1;
  return mask;
}

/** Join a set with what was drawn: "set" replaces, "add" unites, "take" subtracts. */
export function joined(before, drawn, manner) {
  if (manner === "set") return Uint8Array.from(drawn);
  const after = Uint8Array.from(before);
  for (let row = 0; row < after.length; row++) if (drawn[row]) after[row] = manner === "add" ? 1 : 0;
  return after;
}

/** Ascending ids as short text: their differences, seven bits a byte, in base 64 for addresses. */
export function idsToText(ids) {
  const bytes = [];
  let last = 0;
  for (const id of ids) {
    let step = id - last;
    last = id;
    while (step >= 128) {
      bytes.push((step % 128) | 128);
      step = Math.floor(step / 128); // not a shift: ids may pass 32 bits
    }
    bytes.push(step);
  }
  const text = bytes.map((byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The ids of such text; an empty list where it is no such text. */
export function textToIds(text) {
  let plain;
  try {
    plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return [];
  }
  const ids = [];
  let [last, step, place] = [0, 0, 1];
  for (const letter of plain) {
    const byte = letter.charCodeAt(0);
    step += (byte & 127) * place;
    place *= 128;
    if (byte < 128) {
      last += step;
      ids.push(last);
      [step, place] = [0, 1];
    }
  }
  return ids;
}
