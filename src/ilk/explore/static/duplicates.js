// The queue of duplicates: groups from the largest, side by side, with a rule that says which one stays.

import { button, calm, el, fill } from "./dom.js";
import { facts } from "./inspector.js";
import { shownImage } from "./tiles.js";
import { count, similarity, tail, whole } from "./words.js";

const RULES = [["largest", "the largest stays"], ["oldest", "the oldest stays"], ["typical", "the most typical stays"], ["folder", "those of a folder stay"]];
const LISTED = 400; // groups in the list at the left; the queue itself holds all

export class Duplicates {
  constructor(host, { data, store, decisions, preview, say, warn }) {
    Object.assign(this, { host, data, store, decisions, preview, say, warn });
    Object.assign(this, { rule: "largest", folder: "", groups: [], at: 0, here: 0, opened: false, differ: false });
    store.on("room", () => store.room === "duplicates" && !this.opened && this.open());
    store.on("decisions", () => this.opened && this.groups.length && this.draw());
  }

  /** Ask for the groups under the rule. */
  async open() {
    this.opened = true;
    const { about } = this.store;
    if (about.duplicates) return this.#empty("Duplicates cannot be looked for", about.duplicates);
    if (!this.groups.length) this.#empty("Looking for duplicates", "Every image is compared with those near it. This is done once; the result is kept with the index.");
    try {
      const { groups, words } = await this.data.duplicates(this.rule === "folder" ? `folder:${this.folder}` : this.rule);
      [this.groups, this.words] = [groups, words];
    } catch (fault) {
      if (this.groups.length) return this.warn(fault);
      this.opened = false;
      return this.#empty("Duplicates cannot be looked for", fault.message);
    }
    if (!this.groups.length) return this.#empty("No duplicates were found", this.words);
    this.at = Math.min(this.at, this.groups.length - 1);
    return this.draw();
  }

  get group() {
    return this.groups[this.at];
  }

  /** Whether all images of a group are kept or dropped. */
  done = (group) => group.rows.every((row) => this.#verdict(row));

  /** What was decided of an image as a copy: that rows were selected says nothing of copies. */
  #verdict(row) {
    const decision = this.store.decisions.get(row)?.decision;
    return decision === "select" ? undefined : decision;
  }

