// The queue: on the wall as much as fits, on the desk all of it, chosen and acknowledged by mouse and keys.
import { active, faulty, folded, ordered, tally, waiting } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, put, renew, say } from "../dom.mjs";
import { mark } from "../marks.mjs";
import { lookers } from "./desk/presence.mjs";
import { Sieve } from "./desk/sieve.mjs";

const FLOOD_ROWS = 10; // of the queue while the room is in a flood (models/flood.py)
const DRAWN = ["alerts", "chosen", "filter", "flood", "present", "held"];
const AT_MOST = 60; // rows made on a wall, of which those that fit are seen

export class Queue {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.desk = element.dataset.desk === "1";
    this.rows = new Map();
    this.list = el("ol", this.desk ? { role: "listbox", tabindex: "0", "aria-label": app.format.t("panel.queue") } : {});
    this.more = el("p", { class: "more", hidden: true });
    element.querySelector(".body").append(this.list);
    element.append(this.more);
    if (this.desk) this.#sieve();
    new ResizeObserver(() => this.#fit()).observe(element);
  }

  update(changed) {
    const { app } = this;
    panelState(this.element, app, !app.state.alerts.size);
    if (DRAWN.some((name) => changed.has(name))) this.#draw();
    if (changed.has("second")) this.#tick();
  }

  // Ids in the order shown.
  get ids() { return this.shown.map(([id]) => id); }

  #draw() {
    const { app } = this, alerts = app.state.alerts, before = this.shown?.map(([id]) => id) ?? [];
    this.shown = ordered(alerts).filter(([id, alert]) => this.#belongs(id, alert));
    const flood = app.state.flood.get("now");
    this.flood = Boolean(flood?.flood) && (!this.desk || (this.sieve.shows === "open" && !this.sieve.narrow)); // "all" and a narrow filter stay whole: a way to what is folded
    const every = this.shown.length;
    if (this.flood) this.shown = folded(this.desk ? this.#mineFirst(this.shown, flood) : this.shown, FLOOD_ROWS);
    else if (!this.desk) this.shown = this.shown.slice(0, AT_MOST);
    this.left = every - this.shown.length;
    if (this.desk) this.#keepChosen(before);
    const first = this.shown.find(([, alert]) => alert.state === "unacknowledged" && alert.level === 1)?.[0];
    const nodes = this.shown.map(([id, alert, count]) => this.#row(id, alert, id === first, count));
    const kept = new Set(this.ids);
    for (const id of this.rows.keys()) if (!kept.has(id)) this.rows.delete(id);
    renew(this.list, nodes);
    if (this.desk) put(this.list, "aria-activedescendant", app.chosen ? `alert-${app.chosen}` : "");
    if (this.desk) this.nothing.hidden = this.shown.length > 0 || !alerts.size;
    this.#counts();
    this.#wrote(before.join() !== this.ids.join());
    if (this.touched) this.#fit();
    else this.#more();
  }

  // Faults of sensors have the sources' panel on the wall.
  #belongs(id, alert) {
    if (!this.desk) return !faulty(alert);
    return this.sieve.passes(id, alert) || (id === this.app.chosen && this.sieve.shows === "open" && !this.sieve.narrow);
  }

  // In a flood each seat sees what was routed to it or is its own before all else, so that ten rows differ from desk to desk.
  #mineFirst(shown, flood) {
    const me = this.app.user.name, mine = ([, alert]) => this.app.state.incidents.get(alert.incident)?.owner === me || flood.routed?.[alert.incident] === me;
    const own = shown.filter(mine);
    this.own = new Set(own.map(([, alert]) => alert.incident)).size;
    return [...own, ...shown.filter((row) => !mine(row))];
  }

