// Lets a picture in a figure be zoomed and moved: by buttons, keys, a wheel with Ctrl, a drag, a double click. It is whole
// at first. Returns the buttons, which want a place in the root, and a function that changes the picture meanwhile.
const zoomable = (root, figure, picture) => {
  const pixels = (name) => {  // of the picture as it is, unless its place is smaller
    const size = picture.getAttribute(name);
    return Number.parseFloat(size) * (size.endsWith("pt") ? 4 / 3 : 1);
  };
  const LARGEST = 4;
  const STEP = 1.25;
  let zoom = null;  // null is whole: as large as the column lets it be, and the height, where the figure says so

  const isLow = figure.dataset.whole === "height";
  const tallest = () => (isLow ? Number.parseFloat(getComputedStyle(figure).maxHeight) : pixels("height"));
  const whole = () => Math.min(1, figure.clientWidth / pixels("width"), tallest() / pixels("height"));
  const size = () => zoom ?? whole();

  const tools = document.createElement("div");
  tools.className = "zoom";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Zoom");
  const button = (name, sign, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = sign;
    made.title = name;
    made.setAttribute("aria-label", name);
    made.addEventListener("click", action);
    tools.append(made);
    return made;
  };

  const resize = (wanted) => {
    zoom = wanted === null || wanted < 1.001 * whole() ? null : Math.min(wanted, LARGEST);
    picture.style.width = zoom === null ? "" : `${zoom * pixels("width")}px`;
    picture.style.maxWidth = zoom === null ? "" : "none";
    root.dataset.zoom = zoom === null ? "whole" : zoom.toFixed(2);
    figure.dataset.scrolls = String(figure.scrollWidth > figure.clientWidth || figure.scrollHeight > figure.clientHeight);
  };
  // Keeps the point of the picture that is at (x, y) of the window where it is.
  const scale = (wanted, x, y) => {
    const before = picture.getBoundingClientRect();
    const across = (x - before.left) / before.width;
    const down = (y - before.top) / before.height;
    resize(wanted);
    const after = picture.getBoundingClientRect();
    figure.scrollLeft += after.left + across * after.width - x;
    figure.scrollTop += after.top + down * after.height - y;
  };
  // Changes the picture, its words staying as large as they are, and one element coming to be where another was.
  const kept = (change, gone, come) => {
    const was = size();
    const before = gone.getBoundingClientRect();
    change();
    resize(was);
    const after = come.getBoundingClientRect();
    figure.scrollLeft += after.left - before.left;
    figure.scrollTop += after.top - before.top;
  };
  const middle = () => {
    const frame = figure.getBoundingClientRect();
    return [(frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2];
  };
  const actions = {
    "+": () => scale(size() * STEP, ...middle()),
    "-": () => scale(size() / STEP, ...middle()),
    0: () => scale(null, ...middle()),
    1: () => scale(1, ...middle()),
  };
  button("Zoom out", "−", actions["-"]);
  button("Whole picture", "◻", actions["0"]);
  button("Actual size", "1:1", actions["1"]);
  button("Zoom in", "+", actions["+"]);

  figure.addEventListener("keydown", (event) => {
    const key = event.key === "=" ? "+" : event.key;
    if (!Object.hasOwn(actions, key) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    actions[key]();
  });
  figure.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;  // the wheel alone is the page's
    event.preventDefault();
    scale(size() * 2 ** (-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  figure.addEventListener("dblclick", (event) => {
    if (event.target.closest('[role="button"]')) return;
    event.preventDefault();
    scale(zoom === null ? Math.max(1, 2 * whole()) : null, event.clientX, event.clientY);
  });

  let held = null;  // where the pointer was, and whether it has moved since; a finger scrolls without our help
  figure.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || figure.dataset.scrolls !== "true") return;
    held = { x: event.clientX, y: event.clientY, moved: false };
  });
  figure.addEventListener("pointermove", (event) => {
    if (held === null) return;
    if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 4) return;
    if (!held.moved) figure.setPointerCapture(event.pointerId);
    figure.scrollLeft -= event.clientX - held.x;
    figure.scrollTop -= event.clientY - held.y;
    held = { x: event.clientX, y: event.clientY, moved: true };
  });
  const release = () => { held = null; };
  figure.addEventListener("pointerup", release);
  figure.addEventListener("pointercancel", release);

  root.dataset.zoom = "whole";
  return { tools, kept };
};
