"use strict";
// A pane: one direction through the voxels on a canvas, with letters, scale bar, cross-hair and what the mouse does.

const YELLOW = "#ffd23f";
const CLICK_PX = 4; // a press that moves less is a click
const WHEEL_PX = 40; // of the touch pad for one slice

class Pane {
  constructor(app, description) {
    Object.assign(this, { app, ...description });
    const { shape, spacing, aspect } = app.scene;
    const steps = spacing ?? [null, aspect, 1]; // without a spacing: in widths of a pixel
    this.count = shape[this.through];
    this.size = [shape[this.across[0]], shape[this.down[0]]];
    this.step = [steps[this.across[0]], steps[this.down[0]]];
    this.known = spacing !== null;
    this.picture = new OffscreenPicture(...this.size);
    this.overlay = app.voxels.labels ? new OffscreenPicture(...this.size) : null;
    this.pointers = new Map();
    this.wheeled = 0;
    this.line = null; // what is measured: {slice, from, to} in pixels of the pane
    this.fit();
    this.build();
  }

  build() {
    this.element = document.createElement("div");
    this.element.className = "pane";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.element.append(this.canvas);
    this.canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    this.canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, (event) => this.released(event));
    }
    this.canvas.addEventListener("dblclick", () => this.app.fit(this));
    this.canvas.addEventListener("wheel", (event) => this.turned(event), { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.app.key(event, this));
    this.canvas.addEventListener("focus", () => this.app.activate(this));
    new ResizeObserver(() => this.app.redraw()).observe(this.canvas);
  }

  // Where things are.

  fit() {
    this.zoom = 1;
    this.center = [this.size[0] / 2, this.size[1] / 2];
  }

  get slice() {
    return this.app.index[this.through];
  }

  /** Screen pixels for one mm, or for the width of a pixel where its size is unknown. */
  get scale() {
    const fitting = [0, 1].map((k) => this.canvasSize[k] / (this.size[k] * this.step[k]));
    return Math.min(...fitting) * this.zoom;
  }

  get canvasSize() {
    return [this.canvas.clientWidth || 1, this.canvas.clientHeight || 1];
  }

  /** From pixels of the pane (0 is the left or upper edge of the first one) to the screen, and back. */
  toScreen(place) {
    return [0, 1].map((k) => this.canvasSize[k] / 2 + (place[k] - this.center[k]) * this.step[k] * this.scale);
  }

  toPixels(point) {
    return [0, 1].map((k) => (point[k] - this.canvasSize[k] / 2) / (this.step[k] * this.scale) + this.center[k]);
  }

  /** Index along an axis of the array for the n-th pixel across or down, where the pane may have turned the axis. */
  turnedIndex([axis, sign], n) {
    return sign > 0 ? n : this.app.scene.shape[axis] - 1 - n;
  }

  /** The voxel at a place of the pane, or null outside. */
  voxelAt(place) {
    const [across, down] = place.map(Math.floor);
    if (across < 0 || down < 0 || across >= this.size[0] || down >= this.size[1]) return null;
    const voxel = [0, 0, 0];
    voxel[this.through] = this.slice;
    voxel[this.across[0]] = this.turnedIndex(this.across, across);
    voxel[this.down[0]] = this.turnedIndex(this.down, down);
    return voxel;
  }

  /** The centre of a voxel in pixels of the pane. */
  placeOf(voxel) {
    return [this.across, this.down].map((axis) => this.turnedIndex(axis, voxel[axis[0]]) + 0.5);
  }

  lengthOf({ from, to }) {
    return Math.hypot(...[0, 1].map((k) => (to[k] - from[k]) * this.step[k]));
  }

  // Drawing.

  /** Put the slice through the greys (or its colours) into the picture, and the labels into the overlay. */
  render() {
    const { voxels } = this.app;
    const [columns, rows] = this.size;
    const across = Array.from({ length: columns }, (_, n) => this.turnedIndex(this.across, n));
    const voxel = [0, 0, 0];
    voxel[this.through] = this.slice;
    const { pixels } = this.picture;
    for (let row = 0, i = 0; row < rows; row++) {
      voxel[this.down[0]] = this.turnedIndex(this.down, row);
      for (let column = 0; column < columns; column++, i++) {
        voxel[this.across[0]] = across[column];
        if (voxels.colour) pixels[i] = packedColour(...voxels.rgbAt(voxel), 255);
        else pixels[i] = this.app.shades[voxels.codeAt(voxel)];
        if (this.overlay) this.overlay.pixels[i] = this.app.labelColours[voxels.labelAt(voxel)];
      }
    }
    this.picture.put();
    this.overlay?.put();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = this.canvasSize;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const brush = this.canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.fillStyle = "#000";
    brush.fillRect(0, 0, width, height);
    this.drawPicture(brush, ratio);
    if (this.app.crossShown) this.drawCross(brush);
    if (this.line && this.line.slice === this.slice) this.drawLine(brush);
    this.drawLetters(brush);
    if (this.known) this.drawScaleBar(brush);
  }

  drawPicture(brush, ratio) {
    const [left, top] = this.toScreen([0, 0]);
    const [right, bottom] = this.toScreen(this.size);
    const shrunk = Math.min(...this.step) * this.scale * ratio < 1;
    brush.imageSmoothingEnabled = this.app.smooth || shrunk; // shrinking without it would drop pixels
    brush.imageSmoothingQuality = "high";
    brush.drawImage(this.picture.canvas, left, top, right - left, bottom - top);
    if (!this.overlay) return;
    brush.imageSmoothingEnabled = false;
    brush.globalAlpha = this.app.opacity;
    brush.drawImage(this.overlay.canvas, left, top, right - left, bottom - top);
    brush.globalAlpha = 1;
  }

  drawCross(brush) {
    const [x, y] = this.toScreen(this.placeOf(this.app.index));
    const [width, height] = this.canvasSize;
    const gap = 10;
    const path = new Path2D();
    for (const [x0, y0, x1, y1] of [
      [0, y, x - gap, y],
      [x + gap, y, width, y],
      [x, 0, x, y - gap],
      [x, y + gap, x, height],
    ]) {
      path.moveTo(x0, y0);
      path.lineTo(x1, y1);
    }
    outlined(brush, path, YELLOW, 1);
  }

  drawLine(brush) {
    const [from, to] = [this.toScreen(this.line.from), this.toScreen(this.line.to)];
    const path = new Path2D();
    path.moveTo(...from);
    path.lineTo(...to);
    for (const [x, y] of [from, to]) {
      path.moveTo(x + 4, y);
      path.arc(x, y, 4, 0, 2 * Math.PI);
    }
    outlined(brush, path, YELLOW, 1.5);
    const [width] = this.canvasSize;
    const align = to[0] > width * 0.7 ? "right" : "left";
    written(brush, this.app.lengthText(this), to[0] + (align === "left" ? 10 : -10), to[1] - 14, align, YELLOW);
  }

  drawLetters(brush) {
    if (!this.letters) return;
    const [width, height] = this.canvasSize;
    written(brush, this.letters.left, 8, height / 2, "left");
    written(brush, this.letters.right, width - 8, height / 2, "right");
    written(brush, this.letters.top, width / 2, 14, "center");
    written(brush, this.letters.bottom, width / 2, height - 14, "center");
  }

  drawScaleBar(brush) {
    const [width, height] = this.canvasSize;
    const length = roundLength((width * 0.28) / this.scale);
    const [right, bottom] = [width - 14, height - 16];
    const left = right - length * this.scale;
    const path = new Path2D();
    path.moveTo(left, bottom - 5);
    path.lineTo(left, bottom);
    path.lineTo(right, bottom);
    path.lineTo(right, bottom - 5);
    outlined(brush, path, "#fff", 1.5);
    written(brush, this.app.millimetres(length), right, bottom - 14, "right", "#fff", 13);
  }

  // What the hand does.

  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pressed(event) {
    if (event.button > 1) return;
    event.preventDefault(); // a middle button would scroll
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.pointOf(event);
    this.pointers.set(event.pointerId, point);
    const view = this.app.view;
    this.drag = { start: point, last: point, far: false, tool: event.button === 1 ? "pan" : this.app.tool, view };
    if (this.pointers.size === 2) this.drag = { ...this.drag, tool: "pinch", far: true };
  }

  moved(event) {
    const point = this.pointOf(event);
    if (!this.pointers.has(event.pointerId)) {
      this.app.probe(this.voxelAt(this.toPixels(point)));
      return;
    }
    const before = [...this.pointers.values()];
    this.pointers.set(event.pointerId, point);
    const { drag } = this;
    if (!drag.far && Math.hypot(point[0] - drag.start[0], point[1] - drag.start[1]) < CLICK_PX) return;
    drag.far = true;
    if (drag.tool === "pinch") this.pinched(before, [...this.pointers.values()]);
    else this.dragged(drag, point);
    drag.last = point;
  }

  dragged(drag, point) {
    if (drag.tool === "pan") {
      this.center = [0, 1].map((k) => this.center[k] - (point[k] - drag.last[k]) / (this.step[k] * this.scale));
    } else if (drag.tool === "measure") {
      this.line = { slice: this.slice, from: this.toPixels(drag.start), to: this.toPixels(point) };
      this.app.measured(this);
    } else if (drag.tool === "cross") {
      this.app.goTo(this.voxelAt(this.toPixels(point)));
    } else if (drag.tool === "window") {
      this.app.dragWindow(drag.view, point[0] - drag.start[0], point[1] - drag.start[1]);
    }
    this.app.probe(this.voxelAt(this.toPixels(point)));
    this.app.redraw();
  }

  pinched(before, after) {
    if (after.length < 2) return;
    const distance = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [from, to] = [middle(before), middle(after)];
    this.center = [0, 1].map((k) => this.center[k] - (to[k] - from[k]) / (this.step[k] * this.scale));
    this.zoomAt(to, distance(after) / Math.max(distance(before), 1));
  }

  released(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    if (event.type === "pointerup" && !this.drag.far) {
      const voxel = this.voxelAt(this.toPixels(this.drag.start));
      this.app.probe(voxel);
      if (this.app.scene.kind === "volume") this.app.goTo(voxel);
    }
  }

  /** Zoom by a factor, so that what lies under `point` stays there. */
  zoomAt(point, factor) {
    const under = this.toPixels(point);
    this.zoom = clamp(this.zoom * factor, 0.2, 64);
    const now = this.toPixels(point);
    this.center = [0, 1].map((k) => this.center[k] + under[k] - now[k]);
    this.app.redraw();
  }

  turned(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_PX;
    if (event.ctrlKey || this.count === 1) {
      this.zoomAt(this.pointOf(event), Math.exp(-event.deltaY * lines * 0.002));
      return;
    }
    // A notch of a wheel is one slice, however far it scrolls; the small steps of a touch pad add up to one.
    this.wheeled = Math.sign(event.deltaY) === Math.sign(this.wheeled) ? this.wheeled : 0;
    this.wheeled += event.deltaY * lines;
    if (Math.abs(this.wheeled) >= WHEEL_PX) {
      this.app.step(this, Math.sign(this.wheeled));
      this.wheeled = 0;
    }
    this.app.probe(this.voxelAt(this.toPixels(this.pointOf(event))));
  }
}

