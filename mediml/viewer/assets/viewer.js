"use strict";
// The page: what is shown now, and what the controls and keys do.

const FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"];
const byId = (id) => document.getElementById(id);

class Viewer {
  constructor(scene) {
    this.scene = scene;
    this.voxels = new Voxels(scene);
    this.index = scene.shape.map((size) => Math.floor((size - 1) / 2));
    if (scene.kind === "frames") this.index[0] = 0;
    this.crossShown = scene.kind === "volume";
    this.inverted = false; // by the reader, on top of the file's polarity
    this.tool = scene.mapping ? "window" : "pan";
    this.smooth = true;
    this.opacity = 0.45;
    this.playing = null;
    this.hiddenLabels = new Set();
    this.colourLabels();
  }

  async start() {
    this.language = this.scene.language;
    translate(this.texts.words);
    tell(this.texts);
    if (this.scene.compressed && typeof DecompressionStream === "undefined") return this.stop("too_old");
    const bar = byId("progress");
    bar.max = this.voxels.count;
    let shown = performance.now();
    try {
      await this.voxels.load((done) => {
        if (performance.now() - shown < 50) return;
        shown = performance.now();
        bar.value = done;
      });
    } catch (problem) {
      console.warn(problem.message);
      return this.stop("broken");
    }
    byId("loading").hidden = true;
    this.build();
    this.setLanguage(this.language);
    document.documentElement.dataset.ready = "yes";
  }

  stop(key) {
    byId("loading").hidden = true;
    byId("message").hidden = false;
    byId("message").dataset.word = key;
    byId("message").textContent = this.word(key);
  }

  // Words.

  get texts() {
    return this.scene.texts[this.language];
  }

  get unit() {
    return this.scene.units === "arbitrary" ? "" : this.scene.units;
  }

  word(key, values = {}) {
    return filled(this.texts.words[key], values);
  }

  millimetres(length) {
    const place = this.scene.spacingAt === "detector" ? ` (${this.word("at_detector")})` : "";
    return `${formatted(length, 3)} mm${place}`;
  }

  lengthText(pane) {
    const length = pane.lengthOf(pane.line);
    const place = this.scene.spacingAt === "detector" ? ` (${this.word("at_detector")})` : "";
    return `${length.toFixed(1)} mm${place}`;
  }

  setLanguage(language) {
    this.language = language;
    byId("language").value = language;
    translate(this.texts.words);
    tell(this.texts);
    this.nameLabels();
    this.nameViews();
    for (const pane of this.panes) this.nameSlices(pane);
    this.showPlaying();
    this.tellProbe();
    if (this.measuredPane) this.measured(this.measuredPane);
    this.redraw();
  }

  // Building.

  build() {
    const { scene, voxels } = this;
    if (!voxels.colour) this.prepareViews();
    this.panes = scene.panes.map((description) => new Pane(this, description));
    this.active = this.panes[0];
    byId("panes").className = this.panes.length === 3 ? "three" : "one";
    for (const pane of this.panes) {
      this.buildSlices(pane);
      byId("panes").append(pane.element);
    }
    this.buildTools();
    this.buildWindow();
    this.histogram = new Histogram(this, byId("histogram"));
    byId("mask").hidden = !scene.labels;
    byId("rate-field").hidden = this.panes.every((pane) => pane.count === 1);
    byId("rate").value = String(Math.round(scene.frameRate));
    byId("language").addEventListener("change", (event) => this.setLanguage(event.target.value));
    byId("theme").addEventListener("click", () => this.switchTheme());
    byId("fit").addEventListener("click", () => this.panes.forEach((pane) => this.fit(pane)));
    byId("zoom-in").addEventListener("click", () => this.zoomBy(1.25));
    byId("zoom-out").addEventListener("click", () => this.zoomBy(0.8));
    byId("invert").addEventListener("click", () => this.invert());
    byId("smooth").addEventListener("change", (event) => {
      this.smooth = event.target.checked;
      this.redraw();
    });
    byId("opacity").addEventListener("input", (event) => {
      this.opacity = event.target.value / 100;
      this.redraw();
    });
  }

