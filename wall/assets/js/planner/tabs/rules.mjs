// Rules and the alert budget: what is in force, and what the archive's last day would have given otherwise.
import { el, say } from "../../dom.mjs";
import { mark } from "../../marks.mjs";
import { token } from "../../token.mjs";
import { ask } from "../api.mjs";
import { Tab, field } from "../tab.mjs";
import { Table } from "../table.mjs";
import { Work } from "../work.mjs";

const LEVEL = { Extreme: 1, Severe: 2, Moderate: 3, Minor: 4 };
const LISTED = 50; // alerts of a difference that are shown

export class Rules extends Tab {
  id = "rules";
  path = "rules";

  fill() {
    const f = this.f;
    this.work = new Work(this, (job) => this.#difference(job));
    this.filter = el("input", { type: "search", "data-filter": "1", autocomplete: "off", oninput: () => this.#rows() });
    this.table = new Table(f.t("plan.rules.table"), [
      { head: f.t("plan.rules.rule"), by: (row) => row.rule, cell: (row) => el("span", { class: "named" }, mark(LEVEL[row.severity]), el("span", {}, el("b", {}, row.name), el("small", {}, f.both(row.title)))) },
      { head: f.t("plan.rules.reads"), by: (row) => row.property, cell: (row) => `${f.t(`plan.reads.${row.reads}`)} · ${f.property(row.property)}` },
      { head: f.t("plan.rules.expr"), kind: "long", cell: (row) => el("code", {}, row.expr) },
      { head: f.t("plan.rules.for"), right: true, by: (row) => row.for_s, cell: (row) => f.t("time.seconds", { n: f.number(row.for_s) }) },
      { head: f.t("plan.rules.budget"), by: (row) => Number(row.budgeted), cell: (row) => (row.budgeted ? f.t("plan.rules.budgeted") : "–") },
      { head: "", cell: (row) => this.guarded(el("button", { type: "button", class: "plain", "data-focus": `try-${row.rule}`, onclick: () => this.#choose(row) }, f.t("plan.rules.try"))) },
    ], (row) => row.rule);
    this.tools.append(field(f.t("plan.filter"), this.filter));
    this.body.append(el("div", { class: "cards" }, this.#dial(), this.#span(), this.#editor()), this.work.node, this.tools, this.table.node);
  }

  bare(told) { return told.rules.length === 0; }

  draw(told) {
    const f = this.f, dial = told.budget;
    say(this.now, dial ? f.t("plan.budget.now", { per_hour: f.number(dial.per_hour), spent: f.number(dial.spent), line: dial.line ?? "∞", waiting: f.number(dial.waiting) }) : f.t("plan.budget.unknown"));
    if (dial && !this.touched) this.perHour.value = dial.per_hour;
    this.#rows();
  }

  #rows() {
    const words = this.filter.value.toLowerCase();
    this.table.draw(this.told.rules.filter((row) => `${row.rule} ${row.property} ${row.expr}`.toLowerCase().includes(words)));
  }

  #dial() {
    const f = this.f;
    this.now = el("p", { class: "figure" });
    this.perHour = this.guarded(el("input", { type: "number", min: "0", max: "1000", step: "0.5", required: true, oninput: () => { this.touched = true; } }));
    const comment = this.guarded(el("input", { maxlength: "2000", autocomplete: "off" }));
    const look = this.guarded(el("button", { type: "button", class: "plain", onclick: () => { if (form.reportValidity()) this.#begin({ per_hour: this.perHour.valueAsNumber }); } }, f.t("plan.preview")));
    const set = this.guarded(el("button", { type: "submit" }, f.t("plan.budget.set")));
    const form = el("form", { class: "form" }, field(f.t("plan.budget.per_hour"), this.perHour), field(f.t("plan.budget.comment"), comment), el("div", { class: "buttons" }, look, set));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = { per_hour: this.perHour.valueAsNumber, comment: comment.value, id: token() };
      if (await this.act(set, () => ask("/planner/budget", "POST", body), () => f.t("plan.budget.done", { n: f.number(body.per_hour) }))) { this.touched = false; comment.value = ""; }
    });
    return el("section", { class: "card" }, el("h3", {}, f.t("plan.budget.title")), this.now, form);
  }

  #editor() {
    const f = this.f, off = (node) => this.guarded(node), line = (attributes) => off(el("input", { autocomplete: "off", spellcheck: "false", disabled: true, ...attributes }));
    this.chosen = el("p", { class: "figure" }, f.t("plan.rules.choose"));
    this.keys = {
      expr: off(el("textarea", { rows: "3", maxlength: "2000", spellcheck: "false", disabled: true })),
      clear: off(el("textarea", { rows: "2", maxlength: "2000", spellcheck: "false", disabled: true })),
      hold: line({ maxlength: "20", placeholder: "30s, 2m, 1h" }),
      clear_hold: line({ maxlength: "20", placeholder: "30s, 2m, 1h" }),
      line: line({ inputmode: "decimal", maxlength: "20", pattern: "-?[0-9]*[.]?[0-9]+" }),
      severity: off(el("select", { disabled: true }, ...Object.keys(LEVEL).map((name) => el("option", { value: name }, f.t(`severity.${LEVEL[name]}`))))),
    };
    this.look = off(el("button", { type: "submit", disabled: true }, f.t("plan.preview.try")));
    this.leave = off(el("button", { type: "button", class: "plain", disabled: true, onclick: () => this.#begin({ rule: this.rule.rule, without: true }) }, f.t("plan.preview.without")));
    const words = { expr: "plan.rules.expr", clear: "plan.rules.clear", hold: "plan.rules.for", clear_hold: "plan.rules.clear_for", line: "plan.rules.line", severity: "plan.rules.severity" };
    const fields = Object.entries(this.keys).map(([name, node]) => field(f.t(words[name]), node));
    const form = el("form", { class: "form" }, ...fields.slice(0, 2), ...fields.slice(2), el("div", { class: "buttons" }, this.look, this.leave), el("small", {}, f.t("plan.rules.hint")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const changed = this.#changed();
      if (Object.keys(changed).length) this.#begin({ rule: this.rule.rule, ...changed });
      else this.tell("failed", f.t("plan.rules.same"));
    });
    return el("section", { class: "card wide" }, el("h3", {}, f.t("plan.rules.change")), this.chosen, form);
  }

  // The span that is judged again, and a whole pack's file to judge it by.
  #span() {
    const f = this.f;
    this.start = this.guarded(el("input", { type: "datetime-local", step: "1" }));
    this.end = this.guarded(el("input", { type: "datetime-local", step: "1" }));
    const file = this.guarded(el("input", { type: "file", accept: ".yaml,.yml" }));
    const look = this.guarded(el("button", { type: "button", class: "plain", onclick: async () => {
      const one = file.files[0];
      if (one) this.#begin({ text: await one.text(), file: one.name });
      else this.tell("failed", f.t("plan.preview.nofile"));
    } }, f.t("plan.preview.file")));
    return el("section", { class: "card" }, el("h3", {}, f.t("plan.preview.over")), el("div", { class: "form" },
      field(f.t("plan.preview.from"), this.start), field(f.t("plan.preview.to"), this.end, f.t("plan.preview.whole")),
      field(f.t("plan.preview.pack"), file), el("div", { class: "buttons" }, look)));
  }

  // What of the form is not as the rule has it.
  #changed() {
    const was = this.#written(this.rule), changed = {};
    for (const [name, node] of Object.entries(this.keys)) {
      const value = node.value.trim();
      if (value !== was[name] && value !== "") changed[name] = name === "line" ? Number(value) : value;
    }
    return changed;
  }

  #written(row) {
    return { expr: row.expr, clear: row.clear, hold: `${row.for_s}s`, clear_hold: `${row.clear_for_s}s`, line: row.line === null ? "" : String(row.line), severity: row.severity };
  }

  #begin({ file, ...asked }) {
    this.what = file ?? null;
    this.work.begin({ what: "preview", ...asked, ...(this.start.value && { start: this.start.value }), ...(this.end.value && { end: this.end.value }) });
  }

  #choose(row) {
    this.rule = row;
    say(this.chosen, row.rule);
    for (const [name, value] of Object.entries(this.#written(row))) this.keys[name].value = value;
    for (const node of [...Object.values(this.keys), this.look, this.leave]) node.disabled = false;
    this.keys.line.disabled = row.line === null;
    this.keys.expr.focus();
  }

  #difference(job) {
    const f = this.f, it = job.result, rate = (value) => (value === null || value === undefined ? "–" : value.toFixed(1));
    const what = job.asked.rule ?? (job.asked.per_hour === undefined ? this.what ?? f.t("plan.preview.pack") : f.t("plan.preview.budget", { n: f.number(job.asked.per_hour) }));
    const list = (key) => {
      const rows = it[key] ?? [];
      return el("details", { open: rows.length > 0 && rows.length < 8 }, el("summary", {}, f.t(`plan.preview.${key}`, { n: rows.length })),
        el("ul", {}, ...rows.slice(0, LISTED).map((one) => el("li", {}, this.#alert(one))), rows.length > LISTED ? el("li", {}, f.t("plan.preview.more", { n: rows.length - LISTED })) : null));
    };
    return el("section", { class: "card", "data-result": "preview" }, el("h3", {}, f.t("plan.preview.title", { what })),
      el("p", { class: "versus" }, el("span", {}, el("b", {}, rate(it.before?.per_hour)), f.t("plan.preview.before")), el("span", { "aria-hidden": "true" }, "→"), el("span", {}, el("b", {}, rate(it.after?.per_hour)), f.t("plan.preview.after"))),
      el("p", { class: "sub" }, f.t("plan.preview.span", { from: f.stamp(it.start), to: f.stamp(it.end), n: f.number(it.same ?? 0) }), ` · ${f.t("plan.preview.counts", { recorded: f.number(it.recorded?.alerts ?? 0), before: f.number(it.before?.alerts ?? 0), after: f.number(it.after?.alerts ?? 0), took: f.number(Math.round(it.took_s ?? 0)) })}`),
      it.as_recorded === false ? el("p", { class: "fault" }, f.t("plan.preview.otherwise", { n: f.number(it.recorded?.alerts) })) : null,
      ...(it.notices ?? []).map((notice) => el("p", { class: "fault" }, typeof notice === "string" ? notice : f.both(notice))), list("came"), list("gone"), list("moved"), it.graded?.length ? list("graded") : null);
  }

  #alert(one) {
    const f = this.f, earlier = one.minutes_earlier;
    const moved = earlier ? ` · ${f.t(earlier > 0 ? "plan.preview.earlier" : "plan.preview.later", { n: Math.abs(earlier).toFixed(1) })}` : "";
    const graded = one.severity_was ? ` · ${f.t(`severity.${LEVEL[one.severity_was]}`)} → ${f.t(`severity.${LEVEL[one.severity]}`)}` : "";
    return `${f.stamp(one.onset)} · ${one.rule} · ${f.both(one.headline ?? one.name)}${moved}${graded}`;
  }
}
