// Questions and orders to the server, and what its answers mean in words.

// {status, told}: the answer; status 0 when the server cannot be reached. A session that ended leads to the login.
export async function ask(app, path, body = undefined) {
  const sent = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    const answer = await fetch((app.base ?? "") + path, sent);
    if (answer.status === 401) return app.leave();
    const told = answer.status === 204 ? null : await answer.json();
    return { status: answer.status, told };
  } catch (error) {
    console.warn(`no answer to ${path}`, error);
    return { status: 0, told: null };
  }
}

// [kind, text] of an answer to an order: "done", "accepted", "conflict", "unknown" or "failed".
export function meaning(app, { status, told }, { done, held = "desk.conflict" }) {
  const f = app.format;
  if (status === 200) return ["done", f.t(done)];
  if (status === 202) return ["accepted", f.t("desk.accepted")];
  if (status === 409 && told.by) return ["conflict", f.t(held, { by: told.by })];
  if (status === 404) return ["unknown", f.t("desk.unknown")];
  const reason = status === 0 ? f.t("desk.offline") : told.message || told.detail || status;
  return ["failed", f.t("desk.failed", { reason })];
}
