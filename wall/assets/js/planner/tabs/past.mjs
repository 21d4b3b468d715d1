// Looking back and practising: replay sessions of an incident or a span, after-action reports, drills at speed.
import { el } from "../../dom.mjs";
import { mark } from "../../marks.mjs";
import { ask } from "../api.mjs";
import { Tab, field } from "../tab.mjs";
import { Table } from "../table.mjs";
import { instant } from "../time.mjs";
import { Work } from "../work.mjs";

const BEFORE_MS = 600000; // an incident is looked at from ten minutes before it
const FORMS = ["html", "pdf", "docx"];

export class Past extends Tab {
  id = "past";
  path = "past";
  every = 30000;

  fill() {
    const f = this.f;
    this.incidents = new Table(f.t("plan.past.incidents"), [
      { head: f.t("plan.past.incident"), by: (row) => f.both(row.title), cell: (row) => el("span", { class: "named" }, mark(row.level), el("span", {}, el("b", {}, f.both(row.title)), el("small", {}, row.id))) },
      { head: f.t("plan.past.opened"), by: (row) => row.opened, cell: (row) => f.stamp(row.opened) },
      { head: f.t("plan.past.state"), by: (row) => row.state, cell: (row) => f.t(`incident.state.${row.state}`) },
      { head: f.t("plan.past.report"), cell: (row) => el("span", { class: "buttons" }, ...FORMS.map((form) => el("a", { class: "button", target: "_blank", rel: "noopener", href: `/planner/after-action/${encodeURIComponent(row.id)}.${form}?lang=${f.lang}` }, form.toUpperCase()))) },
      { head: "", cell: (row) => el("button", { type: "button", class: "plain", "data-focus": `replay-${row.id}`, onclick: (event) => this.#replay(event.currentTarget, { start: row.opened - BEFORE_MS, end: row.closed ?? Math.max(row.changed, row.opened) + BEFORE_MS, incident: row.id }) }, f.t("plan.past.replay")) },
    ], (row) => row.id);
    this.none = el("p", { class: "figure" }, f.t("plan.past.none"));
    this.work = new Work(this, (job) => this.#sheet(job));
    this.drills = new Table(f.t("plan.past.drills"), [
      { head: f.t("plan.past.drill"), by: (row) => row.drill, cell: (row) => el("span", {}, el("b", {}, row.title ? f.both(row.title) : row.drill), el("small", {}, row.drill)) },
      { head: f.t("plan.past.lasts"), right: true, by: (row) => row.minutes ?? 0, cell: (row) => (row.minutes ? f.t("time.minutes", { n: f.number(row.minutes) }) : "") },
      { head: f.t("plan.past.fault"), kind: "long", cell: (row) => (row.refused ? el("code", { class: "fault" }, f.both(row.fault)) : "") },
      { head: "", cell: (row) => (row.refused ? "" : this.guarded(el("button", { type: "button", class: "plain", "data-focus": `run-${row.drill}`, onclick: () => this.work.begin({ what: "drill", drill: row.drill }) }, f.t("plan.past.run")))) },
    ], (row) => row.drill);
    this.body.append(this.#span(), this.link = el("p", { class: "figure" }), el("h3", {}, f.t("plan.past.incidents")), this.none, this.incidents.node,
      el("h3", {}, f.t("plan.past.drills")), this.work.node, this.drills.node);
  }

  draw(told) {
    this.none.hidden = told.incidents.length > 0;
    this.incidents.node.hidden = told.incidents.length === 0;
    this.incidents.draw(told.incidents);
    this.drills.draw(told.drills);
  }

  #span() {
    const f = this.f, input = () => el("input", { type: "datetime-local", required: true, step: "1" });
    const from = input(), to = input(), button = el("button", { type: "submit" }, f.t("plan.past.replay"));
    const form = el("form", { class: "form" }, field(f.t("plan.past.from"), from), field(f.t("plan.past.to"), to), button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const zone = this.page.boot.city.timezone, start = instant(from.value, zone), end = instant(to.value, zone);
      if (start < end) this.#replay(button, { start, end });
      else this.tell("failed", f.t("plan.past.order"));
    });
    return form;
  }

  async #replay(button, span) {
    await this.act(button, () => ask("/replay", "POST", span), (made) => { this.#made(made); return this.f.t("plan.past.made"); });
  }

  #made(made) {
    const desk = made.url.replace(/\/wall$/, "/desk");
    this.link.replaceChildren(el("a", { href: made.url, target: "_blank", rel: "noopener" }, this.f.t("plan.past.wall")), " · ", el("a", { href: desk, target: "_blank", rel: "noopener" }, this.f.t("plan.past.desk")));
    this.link.querySelector("a").focus();
  }

  #sheet(job) {
    const f = this.f, it = job.result;
    const rows = it.rows.map((row) => el("li", {}, `${row.outcome === "met" ? "✓" : "▲"} ${row.what} ${row.detail} · ${f.t("plan.past.took", { took: row.took_s === null ? "–" : f.span(1000 * row.took_s), within: f.span(1000 * row.within_s) })}`));
    return el("section", { class: "card", "data-result": "drill" }, el("h3", {}, f.t("plan.past.graded", { what: f.both(it.title) })),
      el("p", { class: it.passed ? "verdict ok" : "verdict broken" }, f.t(it.passed ? "plan.past.passed" : "plan.past.failed", { points: f.number(it.points), of: f.number(it.of), share: f.percent(it.share), needed: f.percent(it.needed) })),
      el("ul", { class: "diff" }, ...rows));
  }
}
