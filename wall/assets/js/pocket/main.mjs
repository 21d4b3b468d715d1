// The pocket: one crew, one task, big buttons; what is pressed waits on the phone until the line takes it.
import { el, renew, say } from "../dom.mjs";
import { Format } from "../format.mjs";
import { token } from "../token.mjs";
import "../here.mjs";
import * as kept from "./kept.mjs";
import { OPEN, press, send } from "./queue.mjs";
import { draw } from "./task.mjs";

const LOOK_MS = 5000;
const ANSWER_MS = 8000;
const SIGN = { waiting: "◔", sent: "◑", confirmed: "✓", refused: "▲" };

class Pocket {
  constructor() {
    this.line = "loading"; // "ok", "away", "login"
    this.task = null;
    this.queue = [];
    this.shown = el("div", { class: "shown" });
    this.words = el("div", { class: "write", hidden: true }); // made once and never moved: what is half written stays
  }

  async start() {
    this.boot = await this.#boot();
    if (!this.boot) return;
    this.format = new Format(this.boot.lang, this.boot.words, this.boot.city.timezone);
    const known = await kept.kept("task");
    if (known?.unit.id === this.boot.unit) this.task = known;
    this.#forms();
    document.getElementById("task").replaceChildren(this.shown, this.words);
    document.getElementById("leave").addEventListener("submit", (event) => this.#leave(event));
    addEventListener("online", () => this.look());
    addEventListener("offline", () => { this.line = "away"; this.draw(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.look(); });
    setInterval(() => { if (!document.hidden) this.look(); }, LOOK_MS);
    await this.draw();
    this.#worker();
    await this.look();
  }

  now() { return Date.now() + (this.task?.offset ?? 0); }

  get open() { return this.queue.filter((row) => OPEN.includes(row.state)); }

  // A button: kept on the phone first, then sent.
  async press(what, incident, more = {}) {
    await press({ id: token(), unit: this.boot.unit, do: what, incident, at: Date.now(), text: "", task: "", ...more });
    await this.draw();
    this.#sync();
    await this.look();
  }

  // Sends what waits, then asks how things are.
  async look() {
    if (this.looking) { this.again = true; return; }
    this.looking = true;
    do {
      this.again = false;
      this.line = await send(() => this.draw());
      if (this.line === "ok") await this.#ask();
      await this.draw();
    } while (this.again);
    this.looking = false;
  }

  async draw() {
    this.queue = (await kept.all()).filter((row) => row.unit === this.boot.unit);
    const f = this.format, waiting = this.open.length;
    document.body.dataset.state = this.task ? "ok" : this.line === "ok" ? "empty" : this.line;
    document.body.dataset.line = this.line;
    say(document.getElementById("unit"), this.task ? f.both(this.task.unit.name) : this.boot.unit);
    const told = { ok: waiting ? f.t("pocket.line.sending", { n: waiting }) : f.t("pocket.line.ok"), away: f.t("pocket.line.away", { n: waiting }), login: f.t("pocket.line.login"), loading: f.t("state.loading") }[this.line];
    const line = document.getElementById("line");
    say(line, told);
    if (this.line === "login") line.append(" ", el("a", { href: "/login?next=/pocket" }, f.t("pocket.login")));
    const stamp = this.task && this.line !== "ok" ? el("p", { class: "as-of" }, f.t("pocket.asof", { time: f.clock(this.task.asked) })) : null;
    const body = this.task ? draw(this) : [el("p", { class: "note" }, this.problem ?? (this.line === "ok" ? f.t("state.loading") : f.t("pocket.nothing")))];
    const focus = this.shown.contains(document.activeElement) ? document.activeElement.dataset.do : null;
    renew(this.shown, [stamp, ...body]);
    if (focus && document.activeElement === document.body) this.shown.querySelector(`[data-do="${focus}"]`)?.focus();
    this.words.hidden = !this.task?.incident;
    this.#list();
  }

  #list() {
    const f = this.format, shown = [...this.queue].reverse().slice(0, 12);
    const section = document.getElementById("queue");
    section.hidden = shown.length === 0;
    renew(section, [el("h3", {}, f.t("pocket.sent")), el("ul", {}, ...shown.map((row) => el("li", { class: row.state, "data-id": row.id }, el("time", {}, f.clock(row.at)),
      el("span", {}, f.t(`pocket.do.${row.do}`), row.text ? el("small", {}, row.text) : null, row.message ? el("small", { class: "why" }, row.message) : null),
      el("b", {}, `${SIGN[row.state]} ${f.t(`pocket.state.${row.state}`)}`))))]);
  }

  async #ask() {
    try {
      const answer = await fetch("/pocket/task", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.status === 401) { this.line = "login"; return; }
      const told = await answer.json();
      if (answer.ok) {
        this.problem = null;
        this.task = { ...told, asked: Date.now(), offset: told.at - Date.now() };
        await kept.keep("task", this.task);
      } else if (answer.status >= 500) this.line = "away";
      else { this.task = null; this.problem = told.detail; }
    } catch (error) {
      console.info("the line is away:", error.message);
      this.line = "away";
    }
  }

  async #boot() {
    for (;;) {
      try {
        const answer = await fetch("/pocket/boot.json", { cache: "no-store" });
        if (answer.status === 401) { location.href = "/login?next=/pocket"; return null; }
        if (answer.ok) return await answer.json();
      } catch (error) {
        console.info("the line is away:", error.message);
      }
      await new Promise((done) => setTimeout(done, 2000));
    }
  }

  #forms() {
    const f = this.format;
    const text = el("textarea", { rows: "3", maxlength: "2000", "aria-label": f.t("pocket.do.comment"), placeholder: f.t("pocket.comment") });
    const url = el("input", { type: "url", maxlength: "2000", inputmode: "url", "aria-label": f.t("pocket.do.link"), placeholder: f.t("pocket.link"), pattern: "https?://.+", required: true });
    const form = (control, what) => {
      const made = el("form", {}, control, el("button", { type: "submit", "data-do": what }, f.t(`pocket.do.${what}`)));
      made.addEventListener("submit", async (event) => {
        event.preventDefault();
        const words = control.value.trim();
        if (!words || !this.task?.incident) return;
        control.value = "";
        await this.press(what, this.task.incident.id, { text: words });
      });
      return made;
    };
    this.words.append(form(text, "comment"), form(url, "link"));
  }

  async #worker() {
    if (!("serviceWorker" in navigator)) return; // the page works without one, but not without a line at its start
    try {
      await navigator.serviceWorker.register("/pocket/worker.mjs", { scope: "/pocket", type: "module" });
    } catch (error) {
      console.warn("this browser keeps no copy of the page", error);
    }
  }

  // Lets the browser send the queue after the page is closed, where it can.
  async #sync() {
    const worker = await navigator.serviceWorker?.getRegistration("/pocket");
    try {
      await worker?.sync?.register("queue");
    } catch (error) {
      console.info("this browser sends only while the page is open:", error.message);
    }
  }

  #leave(event) {
    if (this.open.length && !confirm(this.format.t("pocket.leave", { n: this.open.length }))) event.preventDefault();
    else kept.keep("task", null);
  }
}

const pocket = new Pocket();
window.pocket = pocket; // for tests and the browser's console
pocket.start();
