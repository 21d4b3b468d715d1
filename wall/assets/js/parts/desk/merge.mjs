// Making one incident part of another.
import { ask, meaning } from "../../ask.mjs";
import { el } from "../../dom.mjs";
import { mark } from "../../marks.mjs";
import { token } from "../../token.mjs";
import { answered, dialog } from "./dialog.mjs";

const MOST = 40;

export function merge(app, id, name) {
  const f = app.format, mine = app.state.incidents.get(id);
  if (!mine || !app.user.commands) return;
  const where = new Map();
  for (const alert of app.state.alerts.values()) if (!where.has(alert.incident)) where.set(alert.incident, alert);
  const here = where.get(id), far = (other) => {
    const there = where.get(other);
    return here && there ? Math.hypot((there.lon - here.lon) * app.ground.frame.lon, (there.lat - here.lat) * app.ground.frame.lat) : Infinity;
  };
  const others = [...app.state.incidents].filter(([key, row]) => key !== id && row.exercise === mine.exercise && row.kind === mine.kind)
    .map(([key, row]) => [key, row, far(key)]).sort((a, b) => a[2] - b[2]).slice(0, MOST);
  const rows = others.map(([key, row, metres], i) => el("label", { class: "option" }, el("input", { type: "radio", name: "into", value: key, required: true, checked: i === 0 }),
    mark(row.level), el("span", {}, f.both(row.title), el("small", {}, [f.both(row.place), f.t(`incident.state.${row.state}`),
      row.owner && f.t("alert.by", { by: row.owner }), Number.isFinite(metres) && distance(f, metres)].filter(Boolean).join(" · ")))));
  const { node } = dialog(app, "merge", f.t("merge.title"), [el("p", { class: "about" }, f.both(name ?? mine.title)),
    rows.length ? el("fieldset", {}, el("legend", {}, f.t("merge.into")), ...rows) : el("p", {}, f.t("merge.none"))], {
    submit: rows.length ? f.t("merge.do") : "",
    send: async (said) => {
      const into = node.querySelector("input:checked")?.value;
      const order = { about: "incident", subject: id, do: "merge", args: { into }, id: token() };
      return answered(said, meaning(app, await ask(app, "/order", order), { done: "incident.done", held: "incident.held" }));
    },
  });
  node.querySelector("input")?.focus();
}

export function distance(f, metres) {
  return metres < 1000 ? f.t("detail.metres", { n: f.number(Math.round(metres)) }) : f.t("detail.km", { n: (metres / 1000).toFixed(1) });
}
