// Numbers and counts as people write them.

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** 12345 -> "12,345" */
export const whole = (number) => WHOLE.format(number);

/** count(1, "image") -> "1 image"; count(2, "image") -> "2 images" */
export const count = (number, noun, plural = `${noun}s`) => `${whole(number)} ${number === 1 ? noun : plural}`;

/** A measured number in three digits; years and other whole numbers stay as they are. */
export function measured(number) {
  if (number === null || Number.isNaN(number)) return "unknown";
  if (Number.isInteger(number)) return Math.abs(number) < 1e4 ? String(number) : whole(number);
  return SHORT.format(number);
}

/** Days since 1970 as a date: 19723 -> "2024-01-01" */
export const dated = (days) => (Math.abs(days) < 1e8 ? new Date(days * 864e5).toISOString().split("T")[0] : "unknown");

/** 0.9371 -> "0.94": similarities always have two places, so that they line up. */
export const similarity = (number) => number.toFixed(2);

/** The last part of a key that looks like a path. */
export const tail = (key) => key.split(/[\\/]/).filter(Boolean).at(-1) ?? key;

/** "label_name" -> "label name" */
export const readable = (name) => name.replaceAll("_", " ");

/** What a value of a fact looks like in a table. */
export function shown(value) {
  if (value === null || value === undefined) return "unknown";
  if (typeof value === "number") return measured(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}
