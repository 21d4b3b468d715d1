// Alarm quality over the last hours: the load of a person, floods, answers, the spread, the worst rules, nuisances.
import { panelState } from "../panel.mjs";
import { el, remPx, say } from "../dom.mjs";

const SEVERITY = { Extreme: 1, Severe: 2, Moderate: 3, Minor: 4 };

class Part {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.body = element.querySelector(".body");
  }

  update(changed) {
    const found = this.app.state.quality.get("now");
    panelState(this.element, this.app, !found || this.empty(found));
    if (found && changed.has("quality")) this.draw(found, this.app.format);
  }

  empty(found) { return !found.alerts; }
}

const tile = (name, figure, unit, under, kind = "") => el("div", { class: `tile ${kind}` }, el("h3", {}, name),
  el("p", { class: "figure" }, figure, el("small", {}, unit)), el("p", { class: "under" }, under));
const seconds = (f, s) => (s === null || s === undefined ? "–" : f.span(s * 1000));

export class Load extends Part {
  empty() { return false; }

  draw(it, f) {
    say(this.element.querySelector(".aside"), f.t("quality.span", { hours: f.number(Math.max(0, Math.round((10 * (it.end - it.start)) / 3600000) / 10)) }));
    this.body.replaceChildren(
      tile(f.t("quality.rate"), f.number(Math.round(it.per_operator_hour * 10) / 10), f.t("quality.rate.unit"), f.t(`quality.load.${it.load}`), it.load === "acceptable" ? "" : "odd"),
      tile(f.t("quality.peak"), f.number(it.peak_10_min), f.t("quality.peak.unit"), f.t("quality.peak.limit"), it.peak_10_min >= 10 ? "odd" : ""),
      tile(f.t("quality.flood"), f.percent(it.flood_share), "", f.t("quality.flood.sub", { n: it.floods.length }), it.flood_share > 0.01 ? "odd" : ""),
      tile(f.t("quality.alerts"), f.number(it.alerts), "", f.t("quality.hidden", { n: f.number(it.hidden) })),
    );
  }
}

export class Answers extends Part {
  draw(it, f) {
    say(this.element.querySelector(".aside"), it.in_time === null ? "" : f.t("quality.intime", { share: f.percent(it.in_time) }));
    const head = ["quality.severity", "quality.n", "quality.p50", "quality.p95", "quality.open"].map((key) => el("td", {}, f.known(key, key)));
    const rows = Object.entries(it.acknowledgement).filter(([, spread]) => spread.count + spread.open).map(([severity, spread]) => el("tr", {},
      el("td", {}, severity === "all" ? f.t("quality.all") : f.t(`severity.${SEVERITY[severity]}`)), el("td", {}, f.number(spread.count)),
      el("td", {}, seconds(f, spread.p50_s)), el("td", {}, seconds(f, spread.p95_s)), el("td", {}, f.number(spread.open))));
    this.body.replaceChildren(el("table", { class: "places" }, el("tbody", {}, el("tr", { class: "titles" }, ...head), ...rows)));
  }
}

// The share of each severity, and beside it what a good alarm system has.
export class Priorities extends Part {
  draw(it, f) {
    const rows = Object.entries(it.priorities).map(([severity, share]) => [f.t(`severity.${SEVERITY[severity]}`), share, it.priorities_target[severity], SEVERITY[severity]]);
    this.body.replaceChildren(...rows.map(([name, share, target, level]) => {
      const bar = el("i"), line = el("u", { hidden: target === undefined });
      bar.style.width = `${100 * share}%`;
      line.style.left = `${100 * (target ?? 0)}%`;
      return el("div", { class: `step l${level}` }, el("span", {}, name, el("small", {}, target === undefined ? "" : f.t("quality.target", { share: f.percent(target) }))), el("div", { class: "bar" }, bar, line), el("b", {}, f.percent(share)));
    }));
  }
}

export class Actors extends Part {
  empty(found) { return !found.bad_actors.length; }

  draw(it, f) {
    say(this.element.querySelector(".aside"), f.t("quality.worst", { share: f.percent(it.worst_share) }));
    const head = ["quality.rule", "quality.place", "quality.n", "quality.share"].map((key) => el("td", {}, f.known(key, key)));
    const fit = Math.max(1, Math.floor(this.body.clientHeight / (3.75 * remPx() / devicePixelRatio)) - 1); // whole rows alone
    const rows = it.bad_actors.slice(0, fit).map((one) => el("tr", {}, el("td", {}, f.rule(this.app.boot.stage?.rules, one.pack, one.rule)), el("td", {}, f.both(one.place_name)), el("td", {}, f.number(one.alerts)), el("td", {}, f.percent(one.share))));
    this.body.replaceChildren(el("table", { class: "places" }, el("tbody", {}, el("tr", { class: "titles" }, ...head), ...rows)));
  }
}

export class Nuisance extends Part {
  empty(found) { return !found.stale.length && !found.chattering.length; }

  draw(it, f) {
    const rows = [...it.chattering.map((one) => [one, "quality.chattering"]), ...it.stale.map((one) => [one, "quality.stale"])].slice(0, 12);
    this.body.replaceChildren(el("ol", {}, ...rows.map(([one, why]) => el("li", { class: "nuisance" }, el("b", {}, f.both(one.place_name)), el("span", {}, f.t(why)), el("small", {}, f.stamp(one.opened))))));
  }
}
