// The incident of the chosen alert, beside it on the desk: who has it, its plan, tasks, units and timeline.
import { ask, meaning } from "../ask.mjs";
import { el, renew, say } from "../dom.mjs";
import { token } from "../token.mjs";
import { answered, dialog, field } from "./desk/dialog.mjs";
import { merge } from "./desk/merge.mjs";
import { units } from "./desk/units.mjs";

const NEXT = { "assigned": "under-way", "under-way": "on-scene", "on-scene": "resolve", "resolved": "close" };
const LINES = 40; // of the timeline
const UNITS_MS = 10000; // how often the units at the incident are asked for

export class Case {
  constructor(app) {
    this.app = app;
    this.said = el("p", { class: "came", role: "status", "aria-live": "polite" });
    this.what = el("div", { class: "case-body" });
    this.fleet = el("div", { class: "case-units" });
    this.node = el("section", { class: "case", hidden: true, "aria-label": app.format.t("incident.title") }, this.what, this.said);
    this.id = "";
    this.known = "";
  }

  // `alert` is the chosen one; its incident is asked for again whenever the stream says that it moved.
  update(alert) {
    const id = alert?.incident ?? "", row = this.app.state.incidents.get(id);
    this.node.hidden = !row;
    if (id !== this.id) { this.id = id; this.known = ""; this.row = null; this.what.replaceChildren(); this.fleet.replaceChildren(); this.#say("", ""); }
    if (!row) return;
    const state = `${id}/${row.steps}/${row.active}/${row.state}/${this.app.state.takeover.has(id)}`;
    if (state !== this.known) { this.known = state; this.#load(id); }
  }

  // Units move without a word in the incident: they are asked for now and then.
  second() {
    if (this.row?.units.length && !document.hidden && performance.now() - this.seen > UNITS_MS) this.#units(this.id);
  }

  // Keys: take it, move it on, tick the first open task, launch the proposed plan.
  take() { this.#order("assign"); }
  next() { if (this.row && NEXT[this.row.state]) this.#order(NEXT[this.row.state]); }
  tick(task = this.row?.tasks.find((one) => one.state === "open")) { if (task) this.#order("tick", { task: task.id }); }
  launch(args = {}) { if (this.row?.proposal) this.#order("launch", { stage: this.row.proposal.stage, ...args }); }

  // Brings the plan into view, with the focus on its first button.
  showPlan() {
    const plan = this.what.querySelector(".proposal, .in-force");
    if (!plan) return this.#say("unknown", this.app.format.t("plan.none"));
    plan.scrollIntoView({ block: "nearest" });
    (plan.querySelector("button:not(:disabled)") ?? plan).focus();
  }

  async #load(id) {
    const { status, told } = await ask(this.app, `/incident/${encodeURIComponent(id)}`);
    if (this.id !== id) return;
    if (status !== 200) { if (!status) this.known = ""; return; }
    this.row = told;
    this.#draw();
    this.#units(id);
  }

  // The after-action report of the incident, made from the archive when it is asked for.
  #report() {
    const f = this.app.format, name = `/report/after-action/${encodeURIComponent(this.id)}`;
    const links = ["pdf", "docx"].map((form) => el("a", { href: `${name}.${form}?lang=${f.lang}`, download: "", class: "report" }, f.t(`after.${form}`)));
    return el("p", { class: "reports" }, f.t("after.title"), " ", links[0], " ", links[1]);
  }

  #draw() {
    const f = this.app.format, it = this.row, focused = this.what.contains(document.activeElement) ? document.activeElement.className : "";
    const facts = [f.t(`incident.state.${it.state}`), it.owner && f.t("alert.by", { by: it.owner }), f.t("incident.alerts", { n: it.active })];
    const parts = [el("h4", {}, f.t("incident.title"), el("small", {}, facts.filter(Boolean).join(" · "))),
      el("p", { class: "case-title" }, f.both(it.title)), this.#buttons(it), this.#proposal(it), this.#inForce(it), this.#tasks(it), this.fleet, this.#cameras(it), this.#timeline(it), this.#report()];
    renew(this.what, parts);
    if (focused && document.activeElement === document.body) this.what.querySelector(`button.${focused.split(" ")[0]}`)?.focus();
  }

  #button(name, label, act, more = {}) {
    return el("button", { type: "button", class: name, "data-incident": this.id, disabled: !this.app.user.commands, onclick: act, ...more }, label);
  }

  #buttons(it) {
    const f = this.app.format, next = NEXT[it.state], open = it.state !== "closed";
    return el("div", { class: "case-acts" },
      it.owner || it.state === "resolved" ? null : this.#button("take", f.t("incident.take"), () => this.take()),
      next ? this.#button("next", f.t(`incident.do.${next}`), () => this.next()) : null,
      it.state === "resolved" ? this.#button("reopen", f.t("incident.do.reopen"), () => this.#order("reopen")) : null,
      open ? this.#button("units", f.t("units.key"), () => units(this.app, it.id)) : null,
      open ? this.#button("merge", f.t("merge.key"), () => merge(this.app, it.id, it.title)) : null,
      open && it.owner === this.app.user.name ? this.#button("release", f.t("incident.release"), () => this.#order("release")) : null,
      this.#onWall(it) ? this.#button("wall-off", f.t("incident.wall-off"), () => this.#order("wall-off"))
        : open ? this.#button("wall-on", f.t("incident.wall-on"), () => this.#order("wall-on")) : null);
  }

  // Whether the incident claims the big screen now (wall/emergency.py), by rule or by a person.
  // By a person's word or by a rule; a red alert that opened after the wall was given back has claimed it again.
  #onWall(it) { return this.app.state.takeover.has(it.id) || (it.wall === "on" && it.state !== "closed"); }

  // What the plan answers with, row by row, and what it was asked with.
  #proposal(it) {
    if (!it.proposal) return null;
    const f = this.app.format, plan = it.proposal, needs = plan.units.length > 0;
    return el("div", { class: "proposal", tabindex: "-1" }, el("p", {}, el("b", {}, f.t("incident.proposed")), ` ${f.both(plan.title)}`), this.#rows(plan, true),
      el("div", { class: "case-acts" }, this.#button("launch", f.t("incident.launch"), () => this.launch()),
        needs ? this.#button("launch-units", f.t("plan.launch.units"), () => this.launch({ units: "nearest" })) : null,
        this.#button("decline", f.t("plan.decline"), () => this.#decline())));
  }

  #inForce(it) {
    if (!it.plan) return null;
    const f = this.app.format;
    return el("div", { class: "in-force", tabindex: "-1" }, el("p", {}, el("b", {}, f.t("plan.in-force")), ` ${f.both(it.plan.title)}`, el("small", {}, f.t("plan.since", { at: f.clock(it.plan.at) }))), this.#rows(it.plan, false));
  }

  #rows(plan, tasks) {
    const f = this.app.format, zones = new Map(this.app.ground.zones.map((zone) => [zone.id, zone]));
    const inputs = Object.entries(plan.inputs).filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${f.known(`input.${name}`, name)} ${typeof value === "number" ? f.number(value) : f.known(`input.value.${value}`, value)}`);
    const rows = [["plan.because", inputs], ["plan.measures", plan.measures.map((name) => f.known(`measure.${name}`, name))],
      ["plan.zones", plan.zones_closed.map((id) => f.both(zones.get(id)?.name) || id)], ["plan.units", plan.units.map((need) => `${f.known(`unit.kind.${need.kind}`, need.kind)} × ${need.count}`)],
      ["plan.tasks", tasks ? plan.tasks.map((task) => `${f.both(task.what)} (${f.who(task.who)})`) : []]];
    return el("dl", { class: "plan" }, ...rows.filter(([, texts]) => texts.length).flatMap(([key, texts]) => [el("dt", {}, f.t(key)), el("dd", {}, ...texts.map((text) => el("span", {}, text)))]));
  }

  #decline() {
    const f = this.app.format, reason = el("input", { type: "text", required: true, maxlength: "500" });
    dialog(this.app, "decline", f.t("plan.decline"), [field(f.t("shelve.reason"), reason)], {
      submit: f.t("plan.decline"),
      send: async (said) => answered(said, await this.#asked("decline", {}, reason.value.trim())),
    });
  }

  #tasks(it) {
    if (!it.tasks.length) return null;
    const f = this.app.format;
    const rows = it.tasks.map((task) => {
      const open = task.state === "open", late = open && task.deadline && this.app.now() > task.deadline;
      const box = el("input", { type: "checkbox", "data-incident": it.id, checked: task.state === "done", disabled: !open || !this.app.user.commands, onchange: () => this.tick(task) });
      const by = task.by ? `${task.by} ${f.clock(task.at)}` : task.deadline ? f.t("task.until", { at: f.moment(task.deadline, this.app.now()) }) : "";
      return el("li", { class: late ? "late" : task.state, "data-task": task.id }, el("label", {}, box, ` ${f.both(task.what)}`), el("small", {}, [f.who(task.who), by].filter(Boolean).join(" · ")));
    });
    return el("div", {}, el("h4", {}, f.t("incident.tasks")), el("ul", { class: "tasks" }, ...rows));
  }

  async #units(id) {
    this.seen = performance.now();
    if (!this.row?.units.length || this.app.base) return void this.fleet.replaceChildren();
    const { status, told } = await ask(this.app, `/units?incident=${encodeURIComponent(id)}`);
    if (status !== 200 || this.id !== id) return;
    const f = this.app.format, rows = told.assigned.map((row) => el("li", { "data-status": row.status }, el("b", {}, f.both(row.name)),
      el("small", {}, [f.t(`unit.status.${row.status}`), row.since ? f.span(this.app.now() - row.since) : "", row.phone, row.reporting ? "" : f.t("units.silent")].filter(Boolean).join(" · "))));
    renew(this.fleet, rows.length ? [el("h4", {}, f.t("units.there")), el("ul", { class: "crews" }, ...rows)] : []);
  }

  #cameras(it) {
    if (!it.cameras.length) return null;
    const f = this.app.format;
    return el("div", {}, el("h4", {}, f.t("incident.cameras")), el("p", { class: "cameras" }, it.cameras.join(" · ")));
  }

  #timeline(it) {
    const f = this.app.format;
    const lines = it.timeline.slice(-LINES).reverse().map((step) => el("li", {}, el("time", {}, f.clock(step.at)),
      el("span", {}, `${f.known(`step.${step.action}`, step.action)} · ${step.by || f.t("detail.system")}`, step.comment ? el("small", {}, f.said(step)) : null)));
    return el("div", {}, el("h4", {}, f.t("incident.timeline")), el("ol", { class: "history" }, ...lines));
  }

  async #order(what, args = {}) {
    const { app, id } = this;
    if (!id || !app.user.commands || this.busy) return;
    this.busy = true;
    this.#say("pending", app.format.t("desk.pending"));
    const said = await this.#asked(what, args);
    this.busy = false;
    if (this.id === id) this.#say(...said);
  }

  async #asked(what, args = {}, comment = "") {
    const order = { about: "incident", subject: this.id, do: what, args, comment, id: token() };
    return meaning(this.app, await ask(this.app, "/order", order), { done: "incident.done", held: "incident.held" });
  }

  #say(kind, text) {
    this.said.dataset.kind = kind;
    say(this.said, text);
  }
}
