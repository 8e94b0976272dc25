"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const filters = document.getElementById("filters");
const views = [];

/* Plots. Text is as large as the reader's own. */
const size = 0.78 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const ink = "#1a1a1a";
const look = {
  background: "transparent",
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    labelFontSize: size, titleFontSize: size, titleFontWeight: 400,
    labelColor: ink, titleColor: ink, gridColor: "#e4e4e4", domainColor: "#767676", tickColor: "#767676",
  },
  legend: {
    orient: "bottom", labelFontSize: size, labelColor: ink, labelLimit: 175, symbolStrokeWidth: 2,
  },
};

async function draw(element, plot) {
  const { view } = await vegaEmbed(element, plot, {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: look,
    defaultStyle: false, tooltip: { disableDefaultStyle: true },
  });
  return view;
}

async function drawAll() {
  for (const element of document.querySelectorAll("[data-plot]")) {
    await new Promise((done) => setTimeout(done)); // the page is painted and listens between plots
    views.push(await draw(element, content.plots[element.dataset.plot]));
  }
  filter();
  document.body.dataset.drawn = views.length;
}

/* Filters and toggles. */
function filter() {
  if (!filters) return;
  const { dataset, model, likelihood } = Object.fromEntries(new FormData(filters));
  const matches = (wanted, there) => !wanted || wanted === there;
  for (const element of document.querySelectorAll("main [data-set], main [data-model]")) {
    const { set, model: its, likelihood: also } = element.dataset;
    element.hidden =
      (set && !matches(dataset, set)) ||
      (its !== undefined && !(matches(model, its) && matches(likelihood, also ?? "")));
  }
  const rows = content.rows.filter((row) => matches(model, row.model) && matches(likelihood, row.likelihood));
  const shown = model || likelihood ? rows.flatMap((row) => row.names) : null;
  for (const view of views) view.signal("shown", shown).runAsync();
  window.dispatchEvent(new Event("resize")); // a plot that was hidden has no width yet
}

filters?.addEventListener("change", ({ target }) => {
  if (target.dataset.shows) document.body.classList.toggle(`no-${target.dataset.shows}`, !target.checked);
  else filter();
});
filters?.addEventListener("submit", (event) => event.preventDefault());

/* Tables are sorted by a column: as numbers where both cells begin with one. */
function sort(button) {
  const head = button.closest("th");
  const place = [...head.parentElement.children].indexOf(head);
  const falling = head.ariaSort === "ascending";
  const body = head.closest("table").tBodies[0];
  const text = (row) => row.children[place].textContent.replaceAll(",", "");
  const compare = (a, b) => {
    const [x, y] = [parseFloat(text(a)), parseFloat(text(b))];
    if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1; // what has no number stands last
    const found = isNaN(x) ? text(a).localeCompare(text(b)) : x - y;
    return falling ? -found : found;
  };
  for (const other of head.closest("thead").querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.ariaSort = falling ? "descending" : "ascending";
  body.append(...[...body.rows].sort(compare));
}

document.addEventListener("click", ({ target }) => {
  if (target.matches(".sort")) sort(target);
});

/* A trial is shown where the address names it, so that the way back closes it. */
const dialog = document.getElementById("trial");

function made(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function factsOf([title, facts]) {
  const list = document.createElement("dl");
  for (const [name, value] of Object.entries(facts)) list.append(made("dt", name), made("dd", value));
  return [made("h3", title), list];
}

async function show() {
  const trial = content.trials[location.hash.replace("#trial-", "")];
  if (!trial) return dialog.close();
  dialog.querySelector("h2").textContent = trial.name;
  const again = trial.command ? [["Run it again", { command: trial.command }]] : [];
  const facts = [...again, ...trial.facts.map((place) => content.facts[place])];
  dialog.querySelector(".facts").replaceChildren(...facts.flatMap(factsOf));
  const place = dialog.querySelector(".plot");
  place.replaceChildren();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  if (trial.curve.length) {
    const plot = structuredClone(content.trial);
    const choice = plot.params.find((param) => param.bind);
    choice.bind.options = choice.bind.labels = trial.curve.map((line) => line.quantity);
    plot.data.values = trial.curve;
    await draw(place, plot);
  }
}

dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#trial-")) history.back();
});
window.addEventListener("hashchange", show);

drawAll();
if (location.hash.startsWith("#trial-")) show();
