// The page of an index: opens the data, joins the parts, and says what happens.

import { followAddress } from "./address.js";
import { openData } from "./data.js";
import { Decisions } from "./decisions.js";
import { button, el, fill, settled } from "./dom.js";
import { Duplicates } from "./duplicates.js";
import { exportDialog } from "./exports.js";
import { Facets } from "./facets.js";
import { Filtering } from "./filtering.js";
import { hints } from "./hint.js";
import { Images } from "./images.js";
import { Inspector } from "./inspector.js";
import { Issues } from "./issues.js";
import { Keys, show } from "./keys.js";
import { Maps } from "./maps.js";
import { Search } from "./search.js";
import { Store } from "./store.js";
import { shownImage } from "./tiles.js";
import { whole } from "./words.js";

const at = (id) => document.getElementById(id);

/** Say it to a screen reader. */
const say = (words) => (at("status").textContent = words);

/** Say that something went wrong, in the words of the fault. */
function warn(fault) {
  const notice = at("notice");
  notice.classList.add("fault");
  fill(notice, fault.message, button("Close", () => (notice.hidden = true), { class: "quiet" }));
  notice.hidden = false;
}

async function start() {
  const data = openData();
  const asked = [data.about(), data.ids(), data.decisions()];
  asked[2].catch(() => {}); // it is met where it is waited for
  const [about, ids] = await Promise.all(asked.slice(0, 2));
  const store = new Store(about, ids);
  document.title = `${about.name} – ilk`;
  at("name").textContent = about.name;
  at("name").title = about.name;

  const flat = new URLSearchParams(location.search).get("draw") === "flat";
  const given = { data, store, say, warn, flat };
  const decisions = new Decisions(data, store, say);
  const filtering = new Filtering(at("where"), given);
  const preview = (row) => large(row, given);
  const inspector = new Inspector(at("inspector"), { ...given, decisions, preview });
  const maps = new Maps(at("maps"), { ...given, filtering });
  await decisions.load(asked[2]);
  const images = new Images(at("images"), { ...given, decisions, inspector });
  new Facets(at("filters"), { ...given, filtering });
  hints(at("hint"), given);
  const search = new Search({ ...given, zone: at("drop"), notice: images.note });
  const parts = { ...given, decisions, filtering, inspector, preview, maps, images, search };
  parts.duplicates = new Duplicates(at("duplicates"), parts);
  parts.issues = new Issues(at("issues"), parts);
  await maps.open().catch(warn);
  rooms(parts);
  keyboard(parts);
  follow(parts);
  if (about.images) warn({ message: about.images });
  await followAddress(parts);
  store.tell("flags");
  document.body.dataset.ready = "true";
}

/** One image as large as the window allows. */
async function large(row, { data, store }) {
  const [one] = await data.rows([row]);
  show(at("dialog"), "Image", el("figure", {}, shownImage(data, row, { large: true, name: one?.key ?? "" }), el("figcaption", {}, one ? one.key : `image ${store.ids[row]}`)));
}

/** The rooms at the top, the tabs of a narrow window, the actions. */
function rooms(parts) {
  const { store, search } = parts;
  const draw = () => {
    const words = { map: "Map", duplicates: "Duplicates", issues: "Issues" };
    fill(at("rooms"), ...Object.entries(words).map(([room, title]) => button(title, () => store.put("room", room), { "aria-current": store.room === room })));
    document.body.dataset.room = store.room;
    for (const id of ["filters", "maps", "images"]) at(id).hidden = store.room !== "map";
    for (const id of ["duplicates", "issues"]) at(id).hidden = store.room !== id;
    if (store.room !== "map") store.put("inspecting", false);
  };
  const chosen = () => (store.chosenCount ? `${whole(store.chosenCount)} chosen` : "Images");
  const tabs = () => fill(at("tabs"), ...[["maps", "Map"], ["images", chosen()], ["filters", "Filters"]].map(([tab, title]) =>
    button(title, () => [(document.body.dataset.tab = tab), tabs()], { "aria-current": document.body.dataset.tab === tab })));
  document.body.dataset.tab = "maps";
  store.on("room", draw);
  store.on("flags", tabs);
  draw();
  tabs();
  fill(at("actions"),
    button("Filters", () => at("filters").classList.toggle("open"), { class: "filters-button" }),
    button("Search by image", () => search.pick(), { title: store.about.search ?? "Drop, paste or pick an image (s)", disabled: !!store.about.search }),
    button("Export", () => exportDialog(at("dialog"), parts), { title: "Take the choice away (e)" }),
    button("?", () => parts.keys.help(at("dialog")), { title: "Help and keys (?)", "aria-label": "Help" }));
}

