// Owns reading NumPy's .npy (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), of float32 alone.

const MAGIC = "NUMPY"; // after a byte of 0x93

/** Return { shape, values } of a little-endian float32 array in C order; raise an Error for any other. */
export function readNpy(buffer) {
  const view = new DataView(buffer);
  const text = (start, end) => new TextDecoder().decode(new Uint8Array(buffer, start, end - start));
  if (view.getUint8(0) !== 0x93 || text(1, 6) !== MAGIC) throw new Error("This is no .npy array.");
  const isLong = view.getUint8(6) > 1;
  const start = isLong ? 12 : 10;
  const end = start + (isLong ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = text(start, end);
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False")) {
    throw new Error("This .npy array is not of float32 in C order.");
  }
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(",").filter((one) => one.trim()).map(Number);
  return { shape, values: new Float32Array(buffer.slice(end)) };
}

/** Return the least and the greatest number that is finite. */
export function rangeOf(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [0, 0] : [low, high];
}
