// Trends: each property's total over the city as measured and as expected, and where it leads within the hour with the
// band that holds nine of ten outcomes; painted at most every five seconds.
import { panelState } from "../panel.mjs";
import { canvas, el, remPx } from "../dom.mjs";

const EVERY_MS = 5000;
const CHARTS = 3;
const AHEAD = 0.6; // of what is shown of the past: a forecast that reaches farther is cut

export class Trends {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.charts = new Map();
    this.painted = 0;
    const f = app.format;
    element.querySelector(".aside").append(el("span", { class: "key" }, f.t("trend.now")), el("span", { class: "key dashed" }, f.t("trend.expected")), el("span", { class: "key band" }, f.t("trend.ahead")));
  }

  update(changed) {
    const { history } = this.app.state;
    panelState(this.element, this.app, history.length < 2);
    if (!changed.has("history") && !changed.has("second")) return;
    const newest = history.at(-1)?.[0];
    if (history.length < 2 || newest === this.newest || performance.now() - this.painted < EVERY_MS) return;
    this.newest = newest;
    this.painted = performance.now();
    for (const property of Object.keys(history.at(-1)[1]).slice(0, CHARTS)) this.#chart(property)();
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
    const f = this.app.format, rem = remPx(), history = this.app.state.history, size = captionPx();
    const points = history.map(([tick, totals]) => [tick, ...(totals[property] ?? [null, null])]);
    const from = points[0][0], now = points.at(-1)[0], ahead = this.#ahead(property, now - from);
    const known = [...points.flatMap(([, value, expected]) => [value, expected]), ...ahead.flatMap(([, , low, high]) => [low, high])].filter((value) => value !== null && value !== undefined);
    context.clearRect(0, 0, width, height);
    if (known.length < 2 || !width) return;
    let low = Math.min(...known), high = Math.max(...known);
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    low = low >= 0 ? Math.max(0, low - room) : low - room;
    high += room;
    const left = size * 3.6, right = width - size * 0.4, top = size * 1.7, bottom = height - size * 1.6;
    const to = ahead.at(-1)?.[0] ?? now;
    const x = (tick) => left + ((right - left) * (tick - from)) / Math.max(to - from, 1);
    const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
    context.font = `400 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    context.lineWidth = Math.max(1, rem * 0.08);
    for (let k = 0; k < 3; k++) {
      const value = low + ((high - low) * (k + 0.5)) / 3;
      context.strokeStyle = "#1c2630";
      line(context, [[left, y(value)], [right, y(value)]]);
      context.fillStyle = "#7f93a7";
      context.textAlign = "right";
      const [number, times] = f.short(value >= 1000 ? Math.round(value / 100) * 100 : value);
      context.fillText(number + times, left - size * 0.5, y(value));
    }
    context.textAlign = "left";
    context.fillText(this.#when(from, to - from), left, height - size * 0.7);
    context.textAlign = "right";
    context.fillText(this.#when(to, to - from), right, height - size * 0.7);
    const last = points.at(-1)[1];
    if (ahead.length && !gap(last)) band(context, [[now, last, last, last], ...ahead].map(([tick, ...values]) => [x(tick), ...values.map(y)]), rem);
    context.strokeStyle = "#62a9c0";
    context.setLineDash([rem * 0.6, rem * 0.5]);
    context.lineWidth = rem * 0.16;
    line(context, points.map(([tick, , value]) => gap(value) ? null : [x(tick), y(value)]));
    context.setLineDash([]);
    context.strokeStyle = "#e8eef4";
    context.lineWidth = rem * 0.2;
    line(context, points.map(([tick, value]) => gap(value) ? null : [x(tick), y(value)]));
  }

  // [tick, middle, low, high] of what is told ahead, as far as it has room beside the past.
  #ahead(property, span) {
    const told = this.app.state.ahead.get(property);
    if (!told) return [];
    const points = told.points.map(([minutes, ...values]) => [told.tick + minutes * 60000, ...values]);
    return points.filter(([tick], k) => k === 0 || tick - told.tick <= AHEAD * span);
  }

  #when(ms, span) {
    return span > 2 * 86400000 ? this.app.format.date(ms) : this.app.format.minute(ms);
  }
}

const gap = (value) => value === null || value === undefined;

function captionPx() {
  const probe = document.querySelector(".chart h3") ?? document.body;
  return parseFloat(getComputedStyle(probe).fontSize) * devicePixelRatio * 0.92;
}

// The band between the low and the high edge, and the middle in it; points are [x, middle, low, high] in pixels.
function band(context, points, rem) {
  context.beginPath();
  for (const [x, , low] of points) context.lineTo(x, low);
  for (const [x, , , high] of [...points].reverse()) context.lineTo(x, high);
  context.fillStyle = "#62a9c033";
  context.fill();
  context.strokeStyle = "#e8eef4";
  context.lineWidth = rem * 0.12;
  context.setLineDash([rem * 0.15, rem * 0.3]);
  line(context, points.map(([x, middle]) => [x, middle]));
  context.setLineDash([]);
}

function line(context, points) {
  context.beginPath();
  let pen = false;
  for (const point of points) {
    if (point) { if (pen) context.lineTo(...point); else context.moveTo(...point); }
    pen = Boolean(point);
  }
  context.lineJoin = "round";
  context.stroke();
}
