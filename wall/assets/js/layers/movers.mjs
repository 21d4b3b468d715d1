// What comes and goes on the map: clusters of appeals; units that are on their way or at work, with a line to where they go.
// The scene of a pack shows all units of its kinds, the idle ones small.
import { clusters } from "./clusters.mjs";

const COMING = new Set(["sent", "accepted", "under-way"]);
const BUSY = new Set(["sent", "accepted", "under-way", "on-scene", "busy"]);

export const STATUS = { "free": "#5d7f8e", "sent": "#62a9c0", "accepted": "#62a9c0", "under-way": "#62a9c0", "on-scene": "#e8eef4", "busy": "#8aa0b3", "off": "#4a5561" };

export class Movers {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = canvas.getContext("2d");
  }

  update(changed) { if (["units", "incidents", "clusters"].some((name) => changed.has(name))) this.paint(); }

  paint() {
    const { context, view } = this, { app } = view, { frame } = app.ground, wanted = view.scope.units;
    context.clearRect(0, 0, view.width, view.height);
    const shown = [...app.state.units.values()].filter((unit) => (wanted ? wanted.has(unit.kind) : BUSY.has(unit.status)));
    const drawn = view.scope.reporting ? 0 : clusters(context, view) + shown.length;
    this.canvas.hidden = !drawn; // one that is seen is blended in with each frame
    if (!drawn) return;
    const at = (it) => [view.x((it.lon - frame.west) * frame.lon), view.y((frame.north - it.lat) * frame.lat)];
    const where = new Map([...app.state.alerts.values()].filter((alert) => alert.incident).map((alert) => [alert.incident, alert]));
    for (const unit of shown) {
      const goal = COMING.has(unit.status) && where.get(unit.incident);
      if (goal) way(context, view, at(unit), at(goal));
    }
    for (const unit of shown) square(context, view, at(unit), unit.status);
  }
}

export function way(context, view, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.setLineDash([view.rem * 0.6, view.rem * 0.5]);
  context.strokeStyle = "#62a9c0a0";
  context.lineWidth = Math.max(1, view.rem * 0.16);
  context.stroke();
  context.setLineDash([]);
}

export function square(context, view, [x, y], status, times = 1) {
  const half = view.rem * (BUSY.has(status) ? 0.62 : 0.34) * times;
  context.fillStyle = STATUS[status] ?? STATUS.free;
  context.strokeStyle = "#0a0e13";
  context.lineWidth = Math.max(1, view.rem * 0.14);
  context.beginPath();
  context.rect(x - half, y - half, 2 * half, 2 * half);
  context.fill();
  context.stroke();
}
