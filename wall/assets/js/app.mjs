// One page: what it was told, whether that is fresh, and the parts that draw it.
import { Format } from "./format.mjs";
import { Stage } from "./stage.mjs";
import { EVERYTHING, State } from "./state.mjs";
import { Stream } from "./stream.mjs";
import { panelFailed } from "./panel.mjs";
import { CityMap } from "./map.mjs";
import { Desk } from "./parts/desk.mjs";
import { Actors, Answers, Load, Nuisance, Priorities } from "./parts/quality.mjs";
import { AlertList } from "./parts/alertlist.mjs";
import { Detail } from "./parts/detail.mjs";
import { Faults, SourceTable } from "./parts/sourcetable.mjs";
import { Figures } from "./parts/figures.mjs";
import { Head } from "./parts/head.mjs";
import { Minutes } from "./parts/minutes.mjs";
import { Queue } from "./parts/queue.mjs";
import { Replay } from "./replay/bar.mjs";
import { Runbook } from "./parts/runbook.mjs";
import { Seats } from "./parts/seats.mjs";
import { Sources } from "./parts/sources.mjs";
import { Stages } from "./parts/stages.mjs";
import { Table } from "./parts/table.mjs";
import { Takeover } from "./parts/takeover.mjs";
import { Trends } from "./parts/trends.mjs";
import { Units } from "./parts/units.mjs";
import { Vitals } from "./parts/vitals.mjs";
import { Watch } from "./parts/watch.mjs";
import { Zones } from "./parts/zones.mjs";

const PARTS = { head: Head, queue: Queue, vitals: Vitals, trends: Trends, zones: Zones, sources: Sources, minutes: Minutes, map: CityMap, detail: Detail, watch: Watch,
  figures: Figures, stages: Stages, table: Table, alertlist: AlertList, units: Units, runbook: Runbook, seats: Seats, sourcetable: SourceTable, faults: Faults,
  load: Load, answers: Answers, priorities: Priorities, actors: Actors, nuisance: Nuisance, takeover: Takeover, desk: Desk, replay: Replay };
const STALE_MS = 10000;
const REPLAY_MS = 600000; // data whose time is further off than this is not of now
const RETRY_MS = 1000;
const BLINK_MS = 500;

export class App {
  constructor(scene) {
    this.scene = scene;
    this.base = scene.dataset.base ?? ""; // what the addresses of a replay begin with; live has none
    this.parts = [];
    this.offset = 0; // server's clock minus ours, ms
    this.beat = null;
    this.connected = false;
    this.chosen = null; // the alert a dispatcher looks at
    this.bytes = 0;
    this.changed = 0; // when the picture last changed, server's ms; 0 never
    this.pace = 0; // usual ms between changes of the picture
    this.due = new Set(); // what changed and is not painted yet
    this.told = []; // the events that brought it
    this.frame = null; // the animation frame that will paint it
    this.lit = true; // what blinks, is on
  }

