// Sliders in a live notebook: what they move is computed in the kernel.
export default {
  render({ model, el }) {
    el.innerHTML = model.get("html");
    const compute = (numbers) => {
      model.set("numbers", numbers);
      model.save_changes();
    };
    const root = el.firstElementChild;
    const { show } = sliding(root, model.get("data"), compute);
    const moved = () => show(model.get("slots").map(Number));
    const answered = () => { root.querySelector('[data-part="answer"]').innerHTML = model.get("answer"); };
    model.on("change:slots", moved);
    model.on("change:answer", answered);
    moved();
    answered();
  },
};
