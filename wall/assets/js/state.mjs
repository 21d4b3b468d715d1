// What this browser has been told: the same picture as the server's board, kept by snapshots and deltas.
import { nibble, octets, rows } from "./bytes.mjs";

export const NONE = 255;
const SECTIONS = ["alerts", "zones", "sources", "counts", "minutes", "watch", "budget", "ahead", "incidents", "flood", "present", "held", "drill",
  "figures", "stages", "tables", "units", "areas", "takeover", "quality", "weather", "curves", "clusters"];
const HISTORY = 360;
export const EVERYTHING = ["all", "levels", "history", "scale", "second", ...SECTIONS];

export class State {
  constructor(datastreams) {
    this.level = new Uint8Array(datastreams).fill(NONE);
    this.online = 0; // datastreams that report
    this.seq = -1;
    this.time = 0; // newest phenomenon time, ms
    this.history = [];
    this.scale = {};
    this.moved = null;
    for (const name of SECTIONS) this[name] = new Map();
  }

  // Both return what changed: a set of section names, "all" among them after a snapshot. `moved` holds the level rows
  // that moved since it was last emptied, null for all of them.
  snapshot(body) {
    this.level = octets(body.levels);
    this.online = this.level.reduce((n, level) => n + (level !== NONE), 0);
    for (const name of SECTIONS) this[name] = new Map(Object.entries(body[name] ?? {}));
    this.history = body.history;
    this.scale = body.scale;
    this.seq = body.seq;
    this.time = body.time;
    this.moved = null;
    return new Set(EVERYTHING);
  }

  delta(body) {
    if (body.seq <= this.seq) return new Set();
    if (body.seq !== this.seq + 1) throw new Error(`delta ${body.seq} after ${this.seq}`);
    const changed = new Set();
    this.seq = body.seq;
    this.time = body.time;
    if (body.levels) { this.#levels(body.levels); changed.add("levels"); }
    for (const name of SECTIONS) if (body[name]) { this.#section(this[name], body[name]); changed.add(name); }
    if (body.history) { this.history = [...this.history, ...body.history].slice(-HISTORY); changed.add("history"); }
    if (body.scale) { this.scale = body.scale; changed.add("scale"); }
    return changed;
  }

  #levels(packed) {
    const to = octets(packed.to);
    rows(octets(packed.rows)).forEach((row, i) => this.#level(row, nibble(to, i)));
    for (const row of rows(octets(packed.lost))) this.#level(row, NONE);
  }

  #level(row, level) {
    this.online += (level !== NONE) - (this.level[row] !== NONE);
    this.level[row] = level;
    this.moved?.push(row);
  }

  #section(map, diff) {
    for (const [key, fields] of Object.entries(diff.set)) map.set(key, { ...map.get(key), ...fields });
    for (const key of diff.gone) map.delete(key);
  }
}
