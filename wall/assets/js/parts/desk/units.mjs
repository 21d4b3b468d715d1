// Who could go to an incident, the soonest first, and sending them.
import { ask, meaning } from "../../ask.mjs";
import { el, say } from "../../dom.mjs";
import { token } from "../../token.mjs";
import { dialog } from "./dialog.mjs";
import { distance } from "./merge.mjs";

export async function units(app, incident) {
  const f = app.format, row = app.state.incidents.get(incident);
  if (!row || app.base) return;
  const list = el("div", { class: "fleet" }, el("p", {}, f.t("state.loading")));
  const { node, said } = dialog(app, "units", f.t("units.title"), [el("p", { class: "about" }, f.both(row.title)), list]);
  const draw = async (focus = true) => {
    const { status, told } = await ask(app, `/units?incident=${encodeURIComponent(incident)}`);
    if (!node.isConnected) return;
    if (status !== 200) return void list.replaceChildren(el("p", {}, f.t("units.away")));
    list.replaceChildren(...tables(app, told, (unit, act) => send(unit, act)));
    if (focus) list.querySelector("button:not(:disabled)")?.focus();
  };
  const send = async (unit, act) => {
    said.dataset.kind = "pending";
    say(said, f.t("desk.pending"));
    const order = { about: "unit", subject: unit, do: act, args: act === "send" ? { incident } : {}, id: token() };
    const [kind, text] = meaning(app, await ask(app, "/order", order), { done: act === "send" ? "units.sent" : "units.released", held: "units.taken" });
    said.dataset.kind = kind;
    say(said, text);
    await draw();
  };
  await draw();
}

function tables(app, { assigned, nearest, lacking }, act) {
  const f = app.format, name = (row) => el("td", {}, f.both(row.name), el("small", {}, [f.known(`unit.kind.${row.kind}`, row.kind), row.reporting ? "" : f.t("units.silent")].filter(Boolean).join(" · ")));
  const button = (row, what, label) => el("td", {}, el("button", { type: "button", disabled: !app.user.commands, "aria-label": `${label}: ${f.both(row.name)}`, onclick: () => act(row.unit, what) }, label));
  const there = assigned.map((row) => el("tr", {}, name(row), el("td", {}, f.t(`unit.status.${row.status}`)), el("td", {}, row.since ? f.span(app.now() - row.since) : ""), button(row, "release", f.t("units.release"))));
  const near = nearest.map((row) => el("tr", { class: row.needed ? "needed" : "" }, name(row), el("td", {}, distance(f, row.metres)),
    el("td", {}, f.t("units.eta", { n: minutes(row.eta_s) }), el("small", {}, f.t("units.between", { first: minutes(row.first_s), last: minutes(row.last_s) }))), button(row, "send", f.t("units.send"))));
  const lacks = lacking.map((need) => `${f.known(`unit.kind.${need.kind}`, need.kind)} × ${need.count}`).join(" · ");
  return [
    ...(there.length ? [el("h3", {}, f.t("units.there")), el("table", {}, el("tbody", {}, ...there))] : []),
    ...(lacks ? [el("p", { class: "lacks" }, f.t("units.lacking", { what: lacks }))] : []),
    el("h3", {}, f.t("units.nearest")),
    near.length ? el("table", {}, el("tbody", {}, ...near)) : el("p", {}, f.t("units.none")),
  ];
}

const minutes = (seconds) => Math.max(1, Math.round(seconds / 60));
