// The wall's scenes: one is shown at a time, by the address, the playlist or an emergency, and changed without a flash.
// It also keeps the page fit for weeks: it loads itself anew at night out of alarm, and when it no longer paints.
import { tally } from "./alerts.mjs";

const FADE_MS = 500; // as in scenes.css
const CLAIM = "takeover";
const BLIND_MS = 45000; // without a frame while it should paint, or with a panel that failed: load anew
const OLD_MS = 6 * 3600000; // a page younger than this is not loaded anew at night
const AGAIN_MS = 600000; // between two tries of the watchdog
const MARK = "citybrain-watchdog";

export class Stage {
  // `make(element)` makes the part of an element; `changed()` is called when another scene's parts are there.
  constructor(root, app, make) {
    this.app = app;
    this.make = make;
    this.scenes = new Map([...root.querySelectorAll(".stage > .scene")].map((node) => [node.dataset.name, { node, parts: null }]));
    const { playlist = [], reload_hour: hour = 4 } = app.boot.stage ?? {};
    const wanted = location.pathname.split("/wall/")[1]?.replace(/\/$/, "");
    const plays = app.user.role === "display" || new URLSearchParams(location.search).has("play");
    this.playlist = wanted || !plays ? [] : playlist.filter((turn) => this.scenes.has(turn.scene));
    this.hour = hour;
    this.turn = -1;
    this.home = this.scenes.has(wanted) && wanted !== CLAIM ? wanted : "overview";
    this.began = this.painted = performance.now();
    this.frame();
  }

  // The parts of what is shown now.
  get parts() { return this.scenes.get(this.shown)?.parts ?? []; }

  start() {
    if (this.playlist.length) this.next(); else this.show(this.home);
  }

  // Once a second, and whenever an emergency came or went.
  look(changed) {
    const claimed = [...this.app.state.takeover.values()].length > 0;
    if (claimed && this.shown !== CLAIM) this.show(CLAIM);
    if (!claimed && this.shown === CLAIM) {
      this.until = performance.now() + (this.playlist[this.turn]?.dwell_s ?? 0) * 1000;
      this.show(this.playlist[this.turn]?.scene ?? this.home);
    }
    if (!changed.has("second")) return;
    if (!claimed && this.playlist.length > 1 && performance.now() >= this.until) this.next();
    this.#watchdog();
    this.#nightly(claimed);
  }

  next() {
    this.turn = (this.turn + 1) % this.playlist.length;
    this.until = performance.now() + this.playlist[this.turn].dwell_s * 1000;
    this.show(this.playlist[this.turn].scene);
  }

  // The new scene is drawn before it is seen, and lies over the old one until it covers it.
  show(name) {
    if (name === this.shown) return;
    const before = this.scenes.get(this.shown), scene = this.scenes.get(name);
    this.shown = name;
    scene.node.classList.add("on", "coming");
    scene.parts ??= [...scene.node.querySelectorAll("[data-part]")].map((element) => this.make(element));
    this.app.shown();
    if (!before) { scene.node.classList.remove("coming"); return; }
    requestAnimationFrame(() => requestAnimationFrame(() => {
      scene.node.classList.remove("coming");
      setTimeout(() => { if (this.scenes.get(this.shown) !== before) before.node.classList.remove("on"); }, FADE_MS);
    }));
  }

  frame() {
    requestAnimationFrame(() => { this.painted = performance.now(); setTimeout(() => this.frame(), 1000); });
  }

  // A page that no longer gets frames, or whose panel stays broken, is loaded anew: at most every ten minutes.
  #watchdog() {
    const now = performance.now(), broken = this.app.scene.querySelector(".panel[data-state=failed]");
    this.sound = broken ? this.sound ?? now : now;
    if (document.visibilityState !== "visible") this.painted = now;
    if (now - this.painted < BLIND_MS && now - this.sound < BLIND_MS) return;
    const last = Number(sessionStorage.getItem(MARK) ?? 0);
    if (Date.now() - last < AGAIN_MS) return;
    this.reload(() => sessionStorage.setItem(MARK, String(Date.now())));
  }

  #nightly(claimed) {
    const { app } = this, counts = tally(app.state.alerts), old = performance.now() - this.began > OLD_MS;
    if (!old || claimed || counts.waiting > 0 || app.health !== "ok") return;
    if (Number(app.format.clock(Date.now() + app.offset).slice(0, 2)) === this.hour) this.reload(() => {});
  }

  // Only when the server answers: a browser that cannot load a page shows its own, and stays there.
  async reload(before) {
    if (this.asking) return;
    this.asking = true;
    try {
      if ((await fetch(`${this.app.base}/session`)).ok) { before(); location.reload(); }
    } catch (error) {
      console.warn("not loaded anew: the server is away", error);
    } finally {
      this.asking = false;
    }
  }
}
