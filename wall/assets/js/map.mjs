// A map of the city: stacked canvases in real pixels, each repainted only for what changed on it.
import { panelState } from "./panel.mjs";
import { el, remPx, resize } from "./dom.mjs";
import { Heat, RAMP, REPORTING } from "./layers/heat.mjs";
import { Movers } from "./layers/movers.mjs";
import { Signs } from "./layers/signs.mjs";
import { mark } from "./marks.mjs";

const ZOOM_MAX = 40;
const WIDE = matchMedia("(min-aspect-ratio: 5/2)"); // walls with two maps

const LAYERS = { heat: Heat, movers: Movers, signs: Signs };
const SMALL = { heat: Heat, signs: Signs };

// One view: the city's metres to pixels. `scale` is pixels a metre; `scope` says what of the city is drawn on it.
export class View {
  constructor(holder, app, box, { small = false, scope = {}, layers = small ? SMALL : LAYERS } = {}) {
    this.holder = holder;
    this.app = app;
    this.box = box;
    this.small = small;
    this.scope = scope;
    this.layers = [];
    for (const [name, Layer] of Object.entries(layers)) {
      const node = el(Layer.tag ?? "canvas", { class: name });
      holder.append(node);
      this.layers.push(new Layer(node, this));
    }
    new ResizeObserver(() => this.fit()).observe(holder);
    this.fit();
  }

  fit() {
    this.width = Math.round(this.holder.clientWidth * devicePixelRatio);
    this.height = Math.round(this.holder.clientHeight * devicePixelRatio);
    if (!this.width || !this.height) { // hidden: its pixels are given back
      this.#size(0, 0);
      return;
    }
    this.rem = remPx() * (this.small ? 0.55 : 1);
    const [west, north, east, south] = this.box, margin = this.rem * (this.small ? 1 : 1.5);
    this.scale = Math.min((this.width - 2 * margin) / (east - west), (this.height - 2 * margin) / (south - north));
    this.least = this.scale;
    this.left = this.width / 2 - (this.scale * (west + east)) / 2;
    this.top = this.height / 2 - (this.scale * (north + south)) / 2;
    this.repaint();
  }

  x(metres) { return this.left + metres * this.scale; }
  y(metres) { return this.top + metres * this.scale; }

  repaint() {
    this.#size(this.width, this.height);
    for (const layer of this.layers) layer.paint();
  }

  #size(width, height) {
    if (this.sized === `${width}x${height}`) return;
    this.sized = `${width}x${height}`;
    for (const layer of this.layers) {
      if (layer.resize) layer.resize(width, height);
      else resize(layer.canvas, width, height);
    }
  }

  // Keep the point under x, y (pixels) where it is while the scale changes.
  zoom(factor, x, y) {
    const scale = Math.min(Math.max(this.scale * factor, this.least * 0.35), this.least * ZOOM_MAX);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.repaint();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.repaint();
  }

  update(changed) {
    for (const layer of this.layers) layer.update?.(changed);
  }

  blink() {
    for (const layer of this.layers) layer.blink?.();
  }
}

