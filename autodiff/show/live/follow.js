// Lets a picture follow the numbers in the slots of a program: texts, titles, colours, flags, dashes.
// `follower(picture, data).follow` is a function of the values; `data` says which slot stands where.
const follower = (picture, data) => {
  const isNothing = (x) => Object.is(x, -0);
  const isFinite = Number.isFinite;
  const text = autodiffEngine.shortened;
  const group = (id) => picture.querySelector(`#${picture.id}-${id}`);
  const parts = (kind) => data[kind].map((part) => {
    const element = group(part.id);
    const shows = {};
    for (const each of element.querySelectorAll("[data-shows]")) shows[each.dataset.shows] = each;
    const shape = element.querySelector("path, polygon, ellipse");
    return { ...part, shows, shape, words: element.querySelector("title") };
  });
  const [boxes, marks, edges, folds] = ["boxes", "marks", "edges", "folds"].map(parts);

  const write = ({ shows }, name, shown) => {
    const written = shows[name];
    if (written === undefined || written.textContent === shown) return;
    written.textContent = shown;
    const room = Number(written.dataset.room);
    if (shown.length > room) {  // than anything the picture was laid out for
      const letter = 0.63 * Number.parseFloat(getComputedStyle(written).fontSize);
      written.setAttribute("textLength", String(letter * room));
      written.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else {
      written.removeAttribute("textLength");
    }
  };
  const say = ({ title, words }, flag, places) => {
    let said = title;
    for (const [place, shown] of Object.entries(places)) said = said.replace(data.places[place], () => shown);
    if (words !== null) words.textContent = flag === "" ? said : `${said}, ${flag.slice(2)}`;
  };
  const tone = (x, largest) => {
    if (!isFinite(x)) return "bad";
    if (x === 0) return "zero";
    const below = largest > 0 ? Math.log10(largest) - Math.log10(Math.abs(x)) : 0;
    return `${x < 0 ? "-" : "+"}${4 - data.steps.filter((step) => step <= below).length}`;
  };
  const norm = (xs) => {
    const largest = Math.max(0, ...xs.map(Math.abs));
    return largest === 0 ? 0 : largest * Math.sqrt(xs.reduce((sum, x) => sum + (x / largest) ** 2, 0));
  };

  const follow = (values) => {
    const number = (slot) => (slot === null ? 0 : values[slot] + 0);
    const isDead = (slot) => slot === null || isNothing(values[slot]);
    const gradients = boxes.map((box) => number(box.gradient));
    const largest = Math.max(0, ...gradients.filter(isFinite).map(Math.abs));
    boxes.forEach((box, i) => {
      const [value, gradient] = [values[box.data], gradients[i]];
      const wrong = [...new Set([value, gradient].filter((x) => !isFinite(x)).map((x) => text(Math.abs(x))))];
      const flag = wrong.length > 0 ? `⚠ ${wrong.join(" ")}` : gradient === 0 ? "∅ zero grad" : "";
      write(box, "data", text(value));
      write(box, "grad", text(gradient));
      write(box, "label", flag === "" ? box.name : `${box.name} ${flag}`);
      box.shape.setAttribute("fill", data.tones[wrong.length > 0 ? "bad" : tone(gradient, largest)]);
      say(box, flag, { data: text(value), grad: text(gradient) });
    });
    for (const mark of marks) {
      const flag = isDead(mark.local) ? "✕ dead" : "";
      write(mark, "flag", flag);
      say(mark, flag, {});
    }
    for (const edge of edges) {
      const local = text(edge.optional[0] || edge.local === null ? number(edge.local) : values[edge.local]);
      write(edge, "local", local);
      if (local === "0" || local === "-0") edge.shape.setAttribute("stroke-dasharray", data.dashes);
      else edge.shape.removeAttribute("stroke-dasharray");
      const share = `${text(number(edge.upstream))} × ${local} = ${text(number(edge.share))}`;
      say(edge, "", { local, share });
    }
    for (const fold of folds) {
      const size = norm(fold.measured.map(number).filter(isFinite));
      const bad = fold.members.filter((slots) => !slots.every((slot) => isFinite(number(slot)))).length;
      const dead = fold.relus.filter(isDead).length;
      const flags = [bad > 0 ? `⚠ ${bad.toLocaleString("en")} nan or inf` : "", dead > 0 ? `✕ ${dead.toLocaleString("en")} dead` : ""];
      const flag = flags.filter((each) => each !== "").join(", ");
      write(fold, "grad", `|grad| ${text(size, 2)}`);
      write(fold, "flag", flag);
      say(fold, flag, { grad: text(size, 2) });
    }
  };
  return { follow, boxes, edges, write, tone, group };
};
