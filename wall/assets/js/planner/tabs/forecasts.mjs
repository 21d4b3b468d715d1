// The trained forecasts: the versions of each property, which is in use, and how far each missed on its last day.
import { el } from "../../dom.mjs";
import { Tab } from "../tab.mjs";
import { Table } from "../table.mjs";

export class Forecasts extends Tab {
  id = "forecasts";
  path = "forecasts";
  every = 60000;

  fill() {
    const f = this.f;
    this.table = new Table(f.t("plan.tab.forecasts"), [
      { head: f.t("plan.forecasts.property"), by: (row) => row.property, cell: (row) => f.property(row.property) },
      { head: f.t("plan.forecasts.version"), by: (row) => row.name, cell: (row) => (row.name === "profile" ? f.t("plan.forecasts.profile") : row.name) },
      { head: f.t("plan.forecasts.use"), by: (row) => row.use, cell: (row) => el("span", { class: `phase ${row.use}` }, f.t(`plan.forecast.${row.use}`)) },
      { head: f.t("plan.forecasts.loss"), right: true, by: (row) => row.loss ?? Infinity, cell: (row) => (row.loss === null ? "–" : row.loss.toFixed(4)) },
      { head: f.t("plan.forecasts.health"), kind: "long", cell: (row) => this.#health(row) },
    ], (row) => `${row.property}/${row.name}`);
    this.body.append(this.table.node);
  }

  bare(told) { return Object.keys(told.properties).length === 0; }

  draw(told) {
    this.table.draw(Object.entries(told.properties).flatMap(([property, book]) => {
      const names = [...new Set([book.in_use, ...Object.keys(book.versions).reverse()])];
      return names.map((name) => ({ property, name, loss: book.versions[name] ?? null, best: Math.min(...Object.values(book.versions).filter((loss) => loss !== null)),
        use: name === book.in_use ? "current" : name === book.before ? "previous" : "kept" }));
    }));
  }

  // In use and not the one that missed by least on its own last day: worth a look.
  #health(row) {
    if (row.use !== "current" || row.name === "profile" || row.loss === null) return "";
    return row.loss <= row.best * 1.1 ? this.f.t("plan.forecasts.good") : this.f.t("plan.forecasts.worse", { loss: row.best.toFixed(4) });
  }
}
