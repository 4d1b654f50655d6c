"use strict";
// The histogram of all values, counts as log(1 + n), with the curve of the window over it.

const BINS = 256;

class Histogram {
  constructor(app, canvas) {
    Object.assign(this, { app, canvas });
    this.bars = app.voxels.colour ? this.countColours() : [this.countValues()];
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  countValues() {
    const { voxels } = this.app;
    const bars = new Float64Array(BINS);
    const perBin = (voxels.high - voxels.low) / BINS || 1;
    voxels.values.forEach((value, code) => {
      if (!voxels.counts[code] || voxels.padded[code] || !Number.isFinite(value)) return;
      bars[clamp(Math.floor((value - voxels.low) / perBin), 0, BINS - 1)] += voxels.counts[code];
    });
    return bars;
  }

  countColours() {
    const { voxels } = this.app;
    const bars = [0, 1, 2].map(() => new Float64Array(BINS));
    const size = voxels.rows * voxels.columns;
    for (const plane of voxels.planes) {
      bars.forEach((bar, channel) => {
        for (let i = channel * size; i < (channel + 1) * size; i++) bar[plane[i]]++;
      });
    }
    return bars;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const brush = this.canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [top, bottom] = [16, height - 18];
    const most = Math.max(...this.bars.map((bars) => Math.log1p(bars.reduce((a, b) => Math.max(a, b), 0)))) || 1;
    this.bars.forEach((bars, channel) => {
      const heightOf = (count) => (Math.log1p(count) / most) * (bottom - top);
      if (this.bars.length === 1) {
        brush.fillStyle = colour("bars");
        bars.forEach((n, bin) => brush.fillRect((bin * width) / BINS, bottom - heightOf(n), width / BINS + 0.5, heightOf(n)));
      } else {
        brush.strokeStyle = ["#d55e00", "#009e73", "#3d8fd1"][channel];
        brush.lineWidth = 1.5;
        brush.beginPath();
        bars.forEach((n, bin) => brush.lineTo(((bin + 0.5) * width) / BINS, bottom - heightOf(n)));
        brush.stroke();
      }
    });
    brush.fillStyle = colour("soft");
    brush.fillRect(0, bottom, width, 1);
    brush.font = "12px system-ui, sans-serif";
    brush.textBaseline = "middle";
    const ends = this.app.voxels.colour ? [0, 255] : [this.app.voxels.low, this.app.voxels.high];
    brush.textAlign = "left";
    brush.fillText(formatted(ends[0], 4), 0, height - 8);
    brush.fillText(this.app.word("histogram_count"), 0, 7);
    brush.textAlign = "right";
    brush.fillText(`${formatted(ends[1], 4)} ${this.app.unit}`.trim(), width, height - 8);
    if (!this.app.voxels.colour) this.drawWindow(brush, colour("accent"), width, top, bottom);
    this.canvas.setAttribute("aria-label", this.description());
  }

  /** The curve from value to grey, as it is shown: black at the bottom. */
  drawWindow(brush, colour, width, top, bottom) {
    const { voxels, view } = this.app;
    const across = voxels.high - voxels.low || 1;
    brush.beginPath();
    for (let x = 0; x <= width; x++) {
      const grey = voxels.greyOf(voxels.low + (across * x) / width, view);
      brush.lineTo(x, bottom - (this.app.upsideDown ? 1 - grey : grey) * (bottom - top));
    }
    brush.lineWidth = 2;
    brush.strokeStyle = colour;
    brush.stroke();
    if (view.kind !== "window") return;
    brush.lineWidth = 1;
    brush.setLineDash([4, 3]);
    for (const edge of [view.center - view.width / 2, view.center + view.width / 2]) {
      const x = ((edge - voxels.low) / across) * width;
      brush.beginPath();
      brush.moveTo(x, top);
      brush.lineTo(x, bottom);
      brush.stroke();
    }
    brush.setLineDash([]);
  }

  description() {
    const { voxels, view, unit } = this.app;
    if (voxels.colour) return this.app.word("histogram_colour_alt");
    const window = view.kind === "window" ? view : { center: (voxels.low + voxels.high) / 2, width: voxels.high - voxels.low };
    return this.app.word("histogram_alt", {
      low: formatted(voxels.low),
      high: formatted(voxels.high),
      unit,
      from: formatted(window.center - window.width / 2),
      to: formatted(window.center + window.width / 2),
    });
  }
}
