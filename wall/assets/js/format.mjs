// Numbers and times as people read them.

const HANZI = /[\u3400-\u9fff]/;

export class Format {
  constructor(lang, words, timezone) {
    this.lang = lang;
    this.words = words;
    const locale = lang === "zh" ? "zh-CN" : "en-GB";
    this.plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    this.compact = new Intl.NumberFormat(lang === "zh" ? locale : "en-US", { notation: "compact", maximumSignificantDigits: 2 });
    this.fine = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
    const time = (options) => new Intl.DateTimeFormat(locale, { timeZone: timezone, hourCycle: "h23", ...options });
    this.clockOf = time({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.minuteOf = time({ hour: "2-digit", minute: "2-digit" });
    this.dayOf = time(lang === "zh" ? { month: "long", day: "numeric", weekday: "short" } : { weekday: "short", day: "numeric", month: "short" });
    this.dateOf = time({ year: "numeric", month: "2-digit", day: "2-digit" });
    this.isoOf = new Intl.DateTimeFormat("en-CA", { timeZone: timezone, year: "numeric", month: "2-digit", day: "2-digit" });
    this.longStampOf = time({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
    this.stampOf = time({ month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }

  // A word with its {fields} filled in, in the form for `fields.n` things.
  t(key, fields = {}) {
    const found = this.words[key];
    if (found === undefined) throw new Error(`no word ${key}`);
    const text = typeof found === "string" ? found : found[String(fields.n) === "1" ? 0 : found.length - 1];
    return text.replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
  }

  // The name of something the catalogue may not know, such as a pack's property.
  known(key, otherwise) { return this.words[key] ?? otherwise; }

  both(text) { return text ? text[this.lang] || text.en || text.zh : ""; }

  number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    return Math.abs(value) >= 100 || Number.isInteger(value) ? this.plain.format(value) : this.fine.format(value);
  }

  // [number, unit] shortened: 1.24 万 in Chinese, 12.4 k in English.
  short(value) {
    if (value === null || value === undefined) return ["–", ""];
    if (this.lang === "zh" && Math.abs(value) >= 100000) return [this.fine4(value / 10000), "万"];
    if (this.lang === "en" && Math.abs(value) >= 1000000) return [this.fine4(value / 1e6), "M"];
    return [this.number(value), ""];
  }

  fine4(value) { return value >= 1000 ? this.plain.format(value) : value.toFixed(value >= 100 ? 1 : 2); }

  percent(share) { return `${Math.round(share * 100)}%`; }

  change(value, expected) {
    if (!expected || value === null || value === undefined) return "";
    const share = value / expected - 1;
    return `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)}%`;
  }

  // What a number of `property` is counted in: plain numbers have a counting word where the language has one for them.
  unit(unit, property = "") { return unit === "1" ? this.known(`unit.of.${property}`, "") : unit; }

  // A moment that is to come or has been: of today the clock alone, else with its day.
  moment(ms, now) { return this.iso(ms) === this.iso(now) ? this.clock(ms) : this.stamp(ms); }

  // Who does a task: a department, a role or a kind of unit, as plans name them.
  who(id) { return this.known(`who.${id}`, id); }

  // What a line of a timeline says beside its action. What the product wrote holds both languages ("中文 / English"): the
  // page shows its own, and keeps the id before it, the inputs or a person's words after it. What a person wrote stays.
  said({ action, comment }) {
    if (!comment) return "";
    const known = this.words[`note.${comment}`];
    if (known !== undefined) return known;
    const [, id = "", body] = /^([0-9a-f]{12,}:? )?([^]*)$/.exec(comment), at = body.indexOf(" / ");
    const zh = body.slice(0, Math.max(at, 0)), rest = body.slice(at + 3);
    const end = action.startsWith("task-") ? rest.indexOf(": ") : rest.endsWith(")") ? rest.lastIndexOf(" (") : -1;
    const en = end < 0 ? rest : rest.slice(0, end);
    if (!HANZI.test(zh) || HANZI.test(en)) return comment;
    return id + (this.lang === "zh" ? zh : en) + rest.slice(en.length);
  }

  // What a rule is called, by its pack; else its name in words.
  rule(titles, pack, rule) {
    return this.both(titles?.[`${pack}.${rule}`]) || this.known(`rule.${rule}`, rule.replace(/([a-z])([A-Z])/g, "$1 $2"));
  }

  property(id) { return this.known(`property.${id}`, id.replaceAll("_", " ")); }

  // How long: 0:42, 12:05, 3 h 05.
  span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000)), h = Math.floor(s / 3600);
    const two = (n) => String(n).padStart(2, "0");
    return h ? `${h}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }

  age(ms) {
    if (ms < 60000) return this.t("time.seconds", { n: Math.max(ms / 1000, 0).toFixed(ms < 9950 ? 1 : 0) });
    return this.t("time.minutes", { n: Math.round(ms / 60000) });
  }

  clock(ms) { return this.clockOf.format(ms); }
  minute(ms) { return this.minuteOf.format(ms); }
  day(ms) { return this.dayOf.format(ms); }
  iso(ms) { return this.isoOf.format(ms); }
  date(ms) { return this.dateOf.format(ms); }
  // With the year when it is another one than now.
  stamp(ms) {
    const other = new Date(ms).getUTCFullYear() !== new Date().getUTCFullYear();
    return (other ? this.longStampOf : this.stampOf).format(ms);
  }
}
