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
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Sets text only when it differs, so that nothing is laid out again for nothing.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function put(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// The pixels of one rem on canvases. Asked once a size of the window: the question makes the browser lay out anew.
let rem = 0;
addEventListener("resize", () => { rem = 0; }, { capture: true });
export const remPx = () => (rem ||= parseFloat(getComputedStyle(document.documentElement).fontSize) * devicePixelRatio);

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
