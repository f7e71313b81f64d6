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
# # Reading graphs
#
# After this notebook you will be able to read every number, colour and mark in a drawing of a computation graph; to
# follow a gradient back through it, step by step and path by path; to say what would have come out with other numbers;
# to find the place where a gradient died or a `nan` was born; and to find your way in a graph of a thousand nodes.
# It runs in seconds.

# %%
import autodiff as ad
import nn
from autodiff import Value
from autodiff.show import exercise

# %% [markdown]
# ## The way forward
#
# A small neuron: an input times its weight, plus a bias, and a tanh.

# %%
x, w, b = Value(2.0, "x"), Value(-0.6, "w"), Value(1.3, "b")
s = w * x + b
out = ad.tanh(s)
s.label, out.label = "s", "out"
ad.draw(out)

# %% [markdown]
# Boxes are numbers, and ellipses are operations. Read it from left to right:
#
# - A **rounded** box is a leaf, a number that you put in. The others were computed.
# - **data** is the number. **Blue** is positive, **orange** negative, and the deeper the colour, the larger the number.
# - **grad** is "not yet" there: it comes with `backward()`.
# - On the edges stand the **local gradients**: how fast the result of this one operation changes when that operand
#   does. Of a product that is the other factor; of a sum it is 1.
#
# The same as a table, each operation after those that made its operands. What has no label is
# called v1, v2, ...

# %%
ad.forward_steps(out)

# %% [markdown]
# And as a formula:

# %%
ad.formula(out)

# %% [markdown]
# ## The way back
#
# `backward()` fills in the gradients. Now the colours are those of **grad**: what is blue pushes the output up when it
# grows, what is orange pushes it down, and what is pale hardly matters.

# %%
out.backward()
ad.draw(out)

# %% [markdown]
# Take any edge, from right to left: the gradient of the result, times the local gradient on the edge, is what the
# operand receives. `backward_steps` shows them one after the other. It computes them anew, and touches no `grad`.

# %%
ad.backward_steps(out)

# %% [markdown]
# Upstream is the gradient of the node, complete when its turn comes. `ad.animate(out)` plays these steps in
# the drawing, with a slider. Steps are objects, too, and can be taken one at a time:

# %%
*_, last = ad.backward_steps(out)
print(last)
print("upstream            ", last.upstream)
print("local gradients     ", last.local_gradients)
print("w and x have received", last.totals)

# %% [markdown]
# ## Path by path
#
# What if a number is used twice? Then there are several ways from it to the output, and **its gradient is a sum over
# paths: of each, the product of the local gradients along it**. That is the whole chain rule. Here `t` is used twice
# itself, and `q` twice, so that there are three paths from t to y.

# %%
t, a = Value(3.0, "t"), Value(2.0, "a")
q = a * t
r = q + t
y = q * r
q.label, r.label, y.label = "q", "r", "y"
y.backward()
ad.draw(y)

# %%
ad.explain(y, t)

# %% [markdown]
# Find each of the three paths in the drawing, and multiply what stands on its edges. The second table says where each
# factor comes from.
#
# The edges can also carry the **contributions**: upstream times local gradient, that is what the operand gained over
# this edge. Those on the edges that leave a box add up to its grad.

# %%
ad.draw(y, show=["data", "grad", "contribution"], direction="TB")

# %% [markdown]
# Paths multiply fast. After 30 doublings there are over a thousand million of them, and nobody could add them up one by
# one. `backward()` needs 30 steps, because it adds up at each node before it goes on.

# %%
start = doubled = Value(1.0, "start")
for _ in range(30):
    doubled = doubled + doubled
explanation = ad.explain(doubled, start, limit=1)
print(f"{explanation.count:,} paths, gradient {explanation.total:,.0f}")

# %% [markdown]
# ## Why the order matters
#
# For that, a node must wait until **all** its uses have reported before it passes anything on. That order is called
# topological. Here `b` is used twice by `c`:

# %%
a = Value(3.0, "a")
b = a + a
c = b * b
b.label, c.label = "b", "c"
ad.backward_steps(c)

