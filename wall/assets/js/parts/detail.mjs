// The desk's middle: one alert in full, acknowledging it, and the keys for everything.
import { waiting } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, say } from "../dom.mjs";
import { mark } from "../marks.mjs";
import { token } from "../token.mjs";
import { Case } from "./case.mjs";

export class Detail {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.queue = app.parts.find((part) => part.move);
    this.body = element.querySelector(".body");
    this.comment = el("input", { type: "text", maxlength: "500", placeholder: app.format.t("desk.comment"), "aria-label": app.format.t("desk.comment") });
    this.button = el("button", { type: "button", class: "acknowledge", onclick: () => this.acknowledge() }, app.format.t("desk.ack.key"));
    this.said = el("p", { class: "said", role: "status", "aria-live": "polite" });
    this.facts = el("div");
    this.why = el("p", { class: "why" });
    this.history = el("div");
    this.nearby = el("div");
    this.case = new Case(app);
    this.body.append(this.facts, this.why, el("div", {}, el("div", { class: "act" }, this.comment, this.button), this.said), this.case.node, this.history, this.nearby,
      el("p", { class: "desk-hint" }, app.format.t("desk.keys")));
    this.answers = new Map(); // alert id → what the last command came to
    addEventListener("keydown", (event) => this.#key(event));
    document.querySelector("#help .close").addEventListener("click", () => document.querySelector("#help").close());
  }

  update(changed) {
    const { app } = this, alert = app.state.alerts.get(app.chosen);
    panelState(this.element, app, !alert);
    if (changed.has("alerts")) for (const id of this.answers.keys()) if (!app.state.alerts.has(id)) this.answers.delete(id);
    if (changed.has("alerts") || changed.has("chosen") || changed.has("incidents")) this.case.update(alert);
    if (!alert || !(changed.has("alerts") || changed.has("chosen"))) return;
    this.#facts(app.chosen, alert);
    this.#act(app.chosen, alert);
    if (this.loaded !== `${app.chosen}/${alert.steps}/${alert.state}`) this.#load(app.chosen, alert);
  }

  #facts(id, alert) {
    const f = this.app.format, zone = this.app.ground.zones.find((zone) => zone.id === alert.district);
    const unit = f.unit(alert.unit), place = [...new Set([zone && f.both(zone.name), f.both(alert.place)].filter(Boolean))].join(" · ");
    const rows = [
      ["detail.state", [f.t(`alert.${alert.state}`), alert.by && f.t("alert.by", { by: alert.by }), alert.acknowledged && f.clock(alert.acknowledged)].filter(Boolean).join(" · ")],
      ["detail.place", place],
      ["detail.began", f.stamp(alert.onset)],
      ["detail.opened", f.stamp(alert.opened)],
      ["detail.deadline", f.clock(alert.deadline) + (waiting(alert) && this.app.now() > alert.deadline ? ` · ${f.t("alert.overdue")}` : "")],
    ];
    if (alert.value !== null) rows.push(["detail.measured", `${f.number(alert.value)} ${unit}`, this.#gauge(alert)]);
    if (alert.expected !== null) rows.push(["detail.expected", `${f.number(alert.expected)} ${unit} ${alert.expected ? `(${f.change(alert.value, alert.expected)})` : ""}`]);
    if (alert.score !== null) rows.push(["detail.score", f.number(alert.score), el("small", {}, f.t("detail.score.why", { odds: f.compact.format(10 ** Math.min(alert.score, 15)) }))]);
    rows.push(["detail.rule", `${alert.pack} / ${alert.rule}`], ["detail.id", id]);
    const list = el("dl", {}, ...rows.flatMap(([key, text, more]) => [el("dt", {}, f.t(key)), el("dd", {}, text, more)]));
    const kind = [f.t(`severity.${alert.level}`), alert.exercise && f.t("alert.exercise"), alert.kind === "data-quality" && f.t("alert.data-quality")].filter(Boolean).join(" · ");
    this.facts.replaceChildren(el("div", { class: "top" }, mark(alert.level, alert.state), el("div", {}, el("h3", {}, f.both(alert.headline)), el("p", {}, kind))), list);
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
    const f = this.app.format, may = this.app.user.commands;
    this.button.disabled = !may || !waiting(alert) || this.app.pending === id;
    this.comment.disabled = !may || !waiting(alert);
    const last = this.answers.get(id);
    if (last?.kind === "accepted" && !waiting(alert)) this.answers.set(id, { kind: "done", text: f.t("desk.done") });
    const said = this.answers.get(id) ?? (may ? null : { kind: "", text: f.t("desk.viewonly") });
    this.said.dataset.kind = said?.kind ?? "";
    say(this.said, said?.text ?? "");
  }

  async acknowledge() {
    const { app } = this, id = app.chosen, alert = app.state.alerts.get(id), f = app.format;
    if (!alert || !waiting(alert) || !app.user.commands || app.pending === id) return;
    app.pending = id;
    this.#say(id, "pending", f.t("desk.pending"));
    const body = { alert: id, action: "acknowledge", comment: this.comment.value.trim(), id: token() };
    let said;
    try {
      const answer = await fetch("/command", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      if (answer.status === 401) return void app.leave();
      said = this.#meaning(answer.status, await answer.json());
    } catch (error) {
      console.warn("the command did not arrive", error);
      said = ["failed", f.t("desk.failed", { reason: f.t("desk.offline") })];
    }
    app.pending = null;
    if (said[0] === "done") this.comment.value = "";
    this.#say(id, ...said);
    this.loaded = null; // the history has a new step
  }

  #meaning(status, answer) {
    const f = this.app.format;
    if (status === 200) return ["done", f.t("desk.done")];
    if (status === 202) return ["accepted", f.t("desk.accepted")];
    if (status === 409) return ["conflict", f.t("desk.conflict", { by: answer.by })];
    if (status === 404) return ["unknown", f.t("desk.unknown")];
    return ["failed", f.t("desk.failed", { reason: answer.detail ?? status })];
  }

  #say(id, kind, text) {
    this.answers.set(id, { kind, text });
    this.app.tell(new Set(["alerts"]));
  }

