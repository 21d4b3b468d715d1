// Places that depart most from what was expected of them: a bar from the middle, right is more, left is less.
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";

const ODD = 3; // surprise from which a place is marked: once in a thousand
const FULL = 1; // a departure of 100 % fills half the bar

export class Zones {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.names = new Map([[app.ground.city.id, app.ground.city.name], ...app.ground.zones.map((zone) => [zone.id, zone.name])]);
    this.pool = [];
    new ResizeObserver(() => this.#draw()).observe(element);
  }

  update(changed) {
    panelState(this.element, this.app, !this.app.state.zones.size);
    if (changed.has("zones")) this.#draw();
  }

  #draw() {
    const body = this.element.querySelector(".body"), f = this.app.format;
    const height = parseFloat(getComputedStyle(document.documentElement).fontSize) * 3.3;
    const fit = Math.max(0, Math.floor(body.clientHeight / height));
    const rows = [...this.app.state.zones.values()].filter((row) => row.value !== null && row.expected)
      .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || b.value - a.value).slice(0, fit);
    while (this.pool.length < rows.length) this.pool.push(this.#row(body));
    this.pool.forEach((line, i) => {
      const row = rows[i];
      line.node.hidden = !row;
      line.node.style.display = row ? "" : "none";
      if (!row) return;
      const share = Math.max(-1, Math.min(1, (row.value / row.expected - 1) / FULL));
      put(line.node, "class", `zone${(row.score ?? 0) >= ODD ? " odd" : ""}`);
      say(line.name, f.both(this.names.get(row.zone)) || row.zone);
      line.bar.style.left = `${50 + Math.min(share, 0) * 50}%`;
      line.bar.style.width = `${Math.abs(share) * 50}%`;
      say(line.value, f.short(row.value).join(""));
      say(line.change, f.change(row.value, row.expected));
    });
  }

  #row(body) {
    const line = { name: el("b"), bar: el("i"), value: el("em"), change: el("small") };
    line.node = el("div", { class: "zone" }, line.name, el("div", { class: "bar" }, line.bar), el("span", {}, line.value, line.change));
    body.append(line.node);
    return line;
  }
}
