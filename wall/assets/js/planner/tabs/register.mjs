// The source register: how large it is, and unknown datastreams, adopted after a look at what that changes.
import { el, say } from "../../dom.mjs";
import { ask } from "../api.mjs";
import { Tab, dialog, field } from "../tab.mjs";
import { Table } from "../table.mjs";

export class Register extends Tab {
  id = "register";
  path = "register";

  fill() {
    const f = this.f;
    this.size = el("p", { class: "figure" });
    this.filter = el("input", { type: "search", "data-filter": "1", autocomplete: "off", oninput: () => this.#rows() });
    this.table = new Table(f.t("plan.register.unknown"), [
      { head: f.t("plan.register.datastream"), by: (row) => row.datastream, cell: (row) => el("b", {}, row.datastream) },
      { head: f.t("plan.register.source"), by: (row) => row.source, cell: (row) => row.source },
      { head: f.t("plan.register.count"), right: true, by: (row) => row.count, cell: (row) => f.number(row.count) },
      { head: f.t("plan.register.last"), by: (row) => row.last, cell: (row) => f.stamp(row.last) },
      { head: f.t("plan.register.kinds"), cell: (row) => row.kinds.join(" · ") || el("span", { class: "fault" }, f.t("plan.register.nopack", { property: row.property })) },
      { head: f.t("plan.register.place"), cell: (row) => (row.asset ? `${f.both({ zh: row.asset.name_zh, en: row.asset.name_en })} (${row.asset.lon.toFixed(4)}, ${row.asset.lat.toFixed(4)})` : "–") },
      { head: "", cell: (row) => this.#button(row) },
    ], (row) => row.datastream);
    this.tools.append(field(f.t("plan.filter"), this.filter));
    this.body.append(this.size, this.table.node);
  }

  bare(told) { return told.unknown.length === 0; }

  draw(told) {
    say(this.size, this.f.t("plan.register.size", { n: this.f.number(told.datastreams), unknown: told.unknown.length }));
    this.#rows();
  }

  #rows() {
    const words = this.filter.value.toLowerCase();
    this.table.draw(this.told.unknown.filter((row) => `${row.datastream} ${row.source}`.toLowerCase().includes(words)));
  }

  #button(row) {
    const button = el("button", { type: "button", class: "plain", "data-focus": `adopt-${row.datastream}`, onclick: () => this.#open(row) }, this.f.t("plan.register.adopt"));
    if (!row.kinds.length) button.disabled = true;
    return this.guarded(button);
  }

  // One click where the asset is known by another datastream; else its place is asked for. What would change is told first.
  #open(row) {
    const f = this.f, known = row.asset;
    const kind = el("select", { name: "kind" }, ...row.kinds.map((one) => el("option", { value: one, selected: one === known?.kind }, one)));
    const number = (name, limit, value) => el("input", { name, type: "number", step: "any", min: -limit, max: limit, required: true, value: value ?? null });
    const lon = number("lon", 180, known?.lon), lat = number("lat", 90, known?.lat);
    const en = el("input", { name: "name_en", maxlength: "200", value: known?.name_en ?? "" }), zh = el("input", { name: "name_zh", maxlength: "200", value: known?.name_zh ?? "" });
    const diff = el("div", { class: "diff", role: "status", "aria-live": "polite" });
    const adopt = el("button", { type: "submit" }, f.t("plan.register.adopt"));
    const form = el("form", { class: "form" }, field(f.t("plan.register.kind"), kind), field(f.t("plan.register.lon"), lon), field(f.t("plan.register.lat"), lat),
      field(f.t("plan.register.name_zh"), zh), field(f.t("plan.register.name_en"), en));
    const told = () => ({ datastream: row.datastream, kind: kind.value, lon: lon.valueAsNumber, lat: lat.valueAsNumber, name_en: en.value.trim(), name_zh: zh.value.trim() });
    const look = async () => {
      adopt.disabled = true;
      if (!form.checkValidity()) { diff.replaceChildren(el("p", {}, f.t("plan.register.needs"))); return; }
      try {
        const { changes } = await ask("/planner/adopt", "POST", { ...told(), dry_run: true });
        diff.replaceChildren(...changes.map((one) => el("p", { class: one.what }, `${f.t(`plan.change.${one.what}`)}: ${one.asset} · ${one.detail}`)));
        if (!changes.length) diff.replaceChildren(el("p", {}, f.t("plan.register.nothing")));
        adopt.disabled = false;
      } catch (error) {
        diff.replaceChildren(el("p", { class: "refused" }, f.t("plan.refused", { error: error.message })));
      }
    };
    const buttons = el("div", { class: "buttons" }, adopt, el("button", { type: "button", class: "plain", onclick: () => node.close() }, f.t("help.close")));
    form.append(el("h4", {}, f.t("plan.register.diff")), diff, buttons);
    form.addEventListener("change", look);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const done = await this.act(adopt, () => ask("/planner/adopt", "POST", told()), () => f.t("plan.register.adopted", { name: row.datastream }));
      if (done) node.close(); else say(diff, this.said.textContent);
    });
    const node = dialog(this.page, f.t("plan.register.title", { name: row.datastream }), form);
    look();
  }
}
