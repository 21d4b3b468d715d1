// The task as it is drawn: what it is about, where, how far it has come, what is to be done.
import { el } from "../dom.mjs";
import { mark } from "../marks.mjs";

export const STEPS = ["sent", "accepted", "under-way", "on-scene", "free"];
const NEXT = { sent: "take", accepted: "accept", "under-way": "arrive", "on-scene": "done" };
const BECOMES = { take: "accepted", accept: "under-way", decline: "free", arrive: "on-scene", done: "free" };

// The unit's status as it will be once what waits on the phone is carried out.
export function ahead(status, incident, queue) {
  return queue.reduce((now, row) => (row.incident === incident && BECOMES[row.do] ? BECOMES[row.do] : now), status);
}

export function draw(page) {
  const f = page.format, it = page.task.incident;
  if (!it) return [el("section", { class: "idle" }, el("h2", {}, f.t(`pocket.status.${page.task.unit.status}`)), el("p", {}, f.t("pocket.none")))];
  const open = page.open.filter((row) => row.incident === it.id), status = ahead(page.task.unit.status, it.id, open);
  return [about(page, it), steps(page, page.task.unit.status, status), acts(page, it, status), tasks(page, it, open), words(page, it)].filter(Boolean);
}

function about(page, it) {
  const f = page.format;
  return el("section", { class: "about" }, el("div", { class: "top" }, mark(it.level), el("h2", {}, f.both(it.title))),
    it.exercise ? el("p", { class: "exercise" }, f.t("pocket.exercise")) : null,
    el("p", { class: "place" }, el("a", { href: `geo:${it.lat},${it.lon}?q=${it.lat},${it.lon}` }, f.both(it.place)), el("small", {}, f.t("pocket.since", { time: f.minute(it.opened), span: f.span(page.now() - it.opened) }))),
    it.plan ? el("p", { class: "plan" }, f.both(it.plan)) : null);
}

function steps(page, known, status) {
  const f = page.format, at = STEPS.indexOf(status), sure = STEPS.indexOf(known);
  return el("ol", { class: "steps", "aria-label": f.t("pocket.steps") }, ...STEPS.map((step, i) => el("li", { class: i <= sure ? "done" : i <= at ? "waits" : "", "aria-current": i === at ? "step" : null }, f.t(`pocket.step.${step}`))));
}

function acts(page, it, status) {
  const f = page.format, next = NEXT[status];
  if (!next) return el("p", { class: "sending" }, f.t("pocket.leaving"));
  const button = (what, kind) => el("button", { type: "button", class: kind, "data-do": what, "data-incident": it.id, onclick: () => page.press(what, it.id) }, f.t(`pocket.do.${what}`));
  return el("div", { class: "acts" }, button(next, "next"), status === "sent" ? button("decline", "other") : null);
}

function tasks(page, it, open) {
  if (!it.tasks.length) return null;
  const f = page.format, ticked = new Set(open.filter((row) => row.do === "tick").map((row) => row.task));
  return el("section", {}, el("h3", {}, f.t("pocket.tasks")), el("ul", { class: "tasks" }, ...it.tasks.map((task) => {
    const done = task.state !== "open", waits = !done && ticked.has(task.id);
    const box = el("input", { type: "checkbox", "data-incident": it.id, checked: done || waits, disabled: done || waits, onchange: () => page.press("tick", it.id, { task: task.id }) });
    const late = !done && task.deadline && page.now() > task.deadline;
    return el("li", { class: late ? "late" : done ? "done" : "", "data-task": task.id }, el("label", {}, box, el("span", {}, f.both(task.what), el("small", {}, [f.who(task.who), task.deadline && f.minute(task.deadline), task.by].filter(Boolean).join(" · ")))));
  })));
}

function words(page, it) {
  const f = page.format;
  const notes = it.notes.map((note) => el("li", {}, el("time", {}, f.minute(note.at)), el("span", {}, el("b", {}, note.by || f.t("pocket.system")), ` ${f.said({ action: "note", ...note })}`)));
  const links = it.links.map((link) => el("li", {}, el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link)));
  return el("section", {}, el("h3", {}, f.t("pocket.words")), notes.length ? el("ol", { class: "notes" }, ...notes) : null, links.length ? el("ul", { class: "links" }, ...links) : null);
}
