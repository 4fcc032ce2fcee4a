// From fingers, mouse and wheel to what is meant: pan, zoom, draw a lasso or a rectangle, click, hover.

const CLICK = 4; // pixels: what moves less is a click
const STEP = 3; // pixels between corners of a lasso

/**
 * Listen on an element.
 * @param {Element} target
 * @param {{tool: () => string, pan: Function, zoom: Function, draw: Function, drawn: Function,
 *   click: Function, hover: Function, leave: Function}} on  `draw` and `drawn` receive corners in
 *   pixels, `drawn` and `click` also a manner: "set", "add" (shift) or "take" (alt)
 */
export function listen(target, on) {
  const pointers = new Map();
  let stroke = null; // corners of what is being drawn
  let [start, moved, pinch] = [null, false, null];
  const place = (event) => {
    const box = target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  target.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 2) {
      [stroke, moved, pinch] = [null, true, span(pointers)];
      on.draw(null);
      return;
    }
    [start, moved] = [place(event), false];
    const wanted = event.button === 1 ? "hand" : on.tool();
    const drawing = wanted !== "hand" || event.shiftKey || event.altKey;
    stroke = drawing ? { kind: wanted === "rectangle" ? wanted : "lasso", corners: [...start] } : null;
  });

  target.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) return on.hover(x, y);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2) {
      const now = span(pointers);
      on.pan(now.x - pinch.x, now.y - pinch.y);
      on.zoom(now.length / pinch.length, now.x, now.y);
      pinch = now;
      return undefined;
    }
    moved ||= Math.hypot(x - start[0], y - start[1]) >= CLICK;
    if (!moved || pinch) return undefined;
    if (!stroke) return on.pan(x - before[0], y - before[1]);
    extend(stroke, start, x, y);
    return on.draw(stroke.corners);
  });

  const end = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size) return;
    const cancelled = event.type === "pointercancel";
    if (!cancelled && !moved && !pinch) on.click(...place(event), manner(event));
    else if (!cancelled && stroke && moved) on.drawn(stroke.corners, manner(event));
    on.draw(null);
    [stroke, pinch, moved] = [null, null, false];
  };
  target.addEventListener("pointerup", end);
  target.addEventListener("pointercancel", end);
  target.addEventListener("pointerleave", () => on.leave());
  target.addEventListener("dblclick", (event) => on.zoom(2, ...place(event)));
  target.addEventListener("wheel", (event) => {
    event.preventDefault(); // the page itself does not scroll
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0018; // a pinch on a touch pad comes as ctrl and wheel
    on.zoom(Math.exp(-event.deltaY * lines * speed), ...place(event));
  }, { passive: false });
}

const manner = (event) => (event.altKey ? "take" : event.shiftKey ? "add" : "set");

function extend(stroke, [left, top], x, y) {
  if (stroke.kind === "rectangle") stroke.corners = [left, top, x, top, x, y, left, y];
  else if (Math.hypot(x - stroke.corners.at(-2), y - stroke.corners.at(-1)) >= STEP) stroke.corners.push(x, y);
}

function span(pointers) {
  const [[x1, y1], [x2, y2]] = [...pointers.values()];
  return { x: (x1 + x2) / 2, y: (y1 + y2) / 2, length: Math.max(1, Math.hypot(x2 - x1, y2 - y1)) };
}
