// What was decided, kept on the server at once; each step can be taken back.

import { count } from "./words.js";

export class Decisions {
  constructor(data, store, say) {
    Object.assign(this, { data, store, say, past: [] });
  }

  /** @param {Promise} asked  for what was decided so far */
  async load(asked) {
    for (const { row, ...one } of await asked) this.store.decisions.set(row, one);
    this.store.tell("decisions");
  }

  /** Whether anything can be taken back. */
  get any() {
    return this.past.length > 0;
  }

  /**
   * Decide about images in one step.
   * @param {{row: number, decision: "keep"|"drop", reason: string, other?: number}[]} list
   */
  async decide(list) {
    if (!list.length) return;
    const before = list.map(({ row }) => [row, this.store.decisions.get(row)]);
    const { file } = await this.data.decide(list.map((one) => ({ other: null, ...one })));
    this.past.push(before);
    for (const { row, decision, reason } of list) this.store.decisions.set(row, { decision, reason, by: "hand" });
    this.store.tell("decisions");
    const kinds = ["drop", "keep"].map((kind) => [kind, list.filter(({ decision }) => decision === kind).length]);
    const words = kinds.filter(([, many]) => many).map(([kind, many]) => `${kind} ${count(many, "image")}`).join(", ");
    this.say(`Written to ${file}: ${words}. No file is touched; z takes it back.`);
  }

  /** Decide the same about rows. */
  all = (rows, decision, reason) => this.decide(Array.from(rows, (row) => ({ row, decision, reason })));

  /** Take the last step back; says false where there is none. */
  async undo() {
    const before = this.past.pop();
    if (!before) return false;
    const steps = before.map(([row]) => ({ row, decision: null, reason: "", other: null }));
    const byHand = before.filter(([, was]) => was?.by === "hand"); // what a rule decided shows again by itself
    const earlier = byHand.map(([row, { decision, reason }]) => ({ row, decision, reason, other: null }));
    await this.data.decide([...steps, ...earlier]);
    for (const [row, was] of before) {
      if (was) this.store.decisions.set(row, was);
      else this.store.decisions.delete(row);
    }
    this.store.tell("decisions");
    this.say(`Took back what was decided about ${count(before.length, "image")}.`);
    return true;
  }
}
