// Handing the room over: to whom, what to say, and the shift's report to take along.
import { ask, meaning } from "../../ask.mjs";
import { active, faulty, waiting } from "../../alerts.mjs";
import { el } from "../../dom.mjs";
import { token } from "../../token.mjs";
import { answered, choice, dialog, field } from "./dialog.mjs";

const REPORTS = [["pdf", "zh"], ["pdf", "en"], ["html", "zh"], ["html", "en"]];

export async function handover(app) {
  if (app.base) return;
  const f = app.format, { status, told } = await ask(app, "/duty");
  if (status !== 200) return;
  const alerts = [...app.state.alerts.values()].filter((alert) => active(alert) && !faulty(alert));
  const mine = [...app.state.incidents.values()].filter((row) => row.owner === app.user.name).length;
  const facts = [told.shift && f.t("handover.shift", { shift: f.both(told.shift), until: f.minute(told.until) }),
    f.t("handover.open", { n: app.state.incidents.size, mine, waiting: alerts.filter(waiting).length })].filter(Boolean);
  const seats = told.seats.map((seat) => el("li", {}, `${seat.seat}: ${f.both(seat.name)}`));
  const to = choice(told.people.map((one) => [one.user, one.next ? f.t("handover.next", { name: f.both(one.name) }) : f.both(one.name)]));
  const words = el("textarea", { rows: "4", maxlength: "2000" });
  const links = REPORTS.map(([form, lang]) => el("a", { href: `/report/shift.${form}?lang=${lang}`, download: "", class: "report", hreflang: lang }, f.t(`handover.report.${form}.${lang}`)));
  const may = app.user.commands && told.people.length > 0;
  dialog(app, "handover", f.t("handover.title"), [...facts.map((text) => el("p", {}, text)), el("ul", { class: "seats" }, ...seats),
    may ? field(f.t("handover.to"), to) : el("p", {}, f.t(told.people.length ? "desk.viewonly" : "handover.nobody")),
    may ? field(f.t("handover.words"), words) : null, el("h3", {}, f.t("handover.report")), el("p", { class: "reports" }, ...links)].filter(Boolean), {
    submit: may ? f.t("handover.do") : "",
    send: async (said) => {
      const order = { about: "roster", do: "handover", args: { to: to.value }, comment: words.value.trim(), id: token() };
      return answered(said, meaning(app, await ask(app, "/order", order), { done: "handover.done" }));
    },
  });
}
