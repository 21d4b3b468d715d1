// A drawing cut into tiles, each a canvas of its own, and those without anything on them none at all. A browser without a
// graphics card copies and blends a canvas whole, whatever changed on it: on a large wall that is what a frame costs.
import { el } from "../dom.mjs";
import { touches } from "./ground.mjs";

const SIDE = 512; // pixels

export class Tiles {
  constructor(holder) {
    this.holder = holder;
    this.tiles = [];
  }

  fit(width, height) {
    this.tiles = [];
    for (let top = 0; top < height; top += SIDE) {
      for (let left = 0; left < width; left += SIDE) this.tiles.push(new Tile(left, top, Math.min(SIDE, width - left), Math.min(SIDE, height - top)));
    }
    this.holder.replaceChildren(...this.tiles.map(({ canvas }) => canvas));
  }

  // Draws `items`, [{box, draw(context)}] from below, again where one of `boxes` is, without them everywhere.
  paint(items, boxes = null) {
    for (const tile of this.tiles) if (!boxes || boxes.some((box) => touches(box, tile.box))) tile.paint(items.filter(({ box }) => touches(box, tile.box)));
  }
}

class Tile {
  constructor(left, top, width, height) {
    this.box = [left, top, left + width, top + height];
    this.canvas = el("canvas", { width: 0, height: 0, hidden: true });
    this.context = this.canvas.getContext("2d");
    const px = (pixels) => `${pixels / devicePixelRatio}px`;
    Object.assign(this.canvas.style, { left: px(left), top: px(top), width: px(width), height: px(height) });
  }

  paint(items) {
    const { canvas, context, box: [left, top, right, bottom] } = this;
    if (!items.length) { // its pixels are given back
      if (!canvas.hidden) { canvas.hidden = true; canvas.width = canvas.height = 0; }
      return;
    }
    if (canvas.hidden) { canvas.hidden = false; canvas.width = right - left; canvas.height = bottom - top; }
    context.setTransform(1, 0, 0, 1, -left, -top);
    context.clearRect(left, top, right - left, bottom - top);
    for (const item of items) item.draw(context);
  }
}
