// Trends: each property's total over the city as measured and as expected, and where it leads within the hour with the
// band that holds nine of ten outcomes; painted at most every five seconds.
import { panelState } from "../panel.mjs";
import { canvas, el, remPx } from "../dom.mjs";
import { curve } from "./curve.mjs";

const EVERY_MS = 5000;
const CHARTS = 3;
const AHEAD = 0.6; // of what is shown of the past: a forecast that reaches farther is cut

export class Trends {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.charts = new Map();
    this.painted = -EVERY_MS; // at once, however new the page is
    this.wanted = app.boot.stage?.scenes[element.dataset.pack]?.trend; // of a pack; else the city's first totals
    const f = app.format;
    element.querySelector(".aside").append(el("span", { class: "key" }, f.t("trend.now")), el("span", { class: "key dashed" }, f.t("trend.expected")), el("span", { class: "key band" }, f.t("trend.ahead")));
  }

  update(changed) {
    const shown = this.#shown();
    panelState(this.element, this.app, !shown.length);
    if (!changed.has("history") && !changed.has("curves") && !changed.has("second")) return;
    const newest = Math.max(...shown.map((property) => this.#past(property).at(-1)[0]));
    if (!shown.length || newest === this.newest || performance.now() - this.painted < EVERY_MS) return;
    this.newest = newest;
    this.painted = performance.now();
    for (const property of shown) this.#chart(property)();
  }

  // The properties that have a past: those the pack names, else the city's first totals.
  #shown() {
    const known = this.wanted ?? Object.keys(this.app.state.history.at(-1)?.[1] ?? {});
    return known.filter((property) => this.#past(property).filter(([, value]) => value !== null).length > 1).slice(0, CHARTS);
  }

  // [tick, value, expected] of the city's total, or of what the wall itself remembers for the pack.
  #past(property) {
    const { history, curves } = this.app.state;
    if (history.length && property in history.at(-1)[1]) return history.map(([tick, totals]) => [tick, ...(totals[property] ?? [null, null])]);
    return curves.get(`${this.element.dataset.pack}/${property}`)?.points ?? [];
  }

  #chart(property) {
    if (!this.charts.has(property)) {
      const holder = el("div", { class: "chart" }, el("h3", {}, this.#title(property)));
      this.element.querySelector(".body").append(holder);
      this.charts.set(property, canvas(holder, (context, width, height) => this.#paint(property, context, width, height)));
    }
    return this.charts.get(property);
  }

  // What is drawn: the property in its unit, or how many are past the line where the pack counts them.
  #title(property) {
    const { format: f, boot, ground } = this.app;
    const first = boot.stage?.scenes[this.element.dataset.pack]?.figures.find((it) => it.property === property && it.of !== "count");
    if (first?.of === "above" && first.title) return f.both(first.title);
    return `${f.property(property)} ${f.unit(ground.properties.find((it) => it.id === property)?.unit ?? "", property)}`;
  }

  #paint(property, context, width, height) {
    const points = this.#past(property);
    if (points.length < 2) return;
    const ahead = this.#ahead(property, points.at(-1)[0] - points[0][0]);
    curve(context, width, height, { points, ahead, format: this.app.format, rem: remPx(), size: captionPx() });
  }

  // [tick, middle, low, high] of what is told ahead, as far as it has room beside the past.
  #ahead(property, span) {
    const told = this.app.state.ahead.get(property);
    if (!told) return [];
    const points = told.points.map(([minutes, ...values]) => [told.tick + minutes * 60000, ...values]);
    return points.filter(([tick], k) => k === 0 || tick - told.tick <= AHEAD * span);
  }
}

function captionPx() {
  const probe = document.querySelector(".chart h3") ?? document.body;
  return parseFloat(getComputedStyle(probe).fontSize) * devicePixelRatio * 0.94;
}
