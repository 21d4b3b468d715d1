// Clusters of appeals: a ring around the places they come from, with how many there are and what about. They are no
// alerts, so they have the accent's hue and no colour of a priority; one about public safety has a whole ring.
import { active } from "../alerts.mjs";
import { touches } from "./ground.mjs";

const HUE = "#8fd0e6";

// Draws them, how many, and keeps the boxes of their words in `view.told`, which signs' labels keep clear of.
export function clusters(context, view) {
  view.told = [];
  const { app } = view, { frame } = app.ground;
  if (view.scope.clusters === false) return 0;
  const grave = [...app.state.alerts.values()].filter((alert) => alert.level < 3 && active(alert))
    .map((alert) => around(view.x((alert.lon - frame.west) * frame.lon), view.y((frame.north - alert.lat) * frame.lat), view.rem * 1.2));
  const most = [...app.state.clusters.values()].sort((a, b) => b.cases - a.cases);
  for (const it of most) {
    const x = view.x((it.lon - frame.west) * frame.lon), y = view.y((frame.north - it.lat) * frame.lat);
    const radius = Math.max(it.radius * view.scale, view.rem * 1.6);
    if (x < -radius || y < -radius || x > view.width + radius || y > view.height + radius) continue;
    ring(context, view, x, y, radius, it.safety);
    if (!framed(view, x, y)) words(context, view, it, x, y, radius, grave);
  }
  return most.length;
}

// On a wall with two maps the inner one says what lies inside its frame.
export function framed(view, x, y) {
  if (!view.frame) return false;
  const [west, north, east, south] = view.frame;
  return x >= view.x(west) && x <= view.x(east) && y >= view.y(north) && y <= view.y(south);
}

function ring(context, view, x, y, radius, whole) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#62a9c026";
  context.fill();
  context.setLineDash(whole ? [] : [view.rem * 0.7, view.rem * 0.45]);
  context.strokeStyle = HUE;
  context.lineWidth = Math.max(1, view.rem * (whole ? 0.26 : 0.18));
  context.stroke();
  context.setLineDash([]);
}

const around = (x, y, reach) => [x - reach, y - reach, x + reach, y + reach];

// The count and the subject below the ring, else above it, where neither a place nor a grave sign stands; never on another's.
function words(context, view, it, x, y, radius, grave) {
  const f = view.app.format, size = view.rem * 1.5, text = f.t("cluster.label", { n: it.cases, category: f.both(it.category) });
  context.font = `600 ${size}px ${getComputedStyle(document.body).fontFamily}`;
  const width = context.measureText(text).width + size * 0.8, half = size * 0.75;
  const boxes = [y + radius + half + 2, y - radius - half - 2, y].map((middle) => [x - width / 2, middle - half, x + width / 2, middle + half]);
  const fits = (box) => box[0] > 0 && box[1] > 0 && box[2] < view.width && box[3] < view.height && !view.told.some((other) => touches(box, other));
  const free = (box) => fits(box) && !grave.some((sign) => touches(box, sign));
  const box = boxes.find((box) => free(box) && !view.names.some((name) => touches(box, name))) ?? boxes.find(free) ?? boxes.find(fits);
  if (!box) return;
  view.told.push(box);
  context.fillStyle = "#0a0e13d9";
  context.fillRect(box[0], box[1], width, 2 * half);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = HUE;
  context.fillText(text, x, (box[1] + box[3]) / 2);
}
