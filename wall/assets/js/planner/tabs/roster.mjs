// The roster: who is on duty now and next, the coming days, the ladder of escalation, the last handovers.
import { el } from "../../dom.mjs";
import { Tab } from "../tab.mjs";
import { Table } from "../table.mjs";

export class Roster extends Tab {
  id = "roster";
  path = "roster";
  every = 30000;

  fill() {
    const f = this.f;
    this.watches = el("div", { class: "cards" });
    this.days = new Table(f.t("plan.roster.days"), [
      { head: f.t("plan.roster.shift"), cell: (row) => `${f.day(row.start)} · ${f.both(row.shift)}` },
      { head: f.t("plan.roster.hours"), cell: (row) => `${f.minute(row.start)}–${f.minute(row.end)}` },
      { head: f.t("plan.roster.seats"), kind: "long", cell: (row) => el("span", {}, ...row.seats.map((one) => el("span", { class: "pair" }, `${one.seat}: ${f.both(one.name)}`))) },
    ], (row) => String(row.start));
    this.ladder = el("ol", { class: "ladder" });
    this.handovers = new Table(f.t("plan.roster.handovers"), [
      { head: f.t("plan.roster.at"), cell: (row) => f.stamp(row.at) },
      { head: f.t("plan.roster.from"), cell: (row) => `${row.by} → ${row.to}` },
      { head: f.t("plan.roster.open"), right: true, cell: (row) => f.number(row.open_incidents) },
      { head: f.t("plan.roster.comment"), kind: "long", cell: (row) => row.comment },
    ], (row) => row.id);
    this.body.append(this.watches, el("h3", {}, f.t("plan.roster.days")), this.days.node,
      el("h3", {}, f.t("plan.roster.ladder")), this.ladder, el("h3", {}, f.t("plan.roster.handovers")), this.handovers.node);
  }

  draw(told) {
    const f = this.f;
    this.watches.replaceChildren(this.#watch(f.t("plan.roster.now"), told.now), this.#watch(f.t("plan.roster.next"), told.next));
    this.days.draw(told.days);
    this.ladder.replaceChildren(...told.ladder.map((rung) => el("li", {}, this.#rung(rung))));
    this.handovers.draw(told.handovers);
    this.handovers.node.hidden = told.handovers.length === 0;
  }

  #watch(title, watch) {
    const f = this.f;
    return el("section", { class: "card" }, el("h3", {}, title, el("small", {}, `${f.both(watch.shift)} · ${f.stamp(watch.start)} – ${f.minute(watch.end)}`)),
      el("dl", {}, ...watch.seats.flatMap((one) => [el("dt", {}, one.seat), el("dd", {}, `${f.both(one.name)} · ${f.t(`plan.role.${one.role}`)}`, el("small", {}, one.out_of_turn ? f.t("plan.roster.outofturn", { user: one.user }) : one.user))])));
  }

  #rung(rung) {
    const roles = rung.roles.map((role) => this.f.t(`plan.role.${role}`));
    const again = rung.again ? ` · ${this.f.t("plan.roster.again", { n: rung.again })}` : "";
    return [...roles, ...rung.seats, ...rung.routes].join(" · ") + again;
  }
}
