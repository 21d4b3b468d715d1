// The health of every gateway, the worst first.
import { active, faulty, ordered } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";

const MANY = 15; // from here on a healthy source shows its name alone
const FAULTS = 3; // alerts about sensors that are told in words
const RANK = { down: 0, late: 1, ok: 2 };
const SIGN = { down: "✕ ", late: "▲ ", ok: "" };

export class Sources {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.chips = new Map();
  }

  update(changed) {
    const { sources } = this.app.state, f = this.app.format;
    if (changed.has("alerts") || changed.has("budget")) this.#faults();
    panelState(this.element, this.app, !sources.size && !this.list?.childElementCount); // as in a replay: faults, no sources
    if (!changed.has("sources") && !changed.has("second")) return;
    const rows = [...sources].sort(([ka, a], [kb, b]) => RANK[a.health] - RANK[b.health] || (ka < kb ? -1 : 1));
    const count = (health) => rows.filter(([, row]) => row.health === health).length;
    say(this.element.querySelector(".aside"), f.t("source.summary", { n: rows.length, late: count("late"), down: count("down") }));
    const body = this.element.querySelector(".body");
    put(body, "class", rows.length > MANY ? "body many" : "body");
    rows.forEach(([name, row], i) => {
      const chip = this.#chip(name);
      put(chip.node, "class", `source ${row.health}`);
      say(chip.name, SIGN[row.health] + name);
      const state = row.health === "ok" ? f.short(row.accepted).join("") : `${f.t(`source.${row.health}`)} ${f.span(this.app.now() - row.last)}`;
      say(chip.state, row.rejected ? `${state} · ${f.t("source.rejected", { n: f.number(row.rejected) })}` : state);
      if (body.children[i] !== chip.node) body.insertBefore(chip.node, body.children[i] ?? null);
    });
    for (const [name, chip] of this.chips) if (!sources.has(name)) { chip.node.remove(); this.chips.delete(name); }
  }

  // What is wrong with sensors and gateways, the gravest first.
  #faults() {
    const f = this.app.format, told = ordered(this.app.state.alerts).filter(([, alert]) => faulty(alert) && active(alert));
    const kinds = Object.entries(this.app.state.budget.get("now")?.faults ?? {});
    const rows = told.slice(0, FAULTS).map(([, alert]) => el("li", { class: `l${alert.level}` }, f.both(alert.headline)));
    const counts = kinds.map(([kind, n]) => `${f.t(`fault.${kind}`)} ${f.number(n)}`).join(" · ");
    if (counts || told.length > FAULTS) rows.push(el("li", { class: "counts" }, [told.length > FAULTS ? f.t("queue.more", { n: told.length - FAULTS }) : "", counts].filter(Boolean).join(" · ")));
    this.list ??= this.element.appendChild(el("ul", { class: "faults" }));
    this.list.replaceChildren(...rows);
  }

  #chip(name) {
    if (!this.chips.has(name)) {
      const chip = { name: el("b", { title: name }), state: el("small") };
      chip.node = el("div", {}, chip.name, chip.state);
      this.chips.set(name, chip);
    }
    return this.chips.get(name);
  }
}
