// New alerts: heard, read out by a screen reader, told by the browser while the page is hidden or not in front.
import { faulty, waiting } from "../../alerts.mjs";
import { el, say } from "../../dom.mjs";

const TOLD = 2; // up to this severity the browser tells of an alert that nobody would see

export class Arrivals {
  constructor(app, sounds) {
    this.app = app;
    this.sounds = sounds;
    this.known = null; // ids that waited when we last looked; null before the first snapshot
    this.live = el("p", { class: "unseen", role: "alert", "aria-live": "assertive" });
    this.button = "Notification" in window && Notification.permission === "default"
      ? el("button", { type: "button", class: "notify", onclick: () => this.#permit() }, app.format.t("notify.allow")) : null;
  }

  update() {
    const now = new Map([...this.app.state.alerts].filter(([, alert]) => alert.state === "unacknowledged" && !faulty(alert)));
    const fresh = this.known ? [...now].filter(([id]) => !this.known.has(id)) : [];
    this.known = new Set(now.keys());
    if (fresh.length) this.#tell(fresh.sort(([, a], [, b]) => a.level - b.level));
    document.title = `${now.size ? `(${now.size}) ` : ""}${this.#title()}`;
  }

  second() {
    const extreme = [...this.app.state.alerts.values()].some((alert) => alert.level === 1 && alert.state === "unacknowledged" && waiting(alert) && !faulty(alert));
    this.sounds.second(extreme);
  }

  #title() { return this.app.format.t("title", { city: this.app.format.both(this.app.ground.city.name) }); }

  #tell(fresh) {
    const f = this.app.format, [id, alert] = fresh[0];
    this.sounds.came(alert.level);
    const words = f.t("arrival.one", { severity: f.t(`severity.${alert.level}`), what: f.both(alert.headline) });
    say(this.live, fresh.length > 1 ? `${words} ${f.t("arrival.more", { n: fresh.length - 1 })}` : words);
    if ((document.hidden || !document.hasFocus()) && alert.level <= TOLD && "Notification" in window && Notification.permission === "granted") {
      const note = new Notification(words, { body: f.both(alert.place), tag: id, requireInteraction: alert.level === 1 });
      note.onclick = () => { window.focus(); this.app.choose(id); };
    }
  }

  async #permit() {
    await Notification.requestPermission();
    this.button.remove();
  }
}
