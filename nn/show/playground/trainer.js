// The training itself, without a page: const trainer = autodiffTrainer(story); trainer.step(). Every number comes from
// a program that engine.js evaluates: the loss of a row with its gradients, the units on the plane, the optimiser's rule.
var autodiffTrainer = (story) => {
  const { parameters, optimizer, sets } = story;
  const examples = story.examples.map((example) => ({ ...example, engine: autodiffEngine(example) }));
  const surface = autodiffEngine(story.surface);
  const rule = autodiffEngine(optimizer.rule);
  const first = examples[0].nodes.findIndex((node) => node.name === parameters[0].name);  // parameters follow x0 and x1

  for (const example of examples) {  // what each node goes into: the node that it is an operand of, and its place there
    example.places = new Map(example.nodes.map((node, i) => [node.name, i]));
    example.uses = example.nodes.map(() => []);
    example.nodes.forEach((node, i) => node.of.forEach((x, k) => { if (x !== null) example.uses[x].push([i, k]); }));
  }

  const trainer = {
    examples,
    numbers: Float64Array.from(parameters, (parameter) => parameter.now),
    state: [],
    lr: optimizer.lr,
    batch: story.batch,
    rows: sets[0].rows,
    steps: 0,
    next: 0,  // where in the rows the next batch begins
  };

  const slot = (values, at) => (at === null ? 0 : values[at] + 0);  // no gradient at all is shown as 0

  // The programs of one row, run: its example, whose engine.values hold all numbers of it.
  trainer.run = (row) => {
    const [x0, x1, second] = row;
    const example = examples[second];
    example.engine.inputs.set([x0, x1]);
    example.engine.inputs.set(trainer.numbers, first);
    example.engine.run();
    return example;
  };
  trainer.data = (example, i) => example.engine.values[example.nodes[i].data];
  trainer.gradient = (example, i) => slot(example.engine.values, example.nodes[i].gradient);
  trainer.local = (example, i, k) => slot(example.engine.values, example.nodes[i].locals[k]);
  trainer.share = (example, i, k) => slot(example.engine.values, example.nodes[i].shares[k]);

  trainer.nextRows = () => {
    const { rows, batch, next } = trainer;
    return rows.slice(next, next + Math.min(batch, rows.length));
  };

  // A parameter and its state after a step against a slope.
  const moved = (k, slope) => {
    rule.inputs.set([trainer.lr, trainer.steps + 1, trainer.numbers[k], slope, ...trainer.state[k]]);
    rule.run();
    return optimizer.rule.outputs.map((at) => rule.values[at]);
  };
  trainer.after = (k, slope) => moved(k, slope)[0];

  trainer.slopes = (rows) => {  // of the mean loss of some rows, in each parameter
    const totals = new Float64Array(parameters.length);
    for (const row of rows) {
      const example = trainer.run(row);
      for (let k = 0; k < totals.length; k += 1) totals[k] += trainer.gradient(example, first + k);
    }
    return totals.map((total) => total / rows.length);
  };

  trainer.step = () => {
    const rows = trainer.nextRows();
    const results = Array.from(trainer.slopes(rows), (slope, k) => moved(k, slope));
    results.forEach(([number, ...state], k) => { trainer.numbers[k] = number; trainer.state[k] = state; });
    trainer.steps += 1;
    trainer.next = trainer.next + rows.length >= trainer.rows.length ? 0 : trainer.next + rows.length;
  };

  // The mean loss of all rows, the share of them that the output's sign gets right, and the units that are 0 for all.
  trainer.figures = () => {
    let [loss, right] = [0, 0];
    const dead = new Set(story.units.map((unit) => unit.name));
    for (const row of trainer.rows) {
      const example = trainer.run(row);
      loss += trainer.data(example, example.loss);
      right += (trainer.data(example, example.output) > 0 ? 1 : 0) === row[2] ? 1 : 0;
      for (const name of dead) if (trainer.data(example, example.places.get(name)) !== 0) dead.delete(name);
    }
    return { loss: loss / trainer.rows.length, accuracy: right / trainer.rows.length, dead };
  };

  // What x0, x1 and each unit are at a point of the plane: story.surface.outputs says where each stands.
  trainer.at = (x0, x1) => {
    surface.inputs.set([x0, x1]);
    return surface.run();
  };
  trainer.painting = () => surface.inputs.set(trainer.numbers, 2);

  trainer.reset = () => {
    trainer.numbers.set(parameters.map((parameter) => parameter.now));
    trainer.state = parameters.map(() => optimizer.state.map((start) => (start === "lr" ? trainer.lr : start)));
    [trainer.steps, trainer.next] = [0, 0];
  };

  trainer.reset();
  return trainer;
};
