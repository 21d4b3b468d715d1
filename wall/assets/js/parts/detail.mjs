// The desk's middle: one alert in full, why it was told, who is there, and acknowledging it.
import { active, waiting } from "../alerts.mjs";
import { ask, meaning } from "../ask.mjs";
import { panelState } from "../panel.mjs";
import { el, renew, say } from "../dom.mjs";
import { mark } from "../marks.mjs";
import { token } from "../token.mjs";
import { Case } from "./case.mjs";
import { Acknowledging } from "./desk/acknowledging.mjs";
import { Curve } from "./desk/curve.mjs";
import { acknowledging, lookers } from "./desk/presence.mjs";

const CURVE_MS = 15000; // how often the curve of an alert that lasts is drawn again

export class Detail {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.body = element.querySelector(".body");
    this.acknowledging = new Acknowledging(app, (id, kind, text) => this.#say(id, kind, text));
    this.comment = el("input", { type: "text", maxlength: "500", placeholder: app.format.t("desk.comment"), "aria-label": app.format.t("desk.comment") });
    this.comment.addEventListener("keydown", (event) => this.#typed(event));
    this.button = el("button", { type: "button", class: "acknowledge", onclick: () => this.acknowledge() }, app.format.t("desk.ack.key"));
    this.back = el("button", { type: "button", class: "undo", hidden: true, onclick: () => this.acknowledging.undo(this.app.chosen) });
    this.said = el("p", { class: "said", role: "status", "aria-live": "polite" });
    this.facts = el("div");
    this.why = el("p", { class: "why" });
    this.who = el("p", { class: "who", role: "status", "aria-live": "polite" });
    this.curve = new Curve(app);
    this.history = el("div");
    this.nearby = el("div");
    this.case = new Case(app);
    const alert = el("div", { class: "alert" }, this.facts, this.who, el("div", {}, el("div", { class: "act" }, this.comment, this.button), el("div", { class: "outcome" }, this.said, this.back)),
      this.why, this.curve.node, this.nearby, this.history, el("p", { class: "desk-hint" }, app.format.t("desk.keys")));
    this.body.append(alert, this.case.node);
    this.answers = new Map(); // alert id → what the last command came to
    this.drafts = new Map(); // alert id → the comment that is half written
  }

  update(changed) {
    const { app } = this, id = app.chosen, alert = app.state.alerts.get(id);
    panelState(this.element, app, !alert);
    if (changed.has("alerts")) for (const known of [this.answers, this.drafts]) for (const key of known.keys()) if (!app.state.alerts.has(key)) known.delete(key);
    if (changed.has("chosen")) this.#draft(id);
    if (changed.has("alerts") || changed.has("chosen") || changed.has("incidents") || changed.has("takeover")) this.case.update(alert);
    if (!alert) return;
    if (changed.has("held") || changed.has("second")) this.#undoable(id);
    if (changed.has("present") || changed.has("held") || changed.has("chosen")) this.#who(id);
    if (changed.has("second") && app.state.incidents.has(alert.incident)) this.case.second();
    if (changed.has("second") && performance.now() - this.drawn > CURVE_MS && active(alert) && !document.hidden) this.#curve(id);
    if (!(changed.has("alerts") || changed.has("chosen") || changed.has("held"))) return;
    this.#facts(id, alert);
    this.#act(id, alert);
    this.#undoable(id);
    if (this.loaded !== `${id}/${alert.steps}/${alert.state}`) this.#load(id, alert);
  }

  #curve(id) {
    this.drawn = performance.now();
    return this.curve.show(id);
  }

