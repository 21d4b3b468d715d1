// The bar of a replay: the clock's hands, and a slider that shows where things happened.
import { canvas, el, put, remPx, say, svg } from "../dom.mjs";
import { COLOUR } from "../marks.mjs";

const BUSY = 400; // of the slider's thousandths: while it is dragged, seek at most this often, ms
const DONE = "#62a9c0"; // what people did
// The signs on the buttons, drawn in a square of 24.
const SIGNS = {
  previous: "M6 5h2v14H6zM19 5v14L9 12z", back: "M15 6v12l-8-6zM17 6h2v12h-2z", play: "M7 4v16l13-8z", pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  step: "M9 6v12l8-6zM5 6h2v12H5z", next: "M16 5h2v14h-2zM5 5v14l10-7z", loop: "M12 5V2L7 6l5 4V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z",
};

export class Replay {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.marks = [];
    this.dragged = null; // the moment under the hand, while it drags
    const find = (name) => element.querySelector(name);
    this.moment = find(".moment");
    this.notice = find(".notice");
    this.speed = find(".speed");
    this.play = find("[data-do=play]");
    this.loop = find("[data-do=loop]");
    this.#slider(find(".slider"));
    for (const button of element.querySelectorAll("button")) {
      button.replaceChildren(svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: SIGNS[button.dataset.do] })));
      button.addEventListener("click", () => this.#do(button.dataset.do));
    }
    this.speed.addEventListener("change", () => this.turn({ do: "speed", value: Number(this.speed.value) }));
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#load();
  }

  get clock() { return this.app.beat?.replay; }

  update(changed) {
    if (!changed.has("health") || !this.clock) return;
    const { clock } = this, f = this.app.format;
    say(this.moment, f.stampOf.format(this.dragged ?? clock.at));
    put(this.play.querySelector("path"), "d", clock.playing ? SIGNS.pause : SIGNS.play);
    put(this.loop, "aria-pressed", String(clock.loop));
    if (document.activeElement !== this.speed) this.#speed(clock.speed);
    say(this.notice, this.said ?? clock.notices.map(({ key, given }) => f.t(`archive.no.${key}`, given)).join("\n"));
    put(this.input, "max", String(clock.end - clock.start));
    put(this.input, "aria-valuetext", f.stampOf.format(clock.at));
    if (this.dragged === null) this.input.value = String(clock.at - clock.start);
    if (!this.ends) this.#ends(clock);
    this.paint();
  }

  // Asks the session to turn its clock; what it says comes with the next heartbeat.
  async turn(control) {
    try {
      const answer = await fetch(`${this.app.base}/control`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(control) });
      if (answer.ok) { this.said = undefined; return; }
      const { detail } = await answer.json();
      this.said = control.do === "next" || control.do === "previous" ? this.app.format.t("replay.none") : detail;
      say(this.notice, this.said);
    } catch (error) {
      console.warn("the session does not answer", error);
    }
  }

  #do(what) {
    if (!this.clock) return;
    if (what === "play") this.turn({ do: this.clock.playing ? "pause" : "play" });
    else if (what === "step" || what === "back") this.turn({ do: "step", value: what === "step" ? 1 : -1 });
    else if (what === "loop") this.turn({ do: "loop", value: this.clock.loop ? 0 : 1 });
    else this.turn({ do: what });
  }

  #key(event) {
    if (event.target.closest?.("input:not([type=range]), textarea, select, dialog")) return;
    const what = { " ": "play", ",": "back", ".": "step", "[": "previous", "]": "next" }[event.key];
    if (what) { event.preventDefault(); this.#do(what); }
  }

  async #load() {
    const answer = await fetch(`${this.app.base}/marks.json`), body = await answer.json();
    if (answer.ok) this.marks = body.marks;
    else say(this.notice, this.app.format.t("replay.gone", { why: body.detail }));
    this.paint();
  }

  #slider(holder) {
    this.input = el("input", { type: "range", min: 0, max: 1, step: "any", "aria-label": this.app.format.t("replay.slider") });
    const face = el("div", { class: "marks" });
    holder.append(face, this.input);
    this.paint = canvas(face, (context, width, height) => this.#paint(context, width, height));
    this.input.addEventListener("input", () => {
      this.dragged = this.clock.start + Number(this.input.value);
      say(this.moment, this.app.format.stampOf.format(this.dragged));
      const now = performance.now();
      if (now - (this.sought ?? 0) > BUSY) { this.sought = now; this.turn({ do: "seek", at: this.dragged }); }
    });
    this.input.addEventListener("change", async () => {
      await this.turn({ do: "seek", at: this.clock.start + Number(this.input.value) });
      this.dragged = null;
    });
    holder.addEventListener("pointermove", (event) => put(holder, "title", this.#near(event, holder)));
  }

  // What happened nearest to the pointer.
  #near(event, holder) {
    if (!this.clock || !this.marks.length) return "";
    const box = holder.getBoundingClientRect(), f = this.app.format;
    const at = this.clock.start + ((event.clientX - box.left) / box.width) * (this.clock.end - this.clock.start);
    const near = this.marks.reduce((best, mark) => (Math.abs(mark[0] - at) < Math.abs(best[0] - at) ? mark : best));
    const [when, kind, , , title, did] = near;
    const what = kind === "alert" || kind === "incident" ? `${f.t(`replay.kind.${kind}`)} ${f.both(title)}` : f.t(`replay.kind.${kind}`, { who: f.both(title), did });
    return `${f.stampOf.format(when)} ${what}`;
  }

  #paint(context, width, height) {
    context.clearRect(0, 0, width, height);
    const { clock } = this;
    if (!width || !clock) return;
    const span = Math.max(1, clock.end - clock.start), thin = Math.max(1, remPx() * 0.12), x = (at) => ((at - clock.start) / span) * width;
    context.fillStyle = "#1c2630";
    context.fillRect(0, height * 0.42, width, height * 0.16);
    context.fillStyle = "#3a5568";
    context.fillRect(0, height * 0.42, x(clock.at), height * 0.16);
    for (const wanted of ["command", "plan", "incident", "alert"]) {
      for (const [at, kind, level] of this.marks) {
        if (kind !== wanted) continue;
        const tall = { alert: 0.42, incident: 0.3, command: 0.2, plan: 0.34 }[kind] * height;
        context.fillStyle = kind === "command" || kind === "plan" ? DONE : COLOUR[level];
        if (kind === "alert") context.fillRect(x(at) - thin / 2, 0, thin * (level < 3 ? 1.6 : 1), tall);
        else context.fillRect(x(at) - thin / 2, height - tall, thin, tall);
      }
    }
  }

  #ends(clock) {
    this.ends = true;
    const f = this.app.format, node = this.element.querySelector(".ends");
    node.replaceChildren(el("span", {}, f.longStampOf.format(clock.start)), el("span", {}, f.longStampOf.format(clock.end)));
  }

  #speed(speed) {
    const value = String(speed);
    if (![...this.speed.options].some((option) => option.value === value)) this.speed.append(el("option", { value }, `${value}×`));
    if (this.speed.value !== value) this.speed.value = value;
  }
}
