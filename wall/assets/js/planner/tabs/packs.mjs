// The packs: in force, refused and why, or drafts.
import { el } from "../../dom.mjs";
import { Tab } from "../tab.mjs";
import { Table } from "../table.mjs";

const SIGN = { "in-force": "✓", refused: "▲", draft: "·" };

export class Packs extends Tab {
  id = "packs";
  path = "packs";
  every = 5000;

  fill() {
    const f = this.f;
    this.table = new Table(f.t("plan.tab.packs"), [
      { head: f.t("plan.packs.pack"), by: (row) => row.pack, cell: (row) => el("span", {}, el("b", {}, row.title ? f.both(row.title) : row.pack), el("small", {}, row.pack)) },
      { head: f.t("plan.packs.state"), by: (row) => row.state, cell: (row) => el("span", { class: `phase ${row.state}` }, `${SIGN[row.state] ?? "·"} ${f.t(`plan.pack.${row.state}`)}`) },
      { head: f.t("plan.packs.since"), by: (row) => row.since ?? 0, cell: (row) => (row.since ? f.stamp(row.since) : "–") },
      { head: f.t("plan.packs.rules"), right: true, by: (row) => row.rules ?? 0, cell: (row) => f.number(row.rules ?? null) },
      { head: f.t("plan.packs.watches"), cell: (row) => (row.watches ?? []).map((name) => f.property(name)).join(" · ") },
      { head: f.t("plan.packs.owner"), cell: (row) => (row.owner ? f.both(row.owner) : "") },
      { head: f.t("plan.packs.error"), kind: "long", cell: (row) => (row.fault ? el("code", { class: "fault" }, f.both(row.fault)) : "") },
    ], (row) => row.pack);
    this.body.append(this.table.node);
  }

  bare(told) { return told.packs.length === 0; }
  draw(told) { this.table.draw(told.packs); }
}
