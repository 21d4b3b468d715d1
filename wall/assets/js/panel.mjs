// A panel's state and badge, the same for every part.
// Without a line nobody knows that there is nothing: an empty panel then says that it does not know.
const UNKNOWN = { disconnected: "empty.disconnected", stale: "empty.stale" };

const parts = new WeakMap(); // a panel's badge and note: asked for with every delta
const find = (element) => {
  if (!parts.has(element)) {
    parts.set(element, { badge: element.querySelector(":scope > .badge, :scope > header > .badge"), note: element.querySelector(":scope > .note") });
  }
  return parts.get(element);
};

export function panelState(element, app, empty) {
  const state = app.health === "ok" && empty ? "empty" : app.health;
  if (element.dataset.state !== state) element.dataset.state = state;
  const bare = state === "loading" ? "0" : String(Number(empty)); // nothing to show, stale or not
  if (element.dataset.bare !== bare) element.dataset.bare = bare;
  const { badge, note } = find(element);
  if (badge && (state === "stale" || state === "disconnected")) badge.textContent = app.format.t(`badge.${state}`);
  const key = element.dataset.part === "map" ? null : `empty.${element.dataset.part}`;
  if (note && bare === "1" && (key in app.format.words || UNKNOWN[state])) note.textContent = app.format.t(UNKNOWN[state] ?? key);
  if (note && state === "loading") note.textContent = app.format.t(app.state.seq < 0 ? "state.loading" : "state.waiting");
  return state;
}

// A part that cannot draw says so in its place; the next update that succeeds takes the word back.
export function panelFailed(element, app, error) {
  element.dataset.state = "failed";
  const note = element.querySelector(":scope > .note");
  if (note) note.textContent = app.format.t("state.failed", { error: String(error) });
}
