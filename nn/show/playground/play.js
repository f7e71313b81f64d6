// The page around the training: buttons, the network, the plane, the loss, and the chain rule of whatever is chosen.
for (const root of document.querySelectorAll('[data-play="ROOT"]:not([data-ready])')) {
  const read = (name) => root.querySelector(`[data-part="${name}"]`).textContent;
  const story = JSON.parse(read("story"));
  const live = root.querySelector('[data-part="live"]');
  live.innerHTML = read("template");
  const part = (name) => live.querySelector(`[data-part="${name}"]`);
  const trainer = autodiffTrainer(story);
  const short = autodiffEngine.shortened;
  const SVG = "http://www.w3.org/2000/svg";
  const GRID = 44;  // points of the plane along an axis

  const chosen = { name: story.parameters[0].name, row: 0 };
  let set = story.sets[0];
  let history = [];
  let running = false;
  let lines = "weights";
  let ready = 0;  // when the next step is due, where they are slow
  let painted = 0;  // when all was shown last

  // --- small helpers ---

  const make = (tag, attributes = {}, ...inside) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "click") element.addEventListener("click", value);
      else element.setAttribute(name, value);
    }
    element.append(...inside);
    return element;
  };
  const drawn = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const colours = new Map();  // as the theme has them now: to ask takes as long as to paint
  const colour = (name) => {
    if (!colours.has(name)) {
      probe.style.color = `var(--${name})`;
      colours.set(name, getComputedStyle(probe).color);
    }
    return colours.get(name);
  };
  const probe = make("span", { hidden: "" });
  live.append(probe);
  const channels = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const signed = (number) => (number < 0 ? `(${short(number)})` : short(number));
  const product = (numbers) => numbers.map((x, i) => (i ? signed(x) : short(x))).join(" × ");

  const sized = (canvas) => {  // a canvas with as many pixels as the screen has there, and its size
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return { pen, width, height };
  };

  // --- the network ---

  const net = part("net");
  const depth = Math.max(...story.units.map((unit) => unit.layer)) + 1;
  const columns = [["x0", "x1"], ...Array.from({ length: depth }, (_, layer) => story.units.filter((unit) => unit.layer === layer).map((unit) => unit.name))];
  const most = Math.max(...columns.map((column) => column.length));
  const size = most > 9 ? 26 : 44;
  net.style.height = `${Math.max(most * (size + (most > 9 ? 16 : 24)), 280)}px`;
  const units = new Map(story.units.map((unit) => [unit.name, unit]));
  const nodes = new Map();
  columns.forEach((column, c) => column.forEach((name, r) => {
    const place = { x: (c + 0.5) / columns.length, y: (r + 0.5) / column.length };
    const canvas = make("canvas", { width: 20, height: 20 });
    const button = make("button", { type: "button", class: "unit", "aria-label": `Explain ${name}`, title: name, click: () => choose(name) }, canvas);
    const label = make("span", { class: "unit-name", "aria-hidden": "true" }, name);
    for (const element of [button, label]) [element.style.left, element.style.top] = [`${100 * place.x}%`, `${100 * place.y}%`];
    [button.style.width, button.style.height] = [`${size}px`, `${size}px`];
    label.style.marginTop = `${size / 2 + 3}px`;
    nodes.set(name, { ...place, button, canvas });
    net.append(button, label);
  }));

  const marks = [];  // of parameters: what is drawn, what is clicked, and the outline when it is chosen
  const edges = drawn("svg", { "aria-hidden": "true" });
  net.prepend(edges);
  story.units.forEach((unit) => {
    unit.weights.forEach((k, i) => marks.push({ k, from: unit.from[i], to: unit.name, line: drawn("path", {}), hit: drawn("path", { class: "hit" }), halo: drawn("path", { class: "chosen" }) }));
    if (unit.bias !== null) marks.push({ k: unit.bias, to: unit.name, line: drawn("circle", { r: 5 }), halo: drawn("circle", { class: "chosen", fill: "none", r: 7 }) });
  });
  for (const kind of ["halo", "line", "hit"]) edges.append(...marks.filter((mark) => mark[kind]).map((mark) => mark[kind]));
  for (const { k, line, hit } of marks) {
    const title = drawn("title", {});
    title.textContent = `${story.parameters[k].name}: ${story.parameters[k].path}`;
    (hit || line).append(title);
    (hit || line).addEventListener("click", () => choose(story.parameters[k].name));
  }

  const layOut = () => {
    const { clientWidth: width, clientHeight: height } = net;
    for (const { from, to, line, hit, halo } of marks) {
      const end = nodes.get(to);
      const [x, y] = [end.x * width, end.y * height];
      if (from === undefined) {
        for (const circle of [line, halo]) { circle.setAttribute("cx", x - size / 2 - 1); circle.setAttribute("cy", y + size / 2 + 1); }
        continue;
      }
      const start = nodes.get(from);
      const [a, b] = [start.x * width + size / 2, x - size / 2];
      const bend = (b - a) / 2;
      const path = `M${a} ${start.y * height}C${a + bend} ${start.y * height} ${b - bend} ${y} ${b} ${y}`;
      for (const element of [line, hit, halo]) element.setAttribute("d", path);
    }
  };

  const paintNetwork = () => {
    const shown = lines === "weights" ? trainer.numbers : trainer.slopes(trainer.nextRows());
    const largest = lines === "weights" ? 1 : Math.max(...Array.from(shown, Math.abs)) || 1;
    for (const { k, from, line, halo } of marks) {
      const number = Number.isFinite(shown[k]) ? shown[k] / largest : 0;
      const side = number < 0 ? "minus" : "plus";
      const wide = number === 0 ? 0.5 : 0.75 + 6 * Math.tanh(Math.abs(number) / 2);
      line.setAttribute("class", from === undefined ? `bias ${side}` : side);
      if (from !== undefined) { line.setAttribute("stroke-width", wide); halo.setAttribute("stroke-width", wide + 8); }
      else { line.setAttribute("r", 3 + wide / 2); halo.setAttribute("stroke-width", 4); }
      halo.style.display = story.parameters[k].name === chosen.name ? "" : "none";
    }
    for (const [name, { button }] of nodes) button.setAttribute("aria-pressed", String(name === chosen.name));
  };

  // --- the plane ---

  const plane = part("plane");
  let area = null;
  const measure = () => {  // the rows and some more, as wide as high
    const [xs, ys] = [0, 1].map((i) => set.rows.map((row) => row[i]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const half = Math.max(right - left, high - low) * 0.58 || 1;
    area = { left: (left + right) / 2 - half, top: (low + high) / 2 + half, wide: 2 * half };
  };
  const planeX = (x, width) => ((x - area.left) / area.wide) * width;
  const planeY = (y, width) => ((area.top - y) / area.wide) * width;

  const paintUnits = () => {
    trainer.painting();
    const slots = story.surface.outputs;
    const grids = slots.map(() => new Float64Array(GRID * GRID));
    for (let i = 0; i < GRID * GRID; i += 1) {
      const [column, row] = [i % GRID, Math.floor(i / GRID)];
      const values = trainer.at(area.left + ((column + 0.5) / GRID) * area.wide, area.top - ((row + 0.5) / GRID) * area.wide);
      slots.forEach((slot, u) => { grids[u][i] = values[slot]; });
    }
    const [plus, minus, paper] = ["positive-line", "negative-line", "paper"].map((name) => channels(colour(name)));
    ["x0", "x1", ...story.units.map((unit) => unit.name)].forEach((name, u) => {
      const largest = name === "y" ? 0 : grids[u].reduce((m, x) => Math.max(m, Math.abs(x)), 0) || 1;
      const image = new ImageData(GRID, GRID);
      grids[u].forEach((x, i) => {
        const share = largest ? x / largest : Math.tanh(x / 2);
        const ink = share < 0 ? minus : plus;
        const strength = 0.75 * Math.min(Math.abs(share), 1) || 0;  // nan is paper
        for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = paper[c] + strength * (ink[c] - paper[c]);
        image.data[4 * i + 3] = 255;
      });
      const canvas = nodes.get(name).canvas;
      if (canvas.width !== GRID) [canvas.width, canvas.height] = [GRID, GRID];
      canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    });
    return grids[grids.length - 1];
  };

  const paintPlane = () => {
    const heights = paintUnits();
    const { pen, width } = sized(plane);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(nodes.get("y").canvas, 0, 0, width, width);
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 2;
    pen.beginPath();
    contour(heights, (x0, y0, x1, y1) => {
      const scale = width / GRID;
      pen.moveTo((x0 + 0.5) * scale, (y0 + 0.5) * scale);
      pen.lineTo((x1 + 0.5) * scale, (y1 + 0.5) * scale);
    });
    pen.stroke();
    const [plus, minus, paper, ink, focus] = ["positive-line", "negative-line", "paper", "ink", "focus"].map(colour);
    pen.fillStyle = ink;
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.fillText(`${set.axes[0].slice(0, 24)} →`, width - 6, width - 7);
    pen.textAlign = "left";
    pen.fillText(`↑ ${set.axes[1].slice(0, 24)}`, 6, 16);
    set.rows.forEach(([x, y, second], i) => {
      const [px, py, r] = [planeX(x, width), planeY(y, width), 4];
      pen.fillStyle = second ? plus : minus;
      pen.strokeStyle = i === chosen.row ? ink : paper;
      pen.lineWidth = 1.25;
      pen.beginPath();
      if (second) pen.rect(px - r + 0.5, py - r + 0.5, 2 * r - 1, 2 * r - 1);
      else pen.arc(px, py, r, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
      if (i !== chosen.row) return;
      pen.strokeStyle = focus;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.arc(px, py, 9, 0, 2 * Math.PI);
      pen.stroke();
    });
  };

  const contour = (heights, line) => {  // where the output is 0, by marching squares
    for (let row = 0; row + 1 < GRID; row += 1) {
      for (let column = 0; column + 1 < GRID; column += 1) {
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([i, j]) => [column + i, row + j, heights[(row + j) * GRID + column + i]]);
        const cuts = [];
        corners.forEach(([x, y, value], c) => {
          const [x2, y2, other] = corners[(c + 1) % 4];
          if (value > 0 === other > 0) return;
          const t = value / (value - other);
          cuts.push([x + t * (x2 - x), y + t * (y2 - y)]);
        });
        for (let c = 0; c + 1 < cuts.length; c += 2) line(...cuts[c], ...cuts[c + 1]);
      }
    }
  };

  plane.addEventListener("click", (event) => {
    const box = plane.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const far = set.rows.map(([x0, x1]) => Math.hypot(planeX(x0, box.width) - x, planeY(x1, box.width) - y));
    chooseRow(far.indexOf(Math.min(...far)));
  });

  // --- the loss ---

  const note = () => {
    const figures = trainer.figures();
    history.push([trainer.steps, figures.loss]);
    if (history.length > 800) history = history.filter((_, i) => i % 2 === 0 || i === history.length - 1);
    part("count").textContent = String(trainer.steps);
    part("loss").textContent = short(Number(figures.loss.toPrecision(4)));
    part("right").textContent = `${Math.round(100 * figures.accuracy)} %`;
    for (const [name, { button }] of nodes) {
      button.classList.toggle("dead", figures.dead.has(name));
      button.title = figures.dead.has(name) ? `${name} is 0 for every row: no gradient passes it` : name;
    }
    const isFinite = trainer.numbers.every(Number.isFinite);
    const dead = [...figures.dead].join(", ");
    const status = !isFinite ? "The numbers are no longer finite: choose a smaller learning rate, and reset." : dead && `0 for every row, so that no gradient passes: ${dead}`;
    if (part("status").textContent !== status) part("status").textContent = status;
  };

  const paintCurve = () => {
    const canvas = part("curve");
    const { pen, width, height } = sized(canvas);
    const [left, bottom] = [34, height - 16];
    const finite = history.filter(([, loss]) => Number.isFinite(loss));
    const top = Math.max(...finite.map(([, loss]) => loss), 1e-12);
    const last = Math.max(trainer.steps, 1);
    const [x, y] = [(step) => left + (step / last) * (width - left - 4), (loss) => bottom - (loss / top) * (bottom - 6)];
    pen.strokeStyle = colour("frame-line");
    pen.fillStyle = colour("ink");
    pen.font = "11px system-ui, sans-serif";
    pen.beginPath();
    pen.moveTo(left, 4);
    pen.lineTo(left, bottom);
    pen.lineTo(width, bottom);
    pen.stroke();
    pen.textAlign = "right";
    pen.fillText(short(Number(top.toPrecision(2))), left - 4, 12);
    pen.fillText("0", left - 4, bottom);
    pen.fillText(`step ${trainer.steps}`, width, height - 3);
    pen.textAlign = "left";
    pen.fillText("loss of all rows", left, height - 3);
    pen.strokeStyle = colour("focus");
    pen.lineWidth = 2;
    pen.beginPath();
    finite.forEach(([step, loss], i) => (i ? pen.lineTo(x(step), y(loss)) : pen.moveTo(x(step), y(loss))));
    pen.stroke();
    canvas.setAttribute("aria-label", `The loss of all rows over ${trainer.steps} steps: ${part("loss").textContent} now`);
  };

  // --- the chain rule ---

  const total = (name) => `dL/d${name}`;
  const named = (name) => make("button", { type: "button", class: "name", click: () => choose(name) }, name);

  const table = (header, rows) => {  // cells are texts or elements; numbers stand at the right
    const cell = (tag, content) => {
      const isNumber = typeof content === "number";
      const isLong = typeof content === "string" && content.length > 16;
      return make(tag, isNumber ? { class: "number" } : isLong ? { class: "long" } : {}, isNumber ? short(content) : content);
    };
    const head = make("tr", {}, ...header.map((text) => make("th", { scope: "col" }, text)));
    const body = rows.map((row) => make("tr", row.isTotal ? { class: "total" } : {}, ...row.map((content) => cell("td", content))));
    return make("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": "Table" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  };
  const paragraph = (...inside) => make("p", { class: "result" }, ...inside);
  const totalled = (...cells) => Object.assign(cells, { isTotal: true });

  // From a node on towards the loss: a factor for each step, until the loss, or a node that goes into several.
  const chainOf = (example, start) => {
    const factors = [];
    let at = start;
    while (example.uses[at].length === 1) {
      const [[above, k]] = example.uses[at];
      factors.unshift({ above, at, k });
      at = above;
    }
    return { factors, top: at };
  };

  const explainForward = (example, i) => {
    const { nodes: all } = example;
    const node = all[i];
    const value = trainer.data(example, i);
    const unit = units.get(node.name) || story.units.find((one) => node.name === one.sum || node.name === one.biased);
    const k = story.parameters.findIndex((parameter) => parameter.name === node.name);
    if (k >= 0) {
      const [[user]] = example.uses[i];
      return [
        paragraph(`${node.name} = ${short(value)}, ${story.parameters[k].path} of the model.`),
        paragraph("It goes into ", named(all[user].name), ` = ${all[user].made} = ${short(trainer.data(example, user))}`),
      ];
    }
    if (unit) {
      const number = (name) => trainer.data(example, example.places.get(name));
      const rows = unit.weights.map((weight, j) => {
        const name = story.parameters[weight].name;
        return [named(name), number(name), named(unit.from[j]), number(unit.from[j]), number(name) * number(unit.from[j])];
      });
      if (unit.bias !== null) rows.push([named(story.parameters[unit.bias].name), number(story.parameters[unit.bias].name), "", "", number(story.parameters[unit.bias].name)]);
      rows.push(totalled(unit.biased, "", "", "", number(unit.biased)));
      const ending = unit.name === unit.biased ? [] : [paragraph(`${unit.name} = ${all[example.places.get(unit.name)].made} = ${short(number(unit.name))}`)];
      return [table(["weight", "", "input", "", "product"], rows), ...ending];
    }
    if (node.of.length === 0) return [paragraph(`${node.name} = ${short(value)}, an input of this row.`)];
    return [paragraph(`${node.name} = ${node.made} = ${short(value)}`)];
  };

  const explainBackward = (example, i) => {
    const { nodes: all, uses } = example;
    const name = all[i].name;
    const whole = trainer.gradient(example, i);
    const { factors, top } = chainOf(example, i);
    if (i === example.loss) return [paragraph("dL/dL = 1: the backward pass starts here.")];
    const isSum = top !== example.loss;
    const parts = [];
    if (factors.length > 0) {
      const rows = factors.map(({ above, at, k }) => [
        `∂${all[above].name}/∂${all[at].name}`, all[above].rules[k] || "its rule", trainer.local(example, above, k), `${all[above].name} = ${all[above].made}`,
      ]);
      if (isSum) rows.unshift([total(all[top].name), "a sum, below", trainer.gradient(example, top), ""]);
      const counted = rows.filter((row) => row[1] !== "1" || row[2] !== 1);  // a sum hands its gradient on as it is
      const shown = counted.length > 0 ? counted : rows.slice(0, 1);
      parts.push(
        table(["factor", "is", "here", "of"], rows),
        paragraph(`${total(name)} = ${shown.map((row) => row[0]).join(" × ")}${shown.length < rows.length ? " (factors of 1 left out)" : ""}`),
        paragraph(shown.length > 1 ? `= ${product(shown.map((row) => row[2]))} = ` : "= ", make("b", {}, short(whole))),
      );
    }
    if (isSum) {
      const rows = uses[top].map(([above, k]) => [
        named(all[above].name), trainer.gradient(example, above), `∂${all[above].name}/∂${all[top].name}`, trainer.local(example, above, k), trainer.share(example, above, k),
      ]);
      rows.push(totalled(total(all[top].name), "", "", "", trainer.gradient(example, top)));
      parts.push(
        paragraph(`${all[top].name} goes into ${uses[top].length} places; ${total(all[top].name)} is the sum of what comes back from each:`),
        table(["from", "its dL/d", "times", "here", "product"], rows),
      );
    }
    return parts;
  };

  const bars = part("bars");
  let batchRows = [];
  const explainBatch = (name) => {
    const { rows } = trainer;
    batchRows = trainer.nextRows();
    const slopes = batchRows.map((row) => {
      const example = trainer.run(row);
      return example.places.has(name) ? trainer.gradient(example, example.places.get(name)) : 0;
    });
    const sum = slopes.reduce((a, b) => a + b, 0);
    const { pen, width, height } = sized(bars);
    const largest = Math.max(...slopes.map(Math.abs)) || 1;
    const wide = width / slopes.length;
    const [plus, minus, ink, focus] = ["positive-line", "negative-line", "frame-line", "focus"].map(colour);
    slopes.forEach((slope, i) => {
      const tall = (slope / largest) * (height / 2 - 5);
      pen.fillStyle = slope < 0 ? minus : plus;
      pen.fillRect(i * wide + Math.min(1, wide / 4), height / 2 - Math.max(tall, 0), Math.max(wide - 2, wide / 2), Math.abs(tall));
      if (rows.indexOf(batchRows[i]) !== chosen.row) return;
      pen.fillStyle = focus;
      pen.fillRect(i * wide, height - 3, wide, 3);
    });
    pen.fillStyle = ink;
    pen.fillRect(0, height / 2 - 0.5, width, 1);
    const count = slopes.length;
    const mean = sum / count;
    bars.setAttribute("aria-label", `${total(name)} of each of the ${count} rows, from ${short(Math.min(...slopes))} to ${short(Math.max(...slopes))}`);
    const k = story.parameters.findIndex((parameter) => parameter.name === name);
    const words = [paragraph(`A bar is ${total(name)} of a row. They sum to ${short(sum)}; divided by ${count}, the mean is `, make("b", {}, short(mean)), ".")];
    if (k >= 0) {
      const [now, then] = [trainer.numbers[k], trainer.after(k, mean)];
      words.push(paragraph(story.optimizer.isPlain
        ? `Next step: ${name} = ${short(now)} − ${short(trainer.lr)} × ${signed(mean)} = ${short(then)}`
        : `Next step, by ${story.optimizer.name}: ${name} goes from ${short(now)} to ${short(then)}`));
    }
    part("batchwords").replaceChildren(...words);
  };
  bars.addEventListener("click", (event) => {
    const box = bars.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) / box.width) * batchRows.length);
    if (batchRows[i]) chooseRow(trainer.rows.indexOf(batchRows[i]));
  });

  const explain = () => {
    explainBatch(chosen.name);
    const row = trainer.rows[chosen.row];
    const example = trainer.run(row);
    if (!example.places.has(chosen.name)) chosen.name = "L";  // of the other class alone
    const i = example.places.get(chosen.name);
    const focused = live.contains(document.activeElement) && document.activeElement.classList.contains("name");
    part("forward").replaceChildren(...explainForward(example, i));
    part("chain").replaceChildren(...explainBackward(example, i));
    if (focused && !live.contains(document.activeElement)) part("pick").focus();
    part("row").textContent = `row ${chosen.row + 1} of ${trainer.rows.length}: (${short(row[0])}, ${short(row[1])}), class ${set.classes[row[2]]}; L = ${short(trainer.data(example, example.loss))}`;
    const pick = part("pick");
    if (![...pick.options].some((option) => option.value === chosen.name)) pick.append(make("option", { value: chosen.name }, chosen.name));
    pick.value = chosen.name;
  };

  const python = () => {
    const entries = story.parameters.map(({ path }, k) => `    ${JSON.stringify(path)}: ${trainer.numbers[k]},`);
    part("python").value = `model.load_state_dict({\n${entries.join("\n")}\n})`;
  };

  // --- all of it ---

  const show = () => {
    note();
    paintPlane();
    paintNetwork();
    paintCurve();
    explain();
    if (!running) python();
  };
  const again = () => { paintPlane(); paintNetwork(); paintCurve(); explain(); };  // the numbers are as they were
  const choose = (name) => { chosen.name = name; paintNetwork(); explain(); };
  const chooseRow = (i) => { chosen.row = (i + trainer.rows.length) % trainer.rows.length; paintPlane(); explain(); };

  const frame = (time) => {
    if (!running) return;
    if (!root.isConnected) { running = false; return; }
    const speed = Number(part("speed").value);
    if (speed > 0 || time >= ready) {
      for (let i = 0; i < Math.max(speed, 1); i += 1) trainer.step();
      ready = time + 700;
      if (speed === 0 || time >= painted + 50) {  // to paint takes longer than to learn
        painted = time;
        show();
      }
      if (!trainer.numbers.every(Number.isFinite)) run(false);
    }
    requestAnimationFrame(frame);
  };
  const run = (goes) => {
    running = goes;
    part("run").textContent = running ? "Pause" : "Start";
    root.dataset.running = String(running);
    if (running) requestAnimationFrame(frame);
    else if (root.dataset.ready) show();
  };
  const reset = () => {
    run(false);
    trainer.reset();
    history = [];
    show();
  };
  const setRate = () => {
    trainer.lr = Number((10 ** Number(part("lr").value)).toPrecision(2));
    part("rate").textContent = short(trainer.lr);
    part("lr").setAttribute("aria-valuetext", short(trainer.lr));
  };

  part("run").addEventListener("click", () => run(!running));
  part("step").addEventListener("click", () => { run(false); trainer.step(); show(); });
  part("reset").addEventListener("click", reset);
  part("lr").addEventListener("input", () => { setRate(); explain(); });
  part("lines").addEventListener("change", () => { lines = part("lines").value; paintNetwork(); });
  part("pick").addEventListener("change", () => choose(part("pick").value));
  part("before").addEventListener("click", () => chooseRow(chosen.row - 1));
  part("after").addEventListener("click", () => chooseRow(chosen.row + 1));
  part("worst").addEventListener("click", () => {
    const losses = trainer.rows.map((row) => { const example = trainer.run(row); return trainer.data(example, example.loss); });
    chooseRow(losses.indexOf(Math.max(...losses)));
  });
  const sizes = [...new Set([1, 2, 5, 10, 25, 50, story.batch])].sort((a, b) => a - b).filter((count) => count < set.rows.length);
  part("batch").append(...sizes.map((count) => make("option", { value: count }, String(count))), make("option", { value: set.rows.length }, "all"));
  part("batch").value = String(Math.min(story.batch, set.rows.length));
  part("batch").addEventListener("change", () => {
    [trainer.batch, trainer.next] = [Number(part("batch").value), 0];
    explain();
  });
  story.sets.forEach((one, i) => part("set").append(make("option", { value: i }, one.name)));
  part("choice").hidden = story.sets.length === 1;
  const useSet = (i) => {
    set = story.sets[i];
    [trainer.rows, chosen.row] = [set.rows, 0];
    measure();
    part("classes").replaceChildren(
      make("span", { class: "key round" }, `class ${set.classes[0]}: y below 0`), make("span", { class: "key square" }, `class ${set.classes[1]}: y above 0`),
    );
    plane.setAttribute("aria-label", `The plane of ${set.axes.join(" and ")}: the rows of two classes, and the line where y is 0. The row that is explained is ringed; choose another by the buttons below`);
  };
  part("set").addEventListener("change", () => { useSet(Number(part("set").value)); reset(); });
  for (const parameter of story.parameters) part("pick").append(make("option", { value: parameter.name }, parameter.name));
  for (const name of [...nodes.keys(), "L"]) part("pick").append(make("option", { value: name }, name));
  part("lr").value = String(Math.log10(story.optimizer.lr));
  trainer.lr = story.optimizer.lr;
  part("rate").textContent = short(trainer.lr);

  useSet(0);
  run(false);
  for (const still of root.querySelectorAll('[data-part="still"]')) still.remove();
  live.style.display = "";
  new ResizeObserver(() => { layOut(); again(); }).observe(net);
  const themeChanged = () => { colours.clear(); again(); };
  const themed = new MutationObserver(themeChanged);
  for (const element of [document.documentElement, document.body]) themed.observe(element, { attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
  layOut();
  show();
  root.playground = {
    step: (count = 1) => { for (let i = 0; i < count; i += 1) trainer.step(); show(); },
    reset,
    choose,
    parameters: () => Array.from(trainer.numbers),
    loss: () => trainer.figures().loss,
  };
  root.dataset.ready = "true";
}
