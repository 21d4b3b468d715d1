// The header: operating level, data age, counts, clock, and a banner when the data cannot be trusted.
import { operating, tally } from "../alerts.mjs";
import { el, say } from "../dom.mjs";

export class Head {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    const f = app.format;
    const figure = (key) => {
      const value = el("b", {}, "–"), node = el("span", {}, f.t(key), value);
      element.querySelector(".figures").append(node);
      return { node, value };
    };
    this.age = figure("head.age");
    this.waiting = figure("head.open");
    this.active = figure("head.active");
    this.replay = el("span", { class: "replay" }, f.t("head.replay"));
    this.day = el("span");
    this.time = el("b");
    this.wall = el("small");
    element.querySelector(".clock").append(this.replay, this.day, this.time, this.wall);
    const user = element.querySelector(".user");
    if (user) user.textContent = app.user.name;
  }

  update(changed) {
    const { app } = this, { format: f, state } = app;
    if (changed.has("alerts")) {
      const counts = tally(state.alerts), level = operating(counts);
      say(this.waiting.value, f.number(counts.waiting));
      this.waiting.node.classList.toggle("hot", counts.waiting > 0);
      say(this.active.value, f.number(counts.active));
      for (const item of this.element.querySelectorAll(".level li")) item.classList.toggle("on", Number(item.dataset.level) === level);
    }
    if (!changed.has("second") && !changed.has("health")) return;
    say(this.age.value, Number.isFinite(app.age) ? f.age(app.age) : "–");
    const shown = app.replay ? state.time : app.now();
    this.replay.hidden = !app.replay;
    say(this.day, app.replay ? `${f.t("head.datatime")} ${f.date(shown)}` : f.day(shown));
    say(this.time, f.clock(shown));
    say(this.wall, app.replay ? `${f.day(app.now())} ${f.minute(app.now())}` : "");
    this.#banner();
  }

  #banner() {
    const { app } = this, f = app.format, banner = this.element.querySelector(".alarm");
    let text = "";
    if (app.health === "disconnected") text = f.t("state.disconnected");
    else if (app.beat && !app.beat.store && app.state.seq >= 0) text = f.t("state.store");
    else if (app.health === "stale") text = f.t("state.stale", { age: f.age(app.age) });
    const flood = app.state.flood.get("now");
    const flooded = !text && Boolean(flood?.flood);
    if (flooded) text = f.t("state.flood", { n: f.number(flood.hidden) });
    say(banner, text);
    banner.classList.toggle("flood", flooded);
    banner.classList.toggle("off", app.health === "disconnected");
  }
}
