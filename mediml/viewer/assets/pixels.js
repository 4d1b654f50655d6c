"use strict";
// Pixels: from the text in the page to codes, and from codes to values, greys and places in the patient.

/** Bytes of a base64 text, inflated (zlib) where the page was compressed. */
async function bytesOf(text, compressed) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  if (!compressed) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo mediml.viewer.pixels.pack: put low and high bytes together, add up the differences along each row. */
function unpacked(bytes, rows, columns, width) {
  const size = rows * columns;
  if (bytes.length !== size * width) throw new Error("block of pixels has the wrong size");
  const codes = width === 1 ? new Uint8Array(size) : new Uint16Array(size);
  for (let row = 0, i = 0; row < rows; row++) {
    let code = 0;
    for (let column = 0; column < columns; column++, i++) {
      code += bytes[i] + (width === 2 ? bytes[size + i] << 8 : 0);
      codes[i] = code; // modulo 2^8 or 2^16, as the array's type has it
    }
  }
  return codes;
}

/** The value of each code: by rule, rounded to float32 as in Python where the values were, or by table. */
async function valueTable(mapping, compressed) {
  if (mapping.table !== undefined) {
    const bytes = await bytesOf(mapping.table, compressed);
    return new Float64Array(bytes.buffer);
  }
  const values = new Float64Array(mapping.codes);
  for (let code = 0; code < values.length; code++) {
    const value = (code + mapping.firstStored) * mapping.slope + mapping.intercept;
    values[code] = mapping.single ? Math.fround(value) : value;
  }
  return values;
}

/** All pixels of the scene, and what they mean. Planes are [plane][row * columns + column]. */
class Voxels {
  constructor(scene) {
    this.scene = scene;
    [this.count, this.rows, this.columns] = scene.shape;
    this.colour = scene.mapping === null;
    this.planes = new Array(this.count);
    this.labels = scene.labels ? new Array(this.count) : null;
  }

  /** Decode plane by plane; `progress(done)` after each, so that the page stays alive. */
  async load(progress) {
    const { scene } = this;
    if (!this.colour) {
      this.values = await valueTable(scene.mapping, scene.compressed);
      this.padded = new Uint8Array(this.values.length);
      for (const [start, stop] of scene.mapping.padding) this.padded.fill(1, start, stop);
    }
    for (const view of scene.views) {
      if (view.kind === "table") {
        view.entries = new Uint16Array((await bytesOf(view.table, scene.compressed)).buffer);
      }
    }
    for (let plane = 0; plane < this.count; plane++) {
      const rows = this.rows * (this.colour ? 3 : 1);
      this.planes[plane] = await this.block(`plane-${plane}`, rows, scene.bytes);
      if (this.labels) this.labels[plane] = await this.block(`labels-${plane}`, this.rows, 1);
      progress(plane + 1);
    }
    if (!this.colour) this.measure();
  }

  async block(id, rows, width) {
    const element = document.getElementById(id);
    const bytes = await bytesOf(element.textContent, this.scene.compressed);
    element.remove(); // the text is larger than the pixels
    return unpacked(bytes, rows, this.columns, width);
  }

  /** How often each code occurs, and the range of the values that were measured. */
  measure() {
    this.counts = new Uint32Array(this.values.length);
    for (const plane of this.planes) for (let i = 0; i < plane.length; i++) this.counts[plane[i]]++;
    this.low = Infinity;
    this.high = -Infinity;
    for (let code = 0; code < this.counts.length; code++) {
      const value = this.values[code];
      if (!this.counts[code] || this.padded[code] || !Number.isFinite(value)) continue;
      this.low = Math.min(this.low, value);
      this.high = Math.max(this.high, value);
    }
    if (this.low > this.high) this.low = this.high = 0;
  }

  codeAt([plane, row, column]) {
    return this.planes[plane][row * this.columns + column];
  }

  labelAt([plane, row, column]) {
    return this.labels ? this.labels[plane][row * this.columns + column] : 0;
  }

  rgbAt([plane, row, column]) {
    const at = row * this.columns + column;
    const size = this.rows * this.columns;
    const data = this.planes[plane];
    return [data[at], data[size + at], data[2 * size + at]];
  }

  /** Patient coordinates in mm (LPS) of a voxel's centre, or null. */
  positionOf([plane, row, column]) {
    const { affines } = this.scene;
    const matrix = affines[affines.length > 1 ? plane : 0];
    if (!matrix) return null;
    // Where each plane has a matrix of its own, it holds for that plane alone.
    const index = affines.length > 1 ? 0 : plane;
    return matrix.map((m) => m[0] * index + m[1] * row + m[2] * column + m[3]);
  }

  /** Grey 0 to 255 of every code under a view; padding and what is no number are black. */
  greys(view, inverted) {
    const greys = new Uint8Array(this.values.length);
    for (let code = 0; code < greys.length; code++) {
      if (this.padded[code] || Number.isNaN(this.values[code])) continue;
      const grey = this.greyOf(this.values[code], view);
      greys[code] = rint(255 * (inverted ? 1 - grey : grey));
    }
    return greys;
  }

  /** Grey 0 to 1 of a value under a view. */
  greyOf(value, view) {
    if (view.kind === "table") return lookedUp(value, view.first, view.entries, view.bits);
    if (view.kind === "flat") return 0; // all values are equal: there is no range to show
    return windowed(value, view.center, view.width, view.function);
  }
}
