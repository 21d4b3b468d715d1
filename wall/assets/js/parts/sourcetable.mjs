// Source health in full: each gateway with its lag, clock, completeness; and what is wrong with single sensors.
import { active, faulty, ordered } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";
import { mark } from "../marks.mjs";

const RANK = { down: 0, late: 1, ok: 2 };
const COLUMNS = ["source.name", "source.state", "source.last", "source.lag", "source.clock", "source.complete", "source.accepted", "source.refused"];

export class SourceTable {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.table = el("table", { class: "places" });
    element.querySelector(".body").append(this.table);
    this.#line(0, COLUMNS.map((key) => app.format.known(key, key)), "titles");
  }

  update(changed) {
    const { sources } = this.app.state, f = this.app.format;
    panelState(this.element, this.app, !sources.size);
    if (!changed.has("sources") && !changed.has("second")) return;
    const rows = [...sources].sort(([ka, a], [kb, b]) => RANK[a.health] - RANK[b.health] || (ka < kb ? -1 : 1));
    const count = (health) => rows.filter(([, row]) => row.health === health).length;
    say(this.element.querySelector(".aside"), f.t("source.summary", { n: rows.length, late: count("late"), down: count("down") }));
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const fit = Math.max(1, Math.floor(this.element.querySelector(".body").clientHeight / (3.1 * rem)) - 1);
    rows.slice(0, fit).forEach(([name, row], i) => this.#line(i + 1, this.#cells(name, row), row.health));
    while (this.table.rows.length > Math.min(rows.length, fit) + 1) this.table.deleteRow(-1);
  }

  #cells(name, row) {
    const f = this.app.format, complete = row.complete === null || row.complete === undefined ? "–" : `${row.complete}%`;
    return [name, f.t(`source.${row.health}`), f.span(this.app.now() - row.last), f.t("time.seconds", { n: f.number(row.lag ?? 0) }),
      f.t("time.seconds", { n: f.number(row.offset ?? 0) }), complete, f.short(row.accepted).join(""), f.number(row.rejected)];
  }

  #line(i, cells, kind) {
    const row = this.table.rows[i] ?? this.table.insertRow();
    put(row, "class", kind);
    cells.forEach((text, k) => say(row.cells[k] ?? row.insertCell(), text));
  }
}

export class Faults {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.counts = el("div", { class: "fault-counts" });
    this.list = el("ol");
    element.querySelector(".body").append(this.counts, this.list);
  }

  update(changed) {
    const { state, format: f } = this.app, kinds = Object.entries(state.budget.get("now")?.faults ?? {});
    if (changed.has("alerts") || !this.rows) this.rows = ordered(state.alerts).filter(([, alert]) => faulty(alert) && active(alert));
    panelState(this.element, this.app, !this.rows.length && !kinds.length);
    if (!changed.has("alerts") && !changed.has("budget")) return;
    this.counts.replaceChildren(...kinds.map(([kind, n]) => el("span", {}, el("b", {}, f.number(n)), f.t(`fault.${kind}`))));
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const room = this.element.querySelector(".body").clientHeight - this.counts.offsetHeight, fit = Math.max(0, Math.floor(room / (5.2 * rem)));
    this.list.replaceChildren(...this.rows.slice(0, fit).map(([, alert]) => el("li", { class: `row l${alert.level} ${alert.state}` }, mark(alert.level, alert.state),
      el("div", { class: "what" }, el("b", {}, f.both(alert.headline)), el("small", {}, f.both(alert.place))), el("div", { class: "when" }, el("b", {}, f.minute(alert.opened))))));
    say(this.element.querySelector(".aside"), this.rows.length > fit ? f.t("queue.more", { n: this.rows.length - fit }) : "");
  }
}
