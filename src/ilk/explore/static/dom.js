// Elements, built without markup: whatever comes from data enters as a text node and stays text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag  its name, with classes behind dots: "button.quiet"
 * @param {object} props  attributes; `on` holds listeners, `props` holds properties
 * @param {...(Node|string|number|null|false)} children  text where they are not nodes
 */
export function el(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  node.classList.add(...classes);
  for (const [key, value] of Object.entries(props)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (key === "props") Object.assign(node, value);
    else if (key.startsWith("aria-") && typeof value === "boolean") node.setAttribute(key, String(value));
    else if (there(value)) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter(there));
  return node;
}

/** A button that says in words what it does; `title` also names its key. */
export function button(label, onClick, props = {}) {
  return el("button", { type: "button", ...props, on: { click: onClick } }, label);
}

/** A drawing of one stroke, 16 units wide, hidden from screen readers. */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  hand: "M8 1.5v13M1.5 8h13M8 1.5 6 3.5M8 1.5l2 2M8 14.5l-2-2M8 14.5l2-2M1.5 8l2-2M1.5 8l2 2M14.5 8l-2-2M14.5 8l-2 2",
  lasso: "M8 2C4.4 2 1.6 3.9 1.6 6.4s2.8 4.4 6.4 4.4 6.4-1.9 6.4-4.4S11.6 2 8 2ZM4.6 10.2c-1.5.9-1 2.6.4 2.4 1.3-.2 1.2-1.9-.2-2.3M5.2 12.5c.3 1-.3 1.7-1.2 2",
  rectangle: "M2 3.5h12v9H2ZM2 3.5h.01",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  whole: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  search: "M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2ZM10.7 10.7 14 14",
  copy: "M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3",
  back: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
};

/** Put these children in the place of all others. */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter(there));
  return node;
}

/** Conditions that do not hold leave nothing behind. */
const there = (value) => value !== null && value !== undefined && value !== false && value !== "";

/** Call a function once things have been quiet for so many milliseconds. */
export function settled(wait, call) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), wait);
  };
}

/** Whether the person asked for less motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
