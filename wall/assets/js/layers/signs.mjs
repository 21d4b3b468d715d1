// Alerts on the map: their signs by severity, and labels that cover neither signs nor each other.
import { active, ordered, waiting } from "../alerts.mjs";
import { COLOUR, draw } from "../marks.mjs";
import { framed } from "./clusters.mjs";
import { touches } from "./ground.mjs";
import { Tiles } from "./tiles.mjs";

const SIZE = { 1: 2.7, 2: 2.1, 3: 1.55, 4: 1.25 }; // rem
const LABELS = 12;
const MEASURED = 100; // labels that are kept as pictures
const REACH = [1, 2.6, 5, 8]; // how far from its sign a label may go, in signs
const ANGLES = [0, Math.PI, -0.5, 0.5, Math.PI - 0.5, Math.PI + 0.5, -1.1, 1.1, Math.PI - 1.1, Math.PI + 1.1, -1.57, 1.57];

export class Signs {
  static tag = "div"; // that holds its tiles

  constructor(holder, view) {
    this.view = view;
    this.tiles = new Tiles(holder);
    this.context = new OffscreenCanvas(1, 1).getContext("2d"); // to measure with
    this.measured = new Map();
  }

  resize(width, height) { this.tiles.fit(width, height); }

  // An alert often changes in what the map does not show: then nothing is painted, and where only some changed, only there.
  update(changed) {
    if (changed.has("scale")) this.furniture = null; // the legend has been written anew
    if (changed.has("all") || changed.has("chosen")) this.paint();
    else if (changed.has("alerts") || changed.has("clusters")) this.#renew();
  }

  blink() {
    if (this.pulsing) this.tiles.paint(this.items, this.signs.filter(pulses).map(reach));
  }

  paint() {
    this.furniture = null;
    this.measured.clear();
    this.shown = this.#look();
    this.tiles.paint(this.items);
    this.#cover(true);
  }

  #renew() {
    const before = this.shown, after = (this.shown = this.#look()), changed = [];
    for (const [key, box] of before) if (!after.has(key)) changed.push(box);
    for (const [key, box] of after) if (!before.has(key)) changed.push(box);
    if (changed.length) this.tiles.paint(this.items, changed);
    this.#cover(false);
  }

  // Which names of districts lie under a label, a grave sign, the words of a cluster or the legend.
  #cover(now) {
    const { view } = this, over = [...this.labels, ...this.signs.filter(({ alert }) => alert.level < 3)].map(({ box }) => box).concat(view.told ?? [], view.names.length ? this.#furniture() : []);
    const covered = view.names.map((name) => over.some((box) => touches(name, box)));
    if (view.names.every((_, i) => covered[i] === Boolean(view.covered[i]))) return;
    view.covered = covered;
    view.rename?.(now);
  }