  buildSlices(pane) {
    pane.slider = element("input", { type: "range", min: 0, max: pane.count - 1, value: pane.slice });
    pane.slider.addEventListener("input", () => this.setSlice(pane, Number(pane.slider.value)));
    pane.play = element("button", { type: "button" });
    pane.play.addEventListener("click", () => this.togglePlay(pane));
    pane.name_ = element("span", { className: "name" });
    pane.number = element("output");
    pane.bar = element("div", { className: "slices" }, pane.name_);
    if (pane.count > 1) pane.bar.append(pane.slider, pane.number, pane.play);
    pane.bar.hidden = this.panes.length === 1 && pane.count === 1;
    if (this.panes.length === 3) {
      pane.enlarge = element("button", { type: "button", textContent: "⤢" });
      pane.enlarge.dataset.label = "enlarge";
      pane.enlarge.addEventListener("click", () => this.enlarge(pane));
      pane.bar.append(pane.enlarge);
    }
    pane.element.append(pane.bar);
  }

  buildTools() {
    const tools = ["window", "pan", "measure", "cross"].filter(
      (tool) => (tool !== "cross" || this.scene.kind === "volume") && (tool !== "window" || !this.voxels.colour),
    );
    this.tools = tools.map((tool) => {
      const button = element("button", { type: "button" });
      button.setAttribute("role", "radio");
      button.dataset.word = `tool_${tool}`;
      button.dataset.tool = tool;
      if (tool === "measure" && !this.scene.spacing) {
        button.disabled = true;
        button.dataset.hint = "measure_unknown";
      }
      button.addEventListener("click", () => this.setTool(tool));
      button.addEventListener("keydown", (event) => this.moveTool(event, tool));
      return button;
    });
    byId("tools").append(...this.tools);
    this.setTool(this.tool);
  }

  buildWindow() {
    const grey = !this.voxels.colour;
    byId("window-controls").hidden = !grey;
    byId("colour-note").hidden = grey;
    byId("invert").hidden = !grey;
    if (!grey) return;
    byId("view").addEventListener("change", (event) => this.setView(this.views[event.target.value].view));
    for (const id of ["center", "width", "function"]) byId(id).addEventListener("change", () => this.takeFields());
    this.setView(this.views[0].view);
  }

  /** What can be chosen: the file's own views first, as the file orders them, then the full range, then presets. */
  prepareViews() {
    const { scene, voxels } = this;
    const across = voxels.high - voxels.low;
    const full = across
      ? { kind: "window", center: (voxels.low + voxels.high) / 2, width: across, function: "LINEAR_EXACT" }
      : { kind: "flat" };
    this.views = scene.views.map((view, number) =>
      view.kind === "table"
        ? { view, key: "file_table", values: { number: number + 1, entries: view.entries.length } }
        : { view, key: "file_window", values: { center: formatted(view.center), width: formatted(view.width), name: view.explanation } },
    );
    this.views.push({ view: full, key: "full_range", values: {} });
    for (const [name, preset] of Object.entries(scene.presets)) {
      const values = { center: formatted(preset.center), width: formatted(preset.width) };
      this.views.push({ view: { kind: "window", ...preset }, key: `preset_${name}`, values });
    }
  }

  nameViews() {
    if (this.voxels.colour) return;
    const options = this.views.map(({ key, values }, number) =>
      element("option", { value: String(number), textContent: this.word(key, values).trim() }),
    );
    options.push(element("option", { value: "own", textContent: this.word("own_window"), hidden: true }));
    byId("view").replaceChildren(...options);
    const functions = FUNCTIONS.map((name) =>
      element("option", { value: name, textContent: this.word(`function_${name}`) }),
    );
    byId("function").replaceChildren(...functions);
    this.showView();
  }

  // Windows.

  setView(view) {
    this.view = view;
    this.shade();
    this.showView();
    this.redraw();
  }

  /** Whether low values are shown white: the file's polarity, turned round where the reader asks for it. */
  get upsideDown() {
    return this.scene.inverted !== this.inverted;
  }

  /** Greys of all codes, anew. */
  shade() {
    if (this.voxels.colour) return;
    const greys = this.voxels.greys(this.view, this.upsideDown);
    this.shades = Uint32Array.from(greys, (grey) => packedColour(grey, grey, grey, 255));
    this.stale();
  }

  showView() {
    const number = this.views.findIndex(({ view }) => view === this.view);
    byId("view").value = number < 0 ? "own" : String(number);
    const window = this.view.kind === "window";
    byId("center").value = window ? String(Number(this.view.center.toPrecision(8))) : "";
    byId("width").value = window ? String(Number(this.view.width.toPrecision(8))) : "";
    byId("function").value = window ? this.view.function : "LINEAR";
    this.histogram?.draw();
  }

  takeFields() {
    const [center, width, kind] = [byId("center").valueAsNumber, byId("width").valueAsNumber, byId("function").value];
    if (isWindow(center, width, kind)) this.setView({ kind: "window", center, width, function: kind });
    else this.showView(); // back to what is shown
  }

