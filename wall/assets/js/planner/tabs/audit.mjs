// The audit: who did what to what, by person and subject; and whether the history holds.
import { el, say } from "../../dom.mjs";
import { ask } from "../api.mjs";
import { Tab, field } from "../tab.mjs";
import { Table } from "../table.mjs";
import { Work } from "../work.mjs";

export class Audit extends Tab {
  id = "audit";
  every = 0;

  get path() {
    const words = new URLSearchParams({ limit: this.limit?.value ?? "100" });
    for (const name of ["by", "subject"]) if (this[name]?.value.trim()) words.set(name, this[name].value.trim());
    return `audit?${words}`;
  }

  fill() {
    const f = this.f;
    this.by = el("input", { type: "search", "data-filter": "1", name: "by", maxlength: "200", autocomplete: "off" });
    this.subject = el("input", { type: "search", name: "subject", maxlength: "200", autocomplete: "off" });
    this.limit = el("select", { name: "limit" }, ...[100, 200, 500].map((n) => el("option", { value: n }, String(n))));
    const form = el("form", { class: "inline" }, field(f.t("plan.audit.by"), this.by), field(f.t("plan.audit.subject"), this.subject), field(f.t("plan.newest"), this.limit), el("button", { type: "submit" }, f.t("plan.audit.find")));
    form.addEventListener("submit", (event) => { event.preventDefault(); this.load(); });
    this.work = new Work(this, (job) => this.#verified(job));
    const verify = el("button", { type: "button", class: "plain", onclick: () => this.work.begin({ what: "verify" }) }, f.t("plan.audit.verify"));
    if (!this.page.user.audits) verify.disabled = true;
    this.tools.append(form, verify);
    this.table = new Table(f.t("plan.tab.audit"), [
      { head: f.t("plan.audit.number"), right: true, by: (row) => row.number, cell: (row) => String(row.number) },
      { head: f.t("plan.audit.at"), by: (row) => row.at, cell: (row) => f.stamp(row.at) },
      { head: f.t("plan.audit.by"), by: (row) => row.by, cell: (row) => row.by || f.t("detail.system") },
      { head: f.t("plan.audit.subject"), by: (row) => row.subject, cell: (row) => el("span", {}, row.what, el("small", {}, row.subject)) },
      { head: f.t("plan.audit.did"), by: (row) => row.did, cell: (row) => f.known(`step.${row.did}`, row.did) },
      { head: f.t("plan.audit.step"), cell: (row) => (row.was ? `${this.#state(row, row.was)} → ${this.#state(row, row.now)}` : this.#state(row, row.now)) },
      { head: f.t("plan.audit.detail"), kind: "long", cell: (row) => row.detail },
    ], (row) => String(row.number));
    this.body.append(this.work.node, this.table.node);
  }

  bare(told) { return told.lines.length === 0; }
  draw(told) { this.table.draw([...told.lines].reverse()); }

  // A state of the subject in words.
  #state(row, state) { return this.f.known(row.what === "incident" ? `incident.state.${state}` : `alert.${state}`, state); }

  #verified(job) {
    const f = this.f, told = job.result;
    const text = told.ok ? f.t("plan.audit.holds", { n: told.lines, anchor: told.anchor || "–" }) : f.t("plan.audit.broken", { n: told.fault.line, what: told.fault.what, why: told.fault.why });
    const line = el("p", { class: told.ok ? "verdict ok" : "verdict broken" });
    say(line, `${told.ok ? "✓" : "▲"} ${text}`);
    return line;
  }
}
