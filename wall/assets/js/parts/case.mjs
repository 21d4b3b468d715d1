// The incident of the chosen alert, below it on the desk: who has it, its tasks, the plan that is proposed, its timeline.
import { el, say } from "../dom.mjs";
import { token } from "../token.mjs";

const NEXT = { "assigned": "under-way", "under-way": "on-scene", "on-scene": "resolve", "resolved": "close" };
const LINES = 40; // of the timeline

export class Case {
  constructor(app) {
    this.app = app;
    this.said = el("p", { class: "came", role: "status", "aria-live": "polite" });
    this.what = el("div", { class: "case-body" });
    this.node = el("section", { class: "case", hidden: true }, this.what, this.said);
    this.id = "";
    this.known = "";
  }

  // `alert` is the chosen one; its incident is asked for again whenever the stream says that it moved.
  update(alert) {
    const id = alert?.incident ?? "", row = this.app.state.incidents.get(id);
    this.node.hidden = !row;
    if (id !== this.id) { this.id = id; this.known = ""; this.row = null; this.what.replaceChildren(); this.#say("", ""); }
    if (!row) return;
    const state = `${id}/${row.steps}/${row.active}/${row.state}`;
    if (state !== this.known) { this.known = state; this.#load(id); }
  }

  // Keys: take it, move it on, tick the first open task, launch the proposed plan.
  take() { this.#order("assign"); }
  next() { if (this.row && NEXT[this.row.state]) this.#order(NEXT[this.row.state]); }
  tick(task = this.row?.tasks.find((one) => one.state === "open")) { if (task) this.#order("tick", { task: task.id }); }
  launch() { if (this.row?.proposal) this.#order("launch", { stage: this.row.proposal.stage }); }

  async #load(id) {
    try {
      const answer = await fetch(`${this.app.base}/incident/${encodeURIComponent(id)}`);
      if (!answer.ok || this.id !== id) return;
      this.row = await answer.json();
      this.#draw();
    } catch (error) {
      console.warn("the incident cannot be read", error);
      this.known = "";
    }
  }

  #draw() {
    const f = this.app.format, it = this.row;
    const facts = [f.t(`incident.state.${it.state}`), it.owner && f.t("alert.by", { by: it.owner }), f.t("incident.alerts", { n: it.active })];
    const parts = [el("h4", {}, f.t("incident.title"), el("small", {}, facts.filter(Boolean).join(" · "))),
      el("p", { class: "case-title" }, f.both(it.title)), this.#buttons(it), this.#proposal(it), this.#tasks(it), this.#timeline(it)];
    this.what.replaceChildren(...parts.filter(Boolean));
  }

  #buttons(it) {
    const f = this.app.format, may = this.app.user.commands, next = NEXT[it.state];
    const button = (name, label, act) => el("button", { type: "button", class: name, disabled: !may, onclick: act }, label);
    return el("div", { class: "case-acts" },
      it.owner || it.state === "resolved" ? null : button("take", f.t("incident.take"), () => this.take()),
      next ? button("next", f.t(`incident.do.${next}`), () => this.next()) : null,
      it.state === "resolved" ? button("reopen", f.t("incident.do.reopen"), () => this.#order("reopen")) : null);
  }

  #proposal(it) {
    if (!it.proposal) return null;
    const f = this.app.format, plan = it.proposal, tasks = plan.tasks.map((task) => el("li", {}, `${f.both(task.what)} · ${task.who}`));
    return el("div", { class: "proposal" }, el("p", {}, el("b", {}, f.t("incident.proposed")), ` ${f.both(plan.title)}`), el("ul", {}, ...tasks),
      el("button", { type: "button", class: "launch", disabled: !this.app.user.commands, onclick: () => this.launch() }, f.t("incident.launch")));
  }

  #tasks(it) {
    if (!it.tasks.length) return null;
    const f = this.app.format;
    const rows = it.tasks.map((task) => {
      const open = task.state === "open", late = open && task.deadline && this.app.now() > task.deadline;
      const box = el("input", { type: "checkbox", checked: task.state === "done", disabled: !open || !this.app.user.commands, onchange: () => this.tick(task) });
      const by = task.by ? `${task.by} ${f.clock(task.at)}` : task.deadline ? f.clock(task.deadline) : "";
      return el("li", { class: late ? "late" : task.state, "data-task": task.id }, el("label", {}, box, ` ${f.both(task.what)}`), el("small", {}, [task.who, by].filter(Boolean).join(" · ")));
    });
    return el("div", {}, el("h4", {}, f.t("incident.tasks")), el("ul", { class: "tasks" }, ...rows));
  }

  #timeline(it) {
    const f = this.app.format;
    const lines = it.timeline.slice(-LINES).reverse().map((step) => el("li", {}, el("time", {}, f.clock(step.at)),
      el("span", {}, `${f.known(`step.${step.action}`, step.action)} · ${step.by || f.t("detail.system")}`, step.comment ? el("small", {}, step.comment) : null)));
    return el("div", {}, el("h4", {}, f.t("incident.timeline")), el("ol", { class: "history" }, ...lines));
  }

  async #order(what, args = {}) {
    const { app, id } = this, f = app.format;
    if (!id || !app.user.commands || this.busy) return;
    this.busy = true;
    this.#say("pending", f.t("desk.pending"));
    const body = { about: "incident", subject: id, do: what, args, id: token() };
    try {
      const answer = await fetch("/order", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      if (answer.status === 401) return void app.leave();
      const told = await answer.json();
      if (this.id !== id) return;
      if (answer.status === 200) this.#say("done", f.t("incident.done"));
      else if (answer.status === 202) this.#say("accepted", f.t("desk.accepted"));
      else if (answer.status === 409 && told.by) this.#say("conflict", f.t("incident.held", { by: told.by }));
      else this.#say("failed", f.t("desk.failed", { reason: told.message || told.detail || answer.status }));
    } catch (error) {
      console.warn("the order did not arrive", error);
      this.#say("failed", f.t("desk.failed", { reason: f.t("desk.offline") }));
    } finally {
      this.busy = false;
    }
  }

  #say(kind, text) {
    this.said.dataset.kind = kind;
    say(this.said, text);
  }
}
