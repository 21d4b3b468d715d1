// A pack's units by kind: how many are free, on their way, at work.
import { panelState } from "../panel.mjs";
import { el, say } from "../dom.mjs";

const GROUPS = { free: ["free"], coming: ["sent", "accepted", "under-way"], there: ["on-scene", "busy"], off: ["off"] };

export class Units {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.kinds = app.boot.stage.scenes[element.dataset.pack].units;
    const f = app.format, head = ["", ...Object.keys(GROUPS).map((group) => f.t(`force.${group}`))];
    this.table = el("table", { class: "places" }, el("tbody", {}, el("tr", { class: "titles" }, ...head.map((text) => el("td", {}, text)))));
    this.rows = this.kinds.map((kind) => {
      const cells = Object.keys(GROUPS).map(() => el("td"));
      this.table.tBodies[0].append(el("tr", {}, el("td", {}, f.known(`unit.kind.${kind}`, kind)), ...cells));
      return [kind, cells];
    });
    element.querySelector(".body").append(this.table);
  }

  update(changed) {
    const units = [...this.app.state.units.values()];
    panelState(this.element, this.app, !units.some((unit) => this.kinds.includes(unit.kind)));
    if (!changed.has("units")) return;
    for (const [kind, cells] of this.rows) {
      Object.values(GROUPS).forEach((states, i) => say(cells[i], this.app.format.number(units.filter((unit) => unit.kind === kind && states.includes(unit.status)).length)));
    }
  }
}
