// How many alerts opened in each of the last sixty minutes, stacked by severity.
import { panelState } from "../panel.mjs";
import { canvas, el, remPx } from "../dom.mjs";
import { COLOUR } from "../marks.mjs";

const SHOWN = 60;
const CALM = { 1: COLOUR[1], 2: COLOUR[2], 3: COLOUR[3], 4: "#53677f" }; // the many Minor ones stay in the background

export class Minutes {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    const holder = el("div", { class: "chart" });
    element.querySelector(".body").append(holder);
    this.paint = canvas(holder, (context, width, height) => this.#paint(context, width, height));
  }

  update(changed) {
    panelState(this.element, this.app, false);
    const minute = Math.floor(this.app.now() / 60000);
    if (!changed.has("minutes") && (minute === this.minute || !changed.has("second"))) return;
    this.minute = minute;
    this.paint();
  }

  #paint(context, width, height) {
    const { minutes } = this.app.state, f = this.app.format, rem = remPx(), now = Math.floor(this.app.now() / 60000);
    context.clearRect(0, 0, width, height);
    if (!width) return;
    const size = rem * 1.35, bottom = height - size * 1.7, step = width / SHOWN, bar = step * 0.62;
    const rows = Array.from({ length: SHOWN }, (_, i) => minutes.get(String(now - SHOWN + 1 + i))?.n ?? [0, 0, 0, 0]);
    const top = Math.max(4, ...rows.map((n) => n[0] + n[1] + n[2] + n[3]));
    const unit = (bottom - rem * 0.6) / top;
    rows.forEach((n, i) => {
      let y = bottom;
      for (const level of [4, 3, 2, 1]) {
        const tall = n[level - 1] * unit;
        if (!tall) continue;
        context.fillStyle = CALM[level];
        context.fillRect(i * step, y - tall + (tall > 3 ? 1 : 0), bar, tall - (tall > 3 ? 1 : 0));
        y -= tall;
      }
      if (y === bottom) { context.fillStyle = "#1c2630"; context.fillRect(i * step, bottom - rem * 0.2, bar, rem * 0.2); }
    });
    context.font = `400 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = "#7f93a7";
    context.textBaseline = "alphabetic";
    for (let back = 60; back >= 0; back -= 10) {
      context.textAlign = back === 60 ? "left" : back ? "center" : "right";
      const x = back === 60 ? 0 : back ? width - back * step + bar / 2 : width - step + bar;
      context.fillText(back ? f.t("time.minutes", { n: `−${back}` }) : f.t("time.now"), x, height - size * 0.25);
    }
  }
}
