// The watch list: claims of single datastreams that are no alerts, the line they must pass, and the dial that sets it.
import { panelState } from "../panel.mjs";
import { el, put, renew, say } from "../dom.mjs";
import { token } from "../token.mjs";

const WALL_ROWS = 3;
const STEPS = [0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 20, 30, 60, 120];

export class Watch {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.desk = element.dataset.desk === "1";
    this.rows = new Map();
    this.list = el("ol");
    element.querySelector(".body").append(this.list);
    this.figure = el("span", { class: "dial-figure" });
    element.querySelector(".aside").append(this.figure);
    if (this.desk) this.#dial();
  }

  update(changed) {
    const { watch, budget } = this.app.state;
    panelState(this.element, this.app, !watch.size);
    if (changed.has("budget")) this.#figures(budget.get("now"));
    if (changed.has("watch") || changed.has("second")) this.#draw(watch);
  }

  #figures(dial) {
    if (!dial) return;
    const f = this.app.format, line = dial.line === null ? "∞" : f.number(dial.line);
    say(this.figure, f.t("watch.dial", { n: f.number(dial.per_hour), line, spent: f.number(dial.spent) }));
    if (!this.desk) return;
    this.less.disabled = this.more.disabled = !this.app.user.commands;
    this.less.disabled ||= dial.per_hour <= STEPS[0];
    this.more.disabled ||= dial.per_hour >= STEPS.at(-1);
  }

  #draw(watch) {
    const f = this.app.format, strangest = [...watch].sort(([, a], [, b]) => Boolean(a.ended) - Boolean(b.ended) || b.score - a.score);
    const shown = strangest.slice(0, this.desk ? watch.size : WALL_ROWS);
    const nodes = shown.map(([id, row]) => this.#row(id, row, f));
    for (const id of this.rows.keys()) if (!watch.has(id)) this.rows.delete(id);
    renew(this.list, nodes);
  }

  #row(id, row, f) {
    if (!this.rows.has(id)) {
      const made = { score: el("b", { class: "score" }), what: el("span"), wants: el("small") };
      made.node = el("li", { "data-id": id }, made.score, made.what, made.wants);
      this.rows.set(id, made);
    }
    const made = this.rows.get(id);
    put(made.node, "class", row.ended ? "claim over" : "claim");
    say(made.score, f.number(row.score));
    say(made.what, f.both(row.headline));
    say(made.wants, f.t(`watch.wants.${row.wants}`));
    return made.node;
  }

  // Fewer or more alerts an hour, in steps that a person feels.
  #dial() {
    const f = this.app.format, button = (sign, step, title) =>
      el("button", { type: "button", "aria-label": f.t(title), title: f.t(title), onclick: () => this.turn(step) }, sign);
    this.less = button("−", -1, "watch.less");
    this.more = button("+", 1, "watch.more");
    this.said = el("small", { role: "status", "aria-live": "polite" });
    this.element.querySelector(".aside").append(el("span", { class: "dial" }, this.less, this.more), this.said);
  }

  async turn(step) {
    const { app } = this, f = app.format, dial = app.state.budget.get("now");
    if (!dial || !app.user.commands) return;
    const next = step > 0 ? STEPS.find((n) => n > dial.per_hour) : STEPS.findLast((n) => n < dial.per_hour);
    if (next === undefined) return;
    say(this.said, f.t("desk.pending"));
    try {
      const body = JSON.stringify({ per_hour: next, id: token() });
      const answer = await fetch("/budget", { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.status === 401) return void app.leave();
      const told = await answer.json();
      say(this.said, answer.ok ? "" : f.t("desk.failed", { reason: told.detail ?? told.message ?? answer.status }));
    } catch (error) {
      console.warn("the dial's turn did not arrive", error);
      say(this.said, f.t("desk.failed", { reason: f.t("desk.offline") }));
    }
  }
}
