// The packed fields of a delta (wall/levels.py).

export function octets(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

// Ascending rows from gaps in LEB128.
export function rows(data) {
  const out = [];
  let row = -1, gap = 0, shift = 0;
  for (const octet of data) {
    gap |= (octet & 0x7f) << shift;
    if (octet & 0x80) { shift += 7; continue; }
    row += gap + 1;
    out.push(row);
    gap = shift = 0;
  }
  return out;
}

// The i-th of levels packed two a byte.
export const nibble = (data, i) => (i & 1 ? data[i >> 1] & 15 : data[i >> 1] >> 4);
