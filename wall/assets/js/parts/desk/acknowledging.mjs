// Acknowledging in one stroke, and taking it back while the server still holds it (wall/holding.py).
import { waiting } from "../../alerts.mjs";
import { ask, meaning } from "../../ask.mjs";
import { token } from "../../token.mjs";

const AFTER_MS = 400; // beyond the end of the time, when the command has left
const AGAIN_MS = 1000;
const TRIES = 60; // a server that is away is asked again for a minute

export class Acknowledging {
  // `told(alert, kind, text)` is called with each step: "pending", "held", "undone", or what it came to.
  constructor(app, told) {
    this.app = app;
    this.told = told;
    this.held = new Map(); // alert → {id, until}, of this page
    this.busy = new Set();
  }

  // What of this person waits for the alert: also from another tab, or from before a reload.
  of(alert) {
    if (this.held.has(alert)) return this.held.get(alert);
    for (const [id, row] of this.app.state.held) if (row.alert === alert && row.by === this.app.user.name) return { id, until: row.until };
    return null;
  }

  async begin(alert, comment) {
    const { app } = this, row = app.state.alerts.get(alert);
    if (!row || !waiting(row) || !app.user.commands || this.busy.has(alert) || this.of(alert)) return false;
    const order = { alert, action: "acknowledge", comment, id: token() };
    this.busy.add(alert);
    this.told(alert, "pending", app.format.t("desk.pending"));
    const answer = await this.#asked(() => ask(app, "/command", { ...order, hold: true }));
    this.busy.delete(alert);
    if (answer.status !== 202 || answer.told.status !== "held") {
      this.told(alert, ...this.#means(answer));
      return true;
    }
    this.held.set(alert, { id: order.id, until: answer.told.until });
    this.told(alert, "held", app.format.t("undo.held"));
    setTimeout(() => this.#follow(alert, order), Math.max(answer.told.until - app.now(), 0) + AFTER_MS);
    return true;
  }

  // Take back this alert's, or the newest of all.
  async undo(alert = this.newest()) {
    const { app } = this, waits = alert && this.of(alert);
    if (!waits) return;
    const answer = await ask(app, `/command/${waits.id}/undo`, {});
    if (answer.status !== 200) return void this.told(alert, "failed", app.format.t("undo.late"));
    this.held.delete(alert);
    this.told(alert, "undone", app.format.t("undo.done"));
  }

  newest() {
    const mine = [...this.app.state.held.values()].filter((row) => row.by === this.app.user.name).map((row) => [row.alert, row.until]);
    return [...mine, ...[...this.held].map(([alert, { until }]) => [alert, until])].sort((a, b) => b[1] - a[1])[0]?.[0];
  }

  // The time is up: what became of it? A server that lost it is told again, for the same id counts once.
  async #follow(alert, order) {
    if (this.held.get(alert)?.id !== order.id) return; // taken back
    const answer = await this.#asked(async () => {
      const found = await ask(this.app, `/command/${order.id}`);
      return found.status === 410 ? ask(this.app, "/command", order) : found;
    });
    this.held.delete(alert);
    this.told(alert, ...this.#means(answer));
  }

  // Asked again while the server is away; the id makes that safe.
  async #asked(question) {
    for (let tries = 1; ; tries++) {
      const answer = await question();
      if (answer.status && answer.status !== 503) return answer;
      if (tries === TRIES) return answer;
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }

  #means(answer) { return meaning(this.app, answer, { done: "desk.done" }); }
}
