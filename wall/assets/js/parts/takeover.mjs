// An emergency has the screen: what and where, the plan with its deadlines, the map with rings, cameras, units, what is
// expected, the timeline. Two stand side by side; the header counts the others.
import { View } from "../map.mjs";
import { canvas, el, put, remPx, say } from "../dom.mjs";
import { Around, Near } from "../layers/scene.mjs";
import { mark } from "../marks.mjs";
import { curve } from "./curve.mjs";

const SHOWN = 2;
const REACH_M = 1750; // half of what the map shows: the widest ring and some room
const CAMERAS = 8, WIDE = 9; // listed: two columns, three where one emergency has a wide wall

export class Takeover {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.cases = new Map();
  }

  update(changed) {
    const { app } = this, shown = [...app.state.takeover].filter(([, row]) => row.rank < SHOWN && row.headline).sort(([, a], [, b]) => a.rank - b.rank);
    put(this.element, "data-state", app.health);
    put(this.element, "data-count", String(shown.length));
    for (const [id, one] of this.cases) if (!shown.some(([key]) => key === id)) { one.node.remove(); this.cases.delete(id); }
    shown.forEach(([id, row], i) => {
      if (!this.cases.has(id)) this.cases.set(id, new Emergency(app, id, row));
      const { node } = this.cases.get(id);
      if (this.element.children[i] !== node) this.element.insertBefore(node, this.element.children[i] ?? null);
    });
    for (const [id, row] of shown) this.cases.get(id).update(row, changed);
  }
}

class Emergency {
  constructor(app, id, row) {
    this.app = app;
    this.id = id;
    this.row = row;
    const f = app.format, panel = (name, title, ...children) => el("section", { class: `panel ${name}` }, el("header", {}, el("h2", {}, f.known(title, title)), el("div", { class: "aside" })), el("div", { class: "body" }, ...children));
    this.title = { sign: el("span"), what: el("h2"), since: el("b") };
    this.head = el("header", { class: "case-head" }, this.title.sign, this.title.what, this.title.since);
    this.facts = panel("em-facts", "takeover.event");
    this.plan = panel("em-plan", "takeover.plan");
    this.seen = panel("em-cameras", "takeover.cameras");
    this.units = panel("em-forces", "takeover.units");
    this.ahead = panel("em-ahead", "takeover.ahead");
    this.line = panel("em-timeline", "takeover.timeline");
    this.holder = el("div", { class: "layers" });
    this.map = el("section", { class: "panel map" }, this.holder);
    this.node = el("article", { class: "emergency", "data-id": id }, this.head, this.facts, this.plan, this.map, this.seen, this.units, this.ahead, this.line);
    new ResizeObserver(() => this.#fit()).observe(this.plan);
    const chart = el("div", { class: "chart" });
    this.ahead.querySelector(".body").append(chart);
    this.paint = canvas(chart, (context, width, height) => this.#curve(context, width, height));
  }

  update(row, changed) {
    this.row = row;
    this.#view(row);
    if (changed.has("takeover") || changed.has("all")) {
      this.#head(row);
      this.#facts(row);
      this.#plan(row);
      this.#cameras(row);
      this.#timeline(row);
      this.paint();
    }
    if (changed.has("second") || changed.has("takeover") || changed.has("units")) this.#tick(row);
    this.view?.update(changed);
  }

  // The map is made when it has its place, and again when the emergency moved.
  #view(row) {
    const where = `${row.lon}/${row.lat}`;
    if (this.where === where || !this.node.isConnected) return;
    this.where = where;
    this.holder.replaceChildren();
    const { frame } = this.app.ground, x = (row.lon - frame.west) * frame.lon, y = (frame.north - row.lat) * frame.lat;
    const scope = { emergency: () => this.row };
    this.view = new View(this.holder, this.app, [x - REACH_M, y - REACH_M, x + REACH_M, y + REACH_M], { scope, layers: { near: Near, around: Around } });
  }

  #head(row) {
    const f = this.app.format;
    this.title.sign.replaceChildren(mark(row.level));
    say(this.title.what, f.both(row.headline));
  }

