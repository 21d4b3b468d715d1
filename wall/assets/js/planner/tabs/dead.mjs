// Dead letters: input that could not be used; shown, and sent again once its cause is mended.
import { el } from "../../dom.mjs";
import { ask } from "../api.mjs";
import { Tab, dialog, field } from "../tab.mjs";
import { Table } from "../table.mjs";

export class Dead extends Tab {
  id = "dead";
  every = 0;
  limit = 100;

  get path() { return `dead?limit=${this.limit}`; }

  fill() {
    const f = this.f;
    this.filter = el("input", { type: "search", "data-filter": "1", autocomplete: "off", oninput: () => this.#rows() });
    const limit = el("select", { onchange: () => { this.limit = limit.value; this.load(); } }, ...[100, 200, 500].map((n) => el("option", { value: n }, String(n))));
    this.table = new Table(f.t("plan.tab.dead"), [
      { head: f.t("plan.dead.at"), by: (row) => row.at, cell: (row) => f.stamp(Date.parse(row.at)) },
      { head: f.t("plan.dead.source"), by: (row) => row.source, cell: (row) => row.source },
      { head: f.t("plan.dead.reason"), kind: "long", by: (row) => row.reason, cell: (row) => row.reason },
      { head: f.t("plan.dead.field"), by: (row) => row.field, cell: (row) => row.field },
      { head: "", cell: (row) => el("span", { class: "buttons" }, this.#show(row), this.#replay(row)) },
    ], (row) => row.id);
    this.tools.append(field(f.t("plan.filter"), this.filter), field(f.t("plan.newest"), limit));
    this.body.append(this.table.node);
  }

  bare(told) { return told.letters.length === 0; }
  draw() { this.#rows(); }

  #rows() {
    const words = this.filter.value.toLowerCase();
    this.table.draw(this.told.letters.filter((row) => `${row.source} ${row.reason} ${row.field} ${row.id}`.toLowerCase().includes(words)));
  }

  #show(row) {
    return el("button", { type: "button", class: "plain", "data-focus": `show-${row.id}`, onclick: () => this.#open(row) }, this.f.t("plan.dead.show"));
  }

  async #open(row) {
    const f = this.f, body = el("pre", { tabindex: "0" }, f.t("state.loading"));
    const facts = [["id", row.id], ["source", row.source], ["reason", row.reason], ["field", row.field], ["format", row.format]];
    dialog(this.page, f.t("plan.dead.letter"), el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, f.t(`plan.letter.${name}`)), el("dd", {}, value || "–")])), body,
      el("form", { method: "dialog" }, el("button", {}, f.t("help.close"))));
    try {
      const told = await ask(`/planner/dead/${encodeURIComponent(row.id)}`);
      body.textContent = told.body ?? told.base64 ?? "";
    } catch (error) {
      body.textContent = f.t("plan.failed", { error: error.message });
    }
  }

  #replay(row) {
    const button = el("button", { type: "button", class: "plain", "data-focus": `replay-${row.id}` }, this.f.t("plan.dead.replay"));
    button.onclick = ({ currentTarget }) => this.act(currentTarget, async () => {
      const told = await ask(`/planner/dead/${encodeURIComponent(row.id)}/replay`, "POST");
      if (told.refused) throw new Error(told.answers.map((one) => `${one.status} ${one.answer.detail ?? JSON.stringify(one.answer.rejections ?? one.answer)}`).join("; "));
      return told;
    }, (told) => this.f.t("plan.dead.sent", { n: told.sent }));
    return this.guarded(button);
  }
}
