// How many alerts each seat had in the last ten minutes, against the limit at which a person no longer keeps up.
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";

const LIMIT = 10; // ISA-18.2, EEMUA 191 (models/flood.py)
const FULL = 20; // alerts that fill a bar

export class Seats {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.rows = new Map();
    say(element.querySelector(".aside"), app.format.t("seats.limit", { n: LIMIT }));
    this.list = el("ol");
    element.querySelector(".body").append(this.list);
  }

  update(changed) {
    const seats = this.app.state.flood.get("now")?.seats ?? {};
    panelState(this.element, this.app, !Object.keys(seats).length);
    if (!changed.has("flood")) return;
    for (const [seat, row] of this.rows) if (!(seat in seats)) { row.node.remove(); this.rows.delete(seat); }
    for (const [seat, n] of Object.entries(seats)) {
      const row = this.rows.get(seat) ?? this.#row(seat);
      put(row.node, "class", `seat${n >= LIMIT ? " over" : ""}`);
      row.bar.style.width = `${Math.min(100, (100 * n) / FULL)}%`;
      say(row.n, this.app.format.number(n));
    }
  }

  #row(seat) {
    const row = { bar: el("i"), n: el("em") };
    row.node = el("li", {}, el("b", {}, this.app.format.known(`seat.${seat}`, seat)), el("div", { class: "bar" }, row.bar, el("u")), row.n);
    this.list.append(row.node);
    this.rows.set(seat, row);
    return row;
  }
}