  // A comment belongs to the alert that it was written for, also when that one ends and the queue chooses another.
  #draft(id) {
    if (this.about === id) return;
    if (this.about) this.drafts.set(this.about, this.comment.value);
    this.about = id;
    this.comment.value = this.drafts.get(id) ?? "";
    this.comment.blur();
  }

  // Who else looks at the alert, or is acknowledging it.
  #who(id) {
    const f = this.app.format, other = acknowledging(this.app, id), names = lookers(this.app, id).join(" · ");
    say(this.who, [other && f.t("undo.other", { by: other.by }), names && f.t("presence.also", { names })].filter(Boolean).join(" · "));
  }

  #undoable(id) {
    const held = this.acknowledging.of(id), left = held ? Math.ceil((held.until - this.app.now()) / 1000) : 0;
    this.back.hidden = left <= 0;
    if (left > 0) say(this.back, this.app.format.t("undo.key", { n: left }));
  }

  #facts(id, alert) {
    const f = this.app.format, zone = this.app.ground.zones.find((zone) => zone.id === alert.district);
    const unit = f.unit(alert.unit, this.app.boot.stage?.subjects[`${alert.pack}.${alert.rule}`]), place = [...new Set([zone && f.both(zone.name), f.both(alert.place)].filter(Boolean))].join(" · ");
    const rows = [
      ["detail.state", [f.t(`alert.${alert.state}`), alert.by && f.t("alert.by", { by: alert.by }), alert.acknowledged && f.clock(alert.acknowledged)].filter(Boolean).join(" · ")],
      ["detail.place", place],
      ["detail.began", f.stamp(alert.onset)],
      ["detail.opened", f.stamp(alert.opened)],
      ["detail.deadline", f.moment(alert.deadline, this.app.now()) + (waiting(alert) && this.app.now() > alert.deadline ? ` · ${f.t("alert.overdue")}` : "")],
    ];
    if (alert.value !== null) rows.push(["detail.measured", `${f.number(alert.value)} ${unit}`, this.#gauge(alert)]);
    if (alert.expected !== null) rows.push(["detail.expected", `${f.number(alert.expected)} ${unit} ${alert.expected ? `(${f.change(alert.value, alert.expected)})` : ""}`]);
    if (alert.score !== null) rows.push(["detail.score", f.number(alert.score), el("small", {}, f.t("detail.score.why", { odds: f.compact.format(10 ** Math.min(alert.score, 15)) }))]);
    rows.push(["detail.rule", `${alert.pack} / ${alert.rule}`], ["detail.id", id]);
    const list = el("dl", { class: "facts" }, ...rows.map(([key, text, more]) => el("div", { class: more || key === "detail.rule" || key === "detail.id" ? "wide" : "" }, el("dt", {}, f.t(key)), el("dd", {}, text, more))));
    const kind = [f.t(`severity.${alert.level}`), alert.exercise && f.t("alert.exercise"), alert.kind === "data-quality" && f.t("alert.data-quality")].filter(Boolean).join(" · ");
    renew(this.facts, [el("div", { class: "top" }, mark(alert.level, alert.state), el("div", {}, el("h3", {}, f.both(alert.headline)), el("p", {}, kind))), list]);
  }

  // The measured value as a bar, the expected one as a line on it.
  #gauge(alert) {
    if (alert.expected === null) return null;
    const top = 1.15 * Math.max(alert.value, alert.expected, 1e-9), bar = el("i"), line = el("u");
    bar.style.width = `${Math.max(0, (100 * alert.value) / top)}%`;
    line.style.left = `${Math.max(0, (100 * alert.expected) / top)}%`;
    return el("div", { class: "gauge" }, bar, line);
  }

  #act(id, alert) {
    const f = this.app.format, may = this.app.user.commands, last = this.answers.get(id);
    this.button.disabled = !may || !waiting(alert) || this.acknowledging.busy.has(id) || Boolean(this.acknowledging.of(id));
    this.comment.disabled = !may || !active(alert);
    if (last?.kind === "accepted" && !waiting(alert)) this.answers.set(id, { kind: "done", text: f.t("desk.done") });
    const said = this.answers.get(id) ?? (may ? null : { kind: "", text: f.t("desk.viewonly") });
    this.said.dataset.kind = said?.kind ?? "";
    say(this.said, said?.text ?? "");
  }

  // In one stroke; the comment goes with it.
  async acknowledge() {
    const id = this.app.chosen, comment = this.comment.value.trim();
    if (await this.acknowledging.begin(id, comment)) this.comment.value = "";
  }

  undo() { return this.acknowledging.undo(this.acknowledging.of(this.app.chosen) ? this.app.chosen : undefined); }

  // A comment alone, for an alert that nobody needs to acknowledge any more.
  async #remark() {
    const { app } = this, id = app.chosen, comment = this.comment.value.trim();
    if (!comment || !app.user.commands) return;
    this.#say(id, "pending", app.format.t("desk.pending"));
    const said = meaning(app, await ask(app, "/command", { alert: id, action: "comment", comment, id: token() }), { done: "desk.commented" });
    if (said[0] === "done" || said[0] === "accepted") this.comment.value = "";
    this.#say(id, ...said);
  }

  #typed(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") this.comment.blur();
    if (event.key !== "Enter") return;
    const alert = this.app.state.alerts.get(this.app.chosen);
    if (alert && waiting(alert) && !this.acknowledging.of(this.app.chosen)) this.acknowledge();
    else this.#remark();
  }

  #say(id, kind, text) {
    this.answers.set(id, { kind, text });
    if (kind === "done") this.loaded = null; // the history has a new step
    this.app.tell(new Set(["alerts"]));
  }

  async #load(id, alert) {
    this.loaded = `${id}/${alert.steps}/${alert.state}`;
    if (this.of !== id) { say(this.why, ""); this.history.replaceChildren(); this.nearby.replaceChildren(); this.of = id; }
    this.#curve(id);
    const { status, told } = await ask(this.app, `/alert/${encodeURIComponent(id)}`);
    if (this.app.chosen !== id) return;
    if (status !== 200) { if (!status) this.loaded = null; return; }
    say(this.why, this.app.format.both(told.why));
    this.#history(told.history);
    this.#nearby(told.nearby);
  }

  #history(steps) {
    const f = this.app.format;
    const items = [...steps].reverse().map((step) => el("li", {}, el("time", {}, f.clock(step.at)),
      el("span", {}, `${f.known(`step.${step.action}`, step.action)} · ${step.by || f.t("detail.system")}`, step.comment ? el("small", {}, f.said(step)) : null)));
    renew(this.history, [el("h4", {}, f.t("detail.history")), el("ol", { class: "history" }, ...items)]);
  }

  #nearby(rows) {
    const f = this.app.format;
    const lines = rows.map((row) => el("tr", {}, el("td", {}, f.both(row.name) || row.datastream, row.camera ? el("small", {}, f.t("detail.camera")) : null),
      el("td", {}, `${f.property(row.property)} ${f.number(row.value)} ${f.unit(row.unit, row.property)}`), el("td", {}, f.t("detail.metres", { n: f.number(row.metres) }))));
    renew(this.nearby, [el("h4", {}, f.t("detail.nearby")), el("table", { class: "nearby" }, el("tbody", {}, ...lines))]);
  }
}
