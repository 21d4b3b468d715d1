// A table that a screen reader can read and keys can sort: plain HTML, its order kept while its rows are drawn anew.
import { el, renew } from "../dom.mjs";

export class Table {
  // `columns`: [{head, cell(row) → text or node, by(row) → what it is sorted by, right: numbers}]; `id(row)` names a row.
  constructor(caption, columns, id) {
    this.columns = columns;
    this.id = id;
    this.order = null; // [column, 1 or -1]
    this.rows = [];
    this.heads = columns.map((column, at) => this.#head(column, at));
    this.body = el("tbody");
    this.node = el("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
      el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...this.heads)), this.body));
  }

  draw(rows) {
    this.rows = rows;
    const focus = this.node.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    renew(this.body, this.#sorted(rows).map((row) => el("tr", { "data-id": this.id(row) },
      ...this.columns.map((column) => el("td", { class: column.right ? "right" : column.kind ?? null, "data-head": column.head }, column.cell(row) ?? "")))));
    if (focus && document.activeElement === document.body) this.body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  #head(column, at) {
    const name = column.by ? el("button", { type: "button", onclick: () => this.#sort(at) }, column.head) : column.head;
    return el("th", { scope: "col", class: column.right ? "right" : null }, name);
  }

  #sort(at) {
    const down = this.order?.[0] === at && this.order[1] === 1;
    this.order = [at, down ? -1 : 1];
    this.heads.forEach((head, other) => { if (other === at) head.setAttribute("aria-sort", down ? "descending" : "ascending"); else head.removeAttribute("aria-sort"); });
    this.draw(this.rows);
  }

  #sorted(rows) {
    if (!this.order) return rows;
    const [at, way] = this.order, by = this.columns[at].by;
    return [...rows].sort((one, other) => way * compare(by(one), by(other)));
  }
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one ?? "").localeCompare(String(other ?? ""));
}
