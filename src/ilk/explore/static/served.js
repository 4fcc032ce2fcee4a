// Data from the server that `ilk view` started. Every address is relative: the path holds the token.

import { Fault, placed } from "./fault.js";
import { packed, unpacked } from "./masks.js";

const GONE = "The server does not answer: it was stopped, or its terminal was closed. Start ilk view again and open the address that it shows.";

export class Served {
  constructor() {
    [this.count, this.revision] = [0, null];
    this.onJobs = () => {}; // called with the list of jobs while one of them works
    this.onRevision = () => {}; // called when `about` is another than before
    this.seen = new Map(); // rows that were read, so that a grid does not ask twice
    this.read = new Map(); // columns that were read; they keep their place and their values
  }

  async about() {
    if (this.revision === null) await this.jobs(); // before, so that no change is missed
    const about = await this.#json("about");
    [this.count, this.columns] = [about.count, about.columns];
    return about;
  }

  ids = () => this.#array("ids", Float64Array);
  points = async (map, projection) => placed(await this.#array(`points/${map}/${projection}`, Float32Array));
  startProjection = (map, projection) => this.#json(`points/${map}/${projection}`, { method: "POST" });
  keyOrder = () => this.#array("order/key", Uint32Array);
  thumbnail = (row) => `api/thumbnail/${row}`;
  image = (row) => `api/image/${row}`;
  exif = (row) => this.#json(`exif/${row}`);
  neighbours = (map, row, k = 24) => this.#json(`neighbours/${map}/${row}?k=${k}`);
  clusters = (map) => this.#json(`clusters/${map}`);
  kept = (first, second) => this.#array(`kept/${first}/${second}?k=10`, Float32Array);
  issues = () => this.#json("issues");
  issue = (kind) => this.#json(`issues/${encodeURIComponent(kind)}`);
  duplicates = (rule) => this.#json(`duplicates?rule=${encodeURIComponent(rule)}`);
  decisions = () => this.#json("decisions");
  pair = (a, b, same) => this.#json("pairs", posted(JSON.stringify({ a, b, same })));
  search = (blob, k = 200) => this.#json(`search?k=${k}`, posted(blob));
  similar = (mask, map) => this.#array(`similar?map=${map}`, Float32Array, posted(packed(mask)));

  where = async (text) => unpacked(await this.#array("where", Uint8Array, posted(text)), this.count);

  grow = async (mask, n, map) =>
    unpacked(await this.#array(`grow?n=${n}&map=${map}`, Uint8Array, posted(packed(mask))), this.count);

  async column(index) {
    const Kind = this.columns[index].kind === "category" ? Uint16Array : Float32Array;
    if (!this.read.has(index)) this.read.set(index, await this.#array(`column/${index}`, Kind));
    return this.read.get(index);
  }

  async decide(list) {
    for (const { row } of list) this.seen.delete(row);
    return this.#json("decisions", posted(JSON.stringify(list)));
  }

  /** What is known of rows, in their order; at most 200 are asked for at once. */
  async rows(rows) {
    const wanted = rows.filter((row) => !this.seen.has(row));
    for (let at = 0; at < wanted.length; at += 200) {
      const some = await this.#json(`rows?rows=${wanted.slice(at, at + 200).join(",")}`);
      for (const one of some) this.seen.set(one.row, one);
    }
    return rows.map((row) => this.seen.get(row)).filter(Boolean);
  }

  async exported(kind, mask) {
    const answer = await this.#ask(`export/${kind}`, posted(packed(mask)));
    return answer.blob();
  }

  async #json(path, how) {
    return (await this.#patient(path, how)).json();
  }

  async #array(path, Kind, how) {
    const bytes = await (await this.#patient(path, how)).arrayBuffer();
    if (bytes.byteLength % Kind.BYTES_PER_ELEMENT) throw new Fault("The server sent half an answer; load the page again.");
    return new Kind(bytes);
  }

  /** What is slow is begun by the first question, and asked for again when it is done. */
  async #patient(path, how) {
    for (;;) {
      const answer = await this.#ask(path, how);
      if (answer.status !== 202) return answer;
      const { job } = await answer.clone().json();
      if (how?.method === "POST" && !how.body) return answer; // begun, and nothing to wait for here
      await this.#finished(job);
    }
  }

  async #finished(name) {
    for (let wait = 50; ; wait = Math.min(2 * wait, 700)) {
      await new Promise((done) => setTimeout(done, wait));
      const { jobs } = await this.jobs();
      const own = jobs.find(({ job }) => job === name);
      if (!own || own.state === "done") return;
      if (own.state === "failed") throw new Fault(own.words || `${own.title} failed.`);
    }
  }

  /** The state of all jobs; whoever listens hears of it. */
  async jobs() {
    const answer = await this.#ask("jobs");
    const state = await answer.json();
    this.onJobs(state.jobs);
    if (this.revision !== null && state.revision !== this.revision) this.onRevision();
    this.revision = state.revision;
    return state;
  }

  async #ask(path, how) {
    let answer;
    try {
      answer = await fetch(`api/${path}`, how);
    } catch {
      throw new Fault(GONE);
    }
    if (answer.ok) return answer;
    const answered = await answer.json().catch(() => ({}));
    throw new Fault(answered.error ?? `The server answered ${answer.status} to ${path}.`, answered.at ?? null);
  }
}

const posted = (body) => ({ method: "POST", body });
