// Elements made in one call; text is always text, never markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  return dress(node, attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Sets text only when it differs, so that nothing is laid out again for nothing; true when it did.
export function say(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

export function put(node, name, value) {
  if (node.getAttribute(name) === value) return false;
  node.setAttribute(name, value);
  return true;
}

// Makes `parent` hold `nodes` (null and undefined are left out) and leaves alone what did not change, so that a button keeps
// the tap that has begun, a field its focus and its half-written word, a text its selection. A node that stays takes over
// the handlers of the new one, so that they are never those of an older state.
export function renew(parent, nodes) {
  const wanted = nodes.filter((node) => node !== null && node !== undefined), own = new Set(wanted);
  let place = parent.firstChild;
  const drop = () => { const gone = place; place = place.nextSibling; gone.remove(); };
  for (const node of wanted) {
    if (node.parentNode === parent) {
      while (place && place !== node && !own.has(place)) drop();
      if (place && place !== node && place.nextSibling === node) drop(); // it went further down; its turn comes
      if (place === node) place = node.nextSibling;
      else parent.insertBefore(node, place);
      continue;
    }
    const stays = alike(place, node, own);
    while (stays && place !== stays) drop();
    if (!stays) parent.insertBefore(node, place);
    else { place = stays.nextSibling; become(stays, node); }
  }
  while (place) drop();
}

const WHOLE = "a, button, input, select, textarea, svg, canvas"; // either the same or another one: never half of each

// The first from `place` on that can stay for `node`; those in `own` are not given away.
function alike(place, node, own) {
  for (let old = place; old && !own.has(old); old = old.nextSibling) if (fits(old, node)) return old;
  return null;
}

function fits(old, node) {
  if (old.nodeType !== node.nodeType || old.nodeName !== node.nodeName) return false;
  if (node.nodeType !== Node.ELEMENT_NODE) return true;
  return node.matches(WHOLE) ? old.isEqualNode(node) : old.cloneNode(false).isEqualNode(node.cloneNode(false));
}

function become(old, node) {
  if (node.nodeType !== Node.ELEMENT_NODE) { if (old.data !== node.data) old.data = node.data; return; }
  for (const name of ["onclick", "onchange", "oninput"]) old[name] = node[name];
  if (node.matches("input")) old.checked = node.checked;
  if (!node.matches(WHOLE)) renew(old, [...node.childNodes]);
}

// The pixels of one rem on canvases. Asked once a size of the window: the question makes the browser lay out anew.
let rem = 0;
addEventListener("resize", () => { rem = 0; }, { capture: true });
export const remPx = () => (rem ||= parseFloat(getComputedStyle(document.documentElement).fontSize) * devicePixelRatio);

export function resize(canvas, width, height) {
  canvas.width = width;
  canvas.height = height;
}

// A canvas in real pixels that follows its element: `paint(context, width, height)` is called after each resize.
export function canvas(parent, paint) {
  const node = el("canvas");
  parent.append(node);
  const context = node.getContext("2d");
  const again = () => paint(context, node.width, node.height);
  new ResizeObserver(() => {
    const width = Math.round(parent.clientWidth * devicePixelRatio), height = Math.round(parent.clientHeight * devicePixelRatio);
    if (node.width !== width || node.height !== height) { node.width = width; node.height = height; }
    again();
  }).observe(parent);
  return again;
}
