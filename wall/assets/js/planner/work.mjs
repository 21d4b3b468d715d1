// Long work of a tab: how far it is, a button that stops it, and its result.
import { el, say } from "../dom.mjs";
import { Away, ask } from "./api.mjs";

const LOOK_MS = 500;
const AWAY_MS = 2000;

export class Work {
  // `shown(job)` makes the node of a result.
  constructor(tab, shown) {
    this.tab = tab;
    this.f = tab.f;
    this.shown = shown;
    this.bar = el("progress", { max: "1" });
    this.what = el("span", { role: "status", "aria-live": "polite" });
    this.halt = el("button", { type: "button", class: "plain", onclick: () => this.stop() }, this.f.t("plan.work.stop"));
    this.running = el("div", { class: "work", hidden: true }, this.bar, this.what, this.halt);
    this.result = el("div", { class: "result" });
    this.node = el("div", {}, this.running, this.result);
    this.job = null;
  }

  async begin(asked) {
    this.result.replaceChildren();
    this.tab.tell("", "");
    try {
      this.job = await ask("/planner/jobs", "POST", asked);
    } catch (error) {
      this.tab.tell("failed", this.f.t(error instanceof Away ? "plan.away" : "plan.refused", { error: error.message }));
      return;
    }
    this.#follow(this.job.id);
  }

  async stop() {
    if (!this.job) return;
    try {
      this.#draw(await ask(`/planner/jobs/${this.job.id}/stop`, "POST"));
    } catch (error) {
      this.tab.tell("failed", this.f.t("plan.refused", { error: error.message }));
    }
  }

  async #follow(id) {
    while (this.job?.id === id && (this.job.state === "running")) {
      this.#draw(this.job);
      await new Promise((done) => setTimeout(done, LOOK_MS));
      try {
        const now = await ask(`/planner/jobs/${id}`);
        if (this.job?.id === id && this.job.state === "running") this.job = now;
      } catch (error) {
        if (!(error instanceof Away)) { this.job = { ...this.job, state: "failed", error: error.message }; break; }
        await new Promise((done) => setTimeout(done, AWAY_MS));
      }
    }
    if (this.job?.id === id) this.#draw(this.job);
  }

  // What was asked for cannot be done: why, in the reader's language.
  #refused(no) {
    this.tab.tell("failed", this.f.t("plan.failed", { error: this.f.t(`rerun.no.${no.code}`, no.given) }));
  }

  // How long it may still take, by what was done so far; "" while that says nothing.
  #left(job) {
    const done = job.progress ?? 0, took = Date.now() - job.began;
    return done < 0.03 || took < 3000 ? "" : ` · ${this.f.t("plan.work.left", { span: this.f.span(took * (1 - done) / done) })}`;
  }

  #draw(job) {
    this.job = job;
    const f = this.f, going = job.state === "running";
    this.running.hidden = !going;
    if (job.progress === null) this.bar.removeAttribute("value"); else this.bar.value = job.progress;
    say(this.what, going ? f.t("plan.work.running", { share: job.progress === null ? "" : f.percent(job.progress), note: f.known(`plan.note.${job.note.replaceAll(" ", "-")}`, job.note), span: f.span(Date.now() - job.began) }) + this.#left(job) : "");
    if (job.state === "failed") this.tab.tell("failed", f.t("plan.failed", { error: job.error }));
    if (job.state === "stopped") this.tab.tell("", f.t("plan.work.stopped"));
    const no = job.state === "done" && job.result?.refused;
    if (no) this.#refused(no);
    else if (job.state === "done" && job.result) this.result.replaceChildren(this.shown(job));
  }
}
