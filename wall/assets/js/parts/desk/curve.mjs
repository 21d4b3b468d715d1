// The curve of an alert: recorded values, what was expected, where usual values lie, and when it began.
import { ask } from "../../ask.mjs";
import { canvas, el, remPx } from "../../dom.mjs";

const INK = { value: "#e8eef4", expected: "#62a9c0", band: "#62a9c033", onset: "#ff9a2e", axis: "#8da0b3", grid: "#263340" };

export class Curve {
  constructor(app) {
    this.app = app;
    const f = app.format, key = (kind, word) => el("span", { class: `key ${kind}` }, f.t(word));
    this.holder = el("div", { class: "chart", role: "img" });
    this.none = el("p", { class: "none" }, f.t("curve.none"));
    this.node = el("figure", { class: "curve", hidden: true }, el("figcaption", {}, el("h4", {}, f.t("curve.title")),
      el("span", { class: "keys" }, key("", "trend.now"), key("dashed", "trend.expected"), key("band", "curve.band"))), this.holder, this.none);
    this.paint = canvas(this.holder, (context, width, height) => this.#paint(context, width, height));
  }

  async show(id) {
    if (this.id !== id) { this.id = id; this.told = null; this.node.hidden = true; }
    if (this.app.base) return; // what a replay shows of the past is on its map and in its trends
    const { status, told } = await ask(this.app, `/curve/${encodeURIComponent(id)}`);
    if (status !== 200 || this.id !== id) return;
    this.told = told;
    this.node.hidden = false;
    const some = told.points.length > 1;
    this.holder.hidden = !some;
    this.none.hidden = some;
    this.holder.setAttribute("aria-label", some ? this.#words(told) : "");
    this.paint();
  }

  // The picture in words, for those who cannot see it.
  #words({ points, unit, onset, property }) {
    const f = this.app.format, values = points.map((point) => point[1]).filter((value) => value !== null), last = points.at(-1);
    const n = (value) => `${f.number(value)} ${f.unit(unit, property)}`.trim();
    return f.t("curve.words", { what: property ? f.property(property) : "", low: n(Math.min(...values)), high: n(Math.max(...values)), last: n(last[1]), expected: n(last[2]), onset: f.clock(onset) });
  }

  #paint(context, width, height) {
    context.clearRect(0, 0, width, height);
    const points = this.told?.points ?? [];
    if (!width || points.length < 2) return;
    const f = this.app.format, rem = remPx(), size = rem * 1.25, left = rem * 5, bottom = height - size * 1.6, top = rem * 0.6;
    const all = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
    const low = Math.min(0, ...all), high = Math.max(...all, low + 1e-9) * 1.06;
    const from = points[0][0], to = Math.max(points.at(-1)[0], from + 1);
    const x = (at) => left + ((at - from) / (to - from)) * (width - left - rem * 0.4), y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    context.font = `400 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    this.#axes(context, { f, rem, size, left, bottom, top, low, high, from, to, width, height, x, y });
    context.fillStyle = INK.band;
    for (const run of runs(points, (point) => point[3] !== null && point[4] !== null)) {
      context.beginPath();
      for (const point of run) context.lineTo(x(point[0]), y(point[4]));
      for (const point of [...run].reverse()) context.lineTo(x(point[0]), y(point[3]));
      context.fill();
    }
    this.#line(context, points, 2, INK.expected, rem * 0.2, x, y, [rem * 0.6, rem * 0.5]);
    this.#line(context, points, 1, INK.value, rem * 0.22, x, y, []);
    const onset = this.told.onset;
    if (onset >= from && onset <= to) {
      context.strokeStyle = context.fillStyle = INK.onset;
      context.lineWidth = rem * 0.15;
      context.beginPath();
      context.moveTo(x(onset), top);
      context.lineTo(x(onset), bottom);
      context.stroke();
      context.textAlign = x(onset) > width * 0.7 ? "right" : "left";
      context.textBaseline = "top";
      context.fillText(f.t("curve.onset"), x(onset) + (context.textAlign === "right" ? -1 : 1) * rem * 0.5, top);
    }
  }

  #axes(context, { f, rem, size, left, bottom, top, low, high, from, to, width, height, x, y }) {
    context.strokeStyle = INK.grid;
    context.fillStyle = INK.axis;
    context.lineWidth = Math.max(1, rem * 0.1);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [low, (low + high / 1.06) / 2, high / 1.06]) {
      context.beginPath();
      context.moveTo(left, y(value));
      context.lineTo(width, y(value));
      context.stroke();
      context.fillText(f.number(value), left - rem * 0.6, Math.max(y(value), top + size / 2));
    }
    context.textBaseline = "alphabetic";
    for (const [at, align] of [[from, "left"], [(from + to) / 2, "center"], [to, "right"]]) {
      context.textAlign = align;
      context.fillText(f.minute(at), x(at), height - size * 0.25);
    }
  }

  #line(context, points, column, colour, thick, x, y, dash) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.lineJoin = "round";
    context.setLineDash(dash);
    for (const run of runs(points, (point) => point[column] !== null)) {
      context.beginPath();
      for (const point of run) context.lineTo(x(point[0]), y(point[column]));
      context.stroke();
    }
    context.setLineDash([]);
  }
}

// The stretches of points that fit, so that a gap stays a gap.
function runs(points, fits) {
  const out = [];
  let run = null;
  for (const point of points) {
    if (!fits(point)) { run = null; continue; }
    if (!run) out.push((run = []));
    run.push(point);
  }
  return out;
}
