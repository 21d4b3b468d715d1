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
    this.painted = 0;
    this.wanted = app.boot.stage?.scenes[element.dataset.pack]?.trend; // of a pack; else the city's first totals
    const f = app.format;
    element.querySelector(".aside").append(el("span", { class: "key" }, f.t("trend.now")), el("span", { class: "key dashed" }, f.t("trend.expected")), el("span", { class: "key band" }, f.t("trend.ahead")));
  }

  update(changed) {
    const { history } = this.app.state, newest = history.at(-1);
    const shown = newest ? (this.wanted ?? Object.keys(newest[1])).filter((property) => property in newest[1]).slice(0, CHARTS) : [];
    panelState(this.element, this.app, history.length < 2 || !shown.length);
    if (!changed.has("history") && !changed.has("second")) return;
    if (history.length < 2 || newest[0] === this.newest || performance.now() - this.painted < EVERY_MS) return;
    this.newest = newest[0];
    this.painted = performance.now();
    for (const property of shown) this.#chart(property)();
  }

  #chart(property) {
    if (!this.charts.has(property)) {
      const f = this.app.format, unit = this.app.ground.properties.find((it) => it.id === property)?.unit ?? "";
      const holder = el("div", { class: "chart" }, el("h3", {}, `${f.property(property)} ${f.unit(unit)}`));
      this.element.querySelector(".body").append(holder);
      this.charts.set(property, canvas(holder, (context, width, height) => this.#paint(property, context, width, height)));
    }
    return this.charts.get(property);
  }

  #paint(property, context, width, height) {
    const points = this.app.state.history.map(([tick, totals]) => [tick, ...(totals[property] ?? [null, null])]);
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
  return parseFloat(getComputedStyle(probe).fontSize) * devicePixelRatio * 0.92;
}
