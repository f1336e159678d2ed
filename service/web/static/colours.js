// Owns numbers as colours: viridis for maps, inferno for heat, both even to the eye.
// Polynomials that follow Matplotlib's tables, by Matt Zucker (https://www.shadertoy.com/view/WlfXRN, CC0).

const VIRIDIS = [
  [0.2777273272, 0.0054073445, 0.3340998053],
  [0.1050930431, 1.4046135299, 1.3845901627],
  [-0.3308618287, 0.2148475595, 0.0950951630],
  [-4.6342304989, -5.7991009734, -19.3324409563],
  [6.2282699363, 14.1799333668, 56.6905526007],
  [4.7763849977, -13.7451453777, -65.3530326334],
  [-5.4354558559, 4.6458526121, 26.3124352496],
];
const INFERNO = [
  [0.0002189403691192265, 0.001651004631001012, -0.01948089843709184],
  [0.1065134194856116, 0.5639564367884091, 3.932712388889277],
  [11.60249308247187, -3.972853965665698, -15.9423941062914],
  [-41.70399613139459, 17.43639888205313, 44.35414519872813],
  [77.162935699427, -33.40235894210092, -81.80730925738993],
  [-71.31942824499214, 32.62606426397723, 73.20951985803202],
  [25.13112622477341, -12.24266895238567, -23.07032500287172],
];

const NOT_FINITE = [255, 0, 160, 255]; // a pink that neither comes near

/** Return 256 colours, and that of NaN, as one Uint32 each, as ImageData holds them on a little-endian machine. */
function table(polynomial) {
  const made = new Uint32Array(257);
  const bytes = new Uint8ClampedArray(made.buffer);
  for (let step = 0; step < 256; step += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const value = polynomial.reduceRight((sum, row) => sum * (step / 255) + row[channel], 0);
      bytes[4 * step + channel] = Math.round(255 * value);
    }
    bytes[4 * step + 3] = 255;
  }
  bytes.set(NOT_FINITE, 4 * 256);
  return made;
}

export const MAPS = table(VIRIDIS);
export const HEAT = table(INFERNO);

/** Return which colour of a table a number has between `low` and `high`. */
export function shade(value, low, high) {
  if (!Number.isFinite(value)) return 256;
  const place = high > low ? (value - low) / (high - low) : 0;
  return place > 0 ? Math.min(255, Math.floor(place * 256)) : 0;
}

/** Draw the legend of a table into a canvas of 256 by 1. */
export function drawLegend(canvas, colours) {
  canvas.width = 256;
  canvas.height = 1;
  const image = new ImageData(256, 1);
  new Uint32Array(image.data.buffer).set(colours.subarray(0, 256));
  canvas.getContext("2d").putImageData(image, 0, 0);
}
