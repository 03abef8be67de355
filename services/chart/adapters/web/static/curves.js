// Draws each curve of the page from the Vega-Lite document inside it. Expressions are interpreted, never compiled to
// code, so that the content security policy may forbid eval. Without this script the tables still say everything.
"use strict";

const ROOM_FOR_LABELS = 190;
const NARROWEST = 200;
const NARROW = 420;
const views = new WeakMap();

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const known = views.get(target);
    if (known && Math.abs(known.width - target.clientWidth) > 8) draw(target);
  }
});

function draw(drawing) {
  const source = drawing.querySelector("script");
  const spec = JSON.parse(source.textContent);
  const width = Math.max(NARROWEST, drawing.clientWidth - ROOM_FOR_LABELS);
  for (const part of spec.vconcat) part.width = width;
  spec.config = { ...spec.config, aria: false }; // the drawing is one image with a name; its table has the points
  if (width < NARROW) for (const layer of spec.vconcat.at(-1).layer) {
    if (layer.encoding.fill) layer.encoding.fill.legend.columns = 1;
  }
  const parsed = vega.parse(vegaLite.compile(spec, { logger: vega.logger(vega.Error) }).spec, null, { ast: true });
  views.get(drawing)?.view.finalize();
  drawing.querySelector(".plot")?.remove();
  const plot = drawing.appendChild(document.createElement("div"));
  plot.className = "plot";
  plot.setAttribute("aria-hidden", "true"); // the figure around it has the name and the description
  const view = new vega.View(parsed, {
    expr: vegaInterpreter.expressionInterpreter, renderer: "svg", container: plot, logLevel: vega.Error,
  });
  views.set(drawing, { view, width: drawing.clientWidth });
  view.runAsync().then(() => drawing.setAttribute("data-drawn", "")).catch(() => failed(drawing));
}

function failed(drawing) {
  const sentence = document.createElement("p");
  sentence.textContent = "The curve could not be drawn. The table below has all of it.";
  drawing.replaceChildren(sentence);
}

function drawAll() {
  for (const drawing of document.querySelectorAll(".drawing:not([data-begun])")) {
    drawing.setAttribute("data-begun", "");
    try {
      draw(drawing);
      resized.observe(drawing);
    } catch {
      failed(drawing);
    }
  }
}

document.addEventListener("DOMContentLoaded", drawAll);
document.addEventListener("htmx:afterSettle", drawAll);
