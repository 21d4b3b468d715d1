// The map of an emergency: rings of 300, 800 and 1500 m, cameras, units with their way and time; the heat is off.
import { draw } from "../marks.mjs";
import { areas, land, touches, ways } from "./ground.mjs";
import { square, way } from "./movers.mjs";

export const RINGS = [300, 800, 1500];
const CAMERA = "#a3b4c4";
const COMING = new Set(["sent", "accepted", "under-way"]);

// The ground of an emergency: land, borders, rivers and roads, drawn wide.
export class Near {
  constructor(canvas, view) {
    this.view = view;
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
  }

  update(changed) { if (changed.has("areas")) this.paint(); }

  paint() {
    const { context, view } = this, { zones } = view.app.ground;
    land(context, view);
    ways(context, view, 2.2);
    context.lineJoin = "round";
    for (const [kinds, colour, width] of [[["district", "subdistrict"], "#4a5c6d", 0.14], [["venue", "functional", "station"], "#62a9c0", 0.18]]) {
      context.beginPath();
      for (const zone of zones) {
        if (!kinds.includes(zone.kind)) continue;
        for (const ring of zone.rings) {
          for (let i = 0; i < ring.length; i += 2) context[i ? "lineTo" : "moveTo"](view.x(ring[i]), view.y(ring[i + 1]));
          context.closePath();
        }
      }
      context.strokeStyle = colour;
      context.lineWidth = Math.max(1, view.rem * width);
      context.stroke();
    }
    if (view.app.state.areas.size) areas(context, view);
    this.#dots();
  }

  // Every camera around, faint: where the city can look.
  #dots() {
    const { context, view } = this, { points, ground } = view.app, camera = ground.properties.findIndex((it) => it.id === "people");
    context.fillStyle = "#56697a";
    const size = Math.max(1, view.rem * 0.22);
    for (let i = 0; i < points.x.length; i++) {
      if (points.kind[i] !== camera) continue;
      const x = view.x(points.x[i]), y = view.y(points.y[i]);
      if (x > 0 && y > 0 && x < view.width && y < view.height) context.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }
}

const around = ([x, y], reach) => [x - reach, y - reach, x + reach, y + reach];

export class Around {
  constructor(canvas, view) {
    this.view = view;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  update(changed) { if (changed.has("units") || changed.has("takeover")) this.paint(); }

  paint() {
    const { context, view } = this, it = view.scope.emergency?.();
    context.clearRect(0, 0, view.width, view.height);
    if (!it) return;
    this.taken = [];
    const { frame } = view.app.ground, at = (one) => [view.x((one.lon - frame.west) * frame.lon), view.y((frame.north - one.lat) * frame.lat)];
    const centre = at(it);
    this.#rings(centre);
    it.cameras.forEach((camera, i) => this.#camera(at(camera), i + 1));
    const units = this.#units(it, at, centre); // all boxes first, so that no name covers a unit
    this.taken.push(around(centre, view.rem * 1.8), ...units.map(({ place }) => around(place, view.rem)));
    draw(context, it.level, "unacknowledged", ...centre, view.rem * 3.4);
    this.#label(view.app.format.both(it.place), centre, view.rem * 2.2, true);
    for (const { place, text } of units) this.#label(text, place, view.rem * 1.5, false);
  }

  #rings([x, y]) {
    const { context, view } = this, size = view.rem * 1.35;
    for (const metres of RINGS) {
      const radius = metres * view.scale;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      if (metres === RINGS[0]) { context.fillStyle = "#ff4d4f26"; context.fill(); }
      context.setLineDash(metres === RINGS[0] ? [] : [view.rem * 0.9, view.rem * 0.6]);
      context.strokeStyle = metres === RINGS[0] ? "#ff4d4f" : "#ff9a2ec0";
      context.lineWidth = Math.max(1, view.rem * 0.18);
      context.stroke();
      context.setLineDash([]);
      const middle = y - radius - size * 0.7, text = view.app.format.t("detail.metres", { n: metres });
      this.#text(text, x, middle, size, "#ffc58a", "center");
      const half = context.measureText(text).width / 2;
      this.taken.push([x - half, middle - size * 0.6, x + half, middle + size * 0.6]);
    }
  }

  // A camera with the number under which it stands in the list.
  #camera([x, y], number) {
    const { context, view } = this, size = view.rem * 0.95;
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fillStyle = "#18212b";
    context.fill();
    context.strokeStyle = CAMERA;
    context.lineWidth = Math.max(1, view.rem * 0.12);
    context.stroke();
    this.#text(String(number), x, y, view.rem * 1.25, "#e8eef4", "center");
  }

  // Units that come are drawn where they are; those beyond the map stand at its edge, in the direction they come from.
  #units(it, at, centre) {
    const { context, view } = this, f = view.app.format, margin = view.rem * 2.2, out = [];
    for (const row of it.units) {
      const unit = view.app.state.units.get(row.id);
      if (!unit) continue;
      const [x, y] = at(unit);
      const place = [Math.min(Math.max(x, margin), view.width - margin), Math.min(Math.max(y, margin), view.height - margin)];
      if (COMING.has(unit.status)) way(context, view, place, centre);
      square(context, view, place, unit.status, 1.3);
      const eta = row.due ? f.t("takeover.eta", { eta: f.span(row.due - view.app.now()) }) : f.known(`unit.status.${unit.status}`, unit.status);
      out.push({ place, text: `${f.both(row.name)} ${eta}` });
    }
    return out;
  }

  // Beside its point where nothing stands yet: right, left, below, above.
  #label(text, [x, y], size, strong) {
    const { context, view } = this;
    context.font = `${strong ? 600 : 500} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    const width = context.measureText(text).width, half = size * 0.65, gap = view.rem * (strong ? 2.3 : 1.3);
    const places = [[x + gap, y], [x - gap - width, y], [x - width / 2, y + gap + half], [x - width / 2, y - gap - half], [x + gap, y + size * 1.4], [x + gap, y - size * 1.4]];
    const box = ([left, middle]) => [left, middle - half, left + width, middle + half];
    const fits = (one) => one[0] > 0 && one[1] > 0 && one[2] < view.width && one[3] < view.height && !this.taken.some((other) => touches(one, other));
    const place = places.find((one) => fits(box(one)));
    if (!place) return;
    this.taken.push(box(place));
    this.#text(text, ...place, size, "#e8eef4", "left", strong ? 600 : 500);
  }

  #text(text, x, y, size, colour, align, weight = 500) {
    const { context } = this;
    context.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.strokeStyle = "#0a0e13d0";
    context.lineWidth = size * 0.28;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }
}
