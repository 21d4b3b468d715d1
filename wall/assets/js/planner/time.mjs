// Times as a person writes them, in the city's own time.

// The instant (ms) of a local time "2026-10-02T18:00"; where the clock jumps over it, an hour later.
export function instant(text, timezone) {
  const wanted = Date.parse(`${text}Z`);
  const first = wanted - offset(wanted, timezone);
  return wanted - offset(first, timezone);
}

// How far the city's clock is ahead of UTC at an instant, ms.
function offset(at, timezone) {
  const fields = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: timezone, hourCycle: "h23", ...fields }).formatToParts(at);
  const part = Object.fromEntries(parts.map((one) => [one.type, one.value]));
  return Date.parse(`${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}Z`) - Math.floor(at / 1000) * 1000;
}
