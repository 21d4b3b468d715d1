// A question in a window of its own: Escape closes it, the focus goes back to where it was.
import { el } from "../../dom.mjs";

// Opens `content` below `title`; `send` is called when the form is sent, and keeps the window open when it returns false.
export function dialog(app, name, title, content, { submit = "", send = null } = {}) {
  const f = app.format, heading = el("h2", { id: `${name}-title` }, title);
  const close = el("button", { type: "button", class: "close", onclick: () => node.close() }, f.t("help.close"));
  const go = submit ? el("button", { type: "submit", class: "send" }, submit) : null;
  const said = el("p", { class: "said", role: "status", "aria-live": "polite" });
  const form = el("form", { method: "dialog" }, heading, ...content, said, el("div", { class: "buttons" }, go, close));
  const node = el("dialog", { class: `ask ${name}`, "aria-labelledby": `${name}-title` }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go) go.disabled = true;
    if (await send(said) !== false) node.close();
    else if (go) go.disabled = false;
  });
  node.addEventListener("close", () => node.remove());
  app.scene.append(node);
  node.showModal();
  return { node, said };
}

// A labelled field; the label stands before it.
export function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

export function choice(options, chosen = undefined) {
  return el("select", {}, ...options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
}

// Says how an order went in the window: done closes it.
export function answered(said, [kind, text]) {
  said.dataset.kind = kind;
  said.textContent = text;
  return kind === "done" || kind === "accepted";
}
