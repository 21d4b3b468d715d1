// The planner's page: its tabs, what may be changed by whom, and whether the server is there.
import { el, say } from "../dom.mjs";
import { Format } from "../format.mjs";
import { Away, ask } from "./api.mjs";
import { Audit } from "./tabs/audit.mjs";
import { Dead } from "./tabs/dead.mjs";
import { Forecasts } from "./tabs/forecasts.mjs";
import { Packs } from "./tabs/packs.mjs";
import { Past } from "./tabs/past.mjs";
import { Register } from "./tabs/register.mjs";
import { Roster } from "./tabs/roster.mjs";
import { Rules } from "./tabs/rules.mjs";
import { Silences } from "./tabs/silences.mjs";

const TABS = [Rules, Packs, Silences, Roster, Register, Dead, Audit, Forecasts, Past];
const RETRY_MS = 1000;

export class Planner {
  constructor(root) {
    this.root = root;
    this.tabs = [];
    this.alarm = root.querySelector(".alarm");
  }

  async start() {
    this.boot = await this.#boot();
    this.user = this.boot.user;
    document.documentElement.lang = this.boot.lang === "zh" ? "zh-CN" : "en";
    this.format = new Format(this.boot.lang, this.boot.words, this.boot.city.timezone);
    document.title = `${this.format.t("plan.title")} · ${this.format.both(this.boot.city.name)}`;
    const role = this.format.t(`plan.role.${this.user.role}`);
    say(this.root.querySelector(".user"), `${this.user.name} · ${role}${this.user.changes ? "" : ` · ${this.format.t("plan.looks")}`}`);
    this.tabs = TABS.map((kind) => new kind(this));
    this.#names();
    addEventListener("hashchange", () => this.#show());
    addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#refresh(true); });
    setInterval(() => this.#refresh(false), 1000);
    this.#show();
    this.root.dataset.state = "ok";
  }

  // Whether the last request reached the server.
  reached(there) {
    this.connected = there;
    this.root.dataset.connected = String(there);
    say(this.alarm, there ? "" : this.format.t("state.disconnected"));
  }

  async #boot() {
    for (;;) {
      try {
        return await ask("/planner/boot.json");
      } catch (error) {
        if (!(error instanceof Away) && error.status < 500) {
          this.root.dataset.state = "failed";
          say(this.root.querySelector(".tab-note"), error.message);
          return new Promise(() => {});
        }
        console.warn("the server does not answer yet", error);
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
  }

  #names() {
    this.names = this.tabs.map((tab, at) => el("button", { type: "button", role: "tab", id: `name-${tab.id}`, "aria-controls": `tab-${tab.id}`, onclick: () => { location.hash = tab.id; } },
      el("kbd", { "aria-hidden": "true" }, String(at + 1)), this.format.t(`plan.tab.${tab.id}`)));
    this.root.querySelector("[role=tablist]").replaceChildren(...this.names);
  }

  // The tab that the address names.
  #show() {
    const shown = this.tabs.find((tab) => tab.id === location.hash.slice(1)) ?? this.tabs[0], place = this.root.querySelector(".sheets");
    this.shown = shown;
    this.names.forEach((name, at) => {
      const chosen = this.tabs[at] === shown;
      name.setAttribute("aria-selected", String(chosen));
      name.tabIndex = chosen ? 0 : -1;
    });
    place.replaceChildren(shown.node ?? shown.build());
    shown.load();
  }

  #refresh(now) {
    if (!this.shown || document.hidden) return;
    const tab = this.shown, due = tab.every && Date.now() - Math.max(tab.loaded, tab.tried ?? 0) > (this.connected === false ? RETRY_MS : tab.every);
    if (now || due) { tab.tried = Date.now(); tab.load(); }
    tab.second?.();
  }

  // Digits choose a tab, arrows walk along them, / goes to the filter, r loads anew.
  #key(event) {
    const there = event.target, typing = there.closest?.("input, textarea, select, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    const at = this.tabs.indexOf(this.shown), step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (/^[1-9]$/.test(event.key) && this.tabs[event.key - 1]) location.hash = this.tabs[event.key - 1].id;
    else if (step && there.role === "tab") this.#walk(at + step);
    else if (event.key === "/") this.root.querySelector(".sheet [data-filter]")?.focus();
    else if (event.key === "r") this.shown.load();
    else return;
    event.preventDefault();
  }

  #walk(to) {
    const at = (to + this.tabs.length) % this.tabs.length;
    location.hash = this.tabs[at].id;
    this.names[at].focus();
  }
}
