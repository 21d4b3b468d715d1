// What does not move: the land below the heat; borders, venues and names above it, on a canvas of their own.

function trace(context, view, zone) {
  for (const ring of zone.rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const x = view.x(ring[i]), y = view.y(ring[i + 1]);
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    }
    context.closePath();
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
    view.names = []; // boxes of the names on the map, which signs' labels keep clear of
  }

  paint() {
    const { context, view } = this, thin = Math.max(1, view.rem * 0.11);
    context.clearRect(0, 0, view.width, view.height);
    const zones = view.app.ground.zones;
    this.#stroke(zones.filter((zone) => zone.kind === "district"), view.small ? "#33414f" : "#4a5c6d", thin);
    if (!view.small) {
      const drawn = zones.filter((zone) => zone.kind !== "district" && zone.rings[0].length);
      this.#stroke(drawn, "#62a9c070", thin);
    }
    if (view.frame) {
      const [west, north, east, south] = view.frame;
      context.strokeStyle = "#a3b4c4";
      context.lineWidth = thin * 1.4;
      context.strokeRect(view.x(west), view.y(north), (east - west) * view.scale, (south - north) * view.scale);
    }
    view.names = [];
    if (!view.small) for (const zone of zones) if (zone.kind === "district") this.#name(zone, zones);
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

  #name(zone) {
    const { context, view } = this, size = view.rem * 1.6;
    const x = view.x(zone.label[0]), y = view.y(zone.label[1]);
    const text = view.app.format.both(zone.name);
    context.font = `500 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    const half = context.measureText(text).width / 2;
    const box = [x - half, y - size * 0.6, x + half, y + size * 0.6];
    const out = box[0] < 0 || box[1] < 0 || box[2] > view.width || box[3] > view.height;
    if (out || view.names.some((other) => touches(box, other))) return;
    view.names.push(box);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.strokeStyle = "#0a0e13d0";
    context.lineWidth = size * 0.28;
    context.strokeText(text, x, y);
    context.fillStyle = "#b4c3d1";
    context.fillText(text, x, y);
  }
}
export const touches = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
