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
# # Compile: from one neuron to a transformer
#
# After this notebook you will be able to turn code over scalars into a fast program, read that program, say what it
# looks at in each run and what is fixed in it, and give it many rows at once. At the end a small transformer learns to
# make up names of Python modules. Every multiplication in it is written as one, on plain lists. It runs in well under a
# minute.

# %%
import random
import re
import sys
from time import perf_counter
from timeit import Timer

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import exercise, follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## A graph
#
# A neuron with two inputs. Called with Values, it records a graph, and `backward()` walks through it.


# %%
def neuron(w, b, x):
    return ad.sigmoid(w[0] * x[0] + w[1] * x[1] + b)


w, b, x = [Value(2.0, "w0"), Value(-3.0, "w1")], Value(-3.0, "b"), [-1.0, -2.0]
out = neuron(w, b, x)
out.label = "out"
out.backward()
ad.draw(out, direction="TB")

# %% [markdown]
# That graph is made for these numbers alone. For the next numbers it is recorded again: an object for every operation,
# thrown away right after. But the *operations* were the same.
#
# ## A program
#
# `ad.compile(f)` gives a function that is called as `f` is. At its first call it calls `f` once, on Values that stand
# for any numbers, and notes what `f` does to them. From then on it runs these notes, and `f` is not called any more.
# Floats go in, floats come out. (What runs them is the native core, which was compiled when autodiff was installed;
# nothing is compiled now.)

# %%
fast = ad.compile(neuron)
print("compiled", fast([2.0, -3.0], -3.0, [-1.0, -2.0]))
print("eager   ", out.data)
assert abs(fast([2.0, -3.0], -3.0, [-1.0, -2.0]) - out.data) < 1e-15

# %% [markdown]
# `listing()` is the program, as text. x0, x1, ... are the numbers in the arguments, in their order: two weights, the
# bias, two inputs. Each line makes one number, and says of which. Lay it beside the drawing: it is the same graph, from
# top to bottom.

# %%
print(fast.listing())

# %% [markdown]
# ## The way back is a program, too
#
# `ad.value_and_grad(f)` is a function of numbers like any other, so it can be compiled. (So can `ad.hessian(f)`, and
# all the others.) The way forward and the way back stand in one program:

# %%
slopes = ad.compile(ad.value_and_grad(neuron, argnums=(0, 1)))
value, (dw, db) = slopes([2.0, -3.0], -3.0, [-1.0, -2.0])
print(slopes.listing())
print()
print("compiled  ", dw, db)
print("backward()", [w[0].grad, w[1].grad], b.grad)
assert np.allclose([*dw, db], [w[0].grad, w[1].grad, b.grad], rtol=1e-14)

# %% [markdown]
# Read it from the sigmoid on: σ'(z) = σ(z) σ(-z), which is (sech(z / 2) / 2)² and keeps more digits so, and that, times
# each input, is the gradient in its weight. The 0.0 that is added at the end makes 0.0 of -0.0, as `backward()` does.
#
# ## How fast is it?


# %%
def seconds(f, *args):
    """Return how long a call takes, in the mean over as many as fill a fifth of a second."""
    count, total = Timer(lambda: f(*args)).autorange()
    return total / count


numbers = [2.0, -3.0], -3.0, [-1.0, -2.0]
eager, compiled = seconds(ad.value_and_grad(neuron, argnums=(0, 1)), *numbers), seconds(slopes, *numbers)
print(f"eager     {eager * 1e6:6.2f} µs")
print(f"compiled  {compiled * 1e6:6.2f} µs, {eager / compiled:.0f} times as fast")

# %% [markdown]
# A handful of operations is hardly worth a call: nearly all of that time goes into handing over the arguments. The
# gain comes when there is more to do in one call. Many samples, for one.
#
# ## Rows
#
# `rows=2` says: argument 2 has many rows, and `f` is meant for one of them. The others are shared by all rows.

# %%
many = ad.compile(ad.value_and_grad(neuron, argnums=(0, 1)), rows=2)
rng = np.random.default_rng(0)
samples = rng.normal(size=(100_000, 2))

