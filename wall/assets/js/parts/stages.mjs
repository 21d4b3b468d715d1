// In which stage a pack's datastreams are: one bar a stage, from the calm to the grave.
import { panelState } from "../panel.mjs";
import { el, say } from "../dom.mjs";

const LEVEL = { Extreme: 1, Severe: 2, Moderate: 3, Minor: 4 };

export class Stages {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.pack = element.dataset.pack;
    const f = app.format, { property, steps } = app.boot.stage.scenes[this.pack].stages;
    const unit = f.unit(app.ground.properties.find((it) => it.id === property)?.unit ?? "", property);
    say(element.querySelector(".sub"), `${f.property(property)} ${unit}`);
    const names = [[f.t("stages.below"), `< ${f.number(steps[0].from)}`, null], ...steps.map((step) => [f.both(step.title), `≥ ${f.number(step.from)}`, LEVEL[step.severity]])];
    this.rows = names.map(([name, from, level]) => {
      const row = { bar: el("i"), n: el("b") };
      element.querySelector(".body").append(el("div", { class: `step${level ? ` l${level}` : ""}` }, el("span", {}, name, el("small", {}, from)), el("div", { class: "bar" }, row.bar), row.n));
      return row;
    }).reverse();
  }

  update(changed) {
    const n = this.app.state.stages.get(this.pack)?.n ?? [], all = n.reduce((sum, one) => sum + one, 0);
    panelState(this.element, this.app, !all);
    if (!changed.has("stages")) return;
    [...this.rows].reverse().forEach((row, i) => {
      say(row.n, this.app.format.number(n[i] ?? 0));
      row.bar.style.width = `${all ? Math.max(n[i] ? 1.5 : 0, (100 * (n[i] ?? 0)) / all) : 0}%`;
    });
  }
}