  async start() {
    const boot = await this.#load();
    this.boot = boot;
    this.user = boot.user;
    this.ground = boot.ground;
    document.documentElement.lang = boot.lang === "zh" ? "zh-CN" : "en";
    this.format = new Format(boot.lang, boot.words, boot.ground.city.timezone);
    document.title = this.format.t("title", { city: this.format.both(boot.ground.city.name) });
    this.state = new State(boot.ground.datastreams);
    this.points = boot.bin;
    await document.fonts.ready;
    const make = (element) => new PARTS[element.dataset.part](element, this);
    for (const element of this.scene.querySelectorAll("[data-part]")) if (!element.closest(".stage")) this.parts.push(make(element));
    this.fixed = this.parts;
    if (this.scene.querySelector(".stage")) {
      this.stage = new Stage(this.scene, this, make);
      this.stage.start();
    }
    this.stream = new Stream(`${this.base}/stream`, (event, body, size) => this.#hear(event, body, size), () => this.#lost(), () => this.#checkBuild());
    setInterval(() => this.#second(), 1000);
    setInterval(() => requestAnimationFrame(() => this.#blink()), BLINK_MS);
    this.#second();
  }

  // What a page needs once; asked again until the server answers.
  async #load() {
    for (;;) {
      try {
        const answer = await fetch(`${this.base}/boot.json`);
        if (answer.status === 401) return this.leave();
        const boot = await answer.json();
        if (this.base && answer.status === 404) return this.#gone(boot.detail);
        const points = await fetch(boot.points);
        if (answer.ok && points.ok) return { ...boot, bin: unpackPoints(await points.arrayBuffer(), boot.ground) };
      } catch (error) {
        console.warn("the server does not answer yet", error);
      }
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }

  // A replay that cannot be opened says why, in the place of its picture; asking again would change nothing.
  #gone(why) {
    const notice = this.scene.querySelector(".replay-bar .notice");
    notice.textContent = notice.dataset.gone.replace("{why}", why);
    this.scene.classList.add("gone");
    return new Promise(() => {});
  }

  // The session is over: a person logs in again.
  leave() {
    location.href = `/login?next=${encodeURIComponent(location.pathname)}`;
    return new Promise(() => {});
  }

  // The room's clock; in a replay the one that was then, which stands between two frames.
  now() { return this.base && this.beat ? this.beat.at : Date.now() + this.offset; }

  // Replayed data has its own time; so has a city that was recorded.
  get replay() { return this.state.time > 0 && Math.abs(this.now() - this.state.time) > REPLAY_MS; }

  // How old the picture is, ms: the newest reading where they come every few seconds, else the last change.
  get age() {
    if (!this.changed) return Infinity;
    const changed = this.now() - this.changed;
    return !this.replay && this.ground.cadence <= 10 && this.state.time ? Math.max(this.now() - this.state.time, 0) : changed;
  }

  // "loading", "ok", "stale" or "disconnected".
  get health() {
    if (this.state.seq < 0) return this.connected || !this.wasConnected ? "loading" : "disconnected";
    if (!this.connected) return "disconnected";
    if (!this.beat || !this.beat.store) return this.state.seq > 0 ? "stale" : "loading";
    if (this.age > Math.max(STALE_MS, 3 * this.pace)) return this.changed ? "stale" : "loading";
    return "ok";
  }

  choose(id) {
    this.chosen = id;
    this.tell(new Set(["chosen"]));
  }

  // Another scene is shown: its parts draw everything they know.
  shown() {
    this.parts = [...this.fixed, ...this.stage.parts];
    if (this.state.seq >= 0) this.tell(new Set([...EVERYTHING, "health"]));
    else this.tell(new Set(["second", "health"]));
  }

  tell(changed) {
    if (this.stage && (changed.has("takeover") || changed.has("second"))) this.stage.look(changed);
    for (const part of this.parts) {
      try {
        part.update(changed);
      } catch (error) { // one part that fails must not take the others with it, and must be seen
        console.error(error);
        panelFailed(part.element, this, error);
      }
    }
  }

  #hear(event, body, size) {
    this.bytes += size;
    this.connected = this.wasConnected = true;
    this.offset = body.at - Date.now();
    if (this.changed && body.changed > this.changed) this.pace += 0.1 * (Math.min(body.changed - this.changed, 60000) - this.pace);
    this.changed = body.changed;
    if (event === "beat") {
      this.beat = body;
      this.tell(new Set(["health"]));
      return;
    }
    let changed;
    try {
      changed = this.state[event](body);
    } catch (error) {
      console.warn("starting again from a snapshot:", error);
      this.stream.restart();
      return;
    }
    if (event === "snapshot") this.#checkBuild();
    else if (body.accepted) this.latency = body.at - body.accepted;
    this.#paintSoon(changed, event, body);
  }

  // What came is painted with the next frame, all of it at once: a browser that is slow skips frames and not time.
  // A hidden page has no frames, and must sound and notify all the same.
  #paintSoon(changed, event, body) {
    for (const name of changed) this.due.add(name);
    this.told.push([event, body]);
    if (document.hidden) this.#paint();
    else this.frame ??= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    const { due, told } = this;
    [this.due, this.told] = [new Set(), []];
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
    if (due.size) this.tell(due.add("health"));
    this.state.moved = [];
    for (const [event, body] of told) this.onpaint?.(event, body);
  }

  #lost() {
    this.connected = false;
    this.tell(new Set(["health"]));
  }

  // After a reconnection, or when the stream is refused: another build answers, or the session is over.
  async #checkBuild() {
    try {
      const answer = await fetch("/session");
      if (answer.status === 401) this.leave();
      else if (answer.ok && (await answer.json()).build !== this.boot.build) location.reload();
    } catch (error) {
      console.warn("the server went away again", error);
    }
  }

  // One clock for all that blinks: an animation of the style sheet would keep a layer for each sign, drawn at every frame.
  #blink() {
    this.lit = !this.lit;
    this.scene.classList.toggle("unlit", !this.lit);
    for (const part of this.parts) part.blink?.();
  }

  #second() {
    this.tell(new Set(["second", "health"]));
  }
}

function unpackPoints(buffer, ground) {
  const n = ground.datastreams, [width, height] = ground.size;
  const qx = new Uint16Array(buffer, 0, n), qy = new Uint16Array(buffer, 2 * n, n);
  const x = new Float32Array(n), y = new Float32Array(n);
  for (let i = 0; i < n; i++) { x[i] = (qx[i] / 65535) * width; y[i] = (qy[i] / 65535) * height; }
  return { x, y, kind: new Uint8Array(buffer, 4 * n, n) };
}