print("   rows   µs a row  eager / compiled")
for count in (1, 10, 100, 1000, 10_000, 100_000):
    each = seconds(many, [2.0, -3.0], -3.0, samples[:count]) / count
    print(f"{count:7,}  {each * 1e6:9.3f}  {eager / each:16,.1f}")

# %% [markdown]
# The results are stacked: an array where there was a number, with an entry for each row, and a matrix where there was a
# list of numbers, with a row for each. What is shared, such as the weights, still has a gradient for each row:

# %%
values, (dw, db) = many([2.0, -3.0], -3.0, samples[:4])
print("values", values)
print("dw", dw, sep="\n")
for i, row in enumerate(samples[:4].tolist()):
    value, (its_dw, its_db) = slopes([2.0, -3.0], -3.0, row)
    assert np.allclose([value, *its_dw, its_db], [values[i], *dw[i], db[i]], rtol=1e-14)

# %% [markdown]
# In training one wants the mean over the rows, and no gradient for each of them. `reduce="mean"` adds up on the way:

# %%
mean = ad.compile(ad.value_and_grad(neuron, argnums=(0, 1)), rows=2, reduce="mean")
print(mean([2.0, -3.0], -3.0, samples[:4]))
assert np.allclose(mean([2.0, -3.0], -3.0, samples[:4])[0], np.mean(values), rtol=1e-14)

# %% [markdown]
# ## What a program looks at, and what is fixed in it
#
# A compiled function must not give the result of yesterday's numbers. So it is good to know what it reads afresh.
#
# **Arguments**, of course. And **Values that f closes over**, such as the parameters of a model, as they are at the
# time of each run:

# %%
slope = Value(3.0, "slope")
line = ad.compile(lambda x: slope * x)
print("slope 3:", line(2.0))
slope.data = 5.0
print("slope 5:", line(2.0))
assert line(2.0) == 10.0
print(line.listing())

# %% [markdown]
# **Plain numbers** that f closes over, and numbers that it draws at random, are what they were in that one call. They
# are constants of the program, and the listing shows them. Names are not looked up again, either: the program reads the
# Value that the name stood for. What is to change goes in as an argument.

# %%
factor, scale = 3.0, Value(3.0, "scale")
frozen = ad.compile(lambda x: [factor * x, scale * x])
print("with 3:", frozen(2.0))
factor, scale = 5.0, Value(5.0, "another scale")
print("with 5:", frozen(2.0), "(still)")
assert frozen(2.0) == [6.0, 6.0]
print(frozen.listing())

# %% [markdown]
# **Structure** is fixed, too: how long a list is, how often a loop runs. Arguments of another structure get a program
# of their own:

# %%
length = ad.compile(lambda x: ad.sqrt(sum(xi * xi for xi in x)))
print(length([3.0, 4.0]), length([1.0, 2.0, 2.0]))
print(length)
assert length.stats().paths == 2

# %% [markdown]
# ## Choices
#
# An `if` on a Value goes one way or the other. The program notes which, and checks at every run that it is still the
# right way: the condition becomes a **guard**. When it fails, `f` is called once more, and the other way becomes
# another program. Each such way through f is called a path.


# %%
def bent(x):
    if x > 0:
        return 2 * x
    return x * x


by_if = ad.compile(bent)
print(by_if(3.0), "with", by_if.stats().paths, "path")
print(by_if(-3.0), "with", by_if.stats().paths, "paths")
assert by_if.stats().paths == 2
print(by_if.listing())

# %% [markdown]
# With many ifs there can be many paths. `ad.where` computes both sides and selects, so that one program does for all
# numbers:

# %%
by_where = ad.compile(lambda x: ad.where(x > 0, 2 * x, x * x))
print(by_where(3.0), by_where(-3.0), "with", by_where.stats().paths, "path")
assert by_where.stats().paths == 1
print(by_where.listing())

# %% [markdown]
# And with rows, each row takes its own path:

# %%
print(ad.compile(bent, rows=0)(np.array([3.0, -3.0, 0.5, -0.5])))

# %% [markdown]
# What cannot be followed is refused. `x.data` is a number that has left the graph: what is made of it would be the same
# at every run. The error says where, and what to write instead.

# %%
stale = ad.compile(lambda x: x * round(x.data))
try:
    stale(2.5)
