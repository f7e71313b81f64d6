// Puts the picture itself in the place of its still image, to be pointed at, zoomed and moved, and its folds opened.
for (const root of document.querySelectorAll('[data-drawing="ROOT"]:not([data-ready])')) {
  const figure = root.querySelector("figure");
  const still = figure.querySelector("img");
  const picture = still === null ? figure.querySelector("svg") : inlined(still);
  const { tools, kept } = zoomable(root, figure, picture);
  root.append(tools);
  root.dataset.ready = "true";
  const packed = root.querySelector('script[type="text/plain"]');
  if (packed === null) continue;
  unpacked(packed.textContent).then((insides) => {
    foldable(picture, insides, kept);
    const hint = document.createElement("span");
    hint.textContent = "A click opens a box with +, and closes it.";
    tools.prepend(hint);
    root.dataset.opens = "true";
  });
}
