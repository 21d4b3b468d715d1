// Alerts on the map: their signs by severity, and labels that cover neither signs nor each other.
import { active, ordered, waiting } from "../alerts.mjs";
import { COLOUR, draw } from "../marks.mjs";
import { touches } from "./ground.mjs";

const SIZE = { 1: 2.7, 2: 2.1, 3: 1.55, 4: 1.25 }; // rem
const LABELS = 12;
const BLINK_MS = 500;
const REACH = [1, 2.6, 5, 8]; // how far from its sign a label may go, in signs
const ANGLES = [0, Math.PI, -0.5, 0.5, Math.PI - 0.5, Math.PI + 0.5, -1.1, 1.1, Math.PI - 1.1, Math.PI + 1.1, -1.57, 1.57];

export class Signs {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = canvas.getContext("2d");
    this.lit = true;
    setInterval(() => {
      this.lit = !this.lit;
      if (this.pulsing) requestAnimationFrame(() => this.#pulse());
    }, BLINK_MS);
  }

  update(changed) {
    if (changed.has("alerts") || changed.has("chosen")) this.paint();
  }

  paint() {
    const { view } = this, { frame } = view.app.ground;
    this.signs = [];
    for (const [id, alert] of ordered(view.app.state.alerts)) {
      if (!active(alert) || view.scope.alerts?.(alert) === false) continue;
      const x = view.x((alert.lon - frame.west) * frame.lon), y = view.y((frame.north - alert.lat) * frame.lat);
      if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
      const size = SIZE[alert.level] * view.rem * (waiting(alert) ? 1 : 0.82);
      this.signs.push({ id, alert, x, y, size, box: [x - size / 2, y - size / 2, x + size / 2, y + size / 2] });
    }
    this.pulsing = this.signs.some(({ alert }) => alert.state === "unacknowledged" && alert.level < 3);
    this.labels = view.small ? [] : this.#place();
    this.#draw();
  }

