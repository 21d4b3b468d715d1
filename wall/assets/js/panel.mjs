// A panel's state and badge, the same for every part.
export function panelState(element, app, empty) {
  const state = app.health === "ok" && empty ? "empty" : app.health;
  if (element.dataset.state !== state) element.dataset.state = state;
  const bare = state === "loading" ? "0" : String(Number(empty)); // nothing to show, stale or not
  if (element.dataset.bare !== bare) element.dataset.bare = bare;
  const badge = element.querySelector(":scope > .badge, :scope > header > .badge");
  if (badge && (state === "stale" || state === "disconnected")) badge.textContent = app.format.t(`badge.${state}`);
  const note = element.querySelector(":scope > .note");
  const key = element.dataset.part === "map" ? null : `empty.${element.dataset.part}`;
  if (note && bare === "1" && key in app.format.words) note.textContent = app.format.t(key);
  if (note && state === "loading") note.textContent = app.format.t(app.state.seq < 0 ? "state.loading" : "state.waiting");
  return state;
}

// A part that cannot draw says so in its place; the next update that succeeds takes the word back.
export function panelFailed(element, app, error) {
  element.dataset.state = "failed";
  const note = element.querySelector(":scope > .note");
  if (note) note.textContent = app.format.t("state.failed", { error: String(error) });
}
