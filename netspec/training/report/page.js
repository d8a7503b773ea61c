// The readout of a chart: the values at the pointer, or at the place that the arrow keys lead to. The page says all
// that it says without this; values are set as text, never as markup.
"use strict";
for (const chart of document.querySelectorAll("svg[data-readings]")) {
  const places = chart.dataset.places.split(" ").map(Number);
  const readings = JSON.parse(chart.dataset.readings);
  const rule = chart.querySelector(".rule");
  const values = chart.parentNode.querySelectorAll(".readout b");
  const last = places.length - 1;
  let current = last;
  const show = (place, ruled) => {
    current = Math.max(0, Math.min(last, place));
    rule.setAttribute("visibility", ruled ? "visible" : "hidden");
    rule.setAttribute("x1", places[current]);
    rule.setAttribute("x2", places[current]);
    readings[current].forEach((text, number) => { values[number].textContent = text; });
  };
  const nearest = (event) => {
    const box = chart.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
    let best = 0;
    places.forEach((place, number) => { if (Math.abs(place - x) < Math.abs(places[best] - x)) best = number; });
    show(best, true);
  };
  chart.addEventListener("pointermove", nearest);
  chart.addEventListener("pointerdown", nearest);
  chart.addEventListener("pointerleave", () => show(last, false));
  chart.addEventListener("blur", () => show(last, false));
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); show(current + step, true); }
  });
}