  #keepChosen(before) {
    const { app } = this, ids = this.ids;
    if (app.chosen && app.state.alerts.has(app.chosen)) return;
    const place = Math.max(before.indexOf(app.chosen), 0);
    const next = ids[Math.min(place, ids.length - 1)] ?? null;
    if (next !== app.chosen) queueMicrotask(() => app.choose(next));
  }

  #row(id, alert, first, count = 1) {
    const { format: f, ground } = this.app;
    let row = this.rows.get(id);
    if (!row) {
      row = { node: el("li", { "data-id": id }), what: el("div", { class: "what" }, el("b"), el("small")),
        when: el("div", { class: "when" }, el("b"), el("small")), bar: el("i", { class: "deadline" }) };
      row.node.append(el("span"), row.what, row.when, row.bar);
      if (this.desk) {
        row.node.setAttribute("role", "option");
        row.when.append(el("span", { class: "unseen" })); // the severity in words, for screen readers
        row.node.id = `alert-${id}`;
        row.node.onclick = () => this.app.choose(id);
        row.node.onpointerdown = ({ button, pointerType }) => { if (button === 0 && pointerType === "mouse") this.app.choose(id); }; // before a graver alert moves the row from under it
      }
      this.rows.set(id, row);
    }
    if (row.sign !== alert.level + alert.state) {
      row.node.firstChild.replaceWith(mark(alert.level, alert.state));
      if (row.sign && row.sign !== alert.level + alert.state) this.#fresh(row.node);
      row.sign = alert.level + alert.state;
    }
    row.alert = alert;
    const held = this.desk ? this.#heldBy(id) : null, pending = Boolean(held);
    this.#wrote(put(row.node, "class", `row l${alert.level} ${alert.state}${first ? " first" : ""}${pending ? " pending" : ""}${row.node.classList.contains("freshly") ? " freshly" : ""}`));
    put(row.node, "data-state", alert.state);
    if (this.desk) put(row.node, "aria-selected", String(id === this.app.chosen));
    const incident = count > 1 ? this.app.state.incidents.get(alert.incident) : null;
    this.#wrote(say(row.what.children[0], f.both(incident ? incident.title : alert.headline)));
    const zone = ground.zones.find((zone) => zone.id === alert.district);
    const extra = [count > 1 ? f.t("queue.folded", { n: count }) : "", alert.exercise ? f.t("alert.exercise") : "", alert.kind === "data-quality" ? f.t("alert.data-quality") : "", ...this.#lookers(id)];
    this.#wrote(say(row.what.children[1], [...new Set([zone && f.both(zone.name), f.both(alert.place), ...extra].filter(Boolean))].join(" · ")));
    const by = alert.by && alert.state === "acknowledged" ? f.t("alert.by", { by: alert.by }) : f.t(`alert.${alert.state}`);
    say(row.when.children[1], held ? f.t("undo.by", { by: held.by }) : by);
    put(row.when.children[1], "title", by);
    if (this.desk) say(row.when.children[2], f.t(`severity.${alert.level}`));
    this.#time(row, this.app.now());
    return row.node;
  }

  // Rows may have become taller or lower: where they end is measured again. That lays the page out, so not for less.
  #wrote(changed) { this.touched ||= changed; }

  // Whose acknowledgement of the alert waits, this person's own or another's.
  #heldBy(id) {
    for (const held of this.app.state.held.values()) if (held.alert === id) return held;
    return null;
  }

  #lookers(id) {
    return this.desk ? lookers(this.app, id).map((by) => this.app.format.t("presence.looks", { by })) : [];
  }

  #fresh(node) {
    node.classList.add("freshly");
    setTimeout(() => node.classList.remove("freshly"), 1600);
  }

  #tick() {
    const now = this.app.now();
    for (const row of this.rows.values()) this.#time(row, now);
  }

  // How long it has been, and how much of its time is used; a row that is not seen is left alone.
  #time({ node, alert, when, bar }, now) {
    if (node.style.visibility === "hidden") return;
    say(when.children[0], this.app.format.span((alert.closed ?? now) - alert.opened));
    const span = alert.deadline - alert.opened;
    const share = waiting(alert) && span > 0 ? Math.min(Math.max((now - alert.opened) / span, 0), 1) : 0;
    bar.style.width = `${Math.round(share * 100)}%`;
  }

  #counts() {
    const counts = tally(this.app.state.alerts), aside = this.element.querySelector(".aside");
    if (this.desk) return this.sieve.counts(counts, [...this.app.state.alerts.values()].filter((alert) => !faulty(alert)).length);
    this.sums ??= [1, 2, 3, 4].map((level) => {
      const sum = el("span");
      aside.append(el("span", {}, mark(level), sum));
      return sum;
    });
    this.sums.forEach((sum, i) => say(sum, String(counts.level[i + 1])));
  }

  // On a wall nobody scrolls: say how many more there are.
  #fit() {
    if (!this.shown) return;
    this.touched = false;
    if (!this.desk) this.seen = this.#hideBelow();
    this.#more();
  }

  #more() {
    if (this.desk) return this.#folded(0);
    if (this.flood) return this.#folded(this.list.children.length - this.seen);
    const left = [...this.app.state.alerts.values()].filter((alert) => active(alert) && !faulty(alert)).length - this.seen;
    this.#says(left, () => this.app.format.t("queue.more", { n: left }));
  }

  // The word at the end; where it comes or goes the rows have another room.
  #says(n, text) {
    if (this.more.hidden !== n <= 0) { this.more.hidden = n <= 0; this.#wrote(true); }
    if (n > 0) say(this.more, text());
  }

  // Rows that do not fit whole are not seen; how many are.
  #hideBelow() {
    const room = this.more.hidden ? 0 : this.more.offsetHeight;
    const bottom = this.element.querySelector(".body").getBoundingClientRect().bottom - room;
    let seen = 0;
    for (const node of this.list.children) {
      const fits = node.getBoundingClientRect().bottom <= bottom + 1;
      node.style.visibility = fits ? "" : "hidden";
      if (fits) seen++;
    }
    return seen;
  }

  // In a flood: how many alerts have no row of their own, those `below` the screen's edge included.
  #folded(below) {
    const n = this.flood ? this.left + below : 0;
    this.#says(n, () => [this.app.format.t("queue.flood", { n }), this.own ? this.app.format.t("queue.own", { n: this.own }) : ""].filter(Boolean).join(" · "));
  }

  #sieve() {
    this.sieve = new Sieve(this.app, () => this.app.tell(new Set(["filter"])));
    this.element.querySelector(".aside").replaceChildren(this.sieve.top);
    this.nothing = el("p", { class: "nothing", hidden: true }, this.app.format.t("empty.filter"));
    this.element.querySelector(".body").before(this.sieve.node);
    this.element.querySelector(".body").append(this.nothing);
  }

  // Show what is to do, all of the city's alerts, or the faults of its sensors; without a word the next of them.
  filter(shows) { this.sieve.show(shows); }

  // Choose the next (1) or the previous (-1) row.
  move(step) {
    const ids = this.ids, at = ids.indexOf(this.app.chosen);
    const next = ids[Math.min(Math.max(at + step, 0), ids.length - 1)];
    if (next === undefined) return;
    this.app.choose(next);
    this.rows.get(next)?.node.scrollIntoView({ block: "nearest" });
  }
}
