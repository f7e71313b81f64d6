// Opens folded boxes in place. What is in a box lies hidden in the picture, laid out; when it opens, everything else
// makes room: coordinates are mapped so that the box becomes as large as its inside, and order and distances are kept.
const foldable = (picture, insides, kept) => {
  const PAD = 4;  // around an inside, and BAR above it, for its title
  const BAR = 16;
  const NUMBER = /-?\d+(?:\.\d+)?(?:e-?\d+)?/gi;

  const children = (element, kind) => [...element.children].filter((child) => child.classList.contains(kind));
  const shapes = (group) => [...group.children].filter((child) => /^(path|polygon|polyline|ellipse)$/.test(child.tagName));
  const texts = (group) => [...group.children].filter((child) => child.tagName === "text");
  const number = (element, name) => Number(element.getAttribute(name));
  const put = (element, numbers) => {
    for (const [name, x] of Object.entries(numbers)) element.setAttribute(name, Number(x.toFixed(2)));
  };

  // The points of a shape, and how to write it with others in their place.
  const outline = (element) => {
    const name = element.tagName === "path" ? "d" : "points";
    const written = element.getAttribute(name);
    const found = (written.match(NUMBER) ?? []).map(Number);
    const points = found.flatMap((x, i) => (i % 2 === 0 ? [[x, found[i + 1]]] : []));
    const write = (moved) => {
      const flat = moved.flat();
      let i = 0;
      element.setAttribute(name, written.replace(NUMBER, () => String(Number(flat[i++].toFixed(2)))));
    };
    return { points, write };
  };

  const bounds = (points) => {
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
  };
  const extent = (group) => bounds(shapes(group).flatMap((shape) => {
    if (shape.tagName !== "ellipse") return outline(shape).points;
    const [x, y, rx, ry] = ["cx", "cy", "rx", "ry"].map((name) => number(shape, name));
    return [[x - rx, y - ry], [x + rx, y + ry]];
  }));

  // A graph as it was laid out: numbers that the maps start from, whatever was opened since.
  const read = (graph) => {
    const [paper] = shapes(graph);
    const nodes = new Map(children(graph, "node").map((element) => [element.id, { element, box: extent(element) }]));
    const frames = children(graph, "cluster").map((group) => ({
      border: outline(shapes(group)[0]), corner: extent(group),
      names: texts(group).map((element) => ({ element, x: number(element, "x"), y: number(element, "y") })),
    }));
    const edges = children(graph, "edge").map((group) => {
      const [line, tip] = ["path", "polygon"].map((tag) => shapes(group).find((shape) => shape.tagName === tag));
      return { ...group.dataset, line: outline(line), tip: tip && outline(tip) };
    });
    const words = children(graph, "edge").flatMap(texts)
      .map((element) => ({ element, x: number(element, "x"), y: number(element, "y") }));
    const notes = texts(graph).map((element) => ({ element, y: number(element, "y") }));
    const read = { graph, paper: outline(paper), box: bounds(outline(paper).points), nodes, frames, edges, words, notes };
    return { ...read, folds: children(graph, "opened").map((group) => fold(group, nodes.get(group.dataset.of))) };
  };

  // A box that opens: `inside` is read when it does so for the first time, for what is not shown may have no size.
  const fold = (group, node) => {
    const [bar] = children(group, "bar");
    const [inner] = children(group, "graph");
    const made = { group, bar, inner, node, open: false, inside: null };
    const title = node.element.querySelector("title").textContent;
    const sign = bar.querySelector("text").cloneNode();
    sign.textContent = "+";
    put(sign, { x: node.box.right - 12, y: node.box.top + 13 });
    node.element.append(sign);
    for (const [element, expanded, said] of [[node.element, false, title], [bar, true, title.replace("folded", "opened")]]) {
      element.classList.add("opens");
      element.setAttribute("role", "button");
      element.setAttribute("tabindex", "0");
      element.setAttribute("aria-expanded", String(expanded));
      element.setAttribute("aria-label", said);
      const turn = () => toggle(made, !expanded);
      element.addEventListener("click", turn);
      element.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        turn();
      });
    }
    return made;
  };

  // x + the room made left of x: in each interval as much as the box there that wants most.
  const stretched = (spans) => {
    const marks = [...new Set(spans.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
    const pieces = marks.slice(1).map((to, i) => {
      const [from] = [marks[i]];
      const wanting = spans.filter((span) => span.from <= from && to <= span.to);
      return { from, to, more: Math.max(0, ...wanting.map((span) => span.extra / (span.to - span.from))) };
    });
    return (x) => pieces.reduce((sum, { from, to, more }) => sum + more * Math.min(Math.max(x - from, 0), to - from), x);
  };

  // Puts everything in its place, and returns the graph's size.
  const place = (drawing) => {
    const open = drawing.folds.filter((it) => it.open);
    const sizes = new Map(open.map((it) => [it, place(it.inside)]));
    const spans = (from, to, size, room) => open.map((it) => {
      const box = it.node.box;
      return { from: box[from], to: box[to], extra: Math.max(0, sizes.get(it)[size] + room - (box[to] - box[from])) };
    });
    const across = stretched(spans("left", "right", "width", 2 * PAD));
    const down = stretched(spans("top", "bottom", "height", BAR + PAD));
    const map = ([x, y]) => [across(x), down(y)];
    const shifts = new Map([...drawing.nodes].map(([id, { box }]) => {
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      return [id, [across(x) - x, down(y) - y]];
    }));
    const opened = new Set(open.map((it) => it.node.element.id));
    for (const [id, { element }] of drawing.nodes) {
      const [x, y] = shifts.get(id);
      if (x === 0 && y === 0) element.removeAttribute("transform");
      else element.setAttribute("transform", `translate(${x} ${y})`);
    }
    const moved = ([x, y], [dx, dy]) => [x + dx, y + dy];
    const shift = (id, [x, y]) => {  // of what is at a border: a box that is open has grown, any other has moved
      const known = opened.has(id) ? undefined : shifts.get(id);
      return known ?? [across(x) - x, down(y) - y];
    };
    for (const { line, tip, tail, head } of drawing.edges) {
      const end = line.points.length - 2;
      const start = shift(tail, line.points[0]);
      const stop = shift(head, tip ? tip.points[1] : line.points.at(-1));
      line.write(line.points.map((point, i) => (i < 2 ? moved(point, start) : i >= end ? moved(point, stop) : map(point))));
      if (tip) tip.write(tip.points.map((point) => moved(point, stop)));
    }
    for (const { border, corner, names } of drawing.frames) {
      border.write(border.points.map(map));
      for (const { element, x, y } of names) {
        put(element, { x: x + across(corner.left) - corner.left, y: y + down(corner.top) - corner.top });
      }
    }
    drawing.paper.write(drawing.paper.points.map(map));
    for (const { element, x, y } of drawing.words) put(element, { x: across(x), y: down(y) });
    for (const { element, y } of drawing.notes) put(element, { y: down(y) });
    for (const it of open) frame(it, across, down, sizes.get(it));
    const { left, right, top, bottom } = drawing.box;
    return { width: across(right) - left, height: down(bottom) - top };
  };

  const frame = ({ bar, inner, node, inside }, across, down, size) => {
    const [left, top] = [across(node.box.left), down(node.box.top)];
    const [width, height] = [across(node.box.right) - left, down(node.box.bottom) - top];
    put(bar.querySelector("rect"), { x: left, y: top, width, height });
    put(bar.querySelector("text"), { x: left + 8, y: top + 12 });
    const x = left + (width - size.width) / 2 - inside.box.left;
    const y = top + BAR + (height - BAR - PAD - size.height) / 2 - inside.box.top;
    inner.setAttribute("transform", `translate(${x} ${y})`);
  };

  const toggle = (it, open) => {
    const [before, after] = open ? [it.node.element, it.bar] : [it.bar, it.node.element];
    kept(() => {
      it.open = open;
      it.group.setAttribute("display", open ? "inline" : "none");
      it.node.element.setAttribute("display", open ? "none" : "inline");
      it.inside ??= read(it.inner);
      const { width, height } = place(whole);
      const { left, right, top, bottom } = whole.box;
      const [w, h] = [wide + width - (right - left), high + height - (bottom - top)].map((size) => Number(size.toFixed(2)));
      picture.setAttribute("width", `${w}pt`);
      picture.setAttribute("height", `${h}pt`);
      picture.setAttribute("viewBox", `0 0 ${w} ${h}`);
    }, before, after);
    after.focus({ preventScroll: true });
  };

  const graph = picture.querySelector("g.graph");
  graph.append(...new DOMParser().parseFromString(insides, "image/svg+xml").documentElement.children);
  picture.setAttribute("role", "group");  // an image would hide its buttons
  const whole = read(graph);
  const { width: wide, height: high } = picture.viewBox.baseVal;
};
