// The city's vitals: the total of each property against what was expected, and how well the city is seen.
import { tally, waiting } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, put, say, svg } from "../dom.mjs";

const POINTS = 60; // of a sparkline
const TILES = 6;
const PROPERTIES = 2;
const ORDER = ["~online", "~rate", "~longest", "~acknowledged", "~detections"];
const RATE_S = 10; // the rate of readings is told over so many seconds

export class Vitals {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.tiles = new Map();
    this.only = element.dataset.only?.split(" "); // which tiles, in this order; else the city's own and ORDER
    this.rates = []; // [our ms, scored]
    this.seen = {}; // key → numbers of the last minute, for tiles without a history
  }

  update(changed) {
    const { app } = this;
    panelState(this.element, app, false);
    if (changed.has("all")) this.rates = [];
    if (changed.has("counts")) this.#rate();
    if (changed.has("second") || changed.has("history")) this.#draw();
  }

  #rate() {
    const scored = this.app.state.counts.get("scored")?.n, now = this.app.now();
    if (scored === undefined) return;
    this.rates.push([now, scored]);
    while (this.rates.length > 2 && now - this.rates[0][0] > RATE_S * 1000) this.rates.shift();
  }

  #draw() {
    const { state, format: f } = this.app, last = state.history.at(-1)?.[1] ?? {};
    for (const [property, [value, expected]] of Object.entries(last).slice(0, PROPERTIES)) {
      const unit = this.app.ground.properties.find((it) => it.id === property)?.unit ?? "";
      const line = state.history.slice(-POINTS).map(([, totals]) => totals[property]?.[0]);
      const odd = expected > 0 && Math.abs(value / expected - 1) > 0.25;
      const under = expected ? f.t("tile.expected", { share: f.change(value, expected) }) : "";
      this.#tile(property, f.property(property), value, f.unit(unit, property), under, line, odd);
    }
    this.#online();
    this.#feed();
    this.#longest();
    const counts = tally(state.alerts), share = counts.active ? f.percent(counts.acknowledged / counts.active) : "–";
    this.#tile("~acknowledged", f.t("tile.acknowledged"), counts.acknowledged, "", f.t("tile.acknowledged.sub", { share }), this.#past("a", counts.acknowledged));
    const detections = state.counts.get("detections")?.n;
    if (detections !== undefined) this.#tile("~detections", f.t("tile.detections"), detections, "", f.t("tile.detections.sub"), this.#past("d", detections));
    this.#arrange(Object.keys(last));
  }

  // The city's own totals first, then how well it is seen and served; what is over the number of places is left out.
  #arrange(properties) {
    const rank = this.only ?? [...properties.slice(0, PROPERTIES), ...ORDER].slice(0, TILES);
    for (const [key, { node }] of this.tiles) {
      const place = rank.indexOf(key);
      node.style.order = place;
      node.style.display = place < 0 ? "none" : "";
    }
  }

  #online() {
    const { state, format: f } = this.app;
    const { online } = state;
    this.#tile("~online", f.t("tile.online"), online, "", f.t("tile.online.of", { n: f.number(state.level.length) }), this.#past("o", online), online < 0.9 * state.level.length);
  }

  #feed() {
    if (this.rates.length < 2) return;
    const [from, to] = [this.rates[0], this.rates.at(-1)], f = this.app.format;
    const rate = Math.max(0, ((to[1] - from[1]) * 1000) / Math.max(to[0] - from[0], 1));
    const late = this.app.state.counts.get("late")?.n ?? 0;
    this.#tile("~late", f.t("tile.lateones"), late, "", f.t("tile.duplicates", { n: f.number(this.app.state.counts.get("duplicates")?.n ?? 0) }), this.#past("t", late));
    this.#tile("~rate", f.t("tile.rate"), rate >= 10 ? Math.round(rate) : Number(rate.toFixed(1)), f.t("tile.rate.unit"), f.t("tile.late", { n: f.number(late) }), this.#past("r", rate));
  }

  // How long the alert that waits longest has waited.
  #longest() {
    const { state, format: f } = this.app, now = this.app.now();
    const since = [...state.alerts.values()].filter(waiting), oldest = Math.min(...since.map((alert) => alert.opened));
    const late = since.filter((alert) => alert.deadline < now).length, span = since.length ? f.span(now - oldest) : "–";
    this.#tile("~longest", f.t("tile.longest"), span, "", f.t("tile.longest.sub", { n: f.number(late) }), this.#past("l", since.length ? now - oldest : 0), late > 0);
  }

  #past(key, value) {
    const past = (this.seen[key] ??= []);
    past.push(value);
    if (past.length > POINTS) past.shift();
    return past;
  }

  #tile(key, name, value, unit, under, line, odd = false) {
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = { path: svg("path"), figure: el("p", { class: "figure" }), under: el("p", { class: "under" }) };
      const chart = svg("svg", { viewBox: "0 0 90 26", preserveAspectRatio: "none", "aria-hidden": "true" }, tile.path);
      tile.node = el("div", { class: "tile" }, el("h3", {}, name), tile.figure, tile.under, chart);
      this.element.querySelector(".body").append(tile.node);
      this.tiles.set(key, tile);
    }
    const [number, times] = typeof value === "string" ? [value, ""] : this.app.format.short(value);
    tile.figure.replaceChildren(number, el("small", {}, `${times}${times && unit ? " " : ""}${unit}`));
    tile.figure.classList.toggle("odd", odd);
    say(tile.under, under);
    put(tile.path, "d", spark(line));
  }
}

export function spark(line) {
  const known = line.filter((value) => value !== null && value !== undefined);
  if (known.length < 2) return "";
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  return line.map((value, i) => (value === null || value === undefined ? "" : `${i ? "L" : "M"}${((90 * i) / (line.length - 1)).toFixed(1)} ${(24 - (22 * (value - low)) / span).toFixed(1)}`))
    .join("").replace(/^L/, "M");
}
