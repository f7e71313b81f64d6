// Sliders in a page: what they move is computed here.
for (const root of document.querySelectorAll('[data-sliders="ROOT"]:not([data-ready])')) {
  const data = JSON.parse(root.querySelector('[data-part="data"]').textContent);
  const engine = autodiffEngine(data.program);
  const compute = (numbers, show) => {
    engine.inputs.set(numbers);
    show(engine.run());
  };
  sliding(root, data, compute).move();
}
