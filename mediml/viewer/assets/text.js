"use strict";
// Words: everything that the page says, set as text and never as markup.

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/** Put the words of a language wherever the page asks for them: `data-word` as text, `data-label` as a label,
 * `data-hint` as what the mouse is told. */
function translate(words) {
  document.documentElement.lang = words.html_lang;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", words[each.dataset.label]);
    if (each.tagName === "BUTTON") each.title = words[each.dataset.label];
  }
  for (const each of document.querySelectorAll("[data-hint]")) each.title = words[each.dataset.hint];
}

/** The table and the two lists below the picture. */
function tell({ table, account, doubts }) {
  const lines = table.map(([name, text]) =>
    element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: text })),
  );
  document.getElementById("facts").replaceChildren(...lines);
  for (const [id, sentences] of Object.entries({ account, doubts })) {
    const items = sentences.map((sentence) => element("li", { textContent: sentence }));
    document.getElementById(id).replaceChildren(...items);
  }
  document.getElementById("doubts-section").hidden = doubts.length === 0;
}

/** The list of labels, with how much there is of each; `show(label, visible)` when one is ticked. */
function tellLabels(labels, hidden, word, show) {
  const lines = labels.map(({ label, colour, voxels, ml }) => {
    const size =
      ml === null ? word("label_size", { voxels }) : word("label_size_mm3", { voxels, volume: formatted(ml, 3) });
    const swatch = element("i");
    swatch.style.background = colour;
    const tick = element("input", { type: "checkbox", checked: !hidden.has(label) });
    tick.addEventListener("change", () => show(label, tick.checked));
    const name = element("label", {}, tick, swatch, element("span", { textContent: word("label_line", { label }) }));
    return element("li", {}, name, element("span", { textContent: size }));
  });
  document.getElementById("labels").replaceChildren(...lines);
}
