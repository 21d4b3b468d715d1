// The header: operating level, data age, counts, weather, clock and day, and a banner when the data cannot be trusted.
// An emergency turns it red and puts its name in the middle.
import { active, operating, tally } from "../alerts.mjs";
import { el, put, say } from "../dom.mjs";
import { festival } from "../lunar.mjs";
import { drillSays } from "./drill.mjs";

const SHOWN = 2; // emergencies on the screen

export class Head {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    const f = app.format, figures = element.querySelector(".figures");
    const figure = (key) => {
      const value = el("b", {}, "–"), node = el("span", {}, f.t(key), value);
      figures.append(node);
      return { node, value };
    };
    this.warned = el("span", { class: "warned" });
    this.weather = el("span", { class: "weather" });
    figures.append(this.warned, this.weather);
    this.age = figure("head.age");
    this.waiting = figure("head.open");
    this.active = figure("head.active");
    this.replay = el("span", { class: "replay" }, f.t("head.replay"));
    this.drill = el("span", { class: "drill" });
    this.day = el("span", { class: "day" });
    this.time = el("b");
    this.wall = el("small");
    element.querySelector(".clock").append(this.drill, this.replay, this.day, this.time, this.wall);
    this.emergency = { level: el("b"), what: el("strong"), since: el("em"), more: el("span") };
    this.banner = el("div", { class: "emergency-title" }, ...Object.values(this.emergency));
    element.querySelector("h1").after(this.banner);
    const user = element.querySelector(".user");
    if (user) user.textContent = app.user.name;
  }

  update(changed) {
    const { app } = this, { format: f, state } = app;
    if (changed.has("alerts") || changed.has("takeover")) this.#counts(f, state);
    if (changed.has("weather") || changed.has("areas")) this.#weather(f, state);
    if (changed.has("takeover") || changed.has("second")) this.#emergency(f, state);
    if (!changed.has("second") && !changed.has("health")) return;
    say(this.age.value, Number.isFinite(app.age) ? f.age(app.age) : "–");
    const shown = app.replay ? state.time : app.now();
    this.replay.hidden = !app.replay;
    const day = app.replay ? `${f.t("head.datatime")} ${f.date(shown)}` : f.day(shown);
    say(this.day, [day, this.#special(shown)].filter(Boolean).join(" · "));
    say(this.time, f.clock(shown));
    say(this.wall, app.replay ? `${f.day(app.now())} ${f.minute(app.now())}` : "");
    this.#banner();
  }

  #counts(f, state) {
    const counts = tally(state.alerts), level = operating(counts);
    say(this.waiting.value, f.number(counts.waiting));
    this.waiting.node.classList.toggle("hot", counts.waiting > 0);
    say(this.active.value, f.number(counts.active));
    for (const item of this.element.querySelectorAll(".level li")) item.classList.toggle("on", Number(item.dataset.level) === level);
  }

  // Only what somebody measures or warns of.
  #weather(f, state) {
    const now = state.weather.get("now") ?? {}, parts = [];
    if (now.temperature !== undefined && now.temperature !== null) parts.push(f.t("weather.temperature", { n: f.number(now.temperature) }));
    if (now.rain) parts.push(f.t("weather.rain", { n: f.number(now.rain) }));
    if (now.wind) parts.push(f.t("weather.wind", { n: f.number(now.wind) }));
    say(this.weather, parts.join(" · "));
    const gravest = [...state.areas.values()].sort((a, b) => a.level - b.level)[0];
    say(this.warned, gravest ? f.both(gravest.event) + (state.areas.size > 1 ? ` +${state.areas.size - 1}` : "") : "");
    put(this.warned, "class", gravest ? `warned l${gravest.level}` : "warned");
  }

  #emergency(f, state) {
    const rows = [...state.takeover.values()].sort((a, b) => a.rank - b.rank), first = rows[0], claimed = rows.length > 0 && Boolean(this.app.stage);
    this.element.classList.toggle("claimed", claimed);
    if (!claimed) return;
    const { level, what, since, more } = this.emergency, one = rows.length === 1;
    say(level, f.t(`severity.${first.level}`));
    say(what, one ? f.both(first.headline) : f.t("takeover.two", { n: Math.min(rows.length, SHOWN) }));
    say(since, one ? `+${f.span(this.app.now() - first.since)}` : "");
    const others = [...state.alerts.values()].filter((alert) => active(alert) && alert.kind !== "data-quality").length - rows.length;
    const left = rows.length - SHOWN;
    say(more, [left > 0 ? f.t("takeover.more", { n: left }) : "", f.t("takeover.others", { n: f.number(Math.max(others, 0)) })].filter(Boolean).join(" · "));
  }

  // A holiday, a moved working day, or a festival of the lunar year that is today or near.
  #special(ms) {
    const { app } = this, f = app.format, key = f.iso(ms);
    if (this.dayKey === key) return this.dayText;
    const kind = app.ground.days?.[key], near = app.ground.city.lunar ? festival(ms, app.ground.city.timezone) : null;
    const named = near && (near.days ? f.t("day.until", { name: f.t(`festival.${near.name}`), n: near.days }) : f.t(`festival.${near.name}`));
    this.dayKey = key;
    this.dayText = [named, kind ? f.t(`day.${kind}`) : ""].filter(Boolean).join(" · ");
    return this.dayText;
  }

  #banner() {
    const { app } = this, f = app.format, banner = this.element.querySelector(".alarm");
    let text = "";
    if (app.health === "disconnected") text = f.t("state.disconnected");
    else if (app.beat && !app.beat.store && app.state.seq >= 0) text = f.t("state.store");
    else if (app.health === "stale") text = f.t("state.stale", { age: f.age(app.age) });
    const flood = app.state.flood.get("now");
    const drill = drillSays(app), runs = drill?.kind === "running";
    say(this.drill, runs ? drill.text : "");
    const drilled = !text && Boolean(drill) && !runs;
    if (drilled) text = drill.text;
    const flooded = !text && Boolean(flood?.flood);
    if (flooded) text = f.t("state.flood", { n: f.number(flood.hidden) });
    say(banner, text);
    banner.classList.toggle("flood", flooded);
    banner.classList.toggle("drill", drilled);
    banner.classList.toggle("overtaken", drilled && drill.kind === "overtaken");
    banner.classList.toggle("off", app.health === "disconnected");
  }
}
