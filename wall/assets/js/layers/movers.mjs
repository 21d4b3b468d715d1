// Units on the map: those that are on their way or at work, with a line to where they go; a pack's scene shows all of its
// kinds, the idle ones small.
const COMING = new Set(["sent", "accepted", "under-way"]);
const BUSY = new Set(["sent", "accepted", "under-way", "on-scene", "busy"]);

export const STATUS = { "free": "#5d7f8e", "sent": "#62a9c0", "accepted": "#62a9c0", "under-way": "#62a9c0", "on-scene": "#e8eef4", "busy": "#8aa0b3", "off": "#4a5561" };

export class Movers {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = canvas.getContext("2d");
  }

  update(changed) { if (changed.has("units") || changed.has("incidents")) this.paint(); }

  paint() {
    const { context, view } = this, { app } = view, { frame } = app.ground, wanted = view.scope.units;
    context.clearRect(0, 0, view.width, view.height);
    if (view.scope.reporting) return;
    const at = (it) => [view.x((it.lon - frame.west) * frame.lon), view.y((frame.north - it.lat) * frame.lat)];
    const where = new Map([...app.state.alerts.values()].filter((alert) => alert.incident).map((alert) => [alert.incident, alert]));
    const shown = [...app.state.units.values()].filter((unit) => (wanted ? wanted.has(unit.kind) : BUSY.has(unit.status)));
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
