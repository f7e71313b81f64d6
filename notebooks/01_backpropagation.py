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
# # Backpropagation, one number at a time
#
# After this notebook you will be able to read a computation graph, say what every number in it means, check any
# gradient, and train a small network whose every operation you have seen. It runs in well under a minute.

# %%
import matplotlib.pyplot as plt

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import exercise, follow_theme

follow_theme()  # plots are light or dark as the page is

# %% [markdown]
# ## A product
#
# A `Value` is a number that remembers how it was made. Arithmetic records a graph; `draw` shows it. On each edge stands
# the **local gradient**: how fast the result changes when that operand alone does. Of a product, that is the other
# factor.

# %%
x, y = Value(3.0, "x"), Value(2.0, "y")
product = x * y
product.label = "product"
ad.draw(product)

# %% [markdown]
# ## The chain rule
#
# `backward()` starts at the output, whose gradient is 1, and walks back: each operand receives the gradient of the
# result times the local gradient on the edge. Follow one path in the drawing and multiply what stands on its edges.

# %%
x, y = Value(3.0, "x"), Value(2.0, "y")
z = ad.tanh(x * y - 5.5)
z.label = "z"
z.backward()
ad.draw(z)

# %% [markdown]
# `explain` writes that out for one leaf: its path to `z`, the factor on each edge, and where each factor comes from.

# %%
ad.explain(z, x)

# %% [markdown]
# And here is the whole of it as a film: the numbers come forward, and the gradients go back. Step through it with the
# slider or the arrow keys. "In plain words" says each step as a sentence.

# %%
ad.animate(z)

# %% [markdown]
# A number used twice hears from both uses, and the two shares add up:

# %%
a = Value(3.0, "a")
square = a * a
square.backward()
print(ad.draw(square).text())

# %% [markdown]
# ## Do not believe it: check it
#
# The derivative says what a small step does to the output. So take a small step:


# %%
def f(x, y):
    return ad.tanh(x * y - 5.5)


h = 1e-5
print("backward()        ", x.grad, y.grad)
print("central difference", (f(3 + h, 2) - f(3 - h, 2)) / (2 * h), (f(3, 2 + h) - f(3, 2 - h)) / (2 * h))

# %% [markdown]
# ## A neuron
#
# A neuron is `activation(w · x + b)`. The product of the two lists is one node, `dot`, however long they are.

# %%
neuron = nn.Neuron(2, "tanh", seed=3)
out = neuron([1.0, -2.0])
out.label = "out"
out.backward()
ad.draw(out)

# %% [markdown]
# ## A network that learns
#
# Two half moons, and a network of 33 such neurons that is to tell them apart. A training step is four lines: the loss
# as a graph, the gradients cleared, `backward()`, and a small step of every weight against its gradient.

# %%
from sklearn.datasets import make_moons

points, classes = make_moons(n_samples=100, noise=0.1, random_state=0)
points = points.tolist()
model = nn.MLP(2, [16, 16, 1], activation="relu", seed=0)
sgd = nn.SGD(model.parameters(), lr=0.2, momentum=0.9)

losses = []
for step in range(60):
    scores = [model(point) for point in points]
    loss = nn.binary_cross_entropy_with_logits(scores, classes.tolist())
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    losses.append(loss.data)

print(f"loss {losses[0]:.3f} at first, {losses[-1]:.4f} after {len(losses)} steps")

# %% [markdown]
# The loss falls, and the line where the network's score is zero bends around the moons.

# %%
with ad.no_grad():
    xs = [-1.5 + 4 * i / 60 for i in range(61)]
    ys = [-1.0 + 2.5 * i / 60 for i in range(61)]
    scores = [[model([px, py]).data for px in xs] for py in ys]

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
left.plot(losses)
left.set(xlabel="step", ylabel="loss", title="Loss")
left.set_yscale("log")
right.contourf(xs, ys, scores, levels=[-1e9, 0, 1e9], colors=["#cfe3f7", "#fbdcc4"])
right.scatter(*zip(*points, strict=True), c=classes, cmap="coolwarm", edgecolors="k", s=20)
right.set(xlabel="x", ylabel="y", title="Where the score changes sign")
fig.tight_layout()
plt.show()

# %% [markdown]
# How many are right?

# %%
with ad.no_grad():
    right = sum((model(point).data > 0) == bool(label) for point, label in zip(points, classes, strict=True))
print(f"{right} of {len(points)} points on the right side")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of the dots, and run the cell: it says whether the answer is right. Three digits are
# enough.

# %% [markdown]
# **1.** p = x y + x, at x = 3 and y = 2. Without running anything: what is dp/dx? Count the uses of x.

# %% tags=["exercise"]
answer = ...

exercise(
    answer,
    ad.grad(lambda x: x * 2.0 + x)(3.0),
    hint="Each use of x has a path to p. Add up what comes back along both.",
    mistakes={2.0: "That is the share of the product. x is used once more.", 9.0: "That is p itself."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 2 + 1  # over the product comes y, over the sum 1
# ```
#
# </details>

# %% [markdown]
# **2.** The local gradient of one operation is all that it knows of calculus. Of a product it is the other factor.
# Write that of a division z = x / y: ∂z/∂x and ∂z/∂y.


# %% tags=["exercise"]
def local_gradients(x, y):
    return ...


exercise(
    local_gradients,
    ad.grad(lambda x, y: x / y, argnums=(0, 1)),
    hint="x / y is x times 1 / y, and the slope of 1 / y is -1 / y².",
    points=[(3.0, 2.0), (-1.0, 4.0), (0.5, -0.25)],
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def local_gradients(x, y):
#     return 1 / y, -x / y**2
# ```
#
# </details>

# %% [markdown]
# **3.** A neuron relu(w x + b) with w = 2, x = -3, b = 1. What is its gradient in w?

# %% tags=["exercise"]
answer = ...

exercise(
    answer,
    ad.grad(lambda w: ad.relu(w * -3.0 + 1.0))(2.0),
    hint="Work out w x + b first. On which side of zero is it?",
    mistakes={-3.0: "It would be, if the relu were on: at w x + b = -5 it is 0, and flat."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 0  # the relu is off: nothing gets back through it
# ```
#
# </details>

# %% [markdown]
# **4.** One step of training: w = 0.5 has the gradient 1.2, and the learning rate is 0.1. Which w comes next?

# %% tags=["exercise"]
answer = ...

exercise(
    answer, 0.5 - 0.1 * 1.2, hint="Against the gradient, and only a tenth of it.", mistakes={0.62: "That is uphill."}
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 0.5 - 0.1 * 1.2
# ```
#
# </details>

# %% [markdown]
# ## Where to go on
#
# [Reading graphs](02_reading_graphs.ipynb) goes on from here: paths, sliders, what went wrong, and large graphs.
# `help(ad.Value)` says all a `Value` can do. `with ad.detect_anomaly():` finds the line that made the first `nan`.
# `ad.primitive(...)` adds an operation of your own.