  // Places signs and labels, and lists what to draw; what is to be seen, each with its box: {what it looks like → box}.
  #look() {
    const { view } = this, { frame } = view.app.ground, { chosen } = view.app;
    this.signs = [];
    for (const [id, alert] of ordered(view.app.state.alerts)) {
      if (!active(alert) || view.scope.alerts?.(alert) === false) continue;
      const x = view.x((alert.lon - frame.west) * frame.lon), y = view.y((frame.north - alert.lat) * frame.lat);
      if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
      const size = SIZE[alert.level] * view.rem * (waiting(alert) ? 1 : 0.82);
      this.signs.push({ id, alert, x, y, size, box: [x - size / 2, y - size / 2, x + size / 2, y + size / 2] });
    }
    this.pulsing = this.signs.some(pulses);
    this.labels = view.small ? [] : this.#place();
    const shown = new Map();
    for (const sign of this.signs) shown.set(`${sign.id} ${sign.alert.level} ${sign.alert.state} ${sign.x} ${sign.y} ${sign.id === chosen}`, reach(sign));
    for (const { sign, box, measured } of this.labels) shown.set(`${sign.id} ${sign.alert.level} ${measured.first.join()} ${measured.under} ${box}`, withLeader(box, sign));
    this.items = [
      ...this.labels.map((label) => ({ box: withLeader(label.box, label.sign), draw: (context) => this.#leader(context, label) })),
      ...this.signs.toReversed().map((sign) => ({ box: reach(sign), draw: (context) => this.#sign(context, sign) })), // the gravest on top
      ...this.labels.map((label) => ({ box: label.box, draw: (context) => this.#label(context, label) })),
    ];
    return shown;
  }

  #sign(context, sign) {
    if (pulses(sign)) this.#ring(context, sign);
    draw(context, sign.alert.level, sign.alert.state, sign.x, sign.y, sign.size);
    if (sign.id === this.view.app.chosen) this.#chosen(context, sign);
  }

  #ring(context, { alert, x, y, size }) {
    context.beginPath();
    const { lit } = this.view.app;
    context.arc(x, y, size * (lit ? 0.95 : 1.15), 0, 2 * Math.PI);
    context.strokeStyle = COLOUR[alert.level] + (lit ? "e0" : "60");
    context.lineWidth = this.view.rem * 0.18;
    context.stroke();
  }

  #chosen(context, { x, y, size }) {
    const reach = size * 0.95;
    context.strokeStyle = "#e8eef4";
    context.lineWidth = this.view.rem * 0.2;
    context.strokeRect(x - reach, y - reach, 2 * reach, 2 * reach);
  }

  // Greedy, the gravest first: the nearest place that is free, then the next; a Severe one may go without.
  #place() {
    const { view, signs } = this, taken = [], out = [];
    const keep = [...signs.filter(({ alert }) => alert.level < 3).map(({ box }) => box), ...this.#furniture(), ...(view.told ?? [])];
    const wanted = signs.filter(({ id, alert }) => id === view.app.chosen || alert.level === 1 || (alert.level === 2 && waiting(alert)));
    for (const sign of wanted.filter(({ x, y }) => !framed(view, x, y)).slice(0, LABELS)) {
      if (out.some((label) => sameSpot(label.sign, sign))) continue; // the graver one there has said where
      const measured = this.#measure(sign), found = this.#spot(sign, measured, keep, taken);
      if (!found) continue;
      taken.push(found.box);
      out.push({ measured, ...found, sign });
    }
    return out;
  }

  // The title, legend and inset that lie over the map, in this canvas's pixels.
  #furniture() {
    return (this.furniture ??= this.#measureFurniture());
  }

  #measureFurniture() {
    const origin = this.view.holder.getBoundingClientRect(), parent = this.view.holder.parentElement, r = devicePixelRatio;
    return [...parent.querySelectorAll(":scope > .legend, :scope > .inset, :scope > .map-title")].map((node) => {
      const box = node.getBoundingClientRect();
      return [(box.left - origin.left) * r, (box.top - origin.top) * r, (box.right - origin.left) * r, (box.bottom - origin.top) * r];
    });
  }

  #measure({ alert }) {
    const { context, view } = this, f = view.app.format;
    const big = view.rem * 1.55, small = view.rem * 1.35; // hanzi of 27 pixels on the widest walls
    const zone = view.app.ground.zones.find((zone) => zone.id === alert.district);
    const place = [zone && f.both(zone.name), f.both(alert.place)].filter(Boolean);
    const second = [...new Set(place)].join(" · "), key = `${alert.level}\n${f.both(alert.headline)}\n${second}`;
    if (this.measured.has(key)) return this.measured.get(key);
    const family = getComputedStyle(document.body).fontFamily;
    context.font = `600 ${big}px ${family}`;
    const first = wrap(context, f.both(alert.headline), view.rem * 26);
    const wide = Math.max(...first.map((line) => context.measureText(line).width));
    context.font = `400 ${small}px ${family}`;
    const under = clip(context, second, view.rem * 26), wider = Math.max(wide, context.measureText(under).width);
    const height = first.length * big * 1.18 + small + view.rem * 1.1;
    const label = { first, under, family, big, small, width: Math.ceil(wider + view.rem * 1.7), height: Math.ceil(height) };
    if (this.measured.size >= MEASURED) this.measured.clear();
    this.measured.set(key, label);
    return label;
  }

  #spot(sign, { width, height }, keep, taken) {
    const { view } = this;
    let fallback = null;
    for (const reach of REACH) {
      for (const angle of ANGLES) {
        const dx = Math.cos(angle), dy = Math.sin(angle), gap = sign.size * (0.25 + reach * 0.55);
        const cx = sign.x + dx * (gap + width / 2), cy = sign.y + dy * (gap + height / 2);
        const left = Math.round(cx - width / 2), top = Math.round(cy - height / 2), box = [left, top, left + width, top + height];
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

  #leader(context, { box, far, sign }) {
    if (!far) return;
    context.strokeStyle = COLOUR[sign.alert.level] + "b0";
    context.lineWidth = Math.max(1, this.view.rem * 0.12);
    context.beginPath();
    context.moveTo(sign.x, sign.y);
    context.lineTo(Math.min(Math.max(sign.x, box[0]), box[2]), Math.min(Math.max(sign.y, box[1]), box[3]));
    context.stroke();
  }

  #label(context, { box, sign, measured }) {
    measured.picture ??= this.#picture(measured, COLOUR[sign.alert.level]);
    context.drawImage(measured.picture, box[0], box[1]);
  }

  // A label as a picture: its text is set once and not with each frame.
  #picture({ first, under, family, big, small, width, height }, colour) {
    const { view } = this, canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    context.fillStyle = "#0a0e13e6";
    context.fillRect(0, 0, width, height);
    context.fillStyle = colour;
    context.fillRect(0, 0, view.rem * 0.35, height);
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillStyle = "#e8eef4";
    context.font = `600 ${big}px ${family}`;
    first.forEach((text, i) => context.fillText(text, view.rem * 0.95, view.rem * 0.4 + i * big * 1.18));
    context.fillStyle = "#a3b4c4";
    context.font = `400 ${small}px ${family}`;
    context.fillText(under, view.rem * 0.95, view.rem * 0.5 + first.length * big * 1.18);
    return canvas.transferToImageBitmap();
  }
}

const pulses = ({ alert }) => alert.state === "unacknowledged" && alert.level < 3;
const reach = ({ x, y, size }) => [x - 1.4 * size, y - 1.4 * size, x + 1.4 * size, y + 1.4 * size];

const withLeader = (box, { x, y }) => [Math.min(box[0], x) - 2, Math.min(box[1], y) - 2, Math.max(box[2], x) + 2, Math.max(box[3], y) + 2];

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
  while (/^[，。：；、）！？%]/.test(parts[0] ?? "")) line += parts.shift(); // no line begins with one of these
  return line ? [line.trimEnd(), clip(context, parts.join(""), most)] : [clip(context, text, most)];
}

function clip(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(text.slice(0, end) + "…").width > width) end--;
  return text.slice(0, end) + "…";
}