/** What happens on its own: counts are announced, jobs are shown, a changed `about` is read again. */
function follow({ data, store, images, maps }) {
  const count = settled(400, () => say(`${images.words()}.`));
  store.on("flags", count);
  let working = false;
  data.onJobs = (jobs) => {
    const busy = jobs.filter(({ state }) => state === "working");
    fill(at("jobs"), busy.map(({ title, done, of }) => `${title}${of ? ` ${Math.floor((100 * done) / of)} %` : "…"}`).join("  ·  "));
    at("jobs").hidden = !busy.length;
    if (working !== busy.length > 0) poll(busy.length > 0);
    working = busy.length > 0;
  };
  let timer = 0;
  const poll = (on) => {
    clearInterval(timer);
    if (on) timer = setInterval(() => data.jobs().catch((fault) => [clearInterval(timer), warn(fault)]), 1000);
  };
  data.onRevision = async () => {
    store.about = await data.about();
    maps.refreshed();
    store.tell("about");
  };
  data.jobs().catch(warn);
}

function keyboard(parts) {
  const { store, maps, images, duplicates, issues, decisions, inspector, preview, search } = parts;
  const keys = new Keys(store);
  parts.keys = keys;
  const undo = () => decisions.any && [decisions.undo().catch(warn)];
  keys.add("?", "this help", () => keys.help(at("dialog")));
  keys.add("/", "write a filter", () => at("where").querySelector("input").focus());
  keys.add("m", "the map", () => store.put("room", "map"));
  keys.add("d", "duplicates", () => store.put("room", "duplicates"));
  keys.add("i", "issues", () => store.put("room", "issues"));
  keys.add("s", "search by an image; drop or paste one", () => search.pick());
  keys.add("e", "export", () => exportDialog(at("dialog"), parts));
  keys.add("z u", "take the last decision back", () => undo() || false);
  keys.add("Escape", "close the drawer, then choose none", () => inspector.shut() || store.clear());
  keys.add("h", "move the map", () => maps.use("hand"), "map");
  keys.add("l", "lasso; shift adds, alt takes away", () => maps.use("lasso"), "map");
  keys.add("r", "rectangle", () => maps.use("rectangle"), "map");
  keys.add("+ =", "zoom in", () => maps.zoom(1.6), "map");
  keys.add("- _", "zoom out", () => maps.zoom(1 / 1.6), "map");
  keys.add("0", "the whole map", () => maps.home(), "map");
  keys.add("f", "look at the choice", () => maps.flyTo(store.workingRows), "map");
  keys.add("g", "grow: add the 10 nearest of each", () => [images.grow()], "map");
  keys.add("v", "invert the choice", () => store.invert(), "map");
  keys.add("t", "the images as a table", () => images.toggleTable(), "map");
  keys.add("n", "neighbours of the image", () => store.focus >= 0 && inspector.open(store.focus), "map");
  keys.add("Space", "look at it large", () => (store.focus >= 0 ? [preview(store.focus)] : false), "map");
  keys.add("k", "keep", () => images.decide("keep"), "map");
  keys.add("x", "drop", () => images.decide("drop"), "map");
  keys.add("ArrowLeft ArrowUp", "", () => images.tiles.go(images.tiles.at - 1), "map");
  keys.add("ArrowRight ArrowDown", "the next image", () => images.tiles.go(images.tiles.at + 1), "map");
  keys.add("ArrowLeft ArrowUp", "", () => duplicates.move(-1), "duplicates");
  keys.add("ArrowRight ArrowDown", "the next image of the group", () => duplicates.move(1), "duplicates");
  keys.add("k", "keep this one", () => [duplicates.decide("keep")], "duplicates");
  keys.add("x", "drop this one", () => [duplicates.decide("drop")], "duplicates");
  keys.add("Enter", "as the rule says, then the next group", () => [duplicates.next()], "duplicates");
  keys.add("n", "the next group, undecided", () => duplicates.go(duplicates.at + 1), "duplicates");
  keys.add("p", "the group before", () => duplicates.go(duplicates.at - 1), "duplicates");
  keys.add("f", "show differences", () => [(duplicates.differ = !duplicates.differ), duplicates.draw()], "duplicates");
  keys.add("k", "keep", () => issues.decide("keep"), "issues");
  keys.add("x", "drop", () => issues.decide("drop"), "issues");
  keys.add("Space", "look at it large", () => (store.focus >= 0 ? [preview(store.focus)] : false), "issues");
}

start().catch((fault) => {
  warn(fault);
  at("rooms-body").replaceChildren(el("div.empty", {}, el("h3", {}, "The index cannot be shown"), el("p", {}, fault.message)));
});
