// The queue of what was pressed: sent in order, each under its own id, again and again until somebody answered.
// The page and the service worker both use it, one at a time.
import * as kept from "./kept.mjs";

const ANSWER_MS = 12000;
const SHOWN_MS = 12 * 3600000; // what is settled stays to be seen for so long
const SHOWN = 30;

// "waiting": on the phone alone · "sent": safe at the server, nobody has carried it out yet · "confirmed" · "refused"
export const OPEN = ["waiting", "sent"];

export async function press(row) {
  await kept.add({ ...row, state: "waiting", message: "" });
}

// Sends what is open. `told()` is called after each change. What became of the line: "ok", "away", "login".
export async function send(told = () => {}) {
  return navigator.locks.request("pocket-queue", async () => {
    let line = "ok";
    for (const row of (await kept.all()).filter((one) => OPEN.includes(one.state))) {
      line = await sendOne(row);
      told();
      if (line !== "ok") break;
    }
    await forget();
    return line;
  });
}

async function sendOne(row) {
  const { id, unit, do: what, incident, at, text, task } = row;
  let answer, body = {};
  try {
    answer = await fetch("/pocket/command", {
      method: "POST", headers: { "content-type": "application/json" }, signal: AbortSignal.timeout(ANSWER_MS),
      body: JSON.stringify({ id, unit, do: what, incident, at, text, task }),
    });
    body = await answer.json();
  } catch (error) {
    return "away"; // perhaps it arrived all the same; the same id again counts once
  }
  if (answer.status === 401) return "login";
  if (answer.status === 200) await settle(row, "confirmed", "");
  else if (answer.status === 202) await settle(row, "sent", "");
  else if (answer.status === 429 || answer.status >= 500) return "away";
  else if (answer.status !== 403) await settle(row, "refused", body.message || body.detail || String(answer.status));
  return "ok"; // 403: pressed by another unit on this phone; it waits for that login
}

async function settle(row, state, message) {
  await kept.put({ ...row, state, message, settled: Date.now() });
}

async function forget() {
  const done = (await kept.all()).filter((row) => !OPEN.includes(row.state));
  const old = done.filter((row, at) => Date.now() - row.settled > SHOWN_MS || at < done.length - SHOWN);
  for (const row of old) await kept.drop(row.seq);
}