  #draw() {
    const { context, view, signs, labels } = this;
    if (!signs) return;
    context.clearRect(0, 0, view.width, view.height);
    for (const label of labels) this.#leader(label);
    for (const sign of [...signs].reverse()) { // the gravest last, on top
      if (sign.alert.state === "unacknowledged" && sign.alert.level < 3) this.#ring(sign);
      draw(context, sign.alert.level, sign.alert.state, sign.x, sign.y, sign.size);
      if (sign.id === view.app.chosen) this.#chosen(sign);
    }
    for (const label of labels) this.#label(label);
  }

  // Draws again only around the signs that pulse, so that the rest of a large screen is left alone.
  #pulse() {
    const { context, signs } = this;
    context.save();
    context.beginPath();
    for (const { alert, x, y, size } of signs) {
      if (alert.state === "unacknowledged" && alert.level < 3) context.rect(x - 1.4 * size, y - 1.4 * size, 2.8 * size, 2.8 * size);
    }
    context.clip();
    this.#draw();
    context.restore();
  }

  #ring({ alert, x, y, size }) {
    const { context } = this;
    context.beginPath();
    context.arc(x, y, size * (this.lit ? 0.95 : 1.15), 0, 2 * Math.PI);
    context.strokeStyle = COLOUR[alert.level] + (this.lit ? "e0" : "60");
    context.lineWidth = this.view.rem * 0.18;
    context.stroke();
  }

  #chosen({ x, y, size }) {
    const { context } = this, reach = size * 0.95;
    context.strokeStyle = "#e8eef4";
    context.lineWidth = this.view.rem * 0.2;
    context.strokeRect(x - reach, y - reach, 2 * reach, 2 * reach);
  }

  // Greedy, the gravest first: the nearest place that is free, then the next; a Severe one may go without.
  #place() {
    const { view, signs } = this, taken = [], out = [];
    const keep = [...signs.filter(({ alert }) => alert.level < 3).map(({ box }) => box), ...this.#furniture()];
    const wanted = signs.filter(({ id, alert }) => id === view.app.chosen || alert.level === 1 || (alert.level === 2 && waiting(alert)));
    for (const sign of wanted.filter((sign) => this.#worthALabel(sign)).slice(0, LABELS)) {
      if (out.some((label) => sameSpot(label.sign, sign))) continue; // the graver one there has said where
      const label = this.#measure(sign);
      const found = this.#spot(sign, label, keep, taken);
      if (!found) continue;
      taken.push(found.box);
      out.push({ ...label, ...found, sign });
    }
    return out;
  }

  // On a wall with two maps the inner one names what lies inside its frame.
  #worthALabel({ x, y }) {
    const { view } = this;
    if (!view.frame) return true;
    const [west, north, east, south] = view.frame;
    return x < view.x(west) || x > view.x(east) || y < view.y(north) || y > view.y(south);
  }

  // The title, legend and inset that lie over the map, in this canvas's pixels.
  #furniture() {
    const origin = this.view.holder.getBoundingClientRect(), parent = this.view.holder.parentElement, r = devicePixelRatio;
    return [...parent.querySelectorAll(":scope > .legend, :scope > .inset, :scope > .map-title")].map((node) => {
      const box = node.getBoundingClientRect();
      return [(box.left - origin.left) * r, (box.top - origin.top) * r, (box.right - origin.left) * r, (box.bottom - origin.top) * r];
    });
  }

  #measure({ alert }) {
    const { context, view } = this, family = getComputedStyle(document.body).fontFamily, f = view.app.format;
    const big = view.rem * 1.5, small = view.rem * 1.25;
    const zone = view.app.ground.zones.find((zone) => zone.id === alert.district);
    const place = [zone && f.both(zone.name), f.both(alert.place)].filter(Boolean);
    const second = [...new Set(place)].join(" · ");
    context.font = `600 ${big}px ${family}`;
    const first = wrap(context, f.both(alert.headline), view.rem * 26);
    const wide = Math.max(...first.map((line) => context.measureText(line).width));
    context.font = `400 ${small}px ${family}`;
    const under = clip(context, second, view.rem * 26), wider = Math.max(wide, context.measureText(under).width);
    const height = first.length * big * 1.18 + small + view.rem * 1.1;
    return { first, under, family, big, small, width: wider + view.rem * 1.7, height };
  }

  #spot(sign, { width, height }, keep, taken) {
    const { view } = this;
    let fallback = null;
    for (const reach of REACH) {
      for (const angle of ANGLES) {
        const dx = Math.cos(angle), dy = Math.sin(angle), gap = sign.size * (0.25 + reach * 0.55);
        const cx = sign.x + dx * (gap + width / 2), cy = sign.y + dy * (gap + height / 2);
        const box = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2];
        const margin = view.rem * 0.4;
        if (box[0] < margin || box[1] < margin || box[2] > view.width - margin || box[3] > view.height - margin) continue;
        if (taken.some((other) => touches(box, other)) || keep.some((other) => touches(box, other))) continue;
        if (!view.names.some((other) => touches(box, other))) return { box, far: reach > 1 };
        fallback ??= { box, far: reach > 1 }; // rather over a district's name than far away
      }
      if (fallback) return fallback;
    }
    return null;
  }

  #leader({ box, far, sign }) {
    if (!far) return;
    const { context } = this;
    context.strokeStyle = COLOUR[sign.alert.level] + "b0";
    context.lineWidth = Math.max(1, this.view.rem * 0.12);
    context.beginPath();
    context.moveTo(sign.x, sign.y);
    context.lineTo(Math.min(Math.max(sign.x, box[0]), box[2]), Math.min(Math.max(sign.y, box[1]), box[3]));
    context.stroke();
  }

  #label({ box, sign, first, under, family, big, small }) {
    const { context, view } = this, [x, y] = box, width = box[2] - x, height = box[3] - y;
    context.fillStyle = "#0a0e13e6";
    context.fillRect(x, y, width, height);
    context.fillStyle = COLOUR[sign.alert.level];
    context.fillRect(x, y, view.rem * 0.35, height);
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillStyle = "#e8eef4";
    context.font = `600 ${big}px ${family}`;
    first.forEach((text, i) => context.fillText(text, x + view.rem * 0.95, y + view.rem * 0.4 + i * big * 1.18));
    context.fillStyle = "#a3b4c4";
    context.font = `400 ${small}px ${family}`;
    context.fillText(under, x + view.rem * 0.95, y + view.rem * 0.5 + first.length * big * 1.18);
  }
}

function sameSpot(a, b) {
  return a !== b && Math.hypot(a.x - b.x, a.y - b.y) < a.size / 2;
}

// At most two lines of about one length, broken between words or hanzi.
function wrap(context, text, most) {
  const whole = context.measureText(text).width, width = Math.min(most, whole * 0.56);
  if (whole <= most) return [text];
  const parts = text.match(/[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*/g) ?? [text];
  let line = "";
  while (parts.length && context.measureText((line + parts[0]).trimEnd()).width <= width) line += parts.shift();
  return line ? [line.trimEnd(), clip(context, parts.join(""), most)] : [clip(context, text, most)];
}

function clip(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(text.slice(0, end) + "…").width > width) end--;
  return text.slice(0, end) + "…";
}
