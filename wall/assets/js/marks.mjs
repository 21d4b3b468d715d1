// The signs of severity: colour, shape and number together, on the map and in lists. Unit box 16 × 16, centre 0,0.
import { svg } from "./dom.mjs";

export const COLOUR = { 1: "#ff4d4f", 2: "#ff9a2e", 3: "#f2d14b", 4: "#7fa8d6" };
const SHAPE = {
  1: "M0 -8L8 0L0 8L-8 0Z",
  2: "M0 -7.4L7.8 6.6L-7.8 6.6Z",
  3: "M-6.2 -6.2H6.2V6.2H-6.2Z",
  4: "M0 -6.4A6.4 6.4 0 1 1 0 6.4A6.4 6.4 0 1 1 0 -6.4Z",
};
const paths = {};
const pictures = new Map(); // of signs, by kind and size
const KEPT = 64; // of them; a window that is resized brings new sizes
const SINK = { 1: 0.3, 2: 1.9, 3: 0.3, 4: 0.3 }; // where the number sits optically

export const hollow = (state) => state === "returned-unacknowledged";
export const dim = (state) => !["unacknowledged", "returned-unacknowledged"].includes(state);

export function mark(level, state = "unacknowledged") {
  const kind = `mark l${level}${hollow(state) ? " hollow" : ""}${dim(state) ? " dim" : ""}`;
  return svg("svg", { class: kind, viewBox: "-9 -9 18 18", "aria-hidden": "true" },
    svg("path", { d: SHAPE[level] }), svg("text", { y: 3.2 + SINK[level] }, String(level)));
}

// Draws a sign of `size` pixels (its box) at x, y: a picture made once for each kind and size, as hundreds are drawn at a time.
export function draw(context, level, state, x, y, size) {
  const kind = `${level} ${hollow(state)} ${dim(state)} ${size}`;
  if (!pictures.has(kind)) {
    if (pictures.size >= KEPT) pictures.clear();
    pictures.set(kind, picture(level, state, size));
  }
  const made = pictures.get(kind);
  context.drawImage(made, Math.round(x - made.width / 2), Math.round(y - made.height / 2));
}

function picture(level, state, size) {
  const side = Math.ceil(size * 1.3), canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d");
  paint(context, level, state, side / 2, size / 16);
  return canvas.transferToImageBitmap();
}

function paint(context, level, state, middle, scale) {
  const path = (paths[level] ??= new Path2D(SHAPE[level]));
  context.translate(middle, middle);
  context.scale(scale, scale);
  context.lineJoin = "round";
  context.strokeStyle = "#0a0e13";
  context.lineWidth = 2.6;
  context.stroke(path);
  if (hollow(state)) {
    context.fillStyle = "#0a0e13";
    context.fill(path);
    context.strokeStyle = COLOUR[level];
    context.lineWidth = 1.8;
    context.stroke(path);
  } else {
    context.fillStyle = dim(state) ? shade(COLOUR[level]) : COLOUR[level];
    context.fill(path);
  }
  context.fillStyle = hollow(state) ? "#e8eef4" : "#14090a";
  context.font = '600 9.5px "Barlow Semi Condensed", sans-serif';
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.fillText(String(level), 0, 3.2 + SINK[level]);
}

// The same hue at 62 %: seen to, but still there.
function shade(colour) {
  const part = (at) => Math.round(parseInt(colour.slice(at, at + 2), 16) * 0.62 + 0.38 * 18);
  return `rgb(${part(1)}, ${part(3)}, ${part(5)})`;
}