/** A canvas of as many pixels as the slice has; `pixels` holds one 32-bit number each. */
class OffscreenPicture {
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.brush = this.canvas.getContext("2d");
    this.data = this.brush.createImageData(width, height);
    this.pixels = new Uint32Array(this.data.data.buffer);
  }

  put() {
    this.brush.putImageData(this.data, 0, 0);
  }
}

/** Red, green, blue and opacity in one number, as the canvas has it on little-endian machines. */
function packedColour(red, green, blue, opacity) {
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** A line that can be seen on black, grey and white. */
function outlined(brush, path, colour, width) {
  brush.lineWidth = width + 2;
  brush.strokeStyle = "rgba(0,0,0,.6)";
  brush.stroke(path);
  brush.lineWidth = width;
  brush.strokeStyle = colour;
  brush.stroke(path);
}

function written(brush, text, x, y, align, colour = YELLOW, size = 16) {
  brush.font = `600 ${size}px system-ui, sans-serif`;
  brush.textAlign = align;
  brush.textBaseline = "middle";
  brush.lineJoin = "round";
  brush.lineWidth = 4;
  brush.strokeStyle = "rgba(0,0,0,.75)";
  brush.strokeText(text, x, y);
  brush.fillStyle = colour;
  brush.fillText(text, x, y);
}