except TypeError as error:
    print("\n".join(str(error).splitlines()[0].split("; ")))

# %% [markdown]
# ## A network
#
# Back to the moons of the first notebook: 100 points, 337 parameters. The loss closes over the model, so its parameters
# are read at every step. `backward(...)` of a compiled loss runs forward and back, and adds to their `grad`, exactly as
# `backward()` of a Value does. The rest of the training step stays what it was. First without compiling:

# %%
points, moons = make_moons(n_samples=100, noise=0.1, random_state=0)
signs = 2.0 * moons - 1.0  # -1 and 1


def train(model, backward, steps=40):
    """Return the loss at each step, and the seconds; `backward` returns it, and leaves its gradients in the model."""
    sgd = nn.SGD(model.parameters(), lr=0.2, momentum=0.9)
    losses, start = [], perf_counter()
    for _ in range(steps):
        sgd.zero_grad()
        losses.append(backward())
        sgd.step()
    return losses, perf_counter() - start


model = nn.MLP(2, [16, 16, 1], activation="relu", seed=0)


def surprise(point, sign):
    """Return -log of the probability that the model gives to the right moon."""
    return ad.softplus(-sign * model(point))


def backward():
    loss = ad.mean([surprise(point, sign) for point, sign in zip(points.tolist(), signs.tolist(), strict=True)])
    loss.backward()
    return loss.data


eager_losses, eager = train(model, backward)

# %% [markdown]
# And now the same with a compiled loss, from the same start:

# %%
model = nn.MLP(2, [16, 16, 1], activation="relu", seed=0)
surprises = ad.compile(surprise, rows=(0, 1), reduce="mean")
compiled_losses, compiled = train(model, lambda: surprises.backward(points, signs))

print("eager    ", eager_losses[0], "...", eager_losses[-1])
print("compiled ", compiled_losses[0], "...", compiled_losses[-1])
print(f"{eager / compiled:.0f} times as fast, the time to compile included")
assert np.allclose(eager_losses, compiled_losses, rtol=1e-6)

# %% [markdown]
# The losses differ, if at all, in their last digits: what is summed over rows is taken in blocks of rows.
#
# ## A transformer, letter by letter
#
# Now a network of the kind that language models are made of, small, but with all its parts. It reads the beginning of
# a name and gives a score to each letter that may come next. Its documents are the names of Python's own modules.

# %%
names = sorted(name for name in sys.stdlib_module_names if re.fullmatch("[a-z]{4,7}", name))
print(len(names), "names:", ", ".join(names[::12]), "...")

# %% [markdown]
# What is structure here, and what is data? **The number of letters is structure**: the loop over them runs so often.
# **Which letters they are must be data**, or each name would need a program of its own. So a letter does not come in as
# an index, but as 27 numbers: all zero, but for a 1 at its place (**one-hot**). Place 0 is the boundary, with which
# every name begins and ends.


# %%
def one_hot(name):
    return np.eye(27)[[0, *[ord(letter) - ord("a") + 1 for letter in name], 0]]


print(one_hot("cab")[:, :5].astype(int), "... (the first 5 places of 27)")

# %% [markdown]
# The parameters are 4,192 numbers in one array, and nine matrices are views of it.

# %%
WIDTH, HEAD = 16, 4  # numbers that describe a letter; of them, those that one head of attention looks at
SHAPES = {
    "letters": (WIDTH, 27),
    "positions": (16, WIDTH),
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "mix": (WIDTH, WIDTH),
    "up": (4 * WIDTH, WIDTH),
    "down": (WIDTH, 4 * WIDTH),
    "scores": (27, WIDTH),
}


def matrices(parameters):
    views, at = {}, 0
    for name, (rows, columns) in SHAPES.items():
        views[name] = parameters[at : at + rows * columns].reshape(rows, columns)
        at += rows * columns
    return views


parameters = np.random.default_rng(0).normal(0.0, 0.08, sum(rows * columns for rows, columns in SHAPES.values()))
print(f"{len(parameters):,} parameters")

