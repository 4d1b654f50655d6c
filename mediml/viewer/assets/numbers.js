"use strict";
// Numbers: windows, rounding, formatting. No page, no pixels: each function can be read and tested alone.

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/** Nearest whole number, halves to the even one, as NumPy's rint. */
function rint(x) {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Grey 0 (black) to 1 (white) of a value: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3; as mediml.imaging.window. */
function windowed(x, center, width, kind) {
  if (kind === "SIGMOID") return 1 / (1 + Math.exp((-4 * (x - center)) / width));
  if (kind === "LINEAR") {
    // A window of width w holds w whole numbers: the half and the one come from that.
    center -= 0.5;
    width -= 1;
  }
  if (width === 0) return x > center ? 1 : 0;
  return clamp((x - center) / width + 0.5, 0, 1);
}

/** Whether a window can be used: LINEAR needs a width of at least 1, the others one above 0. */
function isWindow(center, width, kind) {
  return Number.isFinite(center) && Number.isFinite(width) && (kind === "LINEAR" ? width >= 1 : width > 0);
}

/** Grey of a value by a VOI lookup table (C.11.2.1.1); as mediml.imaging.LookupView. */
function lookedUp(x, first, table, bits) {
  const index = clamp(rint(x) - first, 0, table.length - 1);
  return clamp(table[index] / (2 ** bits - 1), 0, 1);
}

/** 1, 2 or 5 times a power of ten, the largest that is at most x. */
function roundLength(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  const step = [5, 2, 1].find((factor) => factor * power <= x * (1 + 1e-12));
  return step * power;
}

/** At most `digits` significant digits, but all of a whole number; a true minus sign. */
function formatted(x, digits = 6) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const text = Number.isInteger(x) && Math.abs(x) < 1e15 ? String(x) : String(Number(x.toPrecision(digits)));
  return text.replace("-", "−");
}

/** "{a} of {b}" with the values of an object. */
function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}
