// The desk as a whole: its keys, what is heard and told, who is there, and the buttons in the header.
import { el } from "../dom.mjs";
import { Arrivals } from "./desk/arrivals.mjs";
import { handover } from "./desk/handover.mjs";
import { merge } from "./desk/merge.mjs";
import { Presence } from "./desk/presence.mjs";
import { shelve } from "./desk/shelve.mjs";
import { Sounds } from "./desk/sounds.mjs";
import { units } from "./desk/units.mjs";

export class Desk {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.queue = app.parts.find((part) => part.move);
    this.detail = app.parts.find((part) => part.acknowledge);
    this.sounds = app.sounds = new Sounds(app);
    this.arrivals = new Arrivals(app, this.sounds);
    this.presence = new Presence(app);
    this.help = document.querySelector("#help");
    this.element.append(this.arrivals.live);
    this.#tools();
    addEventListener("keydown", (event) => this.#key(event));
    this.help.querySelector(".close").addEventListener("click", () => this.help.close());
  }

  update(changed) {
    if (changed.has("chosen")) this.presence.shows(this.app.chosen);
    if (changed.has("alerts")) this.arrivals.update();
    if (changed.has("second")) this.arrivals.second();
  }

  #tools() {
    if (this.app.base) return; // in a replay nobody acts
    const f = this.app.format, hand = el("button", { type: "button", class: "handover", onclick: () => handover(this.app) }, f.t("handover.key"));
    document.querySelector(".tools").prepend(...[this.sounds.button, this.arrivals.button, hand].filter(Boolean));
  }

  // What each key does; docs/desk.md and the help name them all.
  get #acts() {
    const { app, queue, detail } = this, incident = () => app.state.alerts.get(app.chosen)?.incident;
    return {
      "?": () => (this.help.open ? this.help.close() : this.help.showModal()),
      j: () => queue.move(1), ArrowDown: () => queue.move(1),
      k: () => queue.move(-1), ArrowUp: () => queue.move(-1),
      Home: () => queue.move(-Infinity), End: () => queue.move(Infinity),
      a: () => detail.acknowledge(),
      z: () => detail.undo(),
      c: () => detail.comment.focus(),
      s: () => shelve(app, app.chosen),
      p: () => detail.case.showPlan(),
      u: () => units(app, incident()),
      m: () => merge(app, incident()),
      h: () => handover(app),
      f: () => queue.filter(),
      "/": () => queue.sieve.search.focus(),
      i: () => detail.case.take(),
      n: () => detail.case.next(),
      t: () => detail.case.tick(),
      l: () => detail.case.launch(),
      x: () => this.sounds.toggle(),
    };
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, typing = event.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select");
    if (typing || (document.querySelector("dialog[open]") && key !== "?") || document.querySelector("dialog.ask[open]")) return;
    const act = this.#acts[key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
