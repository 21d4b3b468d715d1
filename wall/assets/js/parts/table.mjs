// A pack's places as a table: what was measured, what was expected, how far they depart; or rows that an agent wrote.
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";

const ODD = 3; // surprise from which a place is marked: once in a thousand

export class Table {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.pack = element.dataset.pack;
    this.declared = app.boot.stage.scenes[this.pack].table;
    this.zones = new Map(app.ground.zones.map((zone) => [zone.id, zone]));
    if (this.declared.title) say(element.querySelector("h2"), app.format.both(this.declared.title));
    this.table = el("table", { class: "places" });
    element.querySelector(".body").append(this.table);
    new ResizeObserver(() => this.#draw()).observe(element);
  }

  update(changed) {
    const empty = this.declared.told ? !this.app.state.tables.get(`${this.pack}/${this.declared.told}`)?.rows.length : !this.#rows().length;
    panelState(this.element, this.app, empty);
    if (changed.has("zones") || changed.has("tables")) this.#draw();
  }

  #draw() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const fit = Math.max(1, Math.min(this.declared.rows, Math.floor(this.element.querySelector(".body").clientHeight / (3.1 * rem)) - 1));
    if (this.declared.told) this.#told(fit); else this.#places(fit);
  }

  #rows() {
    const kinds = this.declared.kinds;
    return [...this.app.state.zones.values()]
      .filter((row) => row.property === this.declared.property && row.value !== null && this.zones.has(row.zone) && (!kinds.length || kinds.includes(this.zones.get(row.zone).kind)))
      .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || b.value - a.value);
  }

  #places(fit) {
    const f = this.app.format, rows = this.#rows().slice(0, fit);
    const capacity = rows.some((row) => this.zones.get(row.zone).capacity);
    const head = ["table.place", "table.measured", "table.expected", "table.change", ...(capacity ? ["table.capacity"] : [])];
    const lines = rows.map((row) => {
      const zone = this.zones.get(row.zone), full = zone.capacity ? row.value / zone.capacity : null;
      const cells = [f.both(zone.name), f.number(row.value), f.number(row.expected), f.change(row.value, row.expected) || "–"];
      if (capacity) cells.push(full === null ? "–" : f.percent(full));
      return [cells, (row.score ?? 0) >= ODD ? "odd" : ""];
    });
    this.#fill(head.map((key) => f.known(key, key)), lines);
  }

  #told(fit) {
    const f = this.app.format, told = this.app.state.tables.get(`${this.pack}/${this.declared.told}`);
    if (!told) return;
    const show = (cell) => cell === null ? "–" : typeof cell === "number" ? f.number(cell) : typeof cell === "string" ? cell : f.both(cell);
    this.#fill(told.columns.map((column) => f.both(column)), told.rows.slice(0, fit).map((row) => [row.map(show), ""]));
  }

  // Cells are kept, so that a tick that changes three numbers lays out three cells.
  #fill(head, lines) {
    const all = [[head, "titles"], ...lines];
    while (this.table.rows.length > all.length) this.table.deleteRow(-1);
    all.forEach(([cells, kind], i) => {
      const row = this.table.rows[i] ?? this.table.insertRow();
      put(row, "class", kind);
      while (row.cells.length > cells.length) row.deleteCell(-1);
      cells.forEach((text, k) => say(row.cells[k] ?? row.insertCell(), text));
    });
  }
}