  draw() {
    const scroll = this.host.querySelector(".list")?.scrollTop ?? 0;
    this.list = el("div.list", {}, el("h2", {}, count(this.groups.length, "group")), el("p.note", {}, this.words), this.#rules(), this.#list());
    this.members = el("div.members", { role: "group", "aria-label": `Group ${this.at + 1}` });
    fill(this.host, el("div.split", {}, this.list, el("div.body", {}, this.#head(), this.members, this.#foot())));
    this.list.scrollTop = scroll;
    this.#members();
  }

  #rules() {
    const choose = el("select", { "aria-label": "Rule", on: { change: () => [(this.rule = choose.value), this.rule === "folder" && !this.folder ? this.draw() : this.open()] } },
      ...RULES.map(([value, words]) => el("option", { value, selected: value === this.rule }, words)));
    const folder = this.rule === "folder" && el("input", { type: "text", placeholder: "photos/originals", value: this.folder, "aria-label": "Folder whose images stay", on: { change: (event) => [(this.folder = event.target.value.trim()), this.open()] } });
    return el("p.note", {}, el("label.group", {}, "Rule", choose), folder);
  }

  #list() {
    const tiles = this.groups.slice(0, LISTED).map((group, at) => {
      const tile = button("", () => this.go(at), { "aria-current": at === this.at, "aria-label": `Group ${at + 1}, ${count(group.rows.length, "image")}${this.done(group) ? ", decided" : ""}`, class: this.done(group) ? "done" : "" });
      tile.append(shownImage(this.data, group.keep), el("span.score", {}, whole(group.rows.length)));
      return el("li", {}, tile);
    });
    const rest = this.groups.length - tiles.length;
    return el("div", {}, el("ul.groups", {}, ...tiles), rest > 0 && el("p.note", {}, `and ${count(rest, "smaller group")}, which follow with enter`));
  }

  #head() {
    const { group } = this;
    return el("div.bar", {}, el("h2", {}, `Group ${whole(this.at + 1)} of ${whole(this.groups.length)}`),
      el("span.tag", {}, group.reason), group.similarity !== null && el("span.soft", {}, `similarity to the middle at least ${similarity(group.similarity)}`),
      el("span.push.row", {}, button("Show differences", () => [(this.differ = !this.differ), this.#members()], { "aria-pressed": this.differ, title: "Black is where an image equals the one that stays (f)" })));
  }

  async #members() {
    const { group, members } = this;
    const known = new Map((await this.data.rows(group.rows).catch((fault) => [this.warn(fault), []].at(-1))).map((one) => [one.row, one]));
    if (group !== this.group || members !== this.members) return;
    fill(members, ...group.rows.map((row, place) => this.#member(row, place, known.get(row))));
    members.children[this.here]?.focus({ preventScroll: calm() });
  }

  #member(row, place, one) {
    const { group } = this;
    const decided = this.#verdict(row);
    const planned = row === group.keep ? "keep" : "drop";
    const view = el("div.view", {}, shownImage(this.data, row, { large: true, name: one?.key ?? "" }));
    if (this.differ && row !== group.keep) view.append(shownImage(this.data, group.keep, { large: true }));
    const head = el("div.head", {}, el("h3", {}, one ? tail(one.key) : "image"), el("span.verdict", {}, decided ?? `${planned}?`));
    return el(`article.member.${decided ?? "open"}`, { tabindex: 0, "aria-label": `${one ? tail(one.key) : "image"}, ${decided ?? `by the rule: ${planned}`}`, on: {
      focus: () => (this.here = place), dblclick: () => this.preview(row),
    } }, view, head, one ? facts(one) : el("p.soft", {}, "Nothing is known of this image."));
  }

  #foot() {
    const { group } = this;
    const off = this.store.about.write;
    const open = this.groups.filter((one) => !this.done(one));
    const planned = open.flatMap((one) => this.#planned(one));
    const [keeps, drops] = ["keep", "drop"].map((kind) => planned.filter(({ decision }) => decision === kind).length);
    return el("div.foot", {},
      button("Keep (k)", () => this.decide("keep"), { disabled: !!off, title: off ?? "" }), button("Drop (x)", () => this.decide("drop"), { disabled: !!off, title: off ?? "" }),
      button("Take back (u)", () => this.undo(), { disabled: !this.decisions.any }),
      button(this.done(group) ? "Next group (enter)" : "As the rule says, then next (enter)", () => this.next(), { class: "main", disabled: !!off && !this.done(group) }),
      el("span.push.row", {}, open.length > 0
        ? button(`Apply the rule to all ${whole(open.length)} open groups: keep ${whole(keeps)}, drop ${whole(drops)}`, () => this.applyAll(planned), { disabled: !!off })
        : el("span.soft", {}, "All groups are decided.")));
  }

  /** What the rule says of a group, for images that are neither kept nor dropped yet. */
  #planned(group) {
    return group.rows.filter((row) => !this.#verdict(row)).map((row) => (row === group.keep
      ? { row, decision: "keep", reason: "duplicate" }
      : { row, decision: "drop", reason: "duplicate", other: group.keep }));
  }

  async decide(decision) {
    const row = this.group?.rows[this.here];
    if (row === undefined || this.store.about.write) return;
    const here = this.here;
    const other = decision === "drop" && row !== this.group.keep ? this.group.keep : null;
    await this.decisions.decide([{ row, decision, reason: "duplicate", other }]).catch(this.warn);
    this.#focus(Math.min(here + 1, this.group.rows.length - 1));
  }

  async next() {
    if (!this.group) return;
    await this.decisions.decide(this.#planned(this.group)).catch(this.warn);
    const later = this.groups.findIndex((group, at) => at > this.at && !this.done(group));
    this.go(later >= 0 ? later : Math.min(this.at + 1, this.groups.length - 1));
  }

  applyAll = (planned) => this.decisions.decide(planned).catch(this.warn);

  undo = () => this.decisions.undo().catch(this.warn);

  go(at) {
    if (at < 0 || at >= this.groups.length) return;
    [this.at, this.here] = [at, 0];
    this.draw();
    this.say(`Group ${at + 1} of ${this.groups.length}, ${count(this.group.rows.length, "image")}.`);
  }

  #focus(place) {
    this.here = Math.max(0, Math.min((this.group?.rows.length ?? 1) - 1, place));
    this.members?.children[this.here]?.focus();
  }

  move = (by) => this.#focus(this.here + by);

  #empty(title, words) {
    fill(this.host, el("div.empty", {}, el("h3", {}, title), el("p", {}, words)));
  }
}
