// One tab of the planner's page: what it loads, its states (loading, empty, failed, out of date), and what it says.
import { el, say } from "../dom.mjs";
import { Away, ask } from "./api.mjs";

export class Tab {
  // A subclass gives `id`, `path`, `every` (ms between loads, 0: only when asked), `draw(told)`, and `bare(told)`.
  every = 10000;

  constructor(page) {
    this.page = page;
    this.f = page.format;
    this.loaded = 0;
    this.told = null;
    this.asOf = el("span", { class: "as-of" });
    this.badge = el("span", { class: "badge" });
    this.again = el("button", { type: "button", class: "plain", onclick: () => this.load() }, this.f.t("plan.again"));
    this.tools = el("div", { class: "tools-of-tab" });
    this.said = el("p", { class: "said", role: "status", "aria-live": "polite" });
    this.note = el("p", { class: "tab-note" });
    this.body = el("div", { class: "tab-body" });
    this.node = null;
  }

  // Made when the tab is shown first.
  build() {
    const head = el("header", {}, el("h2", {}, this.f.t(`plan.tab.${this.id}`)), el("p", { class: "sub" }, this.f.t(`plan.about.${this.id}`)), this.badge, this.asOf, this.again);
    this.node = el("section", { class: "sheet", id: `tab-${this.id}`, role: "tabpanel", "aria-labelledby": `name-${this.id}`, "data-state": "loading", "data-bare": "0" },
      head, this.tools, this.said, this.body, this.note);
    say(this.note, this.f.t("state.loading"));
    this.fill();
    return this.node;
  }

  // What stays while rows come and go: forms, tables.
  fill() {}

  get address() { return `/planner/${this.path}`; }

  async load() {
    if (this.loading) return;
    this.loading = true;
    this.node.setAttribute("aria-busy", "true");
    try {
      const told = await ask(this.address);
      this.told = told;
      this.loaded = Date.now();
      this.#state("ok", this.bare(told) ? this.f.t(`plan.empty.${this.id}`) : "");
      this.draw(told);
      this.page.reached(true);
    } catch (error) {
      this.page.reached(!(error instanceof Away));
      if (!this.told) this.#state("failed", this.f.t("plan.failed", { error: error.message }));
      else this.#state(error instanceof Away ? "disconnected" : "stale", "", error.message);
      if (!(error instanceof Away) && !error.status) throw error; // a fault of this page: to be seen in the console too
    } finally {
      this.loading = false;
      this.node.setAttribute("aria-busy", "false");
    }
  }

  bare() { return false; }

  // Something a person asked for: what became of it is said in the tab, and the tab is loaded anew.
  async act(button, work, done) {
    if (button) button.disabled = true;
    this.tell("pending", this.f.t("plan.sending"));
    try {
      const told = await work();
      this.tell("done", done(told));
      await this.load();
      return told;
    } catch (error) {
      const key = error instanceof Away ? "plan.away" : "plan.refused";
      this.tell("failed", this.f.t(key, { error: error.message }));
      return null;
    } finally {
      if (button) button.disabled = false;
    }
  }

  tell(kind, text) {
    this.said.dataset.kind = kind;
    say(this.said, text);
  }

  // An element that only those who may change can use.
  guarded(node) {
    if (!this.page.user.changes) { node.disabled = true; node.title = this.f.t("plan.lookonly"); }
    return node;
  }

  #state(state, note, why = "") {
    this.node.dataset.state = state;
    this.node.dataset.bare = note ? "1" : "0";
    say(this.note, note);
    const words = state === "stale" ? this.f.t("badge.stale") : state === "disconnected" ? this.f.t("badge.disconnected") : "";
    say(this.badge, words);
    this.badge.title = why;
    say(this.asOf, this.loaded ? this.f.t("plan.asof", { time: this.f.clock(this.loaded) }) : "");
  }
}

// A labelled control of a form.
export function field(label, control, hint = "") {
  return el("label", { class: "field" }, el("span", {}, label), control, hint ? el("small", {}, hint) : null);
}

// A dialog that closes with Escape and gives the focus back.
export function dialog(page, title, ...children) {
  const node = el("dialog", { class: "planner-dialog", "aria-label": title }, el("h3", {}, title), ...children);
  const back = document.activeElement;
  node.addEventListener("close", () => { node.remove(); back?.focus?.(); });
  page.root.append(node);
  node.showModal();
  return node;
}
