// Sliders in a root, and all that follows them. `compute(numbers, show)` hands the values in all slots to `show`, now or
// later; `data` says what moves, and which slot stands where.
const sliding = (root, data, compute) => {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [controls, result, figure] = [part("controls"), part("result"), root.querySelector("figure")];
  const still = figure?.querySelector("img");
  const picture = still ? inlined(still) : figure?.querySelector("svg");
  const following = picture ? follower(picture, data.picture) : null;
  const film = following && data.film ? filming(root, following, data.film, data.picture.tones) : null;
  if (film) figure.before(film.tools);
  if (picture) figure.after(zoomable(root, figure, picture).tools);
  const text = autodiffEngine.shortened;

  let shown = null;
  const show = (values) => {
    shown = values;
    following?.follow(values);
    film?.show(values);
    const words = data.results.map(({ name, slot }) => `${name} = ${text(slot === null ? 0 : values[slot] + 0)}`);
    result.textContent = words.join(", ");
    root.dataset.shown = String(Number(root.dataset.shown ?? 0) + 1);
  };
  film?.whenMoved(() => { if (shown !== null) show(shown); });
  const numbers = data.sliders.map(({ now }) => Number(now));
  const move = () => compute([...numbers], show);

  const inputs = data.sliders.map(({ name, low, high, now }, i) => {
    const row = document.createElement("div");
    row.className = "slider";
    const label = document.createElement("label");
    const [range, number] = ["range", "number"].map((type) => {
      const input = document.createElement("input");
      Object.assign(input, { type, min: low, max: high, step: "any", autocomplete: "off" });
      return input;
    });
    range.id = `${root.id}-slider-${i}`;
    label.htmlFor = range.id;
    label.textContent = name;
    number.setAttribute("aria-label", `${name}, the number`);
    const write = (source) => {
      if (source !== range) range.value = String(numbers[i]);
      if (source !== number) number.value = text(numbers[i]);
      range.setAttribute("aria-valuetext", text(numbers[i]));
    };
    const moved = (source) => {
      if (source.value === "") return;
      numbers[i] = Math.min(Math.max(Number(source.value), low), high);
      write(source);
      move();
    };
    for (const input of [range, number]) input.addEventListener("input", () => moved(input));
    number.addEventListener("change", () => write(null));
    row.append(label, range, number);
    controls.append(row);
    write(null);
    return { reset: () => { numbers[i] = Number(now); write(null); } };
  });
  const reset = document.createElement("button");
  reset.type = "button";
  reset.textContent = "Reset";
  reset.addEventListener("click", () => {
    for (const input of inputs) input.reset();
    move();
  });
  controls.append(reset);
  if (picture) part("table").open = false;
  root.dataset.ready = "true";
  return { show, move };
};