# %% [markdown]
# c = (2a)², so the derivative is 8a = 24. And this is what becomes of it if each operand is visited as soon as it is
# heard of, depth first, the mistake that is most often made in a first engine of one's own:

# %%
ad.backward_steps(c, order="depth-first")

# %% [markdown]
# `b` passed on its first 6 before the second one had come, and then all 12: the first 6 were counted twice.
#
# ## What if?
#
# A gradient says what a *small* change does. `what_if` says what a given change does: it computes again what depends on
# it, and leaves the graph as it is. Back to the neuron, with 0.5 for x instead of 2:

# %%
ad.what_if(out, {x: 0.5}, gradients=True)

# %% [markdown]
# The gradients changed, too: s went from 0.1 to 1, where the tanh is flatter.
#
# With ranges in place of numbers you get sliders, and the drawing follows them: numbers, gradients, colours. Turn x
# down until the tanh is flat, and see what becomes of the gradients.

# %%
ad.what_if(out, {w: (-2.0, 2.0), x: (-1.0, 3.0)})

# %% [markdown]
# The same without a hand on the slider:

# %%
sliders = ad.what_if(out, {w: (-2.0, 2.0), x: (-1.0, 3.0)})
for number in (-1.0, 0.0, 1.0, 2.0, 3.0):
    print(f"x = {number:4}: out = {sliders.at({x: number}).value:8.5f}")

# %% [markdown]
# ## Marks: where it went wrong
#
# Some numbers deserve more than a colour. Here are three graphs in one drawing, each with something wrong in it.

# %%
u, z, p = Value(-2.0, "u"), Value(0.0, "z"), Value(-1.0, "p")
dead, root, wrong = ad.relu(u), ad.sqrt(z), ad.log(p) * 2.0
dead.label, root.label, wrong.label = "dead", "root", "wrong"
for result in (dead, root, wrong):
    result.backward()
ad.draw([dead, root, wrong])

# %% [markdown]
# - The logarithm of -1 is **nan**, not a number, and so is everything that is made from it. Follow the marks against
#   the arrows, to the first box that has one: the operation that made it is where it was born.
# - The square root of 0 is 0, but its slope there is **infinite**. One step of training with that gradient, and the
#   parameter is lost.
# - The **relu is dead**: its operand is below zero, so its local gradient is 0, and the edge to it is dashed. Nothing
#   gets back through it. `u` has a gradient of exactly zero, and says so. One dead relu is nothing unusual; one that is
#   dead for every sample never learns again.
#
# In a program of thousands of lines, let `detect_anomaly()` do that. It raises at the first one, and names the
# operation, its operands and your line.

# %%
try:
    with ad.detect_anomaly():
        total = ad.relu(u) * 3.0 + ad.log(p)
except FloatingPointError as error:
    print(str(error).splitlines()[0])

# %% [markdown]
# ## Frames: which module made what
#
# In a network it is not the operations that you think in, but layers and neurons. Inside `record_source()` every node
# remembers where it was made, and the drawing has a frame around each module.

# %%
model = nn.MLP(1, [2, 1], activation="tanh", seed=1)
feature = Value(0.5, "feature")
with ad.record_source():
    score = model([feature])
score.label = "score"
score.backward()
ad.draw(score, direction="TB")

# %% [markdown]
# Each neuron is a dot product, a sum with its bias, and, but for the last one, a tanh. There is one path from the input
# to the score through each neuron of the first layer:

# %%
explanation = ad.explain(score, feature)
print(explanation.count, "paths, with contributions of", [path.contribution for path in explanation.paths])
print("dscore/dfeature =", explanation.total)

# %% [markdown]
# ## Large graphs: folded, opened, focused
#
# The mean score of a network over 30 samples has hundreds of nodes. Drawn one by one, nobody could read them. So `draw`
# **folds** what is too large: each module, with all that it did for all samples, becomes one box with a double border,
# which says what is in it. |grad| is the length of the gradient in its parameters, ×30 stands for so many edges.

