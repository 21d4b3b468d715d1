// How busy the city is: hexagons that carry the mean level of their datastreams, or single dots where there are few.
import { NONE } from "../state.mjs";
import { el, resize } from "../dom.mjs";
import { land, Lines } from "./ground.mjs";

// One hue; its bright end stays dark enough for a red sign to be read on it.
export const RAMP = ramp([[0, 20, 30, 38], [0.3, 22, 48, 58], [0.65, 30, 73, 85], [1, 44, 102, 114]]);
const GREY = "#23262b"; // no data
const QUIET = ["#1d4a56", "#6b5a22", "#8a3b2c"]; // nearly all report, some are silent, most are silent
export const REPORTING = [[QUIET[0], "reporting.all"], [QUIET[1], "reporting.some"], [QUIET[2], "reporting.few"]];
const EVERY_MS = 1000; // a wall of cells takes longer to show than an alert: it is painted once a second,
const AFTER_MS = 60; // and not in the frame in which alerts are
const DOTS = 3000; // up to so many datastreams in view are drawn one by one

function ramp(stops) {
  return Array.from({ length: 16 }, (_, level) => {
    const at = level / 15, next = stops.findIndex(([share], i) => i && share >= at);
    const [a, b] = [stops[next - 1], stops[next]], part = (at - a[0]) / (b[0] - a[0]);
    return `rgb(${[1, 2, 3].map((k) => Math.round(a[k] + part * (b[k] - a[k]))).join(", ")})`;
  });
}

export class Heat {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.screen = canvas.getContext("2d", { alpha: false });
    this.below = el("canvas"); // land and heat alone; borders and names lie over them on one canvas with them
    this.context = this.below.getContext("2d", { alpha: false });
    this.lines = new Lines(el("canvas"), view);
    this.dirty = new Set();
    this.painted = -Infinity;
    view.rename = (now) => (now ? this.#show() : this.#soon(true)); // other names are covered than before
  }

  resize(width, height) { for (const one of [this.canvas, this.below, this.lines.canvas]) resize(one, width, height); }

  // Bins again and paints everything: after a resize, a pan or a zoom, and after a snapshot.
  paint() {
    this.lines.paint();
    this.#paintAll();
    this.#show();
  }

