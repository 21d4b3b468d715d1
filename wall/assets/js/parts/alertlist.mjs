// The alerts of one pack, the gravest first: as many as fit, with where, since when and who has them.
import { active, ordered, waiting } from "../alerts.mjs";
import { panelState } from "../panel.mjs";
import { el, put, say } from "../dom.mjs";
import { mark } from "../marks.mjs";

export class AlertList {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.pack = element.dataset.pack;
    this.pool = [];
    this.list = el("ol");
    element.querySelector(".body").append(this.list);
    new ResizeObserver(() => this.#draw()).observe(element);
  }

  update(changed) {
    if (changed.has("alerts") || !this.rows) this.rows = ordered(this.app.state.alerts).filter(([, alert]) => active(alert) && alert.pack === this.pack);
    panelState(this.element, this.app, !this.rows.length);
    if (changed.has("alerts") || changed.has("second")) this.#draw();
  }

  #draw() {
    const { app } = this, f = app.format, rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const fit = Math.max(0, Math.floor(this.element.querySelector(".body").clientHeight / (5.4 * rem)));
    const rows = (this.rows ?? []).slice(0, fit);
    say(this.element.querySelector(".aside"), this.rows?.length > rows.length ? f.t("queue.more", { n: this.rows.length - rows.length }) : "");
    while (this.pool.length < rows.length) this.pool.push(this.#row());
    this.pool.forEach((line, i) => {
      const row = rows[i];
      line.node.style.display = row ? "" : "none";
      if (!row) return;
      const [, alert] = row, key = `${alert.level}/${alert.state}`;
      if (line.key !== key) { line.sign.replaceChildren(mark(alert.level, alert.state)); line.key = key; }
      put(line.node, "class", `row l${alert.level} ${alert.state}`);
      say(line.what, f.both(alert.headline));
      say(line.where, [f.both(alert.place), alert.exercise ? f.t("alert.exercise") : ""].filter(Boolean).join(" · "));
      say(line.since, f.span(app.now() - alert.opened));
      say(line.by, alert.by && !waiting(alert) ? f.t("alert.by", { by: alert.by }) : f.t(`alert.${alert.state}`));
    });
  }

  #row() {
    const line = { sign: el("span"), what: el("b"), where: el("small"), since: el("b"), by: el("small") };
    line.node = el("li", {}, line.sign, el("div", { class: "what" }, line.what, line.where), el("div", { class: "when" }, line.since, line.by));
    this.list.append(line.node);
    return line;
  }
}
