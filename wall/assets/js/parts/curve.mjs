// One curve with what was expected and where it leads: used by the trends and by the map of an emergency.

const gap = (value) => value === null || value === undefined;

// Paints [tick, value, expected] and [tick, middle, low, high]; false when there is not enough to draw.
export function curve(context, width, height, { points, ahead = [], format, rem, size = rem * 1.35 }) {
  context.clearRect(0, 0, width, height);
  const known = [...points.flatMap(([, value, expected]) => [value, expected]), ...ahead.flatMap(([, , low, high]) => [low, high])].filter((value) => !gap(value));
  if (known.length < 2 || !points.length || points.length + ahead.length < 2 || !width || !height) return false;
  const from = points[0][0], now = points.at(-1)[0], to = ahead.at(-1)?.[0] ?? now;
  let low = Math.min(...known), high = Math.max(...known);
  const room = (high - low || Math.abs(high) || 1) * 0.12;
  low = low >= 0 ? Math.max(0, low - room) : low - room;
  high += room;
  const left = size * 3.6, right = width - size * 0.4, top = size * 1.7, bottom = height - size * 1.6;
  const x = (tick) => left + ((right - left) * (tick - from)) / Math.max(to - from, 1);
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  context.font = `400 ${size}px ${getComputedStyle(document.body).fontFamily}`;
  grid(context, { low, high, left, right, top, bottom, y, size, rem, format });
  context.fillStyle = "#7f93a7";
  context.textAlign = "left";
  context.fillText(when(from, to - from, format), left, height - size * 0.7);
  context.textAlign = "right";
  context.fillText(when(to, to - from, format), right, height - size * 0.7);
  const last = points.at(-1)[1];
  if (ahead.length && !gap(last)) {
    context.textAlign = "center";
    if (x(now) > left + size * 4 && x(now) < right - size * 4) context.fillText(format.t("time.now"), x(now), height - size * 0.7);
    context.strokeStyle = "#3d4c5b";
    line(context, [[x(now), top], [x(now), bottom]]);
    band(context, [[now, last, last, last], ...ahead].map(([tick, ...values]) => [x(tick), ...values.map(y)]), rem);
  }
  context.strokeStyle = "#62a9c0";
  context.setLineDash([rem * 0.6, rem * 0.5]);
  context.lineWidth = rem * 0.16;
  line(context, points.map(([tick, , value]) => (gap(value) ? null : [x(tick), y(value)])));
  context.setLineDash([]);
  context.strokeStyle = "#e8eef4";
  context.lineWidth = rem * 0.2;
  line(context, points.map(([tick, value]) => (gap(value) ? null : [x(tick), y(value)])));
  return true;
}

function grid(context, { low, high, left, right, top, bottom, y, size, rem, format }) {
  context.textBaseline = "middle";
  context.lineWidth = Math.max(1, rem * 0.08);
  for (const value of ticks(low, high, (bottom - top) / (1.7 * size))) {
    context.strokeStyle = "#1c2630";
    line(context, [[left, y(value)], [right, y(value)]]);
    context.fillStyle = "#7f93a7";
    context.textAlign = "right";
    const [number, times] = format.short(value);
    context.fillText(number.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "") + times, left - size * 0.5, y(value));
  }
}

// Round values within the range, at most five and as many as have room: steps of 1, 2 or 5 times a power of ten.
function ticks(low, high, most) {
  const rough = (high - low) / Math.min(Math.max(most, 1), 4), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((one) => one * power >= rough) ?? 10), out = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) out.push(Number((k * step).toPrecision(12)));
  return out;
}

function when(ms, span, format) {
  return span > 2 * 86400000 ? format.date(ms) : format.minute(ms);
}

// The band between the low and the high edge, and the middle in it; points are [x, middle, low, high] in pixels.
function band(context, points, rem) {
  context.beginPath();
  for (const [x, , low] of points) context.lineTo(x, low);
  for (const [x, , , high] of [...points].reverse()) context.lineTo(x, high);
  context.fillStyle = "#62a9c040";
  context.fill();
  context.strokeStyle = "#e8eef4";
  context.lineWidth = rem * 0.14;
  context.setLineDash([rem * 0.15, rem * 0.3]);
  line(context, points.map(([x, middle]) => [x, middle]));
  context.setLineDash([]);
}

function line(context, points) {
  context.beginPath();
  let pen = false;
  for (const point of points) {
    if (point) { if (pen) context.lineTo(...point); else context.moveTo(...point); }
    pen = Boolean(point);
  }
  context.lineJoin = "round";
  context.stroke();
}
