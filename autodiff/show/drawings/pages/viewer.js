// Puts the picture itself in the place of its still image, to be pointed at, zoomed and moved.
for (const root of document.querySelectorAll('[data-drawing="ROOT"]:not([data-ready])')) {
  const figure = root.querySelector("figure");
  const still = figure.querySelector("img");
  const picture = still === null ? figure.querySelector("svg") : inlined(still);
  root.append(zoomable(root, figure, picture));
  root.dataset.ready = "true";
}