  async #load(id, alert) {
    this.loaded = `${id}/${alert.steps}/${alert.state}`;
    if (this.of !== id) { say(this.why, ""); this.history.replaceChildren(); this.nearby.replaceChildren(); this.of = id; }
    try {
      const answer = await fetch(`${this.app.base}/alert/${encodeURIComponent(id)}`);
      if (!answer.ok || this.app.chosen !== id) return;
      const row = await answer.json();
      say(this.why, this.app.format.both(row.why));
      this.#history(row.history);
      this.#nearby(row.nearby);
    } catch (error) {
      console.warn("the alert's history cannot be read", error);
      this.loaded = null;
    }
  }

  #history(steps) {
    const f = this.app.format;
    const items = [...steps].reverse().map((step) => el("li", {}, el("time", {}, f.clock(step.at)),
      el("span", {}, `${f.known(`step.${step.action}`, step.action)} · ${step.by || f.t("detail.system")}`, step.comment ? el("small", {}, step.comment) : null)));
    this.history.replaceChildren(el("h4", {}, f.t("detail.history")), el("ol", { class: "history" }, ...items));
  }

  #nearby(rows) {
    const f = this.app.format;
    const lines = rows.map((row) => el("tr", {}, el("td", {}, f.both(row.name) || row.datastream),
      el("td", {}, `${f.property(row.property)} ${f.number(row.value)} ${f.unit(row.unit)}`), el("td", {}, f.t("detail.metres", { n: f.number(row.metres) }))));
    this.nearby.replaceChildren(el("h4", {}, f.t("detail.nearby")), el("table", { class: "nearby" }, el("tbody", {}, ...lines)));
  }

  #key(event) {
    const help = document.querySelector("#help");
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target === this.comment) {
      if (event.key === "Escape") this.comment.blur();
      if (event.key === "Enter") this.acknowledge();
      return;
    }
    const acts = {
      "?": () => (help.open ? help.close() : help.showModal()),
      j: () => this.queue.move(1), ArrowDown: () => this.queue.move(1),
      k: () => this.queue.move(-1), ArrowUp: () => this.queue.move(-1),
      a: () => this.acknowledge(),
      c: () => this.comment.focus(),
      f: () => this.queue.filter(),
      i: () => this.case.take(),
      n: () => this.case.next(),
      t: () => this.case.tick(),
      l: () => this.case.launch(),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (help.open && event.key !== "?")) return;
    event.preventDefault();
    act();
  }
}
