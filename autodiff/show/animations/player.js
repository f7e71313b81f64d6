// Shows one scene at a time: of all that has data-from and data-to, what belongs to it. Says its caption.
for (const root of document.querySelectorAll('[data-animation="ROOT"]:not([data-ready])')) {
  const made = document.createElement("div");
  made.innerHTML = CONTROLS;
  root.querySelector(".tracks").before(made.firstElementChild);
  root.querySelector(".tracks").after(made.lastElementChild);
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [controls, slider, play, previous, next] = ["controls", "slider", "play", "previous", "next"].map(part);
  const [position, speaking] = ["position", "speaking"].map(part);
  const tracks = [...root.querySelectorAll("[data-track]")].map((track) => {
    const figure = track.querySelector("figure");
    const still = figure.querySelector("img");
    const picture = still === null ? figure.querySelector("svg") : inlined(still);
    const { tools } = zoomable(track, figure, picture);
    track.append(tools);
    return {
      captions: JSON.parse(track.dataset.captions),
      caption: track.querySelector('[data-part="caption"]'),
      sentences: JSON.parse(track.dataset.words),
      words: track.querySelector('[data-part="words"]'),
      said: track.querySelector(".said"),
      figure,
      changing: [...picture.querySelectorAll("[data-from]")].map((element) => ({
        element, first: Number(element.dataset.from), last: Number(element.dataset.to),
      })),
    };
  });
  const last = Math.max(...tracks.map(({ captions }) => captions.length)) - 1;
  let step = last;
  let timer = null;

  const named = (k) => (k === 0 ? "start" : k === last ? "end" : `step ${k} of ${last - 1}`);

  const reveal = (figure) => {  // scrolls a drawing that is too wide to what its step is about
    const shown = [...figure.querySelectorAll('[data-highlight][visibility="visible"]')];
    if (shown.length === 0) return;
    const sides = shown.map((element) => element.getBoundingClientRect());
    const frame = figure.getBoundingClientRect();
    for (const [low, high, scroll] of [["left", "right", "scrollLeft"], ["top", "bottom", "scrollTop"]]) {
      const start = Math.min(...sides.map((side) => side[low]));
      const end = Math.max(...sides.map((side) => side[high]));
      if (start < frame[low] || end > frame[high]) figure[scroll] += (start + end - frame[low] - frame[high]) / 2;
    }
  };

  const longest = (texts) => texts.reduce((found, text) => (text.length > found.length ? text : found), "");
  const makeRoom = () => {  // for the longest caption, so that the drawing stays where it is
    for (const { captions, sentences, said } of tracks) {
      const measured = said.cloneNode(true);
      measured.removeAttribute("aria-live");
      measured.style.cssText = `position: absolute; visibility: hidden; min-height: 0; width: ${said.clientWidth}px`;
      const [caption, words] = measured.children;
      caption.textContent = longest(captions);
      words.textContent = longest(sentences);
      words.hidden = !speaking.checked;
      said.after(measured);
      said.parentElement.style.setProperty("--said", `${Math.min(measured.offsetHeight, 200)}px`);
      measured.remove();
    }
  };

  const show = (k) => {
    step = Math.min(Math.max(k, 0), last);
    for (const { captions, caption, sentences, words, figure, changing } of tracks) {
      const scene = Math.min(step, captions.length - 1);
      for (const { element, first, last } of changing) {
        element.setAttribute("visibility", first <= scene && scene <= last ? "visible" : "hidden");
      }
      const sentence = speaking.checked ? sentences[scene] : "";
      if (caption.textContent !== captions[scene]) caption.textContent = captions[scene];
      if (words.textContent !== sentence) words.textContent = sentence;
      words.hidden = !speaking.checked;
      reveal(figure);
    }
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", named(step));
    position.textContent = named(step);
    previous.setAttribute("aria-disabled", String(step === 0));
    next.setAttribute("aria-disabled", String(step === last));
    root.dataset.step = String(step);
  };

  const pause = () => {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
    root.dataset.playing = "false";
  };
  const tick = () => {
    timer = setTimeout(() => {
      if (!root.isConnected) return;
      show(step + 1);
      if (step === last) pause();
      else tick();
    }, 1000 * Number(root.dataset.seconds));
  };
  const start = () => {
    if (step === last) show(0);
    play.textContent = "Pause";
    root.dataset.playing = "true";
    tick();
  };
  const toggle = () => (timer === null ? start() : pause());
  const move = (k) => { pause(); show(k); };

  const keys = {
    ArrowRight: () => move(step + 1), ArrowUp: () => move(step + 1),
    ArrowLeft: () => move(step - 1), ArrowDown: () => move(step - 1),
    Home: () => move(0), End: () => move(last), " ": toggle,
  };
  const scrolls = (element) => {  // then arrows are for scrolling; up and down are for the page unless on the slider
    const region = element.closest("figure, [role=group]");
    return region !== null && region !== controls && region.scrollWidth > region.clientWidth;
  };
  const pressed = (event) => {
    const { key, target } = event;
    if (!Object.hasOwn(keys, key) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (key === " " && target.closest("button, summary, [type=checkbox]")) return;  // space presses those
    if (target !== slider && (key === "ArrowUp" || key === "ArrowDown")) return;
    if (key !== " " && scrolls(target)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[key]();
  };

  for (const { figure } of tracks) {
    figure.nextElementSibling.addEventListener("click", () => reveal(figure));  // after a zoom
  }
  slider.addEventListener("input", () => move(Number(slider.value)));
  play.addEventListener("click", toggle);
  previous.addEventListener("click", () => move(step - 1));
  next.addEventListener("click", () => move(step + 1));
  speaking.addEventListener("change", () => { makeRoom(); show(step); });
  root.addEventListener("keydown", pressed);
  const opened = () => {
    const found = /^#step=(\d+)$/.exec(location.hash);
    if (found !== null) move(Number(found[1]));
  };
  slider.max = String(last);
  speaking.checked = root.dataset.speaks === "now";
  part("asking").hidden = root.dataset.speaks === "never";
  new ResizeObserver(makeRoom).observe(root);
  pause();
  show(0);
  if (root.dataset.alone === "true") {  // a page of its own: its address and its keys are the animation's
    document.addEventListener("keydown", (event) => { if (event.target === document.body) pressed(event); });
    addEventListener("hashchange", opened);
    opened();
  }
  part("table").open = false;
  root.dataset.ready = "true";
}