  /** A drag began under `view`: right widens, left narrows; down raises the centre, which darkens. */
  dragWindow(view, right, down) {
    const range = this.voxels.high - this.voxels.low || 1;
    const from = view.kind === "window" ? view : { center: (this.voxels.low + this.voxels.high) / 2, width: range, function: "LINEAR_EXACT" };
    const least = from.function === "LINEAR" ? 1 : range * 1e-6;
    const width = clamp(from.width * Math.exp(right / 150), least, 10 * Math.max(range, from.width));
    const center = from.center + (down * Math.max(from.width, range / 500)) / 300;
    const digits = 10 ** (3 - Math.floor(Math.log10(range)));
    const round = (x) => Math.round(x * digits) / digits;
    this.setView({ kind: "window", center: round(center), width: Math.max(round(width), least), function: from.function });
  }

  invert() {
    this.inverted = !this.inverted;
    byId("invert").setAttribute("aria-pressed", String(this.inverted));
    this.shade();
    this.histogram.draw();
    this.redraw();
  }

  // Slices.

  setSlice(pane, slice) {
    this.index[pane.through] = clamp(slice, 0, pane.count - 1);
    this.stale(pane);
    this.nameSlices(pane);
    this.redraw();
  }

  step(pane, steps) {
    this.setSlice(pane, pane.slice + steps);
  }

  goTo(voxel) {
    if (!voxel) return;
    for (const pane of this.panes) {
      if (voxel[pane.through] !== this.index[pane.through]) this.setSlice(pane, voxel[pane.through]);
    }
    this.index = [...voxel];
    this.probe(voxel);
    this.redraw();
  }

  nameSlices(pane) {
    const name = this.word(pane.name) + (pane.oblique ? ` (${this.word("oblique")})` : "");
    const number = pane.slice + 1;
    pane.name_.textContent = this.panes.length > 1 ? name : this.word(pane.count > 1 ? "frame" : "image");
    pane.number.textContent = `${number} / ${pane.count}`;
    pane.slider.value = String(pane.slice);
    pane.slider.setAttribute("aria-label", `${name}: ${this.word(this.scene.kind === "frames" ? "frame" : "slice")}`);
    pane.slider.setAttribute("aria-valuetext", `${number} / ${pane.count}`);
    const values = { name, number, count: pane.count, ...pane.letters };
    pane.canvas.setAttribute("aria-label", this.word(pane.letters ? "pane_alt" : "pane_alt_unknown", values));
  }

