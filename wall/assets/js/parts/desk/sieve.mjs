// What the queue shows: to do, all or faults, and by severity, pack, district, state, owner and words; views keep it by name.
import { faulty, waiting } from "../../alerts.mjs";
import { ask } from "../../ask.mjs";
import { el, put, renew, say } from "../../dom.mjs";
import { mark } from "../../marks.mjs";
import { dialog, field } from "./dialog.mjs";

const SHOWS = ["open", "all", "faults"];
const STATES = ["unacknowledged", "returned-unacknowledged", "acknowledged", "shelved", "suppressed", "out-of-service", "normal"];
const EMPTY = { shows: "open", levels: [], packs: [], districts: [], states: [], mine: false, text: "" };

export class Sieve {
  // `changed` is called when the filter is another one.
  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
    this.filter = { ...EMPTY };
    this.views = [];
    this.#build();
    this.#load();
  }

  get shows() { return this.filter.shows; }
  get text() { return this.filter.text.trim().toLowerCase(); }

  // Faults of sensors have a list of their own on the desk.
  passes(id, alert) {
    const { filter } = this;
    if (faulty(alert) !== (filter.shows === "faults")) return false;
    if (filter.shows === "open" && !waiting(alert) && !filter.states.length) return false;
    if (filter.levels.length && !filter.levels.includes(alert.level)) return false;
    if (filter.packs.length && !filter.packs.includes(alert.pack)) return false;
    if (filter.districts.length && !filter.districts.includes(alert.district)) return false;
    if (filter.states.length && !filter.states.includes(alert.state)) return false;
    if (filter.mine && !this.#mine(alert)) return false;
    return !this.text || this.#words(id, alert).includes(this.text);
  }

  // Whether anything but the first row of buttons hides alerts.
  get narrow() {
    const { levels, packs, districts, states, mine } = this.filter;
    return Boolean(levels.length || packs.length || districts.length || states.length || mine || this.text);
  }

  show(shows) { this.set({ shows: shows ?? SHOWS[(SHOWS.indexOf(this.filter.shows) + 1) % SHOWS.length] }); }

  set(fields) {
    this.filter = { ...this.filter, ...fields };
    this.#dress();
    this.changed();
  }

  clear() { this.search.value = ""; this.set({ ...EMPTY, shows: this.filter.shows }); }

  // How many there are of each list, and what there is to choose from.
  counts(counts, all) {
    const f = this.app.format;
    [counts.waiting, all, counts.faults].forEach((n, i) => say(this.buttons[i], `${f.t(`desk.${SHOWS[i]}`)} ${n}`));
    const alerts = [...this.app.state.alerts.values()];
    this.#options(this.pack, alerts.map((alert) => alert.pack), (name) => f.known(`pack.${name}`, name));
    const zones = new Map(this.app.ground.zones.map((zone) => [zone.id, zone]));
    this.#options(this.district, alerts.map((alert) => alert.district).filter(Boolean), (id) => f.both(zones.get(id)?.name) || id);
  }

  #mine(alert) {
    const me = this.app.user.name, flood = this.app.state.flood.get("now");
    return alert.by === me || this.app.state.incidents.get(alert.incident)?.owner === me || flood?.routed?.[alert.incident] === me;
  }

  #words(id, alert) {
    const f = this.app.format, zone = this.app.ground.zones.find((zone) => zone.id === alert.district);
    return [f.both(alert.headline), f.both(alert.place), zone && f.both(zone.name), alert.rule, alert.pack, alert.by, id, alert.incident].join(" ").toLowerCase();
  }

  #build() {
    const f = this.app.format;
    this.buttons = SHOWS.map((shows) => el("button", { type: "button", onclick: () => this.show(shows) }));
    this.levels = [1, 2, 3, 4].map((level) => el("button", { type: "button", class: `level l${level}`, "aria-label": `${level} ${f.t(`severity.${level}`)}`, title: f.t(`severity.${level}`),
      onclick: () => this.set({ levels: toggled(this.filter.levels, level) }) }, mark(level)));
    const pick = (label, field) => el("select", { "aria-label": f.t(label), onchange: (event) => this.set({ [field]: event.target.value ? [event.target.value] : [] }) }, el("option", { value: "" }, f.t(label)));
    this.pack = pick("sieve.pack", "packs");
    this.district = pick("sieve.district", "districts");
    this.stateOf = pick("sieve.state", "states");
    this.stateOf.append(...STATES.map((state) => el("option", { value: state }, f.t(`alert.${state}`))));
    this.own = el("button", { type: "button", class: "mine", onclick: () => this.set({ mine: !this.filter.mine }) }, f.t("sieve.mine"));
    this.search = el("input", { type: "search", placeholder: f.t("sieve.search"), "aria-label": f.t("sieve.search"), maxlength: "128", oninput: () => this.set({ text: this.search.value }) });
    this.search.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Escape" && event.key !== "Enter")) return; // an input method has its own Enter
      event.stopPropagation();
      if (event.key === "Escape") { this.search.value = ""; this.set({ text: "" }); }
      this.search.blur();
    });
    this.view = el("select", { "aria-label": f.t("views.title"), onchange: () => this.#take(this.view.value) });
    const keep = el("button", { type: "button", onclick: () => this.#keep() }, f.t("views.save"));
    this.drop = el("button", { type: "button", onclick: () => this.#drop(), "aria-label": f.t("views.delete"), title: f.t("views.delete") }, "✕");
    this.reset = el("button", { type: "button", onclick: () => { this.view.value = ""; this.clear(); } }, f.t("sieve.clear"));
    this.top = el("div", { class: "filter", role: "group", "aria-label": f.t("sieve.shows") }, ...this.buttons);
    this.node = el("div", { class: "sieve" }, el("div", {}, this.search, el("span", { class: "levels", role: "group", "aria-label": f.t("sieve.level") }, ...this.levels), this.own),
      el("div", {}, this.pack, this.district, this.stateOf), el("div", { class: "views" }, this.view, keep, this.drop, this.reset));
    this.#views();
    this.#dress();
  }

  #dress() {
    const { filter } = this;
    this.buttons.forEach((button, i) => put(button, "aria-pressed", String(SHOWS[i] === filter.shows)));
    this.levels.forEach((button, i) => put(button, "aria-pressed", String(filter.levels.includes(i + 1))));
    put(this.own, "aria-pressed", String(filter.mine));
    this.pack.value = filter.packs[0] ?? "";
    this.district.value = filter.districts[0] ?? "";
    this.stateOf.value = filter.states[0] ?? "";
    if (this.search.value !== filter.text) this.search.value = filter.text;
    this.reset.disabled = !this.narrow;
    this.drop.disabled = !this.view.value;
  }

  // Only what stands in the queue can be chosen, and what is chosen stays.
  #options(select, values, name) {
    const wanted = [...new Set([...values, ...(select === this.pack ? this.filter.packs : this.filter.districts)])].sort();
    const key = wanted.join();
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    const chosen = (select === this.pack ? this.filter.packs : this.filter.districts)[0] ?? "";
    renew(select, [select.firstChild, ...wanted.map((value) => el("option", { value }, name(value)))]);
    select.value = chosen;
  }

  async #load() {
    if (this.app.base) return; // a replay has no views of its own
    const { status, told } = await ask(this.app, "/views");
    if (status === 200) this.#known(told);
  }

  #known(views) {
    this.views = views;
    this.#views();
    this.#dress();
  }

  #views(chosen = this.view.value) {
    this.view.replaceChildren(el("option", { value: "" }, this.app.format.t("views.title")), ...this.views.map((view) => el("option", { value: view.name }, view.name)));
    this.view.value = this.views.some((view) => view.name === chosen) ? chosen : "";
  }

  #take(name) {
    const view = this.views.find((one) => one.name === name);
    this.set(view ? { ...EMPTY, ...view.filter } : { ...EMPTY });
  }

  #keep() {
    const f = this.app.format, name = el("input", { type: "text", required: true, maxlength: "40", value: this.view.value });
    dialog(this.app, "view", f.t("views.save"), [field(f.t("views.name"), name)], {
      submit: f.t("views.save"),
      send: async (said) => {
        const { status, told } = await ask(this.app, "/views", { name: name.value.trim(), filter: this.filter });
        if (status !== 200) {
          said.dataset.kind = "failed";
          said.textContent = f.t("desk.failed", { reason: told?.detail ?? f.t("desk.offline") });
          return false;
        }
        this.#known(told);
        this.#views(name.value.trim());
        this.#dress();
        return true;
      },
    });
  }

  async #drop() {
    const { status, told } = await ask(this.app, "/views/delete", { name: this.view.value });
    if (status === 200) this.#known(told);
  }
}

const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one].sort());
