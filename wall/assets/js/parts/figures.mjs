// A pack's figures, as its scene declares them: a number each, coloured when it is a matter, with its last minutes.
import { panelState } from "../panel.mjs";
import { el, put, say, svg } from "../dom.mjs";
import { mark } from "../marks.mjs";
import { spark } from "./vitals.mjs";

const POINTS = 90; // of a line, a second each

export class Figures {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.pack = element.dataset.pack;
    this.tiles = app.boot.stage.scenes[this.pack].figures.map((figure) => this.#tile(figure));
  }

  update(changed) {
    const { figures } = this.app.state, rows = this.tiles.map((_, i) => figures.get(`${this.pack}/${i}`));
    panelState(this.element, this.app, !rows.some((row) => row && row.value !== null));
    if (!changed.has("second") && !changed.has("figures")) return;
    const { format: f } = this.app;
    this.tiles.forEach((tile, i) => {
      const value = rows[i]?.value ?? null, [number, times] = f.short(value);
      if (changed.has("second")) { tile.past.push(value); if (tile.past.length > POINTS) tile.past.shift(); }
      say(tile.number, number);
      say(tile.unit, `${times}${times && tile.text ? " " : ""}${tile.text}`);
      const level = value ? rows[i]?.level ?? 0 : 0;
      put(tile.node, "class", `tile${level ? ` matters l${level}` : ""}`);
      if (level !== tile.level) { tile.level = level; tile.sign.replaceChildren(...(level ? [mark(level)] : [])); }
      put(tile.path, "d", spark(tile.past));
    });
  }

  #tile(figure) {
    const { format: f } = this.app;
    const unit = figure.unit ?? (figure.property && ["sum", "mean", "max", "min"].includes(figure.of) ? this.#unit(figure.property) : "");
    const tile = { past: [], text: f.unit(unit, figure.property), number: el("span"), unit: el("small"), sign: el("span"), path: svg("path"), level: null };
    const chart = svg("svg", { viewBox: "0 0 90 26", preserveAspectRatio: "none", "aria-hidden": "true" }, tile.path);
    tile.node = el("div", { class: "tile" }, el("h3", {}, this.#title(figure)), el("p", { class: "figure" }, tile.sign, tile.number, tile.unit), el("p", { class: "under" }), chart);
    this.element.querySelector(".body").append(tile.node);
    return tile;
  }

  #title(figure) {
    const f = this.app.format;
    if (figure.title) return f.both(figure.title);
    if (figure.alerts.length) return f.t("figure.alerts");
    return `${f.property(figure.property)} ${f.t(`figure.${figure.of}`)}`;
  }

  #unit(property) { return this.app.ground.properties.find((it) => it.id === property)?.unit ?? ""; }
}
