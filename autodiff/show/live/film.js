// Plays the way forward and the way back in a picture, on the numbers that its sliders stand at. `filming` returns the
// controls, and `show(values)`, which draws the step that is shown over what the follower has drawn.
const filming = (root, { boxes, edges, write, tone, group }, data, tones) => {
  const text = autodiffEngine.shortened;
  const { steps, result, leaves, place } = data;
  const last = 2 * steps.length + 2;  // 0 is the start, steps.length + 1 the turn; the last one is the picture as it is
  const NOT_YET = "not yet";
  let step = last;
  let touched = false;
  let values = null;
  let timer = null;

  const number = (slot) => (slot === null ? 0 : values[slot] + 0);
  const factor = (x) => (text(x).startsWith("-") ? `(${text(x)})` : text(x));
  const filled = (numbers) => numbers.replaceAll(new RegExp(`${place}(\\d+)([;,])`, "g"), (_, slot, end) => (
    end === "," ? factor(values[slot]) : text(values[slot])));
  const given = (shares) => shares.filter(({ local, share, optional }) => [local, share].every(
    (slot, i) => slot !== null && !(optional[i] && Object.is(values[slot], -0))));
  const few = (said, all) => said.slice(0, 8).join(", ") + (all > 8 ? `, ... ${(all - 8).toLocaleString("en")} more` : "");

  const forward = ({ name, made, numbers, data: slot }) => `${name} = ${made} = ${filled(numbers)} = ${text(values[slot])}`;
  // A share is said as the product of the numbers before it: the slot may have 0 where those make it -0, or the reverse.
  const backward = ({ name, made, data: slot, total, gradient, shares }) => {
    const upstream = text(number(gradient));
    const passed = given(shares);
    const said = passed.map((each) => (
      `${each.total} += ${upstream} * ${factor(values[each.local])} = ${text(number(gradient) * values[each.local])}`));
    return `${name} = ${made} = ${text(values[slot])}, ${total} = ${upstream}: `
      + (passed.length === 0 ? "passes nothing on" : few(said, passed.length));
  };
  const caption = (k) => {
    const turn = steps.length + 1;
    if (k === 0) return "Start: the leaves have their numbers; nothing is computed yet.";
    if (k < turn) return forward(steps[k - 1]);
    if (k === turn) {
      const end = `${result.name} = ${text(values[result.slot])}, which ends the way forward.`;
      return `${end} ${result.total} = 1; no other gradient is known yet.`;
    }
    if (k < last) return backward(steps[last - k - 1]);
    return `End: ${few(leaves.map(({ total, slot }) => `${total} = ${text(number(slot))}`), leaves.length)}`;
  };

  // What is known after so many steps: the boxes with their numbers, the edges with theirs, the gradients so far, those
  // to which more is added, and the largest number of the way, for the colours.
  const drawn = (k) => {
    const back = k > steps.length;
    const known = new Set([...data.known, ...steps.slice(0, k).map(({ box }) => box)]);
    const local = new Set(steps.slice(0, k).flatMap(({ shares }) => shares.map(({ edge }) => edge)));
    const [totals, sums, toCome] = [new Map(), new Map([[result.box, 1]]), new Set()];
    const sizes = back ? [1] : boxes.map((box) => values[box.data]);
    if (back) totals.set(result.box, 1);
    [...steps].reverse().forEach(({ box, gradient, shares }, i) => {
      const done = i < k - steps.length - 1;
      if (back) sizes.push(number(gradient));
      if (done && !totals.has(box)) totals.set(box, 0);  // its turn came, and it had got nothing
      for (const { to, share } of given(shares)) {
        sums.set(to, (sums.get(to) ?? 0) + values[share]);
        if (back) sizes.push(sums.get(to));
        if (done) totals.set(to, sums.get(to));
        else toCome.add(to);
      }
    });
    const largest = Math.max(0, ...sizes.filter(Number.isFinite).map(Math.abs));
    return { back, known, local, totals, toCome, largest };
  };

  const light = (k) => {
    for (const lit of root.querySelectorAll("[data-lit]")) lit.removeAttribute("data-lit");
    if (k === 0 || k === last) return;
    const turn = steps.length + 1;
    const now = k < turn ? steps[k - 1] : steps[last - k - 1];
    const passed = k === turn ? [] : given(now?.shares ?? []);
    const changed = k < turn ? [now.box] : k === turn ? [result.box] : passed.map(({ to }) => to);
    const edgesLit = k < turn ? now.shares.map(({ edge }) => edge) : passed.map(({ edge }) => edge);
    for (const id of changed) group(id)?.setAttribute("data-lit", "changed");
    if (k !== turn) for (const id of [...now.lit, ...edgesLit]) group(id)?.setAttribute("data-lit", "active");
  };

  const scene = (k) => {
    light(k);
    said.textContent = touched ? caption(k) : "How these numbers come about, forward and backward, step by step:";
    if (k === last) return;
    const { back, known, local, totals, toCome, largest } = drawn(k);
    for (const box of boxes) {
      write(box, "data", known.has(box.id) ? text(values[box.data]) : NOT_YET);
      write(box, "grad", totals.has(box.id) ? text(totals.get(box.id) + 0) + (toCome.has(box.id) ? " + …" : "") : NOT_YET);
      write(box, "label", box.name);
      const shown = back ? totals.get(box.id) : known.has(box.id) ? values[box.data] : undefined;
      box.shape.setAttribute("fill", tones[shown === undefined ? "frame" : tone(shown, largest)]);
    }
    for (const edge of edges) if (!local.has(edge.id)) write(edge, "local", "");
  };

  const tools = document.createElement("div");
  tools.className = "film";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Forward and backward, step by step");
  const button = (name, action) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: name });
    made.addEventListener("click", action);
    tools.append(made);
    return made;
  };
  let refresh = () => {};
  const move = (k) => {
    touched = true;
    step = Math.min(Math.max(k, 0), last);
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", step === 0 ? "start" : step === last ? "end" : `step ${step} of ${last - 1}`);
    root.dataset.step = String(step);
    refresh();
  };
  const pause = () => {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
  };
  const tick = () => {
    timer = setTimeout(() => {
      if (!root.isConnected) return;
      move(step + 1);
      if (step === last) pause();
      else tick();
    }, 2000);
  };
  const play = button("Play", () => {
    if (timer !== null) { pause(); return; }
    if (step === last) move(0);
    play.textContent = "Pause";
    tick();
  });
  button("Previous", () => { pause(); move(step - 1); });
  button("Next", () => { pause(); move(step + 1); });
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: last, step: 1, autocomplete: "off" });
  slider.value = String(last);
  slider.setAttribute("aria-label", "Step");
  slider.addEventListener("input", () => { pause(); move(Number(slider.value)); });
  const said = document.createElement("p");
  said.dataset.part = "caption";
  said.setAttribute("aria-live", "polite");
  tools.append(slider, said);

  return {
    tools,
    show: (now) => { values = now; scene(step); },
    whenMoved: (again) => { refresh = again; },
  };
};