export class CityMap {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    const views = app.ground.views;
    this.scope = scopeOf(app, element.dataset.pack);
    this.main = new View(element.querySelector(":scope > .layers"), app, views[element.dataset.view], { scope: this.scope });
    this.views = [this.main];
    const inset = element.querySelector(".inset .layers");
    if (inset) this.views.push(new View(inset, app, views.whole, { small: true, scope: this.scope }));
    const framing = this.views.find((view) => view.box === views.whole);
    if (framing && !this.scope.reporting) this.#frame(framing, views.core, Boolean(inset));
    if (element.dataset.hands === "1") this.#hands();
    this.#legend();
  }

  // The whole city shows what the core map beside it, or around it, has large; alone, as on narrow walls, it has all itself.
  #frame(framing, core, always) {
    const draw = () => {
      framing.frame = always || WIDE.matches ? core : null;
      if (framing.width) framing.repaint();
    };
    WIDE.addEventListener("change", draw);
    draw();
  }

  update(changed) {
    panelState(this.element, this.app, false);
    if (changed.has("scale")) this.#legend();
    if (changed.has("chosen") && this.element.dataset.hands === "1") this.#bring();
    for (const view of this.views) if (view.width) view.update(changed);
  }

  // The chosen alert is moved out from the edge and from under the legend; one that is seen well stays where it is.
  #bring() {
    const { main, app } = this, alert = app.state.alerts.get(app.chosen), { frame } = app.ground;
    if (!alert || !main.width) return;
    const x = main.x((alert.lon - frame.west) * frame.lon), y = main.y((frame.north - alert.lat) * frame.lat);
    const edge = main.rem * 4, foot = edge + this.element.querySelector(".legend").offsetHeight * devicePixelRatio;
    const dx = Math.min(Math.max(x, edge), main.width - edge) - x, dy = Math.min(Math.max(y, edge), main.height - foot) - y;
    if (dx || dy) main.pan(dx, dy);
  }

  blink() {
    for (const view of this.views) if (view.width) view.blink();
  }

  #legend() {
    const { format: f, ground, state } = this.app;
    const ramp = el("span", { class: "ramp" }, ...RAMP.map((colour) => {
      const step = el("i");
      step.style.background = colour;
      return step;
    }));
    const busy = ground.properties.map((property, row) => [property, state.scale[row]]).filter(([, range]) => range)
      .map(([property, range]) => `${f.property(property.id)} ${f.number(range[1])} ${f.unit(property.unit, property.id)}`.trim());
    const heat = el("span", { title: f.t("legend.why", { busy: busy.join(" · ") }) }, f.t("legend.heat"), ramp, `${f.t("legend.low")} → ${f.t("legend.high")}`);
    const signs = [1, 2, 3, 4].map((level) => el("span", {}, mark(level), f.t(`severity.${level}`)));
    const none = el("span", {}, el("i", { class: "nodata" }), f.t("legend.none"));
    const reporting = REPORTING.map(([colour, key]) => el("span", {}, swatch(colour), f.known(key, key)));
    const parts = this.scope.reporting ? reporting : this.scope.kinds?.size === 0 ? signs : [heat, none, ...signs];
    this.element.querySelector(".legend").replaceChildren(...parts);
  }

  #hands() {
    const holder = this.main.holder;
    let from = null;
    holder.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = holder.getBoundingClientRect();
      this.main.zoom(Math.exp(-event.deltaY / 400), (event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio);
    }, { passive: false });
    holder.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; holder.setPointerCapture(event.pointerId); });
    holder.addEventListener("pointermove", (event) => {
      if (!from) return;
      this.main.pan((event.clientX - from[0]) * devicePixelRatio, (event.clientY - from[1]) * devicePixelRatio);
      from = [event.clientX, event.clientY];
    });
    holder.addEventListener("pointerup", () => { from = null; });
    holder.addEventListener("dblclick", () => this.main.fit());
  }
}

function swatch(colour) {
  const node = el("i", { class: "nodata" });
  node.style.background = colour;
  return node;
}

// What a pack's map draws: its properties' heat (rows of ground.properties), its alerts, kinds of zones and of units, clusters of appeals.
function scopeOf(app, pack) {
  if (pack === "~reporting") return { reporting: true, alerts: (alert) => alert.kind === "data-quality" };
  const scene = app.boot.stage?.scenes[pack];
  if (!scene) return {};
  const rows = app.ground.properties.flatMap((it, row) => (scene.heat.includes(it.id) ? [row] : []));
  return { kinds: new Set(rows), alerts: (alert) => alert.pack === pack, zones: scene.zones.length ? new Set(scene.zones) : null, units: new Set(scene.units), clusters: scene.clusters };
}
