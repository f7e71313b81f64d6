# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Train a network, and see what it has learned
#
# After this notebook you will be able to train a multi-layer perceptron (MLP) on data of your own, draw the boundary
# that it has learned, tell learning from memorising, choose a learning rate, and look inside: at one neuron, and at
# what a network sees in a picture. There are two tasks, two moons and handwritten digits. Every number in them is a
# scalar, and every gradient is made by `backward()` in plain Python. It runs in well under a minute.

# %%
import random

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import exercise, follow_theme

BLUE, ORANGE = "#1d4ed8", "#b45309"
SIGNED = LinearSegmentedColormap.from_list("signed", [ORANGE, "white", BLUE])  # negative, zero, positive

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## Two moons
#
# The task: given the two coordinates of a point, say which moon it belongs to. The moons are noisy and lie one inside
# the other, so that no straight line separates them.
#
# A third of the points is **held out**: the network never sees them while it learns. On the other points it could do
# well by heart; on these only by having understood the shape.

# %%
points, labels = make_moons(n_samples=300, noise=0.2, random_state=1)
samples = list(zip(points.tolist(), labels.tolist(), strict=True))
training, held_out = train_test_split(samples, test_size=100, random_state=0)


def scatter(axes, samples, marker):
    for label, colour in ((0, ORANGE), (1, BLUE)):
        xs, ys = zip(*[point for point, its_label in samples if its_label == label], strict=True)
        axes.scatter(xs, ys, s=22, c=colour, marker=marker, edgecolors="white", linewidths=0.5)


fig, axes = plt.subplots(figsize=(6, 3.6))
scatter(axes, training, "o")
scatter(axes, held_out, "^")
axes.set(xlabel="x₁", ylabel="x₂", title="Moon 0 orange, moon 1 blue; triangles are held out")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## The network
#
# Two inputs, two hidden layers of eight neurons, one output. A hidden neuron computes relu(w · x + b), where relu(z) is
# z above zero and 0 below; the last one leaves the relu out. Its number is the **score**: above zero means moon 1,
# below zero moon 0, and the further from zero, the surer. The sigmoid of the score is a probability.

# %%
model = nn.MLP(2, [8, 8, 1], activation="relu", seed=0)
print(model, "has", len(model.parameters()), "parameters")
print("score of the point (0.5, 0.25), before any training:", model([0.5, 0.25]).data)

# %% [markdown]
# ## Training
#
# The **loss** says in one number how wrong the network is. For two classes it is the binary cross-entropy: -log of the
# probability that the network gave to the right answer, the mean over the samples. A network that always says "half
# and half" has a loss of log 2 = 0.69.
#
# A step of training takes a **mini-batch**, ten samples here. Their mean loss is the end of one graph, `backward()`
# gives its gradient in every parameter, and every parameter moves a little against its own gradient. To go once
# through all samples, in random order, is an **epoch**.