  togglePlay(pane) {
    if (this.playing) {
      this.playing = null;
      return this.showPlaying();
    }
    this.playing = pane;
    this.showPlaying();
    let last = performance.now();
    const tick = (now) => {
      if (this.playing !== pane) return;
      const rate = clamp(byId("rate").valueAsNumber || 10, 1, 60);
      const frames = Math.floor(((now - last) * rate) / 1000);
      if (frames > 0) {
        last += (frames * 1000) / rate;
        this.setSlice(pane, (pane.slice + frames) % pane.count);
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  showPlaying() {
    for (const pane of this.panes) {
      const playing = this.playing === pane;
      pane.play.textContent = playing ? "❚❚" : "▶";
      pane.play.title = this.word(playing ? "pause" : "play");
      pane.play.setAttribute("aria-label", pane.play.title);
    }
  }

  // Looking.

  activate(pane) {
    this.active = pane;
  }

  fit(pane) {
    pane.fit();
    this.redraw();
  }

  zoomBy(factor) {
    const pane = this.active;
    pane.zoomAt(pane.canvasSize.map((size) => size / 2), factor);
  }

  enlarge(pane) {
    const solo = byId("panes").classList.toggle("solo");
    for (const each of this.panes) {
      each.element.classList.toggle("big", solo && each === pane);
      each.enlarge.setAttribute("aria-pressed", String(solo && each === pane));
    }
    this.active = pane;
  }

  setTool(tool) {
    this.tool = tool;
    for (const button of this.tools) {
      button.setAttribute("aria-checked", String(button.dataset.tool === tool));
      button.tabIndex = button.dataset.tool === tool ? 0 : -1;
    }
  }

  moveTool(event, tool) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const usable = this.tools.filter((button) => !button.disabled);
    const at = usable.findIndex((button) => button.dataset.tool === tool);
    const next = usable[(at + step + usable.length) % usable.length];
    this.setTool(next.dataset.tool);
    next.focus();
  }

  switchTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    this.histogram.draw();
  }

  measured(pane) {
    this.measuredPane = pane;
    byId("measured").textContent = `${this.word("distance")}: ${this.lengthText(pane)}`;
  }

  /** Tell what is known of a voxel; null leaves what was told last. */
  probe(voxel) {
    if (!voxel) return;
    this.probed = voxel;
    this.tellProbe();
  }

  tellProbe() {
    const lines = this.probed ? this.probeLines(this.probed) : [[this.word("probe_none"), ""]];
    byId("probe").replaceChildren(
      ...lines.flatMap(([name, text]) => [element("dt", { textContent: name }), element("dd", { textContent: text })]),
    );
  }

  probeLines(voxel) {
    const { scene, voxels } = this;
    const [plane, row, column] = voxel;
    const lines = [
      [this.word("row"), String(row)],
      [this.word("column"), String(column)],
    ];
    if (scene.shape[0] > 1) lines.unshift([this.word(scene.kind === "frames" ? "frame_index" : "plane"), String(plane * scene.every)]);
    if (voxels.colour) {
      lines.push([this.word("value"), `RGB ${voxels.rgbAt(voxel).join(", ")}`]);
    } else {
      const code = voxels.codeAt(voxel);
      const { firstStored } = scene.mapping;
      if (firstStored !== null) lines.push([this.word("stored"), formatted(code + firstStored)]);
      lines.push([this.word("value"), this.valueText(code)]);
    }
    if (scene.labels) lines.push([this.word("label"), String(voxels.labelAt(voxel))]);
    const place = voxels.positionOf(voxel);
    if (place) lines.push([this.word("position"), place.map((x) => x.toFixed(1).replace("-", "−")).join(", ")]);
    return lines;
  }

  valueText(code) {
    const value = this.voxels.values[code];
    const text = Number.isNaN(value) ? this.word("not_a_number") : `${formatted(value)} ${this.unit}`.trim();
    return this.voxels.padded[code] ? `${text} (${this.word("padded")})` : text;
  }

  key(event, pane) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const move = arrows[event.key];
    if (move && event.shiftKey) this.movePointer(pane, move);
    else if (move) this.step(pane, move[0] + move[1]);
    else if (event.key === "PageUp") this.step(pane, -10);
    else if (event.key === "PageDown") this.step(pane, 10);
    else if (event.key === "Home") this.setSlice(pane, 0);
    else if (event.key === "End") this.setSlice(pane, pane.count - 1);
    else if (event.key === " " && pane.count > 1) this.togglePlay(pane);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.fit(pane);
    else if (event.key.toLowerCase() === "i" && !this.voxels.colour) this.invert();
    else return;
    event.preventDefault();
  }

  /** Colour of each label in the overlay; 0, which is transparent, for none and for hidden ones. */
  colourLabels() {
    this.labelColours = new Uint32Array(256);
    for (const { label, colour } of this.scene.labels ?? []) {
      const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      if (!this.hiddenLabels.has(label)) this.labelColours[label] = packedColour(...parts, 255);
    }
  }

  showLabel(label, visible) {
    if (visible) this.hiddenLabels.delete(label);
    else this.hiddenLabels.add(label);
    this.colourLabels();
    this.stale();
    this.redraw();
  }

  nameLabels() {
    if (!this.scene.labels) return;
    const [word, show] = [(key, values) => this.word(key, values), (label, visible) => this.showLabel(label, visible)];
    tellLabels(this.scene.labels, this.hiddenLabels, word, show);
  }

  /** One pixel on, by keys; the pixel gets the cross-hair. */
  movePointer(pane, [across, down]) {
    const [a, d] = pane.placeOf(this.index);
    this.crossShown = true;
    this.goTo(pane.voxelAt([clamp(a + across, 0, pane.size[0] - 0.5), clamp(d + down, 0, pane.size[1] - 0.5)]));
  }

  // Drawing, at most once for each picture on the screen.

  /** Mark slices as out of date: all, or those of one pane. */
  stale(pane) {
    for (const each of this.panes ?? []) if (!pane || each === pane) each.outdated = true;
  }

  redraw() {
    if (this.asked || !this.panes) return;
    this.asked = true;
    requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.asked = false;
    for (const pane of this.panes) {
      if (pane.outdated !== false) pane.render();
      pane.outdated = false;
      pane.draw();
    }
  }
}

const viewer = new Viewer(JSON.parse(byId("scene").textContent));
viewer.start();
