// Order and meaning of alerts, the same in the queue, on the map and in the header.

const RANK = { "unacknowledged": 0, "returned-unacknowledged": 1, "acknowledged": 2, "shelved": 3, "suppressed": 3, "out-of-service": 3, "normal": 4 };

export const waiting = (alert) => RANK[alert.state] <= 1; // for a person to acknowledge
export const faulty = (alert) => alert.kind === "data-quality"; // of a sensor or gateway: not for the emergency queue
export const active = (alert) => alert.state !== "normal";

// Rows as [id, alert]: waiting ones first, then by severity, then the oldest deadline.
export function ordered(alerts) {
  return [...alerts].sort(([ka, a], [kb, b]) =>
    RANK[a.state] - RANK[b.state] || a.level - b.level
    || (waiting(a) ? a.deadline - b.deadline : b.opened - a.opened) || (ka < kb ? -1 : 1));
}

// In a flood one row an incident, its first alert in the order given, at most `rows`: [[id, alert, how many]].
export function folded(shown, rows) {
  const count = new Map();
  for (const [id, alert] of shown) count.set(alert.incident || id, (count.get(alert.incident || id) ?? 0) + 1);
  const first = new Map();
  for (const [id, alert] of shown) if (!first.has(alert.incident || id)) first.set(alert.incident || id, [id, alert, count.get(alert.incident || id)]);
  return [...first.values()].slice(0, rows);
}

export function tally(alerts) {
  const out = { active: 0, waiting: 0, acknowledged: 0, faults: 0, level: { 1: 0, 2: 0, 3: 0, 4: 0 }, highest: 0 };
  for (const alert of alerts.values()) {
    if (!active(alert)) continue;
    if (faulty(alert)) { out.faults++; continue; }
    out.active++;
    out.level[alert.level]++;
    if (waiting(alert)) out.waiting++;
    if (alert.state === "acknowledged") out.acknowledged++;
    if (!alert.exercise && RANK[alert.state] < 3) out.highest = Math.max(out.highest, 5 - alert.level);
  }
  return out;
}

// The operating level: 0 normal, 1 watch (Moderate), 2 warning (Severe), 3 emergency (Extreme). Crisis is declared by people.
export const operating = (tally) => Math.max(0, tally.highest - 1);
