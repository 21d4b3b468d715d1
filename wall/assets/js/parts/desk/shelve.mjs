// Shelving an alert: with a reason and an end.
import { ask, meaning } from "../../ask.mjs";
import { el } from "../../dom.mjs";
import { token } from "../../token.mjs";
import { answered, choice, dialog, field } from "./dialog.mjs";

const MINUTES = [15, 30, 60, 120, 240, 480]; // at most a shift (models/alarm.py)
const REASONS = ["works", "sensor", "known", "event"];

export function shelve(app, id) {
  const f = app.format, alert = app.state.alerts.get(id);
  if (!alert || !app.user.commands) return;
  const common = choice([["", f.t("shelve.own")], ...REASONS.map((name) => [name, f.t(`shelve.reason.${name}`)])]);
  const reason = el("input", { type: "text", required: true, maxlength: "500" });
  common.addEventListener("change", () => { reason.value = common.value ? f.t(`shelve.reason.${common.value}`) : ""; reason.focus(); });
  const end = choice(MINUTES.map((n) => [String(n), `${n < 60 ? f.t("time.minutes", { n }) : f.t("time.hours", { n: n / 60 })} · ${f.minute(app.now() + n * 60000)}`]), "60");
  dialog(app, "shelve", f.t("shelve.title"), [el("p", { class: "about" }, f.both(alert.headline)),
    field(f.t("shelve.common"), common), field(f.t("shelve.reason"), reason), field(f.t("shelve.until"), end)], {
    submit: f.t("shelve.do"),
    send: async (said) => {
      const body = { alert: id, action: "shelve", comment: reason.value.trim(), until: Math.round(app.now()) + Number(end.value) * 60000, id: token() };
      return answered(said, meaning(app, await ask(app, "/command", body), { done: "shelve.done" }));
    },
  });
  reason.focus();
}
