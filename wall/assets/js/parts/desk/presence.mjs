// Who else looks at the alert: this page says what it shows, and is told what the others show.
import { ask } from "../../ask.mjs";
import { token } from "../../token.mjs";

const BEAT_MS = 15000;
const SETTLE_MS = 250; // rows that are only passed over are not told

export class Presence {
  constructor(app) {
    this.app = app;
    this.page = token();
    this.said = undefined;
    if (app.base) return; // a replay is nobody's room
    setInterval(() => this.#say(), BEAT_MS);
    addEventListener("pagehide", () => navigator.sendBeacon("/presence", new Blob([JSON.stringify({ page: this.page, alert: null })], { type: "application/json" })));
  }

  // The page shows another alert.
  shows(alert) {
    if (this.app.base || alert === this.alert) return;
    this.alert = alert;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#say(), SETTLE_MS);
  }

  #say() { return ask(this.app, "/presence", { page: this.page, alert: this.alert ?? null }); }
}

// The names of others who look at an alert, each once.
export function lookers(app, alert) {
  const names = [...app.state.present.values()].filter((row) => row.alert === alert && row.by !== app.user.name).map((row) => row.by);
  return [...new Set(names)].sort();
}

// Somebody else whose acknowledgement of the alert waits: {by, until}, else null.
export function acknowledging(app, alert) {
  for (const row of app.state.held.values()) if (row.alert === alert && row.by !== app.user.name) return row;
  return null;
}