  #facts(row) {
    const f = this.app.format, zone = this.app.ground.zones.find((one) => one.id === row.district);
    const place = [...new Set([zone && f.both(zone.name), f.both(row.place)].filter(Boolean))].join(" · ");
    const unit = f.unit(row.unit, row.subject);
    const lines = [
      ["takeover.where", place],
      ["takeover.began", f.stamp(row.since)],
      ["takeover.alert", row.state ? [f.t(`alert.${row.state}`), row.by && f.t("alert.by", { by: row.by })].filter(Boolean).join(" · ") : ""],
      ["takeover.owner", row.owner || f.t("takeover.nobody")],
      ["takeover.progress", row.progress ? f.t(`incident.state.${row.progress}`) : ""],
      ["takeover.alerts", row.alerts > 1 ? f.number(row.alerts) : ""],
      ["takeover.measured", row.value === null ? "" : `${f.number(row.value)} ${unit}${row.expected ? ` · ${f.t("takeover.expected", { value: f.number(row.expected), change: f.change(row.value, row.expected) })}` : ""}`],
    ].filter(([, text]) => text);
    const badge = el("p", { class: "badges" }, el("b", { class: `l${row.level}` }, f.t(`severity.${row.level}`)), row.exercise ? el("b", { class: "exercise" }, f.t("alert.exercise")) : null, el("small", {}, this.id.slice(0, 8)));
    this.facts.querySelector(".body").replaceChildren(badge, el("h3", {}, f.both(row.headline)), el("dl", {}, ...lines.flatMap(([key, text]) => [el("dt", {}, f.known(key, key)), el("dd", {}, text)])), el("p", { class: "why" }, f.both(row.why)));
  }

  #plan(row) {
    const f = this.app.format, body = this.plan.querySelector(".body"), done = row.tasks.filter((task) => task.state === "done").length;
    say(this.plan.querySelector(".aside"), row.tasks.length ? f.t("takeover.done", { done, n: row.tasks.length }) : "");
    if (!row.tasks.length) { body.replaceChildren(el("p", { class: "none" }, f.t("takeover.noplan"))); this.tasks = []; return; }
    this.tasks = row.tasks.map((task, i) => {
      const when = el("b"), open = task.state === "open";
      const node = el("li", { class: task.state }, el("i", {}, open ? String(i + 1) : task.state === "done" ? "✓" : "–"), el("span", {}, f.both(task.what), el("small", {}, [f.who(task.who), task.by].filter(Boolean).join(" · "))), when);
      return { task, node, when };
    });
    const title = row.plan ? el("p", { class: "plan-title" }, f.both(row.plan.title), row.plan.launched ? "" : el("em", {}, f.t("takeover.proposed"))) : "";
    body.replaceChildren(title, el("ol", {}, ...this.tasks.map(({ node }) => node)));
    this.#fit();
  }

  // Where not all tasks have room, those that are done make room for those that are not; the title says how many they are.
  #fit() {
    const body = this.plan.querySelector(".body");
    for (const { node } of this.tasks ?? []) node.style.display = "";
    for (const { task, node } of this.tasks ?? []) {
      if (body.scrollHeight <= body.clientHeight + 1) return;
      if (task.state !== "open") node.style.display = "none";
    }
  }

  #cameras(row) {
    const f = this.app.format, body = this.seen.querySelector(".body");
    if (!row.cameras.length) { body.replaceChildren(el("p", { class: "none" }, f.t("takeover.nocameras"))); return; }
    const top = Math.max(1, ...row.seen.map((n) => n ?? 0));
    const three = innerWidth / innerHeight >= 2.5 && this.node.parentElement?.dataset.count === "1";
    body.replaceChildren(...row.cameras.slice(0, three ? WIDE : CAMERAS).map((camera, i) => {
      const bar = el("i"), n = row.seen[i];
      bar.style.height = `${(100 * (n ?? 0)) / top}%`;
      return el("div", { class: "camera" }, el("div", { class: "look" }, bar, el("b", {}, n === null ? "–" : f.number(n)), el("small", {}, n === null ? f.t("takeover.blind") : f.t("takeover.people"))),
        el("p", {}, el("span", {}, el("b", { class: "number" }, String(i + 1)), short(f.both(camera.name), f.both(row.place))), el("span", {}, f.t("detail.metres", { n: f.number(camera.metres) }))));
    }));
  }

  #timeline(row) {
    const f = this.app.format, steps = (row.timeline.length ? row.timeline : row.steps ?? []).filter((step) => step.action !== "alert-joined");
    const shown = steps.slice(-8);
    this.line.querySelector(".body").replaceChildren(el("ol", {}, ...shown.map((step) => el("li", { class: step.action === "opened" ? "first" : "" }, el("time", {}, f.clock(step.at)), el("i"),
      el("span", {}, f.known(`step.${step.action}`, step.action)), el("small", {}, [step.by || f.t("detail.system"), step.by ? f.said(step) : ""].filter(Boolean).join(" · "))))));
  }

  #tick(row) {
    const f = this.app.format, now = this.app.now();
    say(this.title.since, `+${f.span(now - row.since)}`);
    for (const { task, node, when } of this.tasks ?? []) {
      const left = task.deadline ? task.deadline - now : null;
      const text = task.state === "done" ? f.minute(task.at) : task.state !== "open" ? f.t("takeover.skipped") : left === null ? "" : left >= 0 ? f.span(left) : f.t("takeover.late", { span: f.span(-left) });
      say(when, text);
      put(node, "class", `${task.state}${task.state === "open" && left !== null && left < 0 ? " late" : ""}`);
    }
    this.#forces(row, f, now);
  }

  #forces(row, f, now) {
    const body = this.units.querySelector(".body");
    if (!row.units.length) { if (this.known !== "none") body.replaceChildren(el("p", { class: "none" }, f.t("takeover.nounits"))); this.known = "none"; return; }
    const known = row.units.map((unit) => `${unit.id}/${unit.status}`).join();
    if (known !== this.known) {
      this.known = known;
      this.forces = row.units.map((unit) => { const due = el("b"); return { due, node: el("li", { class: unit.status }, el("span", {}, f.both(unit.name), el("small", {}, `${f.known(`unit.kind.${unit.kind}`, unit.kind)} · ${f.known(`unit.status.${unit.status}`, unit.status)}`)), due) }; });
      body.replaceChildren(el("ol", {}, ...this.forces.map(({ node }) => node)));
    }
    row.units.forEach((unit, i) => say(this.forces[i].due, unit.due ? f.span(unit.due - now) : f.known(`unit.status.${unit.status}`, unit.status)));
  }

  #curve(context, width, height) {
    const { row, app } = this, f = app.format, name = row.subject ? `${f.property(row.subject)} ${f.unit(row.subject_unit, row.subject)}` : "";
    say(this.ahead.querySelector(".aside"), name);
    const ahead = (row.ahead?.points ?? []).map(([minutes, ...values]) => [row.ahead.tick + minutes * 60000, ...values]);
    put(this.ahead, "data-bare", String(Number(!curve(context, width, height, { points: row.past, ahead, format: f, rem: remPx() }))));
  }
}

// A camera of the place itself goes without the place's name, which stands above.
const short = (name, place) => (place && name.startsWith(place) && name.slice(place.length).trim()) || name;