# %%
model = nn.MLP(2, [4, 4, 1], activation="tanh", seed=0)
with ad.record_source():
    scores = [model([i / 15 - 1.0, (i % 3) - 1.0]) for i in range(30)]
    mean_score = ad.mean(scores)
mean_score.label = "mean score"
mean_score.backward()
ad.draw(mean_score)

# %% [markdown]
# How deep the modules are opened is up to you: `depth=2`, here the default, shows neurons, `depth=1` layers, and
# `depth=0` the model as a whole. A click on a box marked + opens it in place.

# %%
ad.draw(mean_score, depth=1)

# %% [markdown]
# Without modules, what repeats is folded. This is a chain of a thousand sines:

# %%
links = [Value(2.0, "start")]
for _ in range(1000):
    links.append(ad.sin(links[-1]))
links[500].label, links[1000].label = "middle", "end"
links[1000].backward()
ad.draw(links[1000])

# %% [markdown]
# Or say what you want to see: `focus=` is a Value that is drawn, in a border of its own, with its neighbourhood,
# whatever else is folded. Here it is the middle of the chain. With `max_nodes` you say how many boxes are too many.

# %%
ad.draw(links[1000], focus=links[500], max_nodes=30, show="grad", direction="TB")

# %% [markdown]
# In a terminal, `text()` shows the same as a tree, folded in the same way:

# %%
print(ad.draw(mean_score, depth=1).text())

# %% [markdown]
# ## The formula of a gradient
#
# `backward()` leaves numbers. `ad.gradient(y, x)` gives the gradient as a Value with a graph of its own, so it can be
# drawn, explained, differentiated again, and written down:

# %%
x, w = Value(0.5, "x"), Value(2.0, "w")
y = ad.tanh(w * x) * x**2
slope = ad.gradient(y, x)
print("y     =", ad.formula(y))
print("dy/dx =", ad.formula(slope))
ad.formula(slope)

# %% [markdown]
# ## Exercises
#
# Write your answer in place of the dots, and run the cell: it says whether the answer is right. Three digits are
# enough.

# %% [markdown]
# **1.** Let s = u u and y = s s + s. How many paths lead from y back to u?

# %% tags=["exercise"]
answer = ...

u = Value(3.0, "u")
s = u * u
exercise(
    answer,
    ad.explain(s * s + s, u).count,
    hint="Count the uses of s, and in s those of u. Each way from y to s goes on by each way from s to u.",
    mistakes={3.0: "So many lead to s. From there on there are two ways each.", 4.0: "The sum uses s once more."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 3 * 2  # three ways to s, and two from there to u
# ```
#
# </details>

# %% [markdown]
# **2.** In the neuron above, out = tanh(w x + b), which w makes `out` 0.5? Find it with the sliders, or work it out: x
# is 2, b is 1.3, and tanh(0.549306) is 0.5.

# %% tags=["exercise"]
answer = ...

exercise(
    answer,
    (0.549306 - 1.3) / 2.0,
    hint="w x + b has to be 0.549306.",
    mistakes={0.549306: "That is what w x + b has to be. Solve it for w."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = (0.549306 - 1.3) / 2
# ```
#
# </details>

# %% [markdown]
# **3.** A drawing shows an edge with the local gradient 0.25, from `h` to `y`, dashed nowhere; `y` has grad 8, and `h`
# is used by nothing else. Which grad does `h` show?

# %% tags=["exercise"]
answer = ...

exercise(
    answer,
    8 * 0.25,
    hint="Upstream times local gradient.",
    mistakes={0.25: "That is the local gradient. What comes from upstream is 8.", 8.25: "They are multiplied."},
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 8 * 0.25
# ```
#
# </details>

# %% [markdown]
# ## Where to go on
#
# `ad.draw(out).save("neuron.svg")` writes a drawing to a file; PNG, PDF, HTML and dot go the same way.
# [Train a network](03_train_an_mlp.ipynb) comes next, and `ad.draw(model)` shows it whole;
# [Second derivatives](second_order.ipynb) goes on with gradients that have graphs.