# %%
def train(model, loss_of, samples, lr, epochs, size=10, seed=0):
    """Train the model by mini-batches; return the loss at each step."""
    sgd = nn.SGD(model.parameters(), lr=lr)
    rng = random.Random(seed)
    losses = []
    for _ in range(epochs):
        shuffled = rng.sample(samples, len(samples))
        for start in range(0, len(shuffled), size):
            batch = shuffled[start : start + size]
            loss = ad.mean([loss_of(model(inputs), target) for inputs, target in batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.data)
    return losses


losses = train(model, nn.binary_cross_entropy_with_logits, training, lr=0.5, epochs=20)
print(f"mean loss of the first 20 steps {np.mean(losses[:20]):.3f}")
print(f"of the last 20, after {len(losses)}:  {np.mean(losses[-20:]):.3f}")

# %% [markdown]
# Is a loss like that good? Count what is right. `no_grad()` says that nothing is to be recorded: there is nothing to
# differentiate here.


# %%
def accuracy(model, samples):
    with ad.no_grad():
        return np.mean([(model(point).data > 0) == label for point, label in samples])


print(f"right on the points it learned from: {accuracy(model, training):.1%}")
print(f"right on points it has never seen:   {accuracy(model, held_out):.1%}")

# %% [markdown]
# The two are about the same: what it learned holds for new points, too. Had it learned by heart, the first number would
# be high and the second low. (The noise carries some points deep into the other moon. Those it should get wrong.)
#
# ## The loss curve and the boundary
#
# The loss of single steps jumps up and down, because each is measured on ten other points; the mean over 20 steps shows
# the trend. On the right is the score at every point of the plane: the boundary is the line where it is zero.


# %%
def smooth(losses, width=20):
    return np.convolve(losses, np.full(width, 1 / width), mode="valid")


def scores_on_grid(score, xs, ys):
    with ad.no_grad():
        return np.array([[score([x, y]).data for x in xs.tolist()] for y in ys.tolist()])


xs, ys = np.linspace(-1.7, 2.7, 45), np.linspace(-1.3, 1.8, 32)
scores = scores_on_grid(model, xs, ys)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
left.plot(losses, color="0.75", linewidth=0.8, label="one step")
left.plot(np.arange(10, len(losses) - 9), smooth(losses), BLUE, label="mean of 20")
left.axhline(np.log(2), color="k", linestyle=":", linewidth=1, label="half and half")
left.set(xlabel="step", ylabel="loss", title="Loss")
left.legend()
shades = ["#fdba74", "#fed7aa", "#ffedd5", "#dbeafe", "#bfdbfe", "#93c5fd"]
right.contourf(xs, ys, scores, levels=[-99, -4, -2, 0, 2, 4, 99], colors=shades)
right.contour(xs, ys, scores, levels=[0], colors="k", linewidths=1.5)
scatter(right, held_out, "^")
right.set(xlabel="x₁", ylabel="x₂", title="Score, with the held-out points")
fig.tight_layout()
plt.show()

# %% [markdown]
# The boundary is made of straight pieces: between the kinks of its relus, the network is linear.
#
# ## What a learning rate does
#
# The gradient says in which direction to step; the **learning rate** `lr` says how far. The same network, from the same
# start, with the same batches, at three rates. "Dead" counts the first layer's neurons that are 0 at every point.

# %%
fig, axes = plt.subplots(figsize=(8, 3.6))
print("learning rate  held out  dead neurons")
for lr, style in ((0.01, "--"), (0.5, "-"), (5.0, ":")):
    other = nn.MLP(2, [8, 8, 1], activation="relu", seed=0)
    curve = smooth(train(other, nn.binary_cross_entropy_with_logits, training, lr, epochs=10))
    axes.plot(np.arange(10, len(curve) + 10), curve, f"k{style}", label=f"lr = {lr}")
    with ad.no_grad():
        outputs = [other.layers[0](point) for point, _ in training]
    dead = sum(all(out.data == 0 for out in outs) for outs in zip(*outputs, strict=True))
    print(f"{lr:13}  {accuracy(other, held_out):8.0%}  {dead:12}")
axes.set(xlabel="step", ylabel="loss, mean of 20 steps", ylim=(0, 1.3))
axes.set_title("One network, three learning rates")
axes.legend(loc="upper right", ncols=3)
fig.tight_layout()
plt.show()

# %% [markdown]
# - **Too small** (0.01): the loss falls, but creeps. The network would arrive, at many times the cost.
# - **About right** (0.5): it falls at once and settles.
# - **Too large** (5): the first steps overshoot so far that neurons land where their relu is 0 for every point. Its
#   gradient is 0 there, too, so they never come back: they are dead. What remains says about the same of every point.
#
# A practical way to choose: raise the rate until the loss no longer falls, and take a third of that.
#
# With one parameter instead of a hundred it can be watched, step by step. The tangent is the slope, and the step is its
# multiple. Try `lr=0.15` here, and 0.3.

# %%
nn.descend(lambda x: x**4 - 3 * x**2 + x, 2.0, lr=0.03, steps=12)

# %% [markdown]
# ## One neuron
#
# What does a neuron of the first layer do? It adds up its two inputs, weighted, and cuts off what is below zero. So it
# is 0 on one side of a straight line, and rises on the other. Here are all eight, the darker the larger. Neuron 2 is 0
# nearly everywhere: the network has found no use for it.

# %%
first = model.layers[0].neurons
levels = np.linspace(0, 6, 13)

fig, panels = plt.subplots(2, 4, figsize=(10, 4.2), sharex=True, sharey=True)
for i, (axes, neuron) in enumerate(zip(panels.flat, first, strict=True)):
    axes.contourf(xs, ys, scores_on_grid(neuron, xs, ys), levels=levels, cmap="Blues", extend="max")
    for label, colour in ((0, ORANGE), (1, BLUE)):
        axes.plot(*points[labels == label].T, ".", color=colour, markersize=1.5)
    axes.set_title(f"neuron {i}", fontsize=10)
fig.tight_layout()
plt.show()

# %% [markdown]
# The second layer adds up these half-planes, and cuts off again, and from such pieces the boundary is put together.
#
# Here is the arithmetic of one of these neurons, at one point. `data` is what a number is; `grad`, after `backward()`,
# how fast the neuron's output changes with it. The parameters' own gradients are left over from training, so they are
# set to zero first.

# %%
neuron = first[5]
model.zero_grad()
out = neuron([Value(1.5, "x1"), Value(0.5, "x2")])
out.label = "out"
out.backward()
ad.draw(out, direction="TB")

# %% [markdown]
# ## Handwritten digits
#
# The same functions read handwriting. A picture of 8 × 8 pixels is a list of 64 numbers from 0, white, to 1, black; the
# network has ten outputs, a score for each digit. The loss is the cross-entropy, again -log of the probability given to
# the right answer, of ten now. A guess has log 10 = 2.3. It learns from 1,200 pictures.

# %%
pixels, digits = load_digits(return_X_y=True)
samples = list(zip((pixels / 16).tolist(), digits.tolist(), strict=True))
training, held_out = train_test_split(samples, train_size=1200, random_state=0, stratify=digits)


def show(axes, numbers, title="", cmap="gray_r", largest=1.0):
    """Show 64 numbers as a picture; of colours with a sign, white is 0."""
    lowest = 0.0 if cmap == "gray_r" else -largest
    axes.imshow(np.reshape(numbers, (8, 8)), cmap=cmap, vmin=lowest, vmax=largest)
    axes.set_title(title, fontsize=10)
    axes.axis("off")


fig, panels = plt.subplots(1, 10, figsize=(10, 1.4))
for digit, axes in enumerate(panels):
    show(axes, next(picture for picture, its_digit in training if its_digit == digit), str(digit))
fig.tight_layout()
plt.show()

# %% [markdown]
# Of ten scores, the largest is the answer. Here each epoch has a **smaller learning rate** than the one before: large
# steps while there is far to go, and small ones at the end, which the chance of a batch does not throw about so much.


# %%
def answer(model, picture):
    with ad.no_grad():
        scores = model(picture)
    return max(range(10), key=lambda digit: scores[digit].data)


reader = nn.MLP(64, [16, 10], activation="relu", seed=0)
print(f"{reader}: {len(reader.parameters()):,} parameters, {len(training):,} pictures to learn from")
losses = []
print("epoch  learning rate  loss   right on held-out pictures")
for epoch, lr in enumerate((0.3, 0.1, 0.03)):
    losses += train(reader, nn.cross_entropy, training, lr, epochs=1, seed=epoch)
    right = np.mean([answer(reader, picture) == digit for picture, digit in held_out])
    print(f"{epoch + 1:5}  {lr:13}  {np.mean(losses[-100:]):.3f}  {right:26.1%}")

fig, axes = plt.subplots(figsize=(8, 3.2))
axes.plot(losses, color="0.75", linewidth=0.8, label="one step")
axes.plot(np.arange(10, len(losses) - 9), smooth(losses), BLUE, label="mean of 20")
axes.axhline(np.log(10), color="k", linestyle=":", linewidth=1, label="a guess")
axes.set(xlabel="step", ylabel="loss", title="Digits")
axes.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# ### The same, compiled
#
# The loop above is worth writing once. `nn.fit` is the same loop in one call: batches, shuffling, an optimiser, figures
# for each epoch. It calls the model on one row, notes the arithmetic, and runs that for all rows of a batch as fast as
# arrays would, so that thirty epochs take less time than one did. **Adam** keeps a step size of its own for each
# parameter; the **schedule** lets the learning rate fall to zero along a cosine.

# %%
answers = [digit for _, digit in training], [digit for _, digit in held_out]
pictures = [picture for picture, _ in training], [picture for picture, _ in held_out]

faster = nn.MLP(64, [32, 10], activation="relu", seed=0)
history = nn.fit(
    faster,
    pictures[0],
    answers[0],
    loss=nn.cross_entropy,
    optimizer=nn.optim.Adam(faster.parameters()),
    schedule=nn.schedules.cosine(0.02, duration=30),
    epochs=30,
    metrics=["accuracy"],
    validation=(pictures[1], answers[1]),
    progress=False,
)
print(f"right on held-out pictures: {history['val_accuracy'][-1]:.1%}")
history.plot()
plt.show()

# %% [markdown]
# The loss of the training pictures falls on towards zero, while that of the held-out ones levels off: from there on the
# network learns its own pictures by heart. Which digits does it mistake for which? Each row of the table is a digit,
# each column what was read; what is off the diagonal is wrong.

# %%
nn.plot_confusion(faster, pictures[1], answers[1])
plt.show()

# %% [markdown]
# ### What a neuron looks for
#
# A neuron of the first layer has a weight for each pixel, so its weights are a picture: ink on the blue pixels excites
# it, ink on the orange ones silences it. They are no digits but strokes and gaps, which the second layer puts together.

# %%
fig, panels = plt.subplots(2, 8, figsize=(10, 2.9))
for i, (axes, neuron) in enumerate(zip(panels.flat, reader.layers[0].neurons, strict=True)):
    show(axes, [w.data for w in neuron.w], f"neuron {i}", SIGNED)
fig.tight_layout()
plt.show()

# %% [markdown]
# ### Why it was wrong
#
# Gradients are not for weights alone. Make the **pixels** Values, and `backward()` says what each of them does. Below
# are held-out pictures that the network misreads, and under each the gradient of "score of its answer minus score of
# the right answer": ink on the blue pixels speaks for the mistake, ink on the orange ones against it.

# %%
mistakes = [(picture, digit) for picture, digit in held_out if answer(reader, picture) != digit]
mistakes = mistakes[:7]

fig, panels = plt.subplots(2, len(mistakes), figsize=(10, 3.4))
for (above, below), (picture, digit) in zip(panels.T, mistakes, strict=True):
    its_answer = answer(reader, picture)
    inputs = [Value(pixel) for pixel in picture]
    scores = reader(inputs)
    (scores[its_answer] - scores[digit]).backward()
    gradient = [pixel.grad for pixel in inputs]
    show(above, picture, f"{digit}, read as {its_answer}")
    show(below, gradient, "", SIGNED, largest=max(map(abs, gradient)))
fig.tight_layout()
plt.show()

# %% [markdown]
# ## The whole network
#
# And here is the network of the moons, all of it: each circle a neuron, each line a weight, blue if it is positive,
# orange if it is negative, and the wider, the larger. A neuron whose lines to the right are thin has little to say.

# %%
ad.draw(model)

# %% [markdown]
# ## At play
#
# All of this at once, to be started, stopped and looked into: a smaller network learns the moons in the page itself,
# without Python. Each neuron shows where it is above zero; click a line or a neuron, and its gradient is written out,
# factor by factor, for the row that is marked.

# %%
nn.play(nn.MLP(2, [6, 1], "tanh", seed=0))

# %% [markdown]
# ## Exercises
#
# Write your answer in place of the dots, and run the cell: it says whether the answer is right. Three digits are
# enough.

# %% [markdown]
# **1.** How many parameters has an MLP of 64 inputs, 32 hidden neurons and 10 outputs? Each neuron has a weight for
# each of its inputs, and a bias.

# %% tags=["exercise"]
number = ...

exercise(
    number,
    len(faster.parameters()),
    hint="The first layer has 32 neurons of 64 weights and a bias, the second one 10 neurons of 32 weights and a bias.",
    mistakes={2368.0: "Those are the weights. The biases are missing."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# number = 32 * (64 + 1) + 10 * (32 + 1)
# ```
#
# </details>

# %% [markdown]
# **2.** A network gives the right class the probability 0.9. What is its cross-entropy?

# %% tags=["exercise"]
loss = ...

exercise(
    loss,
    float(-np.log(0.9)),
    hint="-log of the probability of the right answer.",
    mistakes={
        0.1: "Close, but the loss is no difference: it is a logarithm.",
        -0.105: "The sign: a loss is not negative.",
    },
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# loss = -np.log(0.9)
# ```
#
# </details>

# %% [markdown]
# **3.** Write the loss of two classes yourself, from the score: softplus(score) - target · score, where softplus(z) is
# log(1 + eᶻ), and the target is 0 or 1. Then look at its slope: it is the probability minus the target.


# %% tags=["exercise"]
def cross_entropy(score, target):
    return ...


exercise(
    cross_entropy,
    nn.binary_cross_entropy_with_logits,
    hint="ad.softplus(score) is there; math.log(1 + math.exp(score)) does, too.",
    points=[(0.0, 1.0), (2.0, 1.0), (2.0, 0.0), (-3.0, 1.0)],
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cross_entropy(score, target):
#     return ad.softplus(score) - target * score
# ```
#
# </details>

# %% [markdown]
# ## Where to go on
#
# Change something and run it again: `activation="tanh"` gives a smooth boundary; `[2, 1]` neurons are too
# few to bend around the moons; with `noise=0.4` the moons overlap, and no network can be right everywhere. `python -m
# autodiff` trains a larger reader of digits. How `fit` becomes so fast is what [Compile](04_compile.ipynb) is about.
