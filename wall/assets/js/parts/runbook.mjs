// Lines that the pack wrote: they are there already, and only follow the health of the page.
import { panelState } from "../panel.mjs";

export class Runbook {
  constructor(element, app) {
    this.element = element;
    this.app = app;
  }

  update() { panelState(this.element, this.app, false); }
}
