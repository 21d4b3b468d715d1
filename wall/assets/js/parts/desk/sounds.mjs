// A sound for each severity, made by the browser itself; muting has a reason, which stays on the screen.
import { el, put, say } from "../../dom.mjs";
import { choice, dialog, field } from "./dialog.mjs";

// [hertz, seconds] one after the other; the graver the higher, the longer and the more often
const TUNES = { 1: [[988, 0.16], [740, 0.16], [988, 0.16], [740, 0.16], [988, 0.3]], 2: [[784, 0.18], [587, 0.18], [784, 0.18]], 3: [[587, 0.16], [659, 0.16]], 4: [[523, 0.12]] };
const REST_S = 0.05;
const LOUD = { 1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2 };
const PAUSE_MS = 1500; // between sounds: in a flood the gravest is heard
const AGAIN_MS = 10000; // while an Extreme alert waits
const REASONS = ["call", "meeting", "known", "night"];
const KEPT = "citybrain.mute";

export class Sounds {
  constructor(app) {
    this.app = app;
    this.last = -Infinity;
    this.played = []; // levels, the newest last; for tests and for the curious
    this.button = el("button", { type: "button", class: "sound", onclick: () => this.toggle() });
    this.muted = this.#kept();
    const wake = () => this.#wake();
    addEventListener("pointerdown", wake);
    addEventListener("keydown", wake);
    this.show();
  }

  // New alerts came, the gravest of `level`.
  came(level, now = performance.now()) {
    this.level = Math.min(level, this.level ?? 9);
    if (now - this.last < PAUSE_MS) return;
    this.#play(this.level, now);
  }

  // Each second: what was too quick is heard now, and an Extreme alert that nobody answers is heard again.
  second(extreme, now = performance.now()) {
    if (this.level && now - this.last >= PAUSE_MS) this.#play(this.level, now);
    else if (extreme && now - this.last >= AGAIN_MS) this.#play(1, now);
  }

  toggle() {
    if (this.muted) return this.#mute(null);
    const f = this.app.format, common = choice(REASONS.map((name) => [name, f.t(`sound.reason.${name}`)]));
    const own = el("input", { type: "text", maxlength: "80", placeholder: f.t("sound.own") });
    dialog(this.app, "mute", f.t("sound.mute"), [field(f.t("sound.why"), common), field(f.t("sound.own"), own)], {
      submit: f.t("sound.do"), send: () => this.#mute(own.value.trim() || f.t(`sound.reason.${common.value}`)),
    });
  }

  #mute(reason) {
    this.muted = reason ? { reason, since: Date.now() } : null;
    try { localStorage.setItem(KEPT, JSON.stringify(this.muted)); } catch (error) { console.warn("muting is not remembered", error); }
    this.show();
  }

  #kept() {
    try { return JSON.parse(localStorage.getItem(KEPT)); } catch { return null; }
  }

  show() {
    const f = this.app.format, blocked = !this.muted && (!this.context || this.context.state !== "running");
    const text = this.muted ? f.t("sound.muted", { reason: this.muted.reason, since: f.minute(this.muted.since) }) : f.t(blocked ? "sound.blocked" : "sound.on");
    say(this.button, text);
    put(this.button, "data-state", this.muted ? "muted" : blocked ? "blocked" : "on");
    put(this.button, "aria-pressed", String(Boolean(this.muted)));
  }

  // A browser makes no sound before somebody touched the page.
  async #wake() {
    this.context ??= new AudioContext();
    if (this.context.state === "suspended") await this.context.resume();
    this.show();
  }

  #play(level, now) {
    this.level = undefined;
    this.last = now;
    if (this.muted || !this.context || this.context.state !== "running") return;
    this.played.push(level);
    let at = this.context.currentTime;
    for (const [hertz, seconds] of TUNES[level]) {
      const tone = new OscillatorNode(this.context, { type: "triangle", frequency: hertz }), gain = new GainNode(this.context, { gain: 0 });
      gain.gain.setTargetAtTime(LOUD[level], at, 0.008);
      gain.gain.setTargetAtTime(0, at + seconds - 0.03, 0.012);
      tone.connect(gain).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + seconds + 0.05);
      at += seconds + REST_S;
    }
    if (this.played.length > 100) this.played.shift();
  }
}
