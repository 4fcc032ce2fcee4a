// What is chosen, taken away: a parquet table, a list of keys, the map as an image, the filter as text.

import { button, el } from "./dom.js";
import { show } from "./keys.js";
import { count } from "./words.js";

/** A dialog with the ways to take a choice away. */
export function exportDialog(dialog, { data, store, maps, filtering, say, warn }) {
  const many = store.workingRows.length;
  const stem = store.about.name.replaceAll(/[^\w-]+/g, "-");
  const save = async (name, blob) => {
    try {
      download(name, await blob);
      say(`Saved ${name}.`);
      dialog.close();
    } catch (fault) {
      dialog.close();
      warn(fault);
    }
  };
  const ways = [
    ["Table", "A parquet file with keys, labels, facts and vectors", () => save(`${stem}.parquet`, data.exported("parquet", store.working)), store.about.exported],
    ["List", "A text file with one key a line", () => save(`${stem}.txt`, data.exported("list", store.working)), false],
    ["Map", "The map as it is seen now, as PNG", () => save(`${stem}.png`, maps.png()), !maps.views.length],
    ["Filter", "The command that finds what the filter shows", () => [filtering.copy.click(), dialog.close()], !store.where],
  ];
  show(dialog, "Export", el("h2", {}, `Export ${count(many, "image")}`),
    el("p.soft", {}, store.chosenCount ? "These are the images that are chosen." : "No image is chosen, so these are all that are shown."),
    el("dl.facts", {}, ...ways.flatMap(([words, meaning, call, off]) => [
      el("dt", {}, button(words, call, { disabled: !!off })), el("dd", {}, meaning)])));
}

function download(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
