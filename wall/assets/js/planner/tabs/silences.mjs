// Silences: who hides what, why and until when; made and ended here.
import { el } from "../../dom.mjs";
import { token } from "../../token.mjs";
import { ask } from "../api.mjs";
import { Tab, field } from "../tab.mjs";
import { Table } from "../table.mjs";

const MATCHERS = ["pack", "rule", "place", "district", "kind"];
const HOUR_MS = 3600000;

export class Silences extends Tab {
  id = "silences";
  path = "silences";
  every = 5000;

  fill() {
    const f = this.f;
    this.form = this.#form();
    this.table = new Table(f.t("plan.tab.silences"), [
      { head: f.t("plan.silences.state"), by: (row) => row.state, cell: (row) => el("span", { class: `phase ${row.state}` }, f.t(`plan.silence.${row.state}`)) },
      { head: f.t("plan.silences.hides"), cell: (row) => this.#matchers(row.matchers) },
      { head: f.t("plan.silences.why"), kind: "long", cell: (row) => row.comment },
      { head: f.t("plan.silences.by"), by: (row) => row.by, cell: (row) => row.by },
      { head: f.t("plan.silences.from"), by: (row) => row.start, cell: (row) => f.stamp(row.start) },
      { head: f.t("plan.silences.until"), by: (row) => row.end, cell: (row) => f.stamp(row.end) + (row.ended_by ? ` · ${row.ended_by}` : "") },
      { head: "", cell: (row) => (row.state === "ended" ? "" : this.#end(row)) },
    ], (row) => row.id);
    this.body.append(this.form, this.table.node);
  }

  bare(told) { return told.silences.length === 0; }
  draw(told) { this.table.draw(told.silences); }

  #matchers(matchers) {
    return el("span", {}, ...Object.entries(matchers).map(([name, value]) => el("span", { class: "pair" }, `${this.f.t(`plan.match.${name}`)} = ${value}`)));
  }

  #end(row) {
    const button = el("button", { type: "button", class: "plain", "data-focus": `end-${row.id}` }, this.f.t("plan.silences.end"));
    button.onclick = ({ currentTarget }) => this.act(currentTarget, () => ask("/planner/silences", "POST", { ends: row.id, id: token() }), () => this.f.t("plan.silences.ended"));
    return this.guarded(button);
  }

  #form() {
    const f = this.f, boot = this.page.boot;
    const input = (name, more = {}) => el("input", { name, maxlength: "200", autocomplete: "off", ...more });
    const choose = (name, options) => el("select", { name }, el("option", { value: "" }, f.t("plan.any")), ...options.map(([value, text]) => el("option", { value }, text)));
    const controls = {
      pack: choose("pack", boot.packs.map((name) => [name, name])),
      rule: input("rule"),
      place: input("place"),
      district: choose("district", boot.districts.map((one) => [one.id, f.both(one.name)])),
      kind: choose("kind", [["event", f.t("plan.kind.event")], ["data-quality", f.t("plan.kind.data-quality")]]),
    };
    const hours = el("select", { name: "hours" }, ...[1, 2, 4, 8, 24, 72, 168].map((n) => el("option", { value: n }, f.t("plan.hours", { n }))));
    const comment = input("comment", { maxlength: "2000", required: true });
    const button = this.guarded(el("button", { type: "submit" }, f.t("plan.silences.add")));
    const form = el("form", { class: "form" }, ...MATCHERS.map((name) => field(f.t(`plan.match.${name}`), controls[name])),
      field(f.t("plan.silences.for"), hours), field(f.t("plan.silences.why"), comment), button);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const matchers = Object.fromEntries(MATCHERS.map((name) => [name, controls[name].value.trim()]).filter(([, value]) => value));
      const body = { matchers, comment: comment.value, until: Date.now() + hours.value * HOUR_MS, id: token() };
      if (await this.act(button, () => ask("/planner/silences", "POST", body), () => f.t("plan.silences.made"))) form.reset();
    });
    return form;
  }
}