# %% [markdown]
# And here is the whole model. In the middle is **attention**: each position asks a question, `query`, compares it with
# the `key` of every position so far, and takes the mean of their values, weighted by how well they fit. Four heads do
# that side by side. Then each position thinks for itself, in 64 neurons. Each of the two adds to `x` and replaces
# nothing. Look as long as you like: there is no tensor in it, only lists, and functions of numbers.


# %%
def times(matrix, x):
    return [ad.dot(row, x) for row in matrix]


def plus(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


def normalised(x):
    """Return x, scaled so that the mean of the squares is 1."""
    scale = (ad.dot(x, x) / len(x) + 1e-5) ** -0.5
    return [scale * xi for xi in x]


def attention(query, keys, values):
    fits = [ad.dot(query, key) / len(query) ** 0.5 for key in keys]
    return times(zip(*values, strict=True), ad.softmax(fits))


def transformer(w, letters):
    """Return, for each position, a score for every letter that may come next."""
    keys, values, scores = [], [], []
    for letter, position in zip(letters, w["positions"][: len(letters)], strict=True):
        x = normalised(plus(times(w["letters"], letter), position))
        inner = normalised(x)
        query = times(w["query"], inner)
        keys.append(times(w["key"], inner))
        values.append(times(w["value"], inner))
        attended = []
        for start in range(0, WIDTH, HEAD):
            head = slice(start, start + HEAD)
            attended += attention(query[head], [key[head] for key in keys], [value[head] for value in values])
        x = plus(x, times(w["mix"], attended))
        hidden = [ad.relu(z) for z in times(w["up"], normalised(x))]
        x = plus(x, times(w["down"], hidden))
        scores.append(times(w["scores"], x))
    return scores


def loss(parameters, letters):
    """Return -log of the probability given to the right letter, the mean over the positions."""
    scores = transformer(matrices(parameters), letters[:-1])
    return ad.mean([ad.logsumexp(z) - ad.dot(right, z) for z, right in zip(scores, letters[1:], strict=True)])


# %% [markdown]
# One call compiles it. The scalar graph of the gradient has a hundred thousand operations for a name of seven letters.

# %%
step = ad.compile(ad.value_and_grad(loss))
letters = one_hot("zipfile")
value, gradient = step(parameters, letters)
eager_value, eager_gradient = ad.value_and_grad(loss)(parameters, letters)
print("compiled", value)
print("eager   ", eager_value)
assert np.allclose(gradient, eager_gradient, rtol=1e-9, atol=1e-12)
print()
print(step.listing(limit=5))

# %% [markdown]
# `stats()` tells what was traced, what the passes left of it, and how long that took:

# %%
print(step.stats())

# %%
eager, compiled = seconds(ad.value_and_grad(loss), parameters, letters), seconds(step, parameters, letters)
print(f"eager     {eager * 1e3:7.2f} ms")
print(f"compiled  {compiled * 1e3:7.2f} ms, {eager / compiled:,.0f} times as fast")

# %% [markdown]
# ### Training
#
# One name a step. **Adam** is gradient descent with a memory: it steps along the mean of the recent gradients, and
# divides by their size, so that each parameter gets steps of its own measure. The rate falls to zero in a straight
# line. Names have four lengths, so `step` compiles three more programs on the way, each when it meets the first name of
# that length.


# %%
def train_names(parameters, steps, rate=0.01, beta1=0.85, beta2=0.99):
    rng = random.Random(0)
    mean, square = np.zeros_like(parameters), np.zeros_like(parameters)
    losses, queue = [], []
    for i in range(steps):
        queue = queue or rng.sample(names, len(names))
        value, gradient = step(parameters, one_hot(queue.pop()))
        losses.append(value)
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        direction = mean / (1 - beta1 ** (i + 1)) / (np.sqrt(square / (1 - beta2 ** (i + 1))) + 1e-8)
        parameters = parameters - rate * (1 - i / steps) * direction
    return parameters, losses


start = perf_counter()
trained, losses = train_names(parameters, steps=2000)
print(f"loss {np.mean(losses[:50]):.2f} in the first 50 steps, {np.mean(losses[-50:]):.2f} in the last 50")
print(f"{perf_counter() - start:.1f} s, compiling included; eager steps would have taken {2000 * eager:.0f} s")
print(step)
assert np.mean(losses[-50:]) < 2.0

# %%
fig, axes = plt.subplots(figsize=(8, 3.4))
axes.plot(losses, color="0.8", linewidth=0.6, label="one name")
smooth = np.convolve(losses, np.full(50, 1 / 50), mode="valid")
axes.plot(np.arange(25, len(losses) - 24), smooth, "#1d4ed8", label="mean of 50")
axes.axhline(np.log(27), color="k", linestyle=":", linewidth=1, label="a guess among 27")
axes.set(xlabel="step", ylabel="loss", title="A transformer of scalars learns names of modules")
axes.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# ### New names
#
# To make up a name, begin with the boundary, let the model give its scores, draw a letter accordingly, append it, and
# go on until the boundary is drawn. Here 24 names grow at the same time, each a row. A position looks only back, so
# that it does not matter what stands behind it: one program of ten positions serves for all lengths. It is compiled
# by the decorator, and as it returns an array, it gives arrays.


# %%
@ad.compile(rows=1)
def scores_of(parameters, letters):
    return np.array(transformer(matrices(parameters), letters))


def made_up(count, temperature=0.6, seed=0):
    """Return so many names; at low temperature likely letters become likelier still."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, 10, 27))
    rows[:, 0, 0] = 1.0
    drawn = np.zeros((count, 10), int)
    for at in range(9):
        scores = np.array(scores_of(trained, rows))[:, at] / temperature
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        drawn[:, at] = [rng.choice(27, p=row / row.sum()) for row in chances]
        rows[range(count), at + 1, drawn[:, at]] = 1.0
    return ["".join(chr(ord("a") + i - 1) for i in row[: row.tolist().index(0)]) for row in drawn]


invented = made_up(24)
for start in range(0, len(invented), 6):
    print("".join(f"{name + '*' * (name in sys.stdlib_module_names):12}" for name in invented[start : start + 6]))

# %% [markdown]
# Those with a star exist: the model has read the same names again and again, and knows some of them by heart. The
# others are its own.

# %% [markdown]
# ## Exercises
#
# Write your answer in place of the dots, and run the cell: it says whether the answer is right. Three digits are
# enough.

# %% [markdown]
# **1.** What does `step(2.0)` give in the last line?
#
# ```python
# rate, w = 0.5, Value(3.0, "w")
# step = ad.compile(lambda x: w * x - rate)
# step(1.0)
# rate, w.data = 0.1, 4.0
# step(2.0)
# ```

# %% tags=["exercise"]
result = ...

exercise(
    result,
    4.0 * 2.0 - 0.5,
    hint="Which of the two is read at each run: a plain number that f closes over, or the data of a Value?",
    mistakes={
        7.9: "rate is a plain number: it is what it was when f was called.",
        5.5: "w is a Value: its data is read anew.",
    },
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# result = 4 * 2 - 0.5  # w.data is read at each run, rate was noted once
# ```
#
# </details>

# %% [markdown]
# **2.** How many programs does this function have after the four calls?
#
# ```python
# f = ad.compile(lambda x: x * x if x > 1 else -x)
# f(2.0), f(0.5), f(3.0), f(-1.0)
# ```

# %% tags=["exercise"]
paths = ...

exercise(
    paths,
    2,
    hint="There is one for each way through f, not for each call.",
    mistakes={4.0: "A way that is known is not compiled again.", 1.0: "An if goes one way or the other."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# paths = 2
# ```
#
# </details>

# %% [markdown]
# **3.** Write it with `ad.where`, so that one program does for all numbers.


# %% tags=["exercise"]
def f(x):
    return ...


exercise(f, lambda x: x * x if x > 1 else -x, hint="ad.where(condition, what if so, what if not)")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def f(x):
#     return ad.where(x > 1, x * x, -x)
# ```
#
# </details>

# %% [markdown]
# ## Where to go on
#
# `help(ad.compile)` has the other options: `threads=2` shares the rows, with the same bits as a result;
# `backend="python"` needs nothing but Python. `step.prepare(...)` is a call that can be repeated without handing over
# its arguments again; with `updates`, results replace arguments in place, as a step of training does. A compiled
# function can be pickled: it takes its programs along. [Second derivatives](second_order.ipynb) comes next.
