// What the header says of a drill: that one runs (never of a blind one), that it is over, or that a real emergency took over.

const OVER_MS = 120000; // the end is told for so long; an emergency that took over for as long as the server tells it

// {text, kind} of the drill, or null: kind is "running", "ended" or "overtaken".
export function drillSays(app) {
  const row = app.state.drill.get("now"), f = app.format;
  if (!row) return null;
  const title = f.both(row.title);
  if (row.state === "overtaken") return { kind: "overtaken", text: f.t("drill.overtaken", { title, emergency: f.both(row.emergency) }) };
  if (row.state === "ended") return app.now() - row.ended < OVER_MS ? { kind: "ended", text: f.t("drill.ended", { title }) } : null;
  return { kind: "running", text: f.t("drill.running", { title, until: f.minute(row.ends) }) };
}