  #show() {
    if (!this.canvas.width) return; // hidden meanwhile
    this.screen.drawImage(this.below, 0, 0);
    this.screen.drawImage(this.lines.canvas, 0, 0);
    this.lines.write(this.screen);
  }

  #paintAll() {
    const { view } = this, { points, state } = view.app;
    land(this.context, view);
    this.dirty.clear();
    const seen = this.#visible(points);
    this.dots = seen.length <= DOTS && !view.scope.reporting;
    if (this.dots) { this.seen = new Set(seen); this.#paintDots(); return; }
    this.#bin(seen, points);
    for (const row of seen) this.#count(this.cell[row], state.level[row], 1);
    this.known = state.level.slice();
    this.#paintCells(this.cells.map((_, cell) => cell));
  }

  update(changed) {
    if (changed.has("all")) { this.paint(); return; }
    if (changed.has("areas")) { this.lines.paint(); this.#show(); }
    if (!changed.has("levels") || !this.view.app.state.moved) return;
    const { level, moved } = this.view.app.state;
    if (this.dots) {
      if (moved.some((row) => this.seen.has(row))) { this.#paintDots(); this.#show(); }
      return;
    }
    for (const row of moved) {
      const cell = this.cell[row];
      if (cell < 0) continue;
      this.#count(cell, this.known[row], -1);
      this.#count(cell, level[row], 1);
      this.known[row] = level[row];
      this.dirty.add(cell);
    }
    this.#soon();
  }

  #soon(names = false) {
    if (this.waiting || !(this.dirty.size || names)) return;
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      this.painted = performance.now();
      const dirty = [...this.dirty];
      this.dirty.clear();
      this.#paintCells(dirty.filter((cell) => this.cells[cell].shown !== this.#shade(cell)));
      this.#show();
    }, Math.max(AFTER_MS, this.painted + EVERY_MS - performance.now()));
  }

  #visible(points) {
    const { view } = this, out = [], reach = view.rem, kinds = view.scope.kinds;
    for (let i = 0; i < points.x.length; i++) {
      if (kinds && !kinds.has(points.kind[i])) continue;
      const x = view.x(points.x[i]), y = view.y(points.y[i]);
      if (x > -reach && y > -reach && x < view.width + reach && y < view.height + reach) out.push(i);
    }
    return out;
  }

  // Puts each datastream in the hexagon whose centre is nearest: axial coordinates, pointy top.
  #bin(seen, points) {
    const { view } = this, size = (this.size = view.rem * (view.small ? 0.75 : 0.52)), index = new Map();
    this.cells = [];
    this.cell = new Int32Array(points.x.length).fill(-1);
    for (const row of seen) {
      const px = view.x(points.x[row]) / size, py = view.y(points.y[row]) / size;
      let q = (Math.sqrt(3) / 3) * px - py / 3, r = (2 / 3) * py;
      let rq = Math.round(q), rr = Math.round(r);
      const rs = Math.round(-q - r), dq = Math.abs(rq - q), dr = Math.abs(rr - r), ds = Math.abs(rs + q + r);
      if (dq > dr && dq > ds) rq = -rr - rs; else if (dr > ds) rr = -rq - rs;
      const key = rq * 65536 + rr;
      let cell = index.get(key);
      if (cell === undefined) {
        cell = this.cells.length;
        index.set(key, cell);
        this.cells.push({ x: size * Math.sqrt(3) * (rq + rr / 2), y: size * 1.5 * rr, n: 0, all: 0, sum: 0, shown: null });
      }
      this.cell[row] = cell;
      this.cells[cell].all++;
    }
  }

  #count(cell, level, sign) {
    if (level === NONE) return;
    this.cells[cell].n += sign;
    this.cells[cell].sum += sign * level;
  }

  #shade(cell) {
    const { n, all, sum } = this.cells[cell];
    if (this.view.scope.reporting) return n >= 0.9 * all ? 0 : n >= 0.5 * all ? 1 : 2;
    return n ? Math.round(sum / n) : NONE;
  }

  #paintCells(which) {
    const groups = new Map();
    for (const cell of which) {
      const shade = this.#shade(cell);
      this.cells[cell].shown = shade;
      if (!groups.has(shade)) groups.set(shade, []);
      groups.get(shade).push(this.cells[cell]);
    }
    const { context, size } = this, half = size * 0.84, side = size * 0.97, corner = side / 2;
    for (const [shade, cells] of groups) {
      context.fillStyle = this.view.scope.reporting ? QUIET[shade] : shade === NONE ? GREY : RAMP[shade];
      context.beginPath();
      for (const { x, y } of cells) {
        context.moveTo(x, y - side);
        context.lineTo(x + half, y - corner);
        context.lineTo(x + half, y + corner);
        context.lineTo(x, y + side);
        context.lineTo(x - half, y + corner);
        context.lineTo(x - half, y - corner);
      }
      context.fill();
    }
  }

  #paintDots() {
    const { context, view } = this, { points, state } = view.app, few = this.seen.size < 200;
    land(context, view);
    for (const row of this.seen) {
      const level = state.level[row], x = view.x(points.x[row]), y = view.y(points.y[row]);
      const radius = view.rem * (few ? 0.7 + (level === NONE ? 0 : level / 10) : 0.45);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fillStyle = level === NONE ? GREY : RAMP[level];
      context.fill();
      context.strokeStyle = few ? "#5d7f8e" : "#33505d";
      context.lineWidth = Math.max(1, view.rem * 0.1);
      context.stroke();
    }
  }
}
