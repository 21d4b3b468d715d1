// Festivals of the Chinese lunar year, from the calendar that every browser has.
const NEAR_DAYS = 7;
const DAY_MS = 86400000;
// lunar month-day, or "eve": the last day of the year
const FESTIVALS = { "1-1": "spring", "1-15": "lantern", "5-5": "dragon", "7-7": "qixi", "8-15": "moon", "9-9": "ninth", "12-8": "laba" };
let known = null;

// The festival that is at `ms` or within a week after it: {name, days}, or null.
export function festival(ms, timeZone) {
  known ??= new Intl.DateTimeFormat("en-u-ca-chinese", { timeZone, month: "numeric", day: "numeric" });
  for (let days = 0; days <= NEAR_DAYS; days++) {
    const name = FESTIVALS[lunar(ms + days * DAY_MS)] ?? (lunar(ms + (days + 1) * DAY_MS) === "1-1" ? "eve" : null);
    if (name) return { name, days };
  }
  return null;
}

// Month and day; a leap month is marked in its month and so is none of the above.
function lunar(ms) {
  const parts = Object.fromEntries(known.formatToParts(ms).map((part) => [part.type, part.value]));
  return `${parts.month}-${parts.day}`;
}
