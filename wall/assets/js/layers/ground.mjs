import { COLOUR } from "../marks.mjs";

// What does not move: the land below the heat; borders, venues and names above it, kept as a picture of their own.

const BELOW = 2.2; // rem: a district's name under its middle, where the sign of an alert about the whole district stands

function trace(context, view, zone) {
  for (const ring of zone.rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const x = view.x(ring[i]), y = view.y(ring[i + 1]);
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    }
    context.closePath();
  }
}

const LINE = { road: "#3a4a59", rail: "#4d4458", river: "#1d4258" };
const WIDE = { 1: 0.42, 2: 0.26, 3: 0.16 }; // rem

// Rivers below, roads above: quiet, for orientation; `more` times as wide where little else is drawn.
export function ways(context, view, more = 1) {
  context.lineCap = context.lineJoin = "round";
  for (const kind of ["river", "rail", "road"]) {
    for (const line of view.app.ground.lines ?? []) {
      if (line.kind !== kind || (view.small && line.rank > 1)) continue;
      context.strokeStyle = LINE[kind];
      context.lineWidth = Math.max(1, view.rem * WIDE[line.rank] * more * (kind === "river" ? 1.6 : 1));
      context.beginPath();
      for (const part of line.parts) for (let i = 0; i < part.length; i += 2) context[i ? "lineTo" : "moveTo"](view.x(part[i]), view.y(part[i + 1]));
      context.stroke();
    }
  }
}

// Places where a warning holds: its polygons, its circles, and the zones that it names by their code.
export function areas(context, view) {
  const { app } = view, { frame } = app.ground;
  const x = (lon) => view.x((lon - frame.west) * frame.lon), y = (lat) => view.y((frame.north - lat) * frame.lat);
  for (const area of [...app.state.areas.values()].sort((a, b) => b.level - a.level)) {
    context.beginPath();
    for (const ring of area.polygons) { ring.forEach(([lon, lat], i) => context[i ? "lineTo" : "moveTo"](x(lon), y(lat))); context.closePath(); }
    for (const [lon, lat, metres] of area.circles) { context.moveTo(x(lon) + metres * view.scale, y(lat)); context.arc(x(lon), y(lat), metres * view.scale, 0, 2 * Math.PI); }
    for (const zone of app.ground.zones) if (zone.code && area.codes.includes(zone.code)) trace(context, view, zone);
    if (!view.scope.emergency) { context.fillStyle = COLOUR[area.level] + "16"; context.fill(); } // one that fills the map would tint all of it
    context.setLineDash([view.rem * 0.9, view.rem * 0.5]);
    context.strokeStyle = COLOUR[area.level] + "b0";
    context.lineWidth = Math.max(1, view.rem * 0.16);
    context.stroke();
    context.setLineDash([]);
  }
}

// The land, painted below the heat on its canvas.
export function land(context, view) {
  context.fillStyle = "#0a0e13";
  context.fillRect(0, 0, view.width, view.height);
  context.fillStyle = "#10171e";
  context.beginPath();
  for (const zone of view.app.ground.zones) if (zone.kind === "district") trace(context, view, zone);
  context.fill("evenodd");
}

export class Lines {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = canvas.getContext("2d");
    this.words = []; // [name, x, y]
    view.names = []; // boxes of the names on the map, which signs' labels keep clear of
    view.covered = []; // which of them something graver lies on all the same
  }

  paint() {
    const { context, view } = this, thin = Math.max(1, view.rem * 0.11);
    context.clearRect(0, 0, view.width, view.height);
    const zones = view.app.ground.zones, kinds = view.scope.zones;
    if (!view.small) ways(context, view);
    this.#stroke(zones.filter((zone) => zone.kind === "district"), view.small ? "#33414f" : "#4a5c6d", thin);
    if (!view.small) {
      const drawn = zones.filter((zone) => zone.kind !== "district" && zone.rings[0].length && (!kinds || kinds.has(zone.kind)));
      this.#stroke(drawn, kinds ? "#62a9c0" : "#62a9c070", thin * (kinds ? 1.6 : 1));
    }
    if (view.app.state.areas.size) areas(context, view);
    if (view.frame) {
      const [west, north, east, south] = view.frame;
      context.strokeStyle = "#a3b4c4";
      context.lineWidth = thin * 1.4;
      context.strokeRect(view.x(west), view.y(north), (east - west) * view.scale, (south - north) * view.scale);
    }
    this.#settle(zones.filter((zone) => zone.kind === "district"));
  }

  // Writes the names on what is shown; one that could be read by half only is left out.
  write(context) {
    const { view } = this, { size } = this;
    context.font = this.font;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.strokeStyle = "#0a0e13d0";
    context.lineWidth = size * 0.28;
    context.fillStyle = "#b4c3d1";
    this.words.forEach(([text, x, y], i) => {
      if (view.covered[i]) return;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    });
  }

  #stroke(zones, colour, width) {
    const { context, view } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.beginPath();
    for (const zone of zones) trace(context, view, zone);
    context.stroke();
  }

  // Where the districts' names stand.
  #settle(zones) {
    const { context, view } = this, size = (this.size = view.rem * 1.6);
    this.font = `500 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    this.words = [];
    view.names = [];
    if (view.small) return;
    context.font = this.font;
    for (const zone of zones) {
      const x = view.x(zone.label[0]), y = view.y(zone.label[1]) + BELOW * view.rem, text = view.app.format.both(zone.name);
      const half = context.measureText(text).width / 2, box = [x - half, y - size * 0.6, x + half, y + size * 0.6];
      const out = box[0] < 0 || box[1] < 0 || box[2] > view.width || box[3] > view.height;
      if (out || view.names.some((other) => touches(box, other))) continue;
      view.names.push(box);
      this.words.push([text, x, y]);
    }
  }
}

export const touches = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
