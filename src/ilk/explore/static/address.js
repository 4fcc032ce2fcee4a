// The address holds what one sees, so that it can be kept and opened again on this machine.

import { settled } from "./dom.js";
import { idsToText, maskOf, textToIds } from "./masks.js";

const LONGEST = 6000; // letters of a choice; a longer one is not kept in the address

/** Read the address once, then keep it up to date and follow it when a person edits it. */
export async function followAddress({ store, filtering, maps, inspector, say, warn }) {
  let written = location.hash;
  const write = settled(250, () => {
    const next = `#${text({ store, maps })}`;
    if (next === location.hash) return;
    written = next;
    history.replaceState(null, "", next);
  });
  const read = async () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const where = wanted.get("where") ?? "";
    if (where !== store.where) await filtering.apply(where);
    if (wanted.has("colour") && wanted.get("colour") !== store.colourBy) await maps.colour(wanted.get("colour"));
    const rows = store.rowsOfIds(textToIds(wanted.get("chosen") ?? ""));
    if (rows.length || store.chosenCount) store.choose(maskOf(rows, store.count));
    if (wanted.has("sort")) store.put("sort", { by: wanted.get("sort"), falling: wanted.get("order") !== "up" });
    if (wanted.get("show") === "all") store.put("scope", "all");
    store.put("room", ["map", "duplicates", "issues"].includes(wanted.get("room")) ? wanted.get("room") : "map");
    look(maps, wanted.get("at"));
    const [focus] = store.rowsOfIds([Number(wanted.get("image") ?? -1)]);
    if (focus !== undefined) inspector.open(focus);
  };
  await read().catch(warn);
  for (const name of ["where", "flags", "colour", "sort", "scope", "room", "view", "focus", "inspecting"]) store.on(name, write);
  addEventListener("hashchange", () => {
    if (location.hash === written) return;
    written = location.hash;
    read().then(() => say("Opened the address.")).catch(warn);
  });
}

function text({ store, maps }) {
  const kept = new URLSearchParams();
  const put = (name, value) => value && kept.set(name, value);
  put("room", store.room === "map" ? "" : store.room);
  put("where", store.where);
  kept.set("colour", store.colourBy);
  if (store.chosenCount) {
    const chosen = idsToText(Array.from(store.workingRows, (row) => store.ids[row]));
    put("chosen", chosen.length <= LONGEST ? chosen : "");
  }
  put("sort", store.sort.by);
  put("order", store.sort.by && !store.sort.falling ? "up" : "");
  put("show", store.scope === "all" ? "all" : "");
  const camera = maps.views[0]?.camera;
  if (camera && camera.zoom !== 1) put("at", [camera.x, camera.y, camera.zoom].map((number) => number.toFixed(3)).join(","));
  if (store.inspecting && store.focus >= 0) put("image", String(store.ids[store.focus]));
  return kept.toString();
}

function look(maps, at) {
  const [x, y, zoom] = (at ?? "").split(",").map(Number);
  const [view] = maps.views;
  if (!view || ![x, y, zoom].every(Number.isFinite)) return;
  view.camera.moveTo(x, y, zoom);
  view.refresh();
}
