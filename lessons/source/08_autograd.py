# %% [markdown] tags=["en"]
# # 08 · Automatic differentiation: the tape
#
# A network looks at a chest film and answers 0.8. Two questions follow at once. The engineer asks: how should each of
# its hundred thousand weights change so that the answer gets better? The physician asks: which pixels made it say so?
# Both ask for the same thing, a **gradient** of one number for very many others, and one walk backwards through the
# computation answers both.
#
# **After this lesson you can** compute gradients by the chain rule on paper and follow them through a graph; say what
# an operator must remember and what `backward()` does with it; build a gradient from kernels by hand and get the bits
# that `backward()` gets; avoid the four classical accidents with gradients; and use a gradient for pixels instead of
# weights.
#
# **Time:** 50 minutes. **You need:** lessons 04 and 05.

# %% [markdown] tags=["zh"]
# # 08 · 自动微分：一条记录带
#
# 网络看了一张胸片，回答 0.8。接着就有两个问题。工程师问：十几万个权重各该怎样改，回答才会更好？医生问：是哪些像素让它这
# 么说的？两人要的是同一样东西：一个数对许许多多个数的**梯度**。把计算过程倒着走一遍，两个问题同时得到回答。
#
# **学完本课，你能够**在纸上用链式法则求梯度，并在图上跟着它走；说清一个算子必须记住什么，`backward()` 又拿它做什么；用
# 内核手工拼出梯度，与 `backward()` 逐位相同；避开与梯度有关的四种常见事故；还能把梯度用在像素上，而不是权重上。
#
# **用时**：50 分钟。**先修**：第 04、05 课。

# %%
import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.conv import cpu as conv
from kernels.pooling import cpu as pooling
from mediml import autograd
from mediml.data.catalog import packaged_file
from mediml.imaging import center_square, read_image, resize_area
from mediml.ops import elementwise
from mediml.plots import show_curves, show_images, show_source, show_tape

# %% [markdown] tags=["en"]
# ## 1 The chain rule on paper
#
# One pixel $x$, one weight $w$, one bias $b$, a target $t$, and the squared error $\ell = (wx + b - t)^2$. Name every
# intermediate value: $u = wx$, $v = u + b$, $r = v - t$, $\ell = r^2$. Each of these steps has a derivative that anyone
# can write down. With $x = 2$, $w = 3$, $b = 1$, $t = 5$:
#
# | step | value | its derivative | gradient of $\ell$ for its input |
# |---|---|---|---|
# | $\ell = r^2$ | 4 | $\partial\ell/\partial r = 2r = 4$ | for $r$: $1 \cdot 4 = 4$ |
# | $r = v - t$ | 2 | $\partial r/\partial v = 1$ | for $v$: $4 \cdot 1 = 4$ |
# | $v = u + b$ | 7 | $\partial v/\partial u = \partial v/\partial b = 1$ | for $u$: 4, for $b$: **4** |
# | $u = w x$ | 6 | $\partial u/\partial w = x = 2$ | for $w$: $4 \cdot 2 =$ **8** |
# | | | $\partial u/\partial x = w = 3$ | for $x$: $4 \cdot 3 =$ **12** |
#
# Values were computed from the last line up, gradients from the first line down. Note what the last line needed: the
# *values* of $x$ and $w$ from the way forward. So they must be remembered.

# %% [markdown] tags=["zh"]
# ## 1 纸上的链式法则
#
# 一个像素 $x$、一个权重 $w$、一个偏置 $b$、一个目标 $t$，平方误差 $\ell = (wx + b - t)^2$。给每个中间值起名：$u = wx$，
# $v = u + b$，$r = v - t$，$\ell = r^2$。每一步的导数谁都会写。设 $x = 2$，$w = 3$，$b = 1$，$t = 5$：
#
# | 步骤 | 值 | 这一步的导数 | $\ell$ 对其输入的梯度 |
# |---|---|---|---|
# | $\ell = r^2$ | 4 | $\partial\ell/\partial r = 2r = 4$ | 对 $r$：$1 \cdot 4 = 4$ |
# | $r = v - t$ | 2 | $\partial r/\partial v = 1$ | 对 $v$：$4 \cdot 1 = 4$ |
# | $v = u + b$ | 7 | $\partial v/\partial u = \partial v/\partial b = 1$ | 对 $u$：4，对 $b$：**4** |
# | $u = w x$ | 6 | $\partial u/\partial w = x = 2$ | 对 $w$：$4 \cdot 2 =$ **8** |
# | | | $\partial u/\partial x = w = 3$ | 对 $x$：$4 \cdot 3 =$ **12** |
#
# 值是从最后一行往上算的，梯度是从第一行往下算的。注意最后一行用到了什么：前向时 $x$ 和 $w$ 的**值**。所以必须把它们记
# 住。

# %%
x = mediml.tensor(2.0, requires_grad=True)
w = mediml.tensor(3.0, requires_grad=True)
b = mediml.tensor(1.0, requires_grad=True)
loss = (w * x + b - 5) ** 2
loss.backward()
print(f"loss {loss.item():g}; gradients: x {x.grad.item():g}, w {w.grad.item():g}, b {b.grad.item():g}")
assert (x.grad.item(), w.grad.item(), b.grad.item()) == (12, 8, 4)

# %%
loss = (w * x + b - 5) ** 2
show_tape(loss, {"x": x, "w": w, "b": b})
assert loss.requires_grad and loss.item() == 4

# %% [markdown] tags=["en"]
# Read the graph from left to right for values, from right to left for gradients. A blue box is a **leaf**: a tensor
# that you made and for which you want a gradient. The target 5 is none: nothing asks for its gradient, so it does not
# appear.

# %% [markdown] tags=["zh"]
# 这张图从左往右读是值，从右往左读是梯度。蓝色方框是**叶子**：由你创建、并且要求梯度的张量。目标 5 不在其中：没有人要它
# 的梯度，图上就没有它。

# %% [markdown] tags=["en"]
# ## 2 What an operator leaves on the tape
#
# Every operator does two things: it computes its result, and it leaves a note how to go back. Multiplication, in this
# project:

# %% [markdown] tags=["zh"]
# ## 2 算子在记录带上留下什么
#
# 每个算子做两件事：算出结果，并留下一张“怎样往回走”的字条。本项目里的乘法是这样写的：

# %%
show_source(elementwise.mul)

# %% [markdown] tags=["en"]
# `backward` inside is the last line of our table: the gradient of each factor is `grad_y` times the *other* factor.
# `record` stores this function together with links to the operators that made the inputs: a list of notes, in the order
# of the computation. That is the **tape**. Reading it backwards is all of automatic differentiation:

# %% [markdown] tags=["zh"]
# 里面的 `backward` 就是上表的最后一行：每个因子的梯度等于 `grad_y` 乘以**另一个**因子。`record` 把这个函数连同“输入由谁
# 算出”的链接一起存下。字条按计算的先后排成一列，这就是**记录带**（tape）。倒着读一遍，便是自动微分的全部：

# %%
show_source(autograd._walk, docstring=False)

# %% [markdown] tags=["en"]
# The queue hands out the **newest** operator first. Whatever used a value was recorded after it; so when a node's turn
# comes, all contributions to its gradient have arrived, and were added up. Nothing here knows about convolution or
# medicine: an operator that brings its own `backward` can join.

# %% [markdown] tags=["zh"]
# 队列总是先取出**最新**的算子。用到某个值的算子必然记录在它之后；因此轮到一个节点时，流向它的各份梯度都已到齐、加在一起
# 了。这段代码不知道什么是卷积，更不懂医学：任何算子只要带上自己的 `backward`，就能加入。

# %% [markdown] tags=["en"]
# ## 3 Why backwards?
#
# The chain rule may be evaluated from either end. Forwards, one pass gives the derivative of *everything* for **one**
# input; finite differences, too, need a pass for each input. Backwards, one pass gives the derivative of **one** output
# for *everything*. A network has one loss and many weights:

# %% [markdown] tags=["zh"]
# ## 3 为什么要倒着走？
#
# 链式法则从哪一头算起都行。从前往后，一遍得到**所有**量对**一个**输入的导数；有限差分也一样，每个输入都要算一遍。从后往
# 前，一遍得到**一个**输出对**所有**量的导数。网络只有一个损失，却有许多权重：

# %%
# the CNN of lesson 09 for 28 × 28 pixels
weights = 32 * 9 + 32 + 64 * 32 * 9 + 64 + 64 * 7 * 7 * 128 + 128 + 128 * 2 + 2
print(f"weights: {weights:,}")
print(f"finite differences: {2 * weights:,} forward passes; the tape: 1 forward and 1 backward")
assert weights == 420_610

# %% [markdown] tags=["en"]
# A backward pass costs about as much as two forward ones: each product has one factor's gradient for either side. This
# factor, and not the cleverness of the chain rule, is why networks can be trained at all.

# %% [markdown] tags=["zh"]
# 反向一遍的代价约等于前向两遍：每个乘积要为两边各算一个梯度。网络之所以能训练，靠的正是这笔账，而不是链式法则有多巧妙。

# %% [markdown] tags=["en"]
# ## 4 By hand with kernels, and the same bits
#
# Lessons 04 and 05 gave us `…_backward_x` and `…_backward_weight`. Chain them ourselves, in the reverse order of the
# way forward: convolution, maximum, mean of squares.

# %% [markdown] tags=["zh"]
# ## 4 用内核手工拼装，逐位相同
#
# 第 04、05 课给了我们 `…_backward_x` 和 `…_backward_weight`。按前向的逆序亲手把它们接起来：卷积、取最大、平方的平均。

# %%
rng = np.random.default_rng(8)
image = rng.standard_normal((2, 1, 8, 8)).astype(np.float32)
kernel = rng.standard_normal((3, 1, 3, 3)).astype(np.float32)
geometry = ((1, 1), (1, 1), (1, 1), 1)
window = ((2, 2), (2, 2), (0, 0), (1, 1), False)

c = conv.conv2d_forward(image, kernel, None, *geometry)  # forward
p, indices = pooling.max_pool2d_forward(c, *window)
loss = np.mean(p * p)
grad_p = 2 * p * np.float32(1 / p.size)  # backward, in reverse
grad_c = pooling.max_pool2d_backward_x(grad_p, indices, c.shape)
grad_kernel = conv.conv2d_backward_weight(grad_c, image, kernel.shape, *geometry)
grad_image = conv.conv2d_backward_x(grad_c, kernel, image.shape, *geometry)

# %%
x, w = mediml.tensor(image, requires_grad=True), mediml.tensor(kernel, requires_grad=True)
pooled = F.max_pool2d(F.conv2d(x, w, padding=1), 2)
taped = (pooled * pooled).mean()
taped.backward()
for name, ours, theirs in [("kernel", grad_kernel, w.grad), ("image", grad_image, x.grad)]:
    same = (ours == theirs.numpy()).all()
    print(f"gradient for the {name}: by hand and by backward() the same to the last bit: {same}")
    assert same

# %%
taped = (F.max_pool2d(F.conv2d(x, w, padding=1), 2) ** 2).mean()
show_tape(taped, {"x": x, "w": w})
assert taped.requires_grad and np.isclose(taped.item(), loss)

# %% [markdown] tags=["en"]
# The tape holds nothing that you could not write yourself. What it saves you is the bookkeeping, and with it the
# mistakes.

# %% [markdown] tags=["zh"]
# 记录带上没有什么是你自己写不出来的。它替你省下的是记账，以及记账时的差错。

# %% [markdown] tags=["en"]
# ## 5 Where paths meet, gradients add
#
# **Predict before you run:** $y = x \cdot x + x$ at $x = 3$. Three paths lead from $x$ to $y$. What is the gradient?
# And what is in `x.grad` after calling `backward()` on a second, equal $y$?

# %% [markdown] tags=["zh"]
# ## 5 路径汇合处，梯度相加
#
# **先猜，再运行**：$y = x \cdot x + x$，$x = 3$。从 $x$ 到 $y$ 有三条路径，梯度是多少？再对一个同样的 $y$ 调用一次
# `backward()`，`x.grad` 里又是什么？

# %%
guess = None  # two numbers
x = mediml.tensor(3.0, requires_grad=True)
(x * x + x).backward()
print("once: ", x.grad.item())
(x * x + x).backward()
print("twice:", x.grad.item())
assert x.grad.item() == 14

# %% [markdown] tags=["en"]
# $2x + 1 = 7$: each path brings its share ($x$, $x$ and 1), and they add. The second call *added* 7 again. This is
# useful, when a batch is too large and is fed in parts; and it is the **first accident**: who forgets `zero_grad()`
# between two steps trains with the sum of all gradients since the beginning.

# %% [markdown] tags=["zh"]
# $2x + 1 = 7$：每条路径各带来一份（$x$、$x$ 与 1），加在一起。第二次调用又**加上**了 7。批量太大、只好分几次送入时，这
# 很有用；它也是**第一种事故**：两步之间忘了 `zero_grad()`，用的就是开训以来全部梯度之和。

# %% [markdown] tags=["en"]
# ## 6 Switching the tape off: `no_grad` and `detach`
#
# The tape remembers every intermediate array. For evaluation that is waste: inside `no_grad()` nothing is recorded.
# `detach()` cuts a single value out of the graph: it keeps its number and loses its past. **Predict**:
# $y = x \cdot x_{detached}$ at $x = 3$. Gradient?

# %% [markdown] tags=["zh"]
# ## 6 关掉记录：`no_grad` 与 `detach`
#
# 记录带会记住每个中间数组。评估时这是浪费：在 `no_grad()` 里什么都不记。`detach()` 则把单个值从图中剪下来：数还在，来历
# 没有了。 **先猜**：$x = 3$，$y = x \cdot x_{detach}$，梯度是多少？

# %%
x = mediml.tensor(3.0, requires_grad=True)
with mediml.no_grad():
    silent = x * x
print("recorded inside no_grad():", silent.requires_grad)
(x * x.detach()).backward()
print("gradient with one factor detached:", x.grad.item())
assert not silent.requires_grad and x.grad.item() == 3

# %% [markdown] tags=["en"]
# 3, not 6: the detached factor is a constant now. The **second accident** is a `detach()` or a detour over NumPy in the
# middle of a network: no error, only layers that never learn. The **third** is to evaluate outside `no_grad()` and to
# keep the losses of an epoch in a list: each of them holds its whole graph in memory. Keep `loss.item()`.

# %% [markdown] tags=["zh"]
# 是 3 而不是 6：剪下来的因子成了常数。**第二种事故**是在网络中间用了 `detach()`，或者绕道 NumPy：不报错，只是有些层永远
# 学不动。 **第三种**是在 `no_grad()` 之外做评估，还把一轮里的损失存进列表：每个损失都拖着整张图占着内存。应当存
# `loss.item()`。

# %% [markdown] tags=["en"]
# ## 7 Changing what the tape still needs
#
# The gradient of $h \cdot h$ needs the *value* of $h$. Change $h$ in place before going back, and a silent program
# would give a wrong gradient, the **fourth accident**. Each tensor therefore counts its changes, and the tape compares:

# %% [markdown] tags=["zh"]
# ## 7 改动了记录带还要用的值
#
# $h \cdot h$ 的梯度要用到 $h$ 的**值**。如果倒着走之前就地改了 $h$，程序又不声不响，得到的便是错误的梯度：
# **第四种事故**。因此每个张量都数着自己被改过几次，记录带会去核对：

# %%
a = mediml.tensor([1.0, 2.0], requires_grad=True)
h = a * 2
y = (h * h).sum()
h += 1
try:
    y.backward()
except RuntimeError as error:
    print(error)
assert a.grad is None

# %% [markdown] tags=["en"]
# ## 8 Check any gradient with one number
#
# Lesson 04 moved every weight by itself. One random **direction** $d$ tests all at once: the slope along it is the
# gradient times $d$.
#
# $$ \frac{f(x + h\,d) - f(x - h\,d)}{2h} \approx \nabla f(x) \cdot d $$
#
# A gradient that is wrong anywhere is wrong in almost every random direction. In float64, as always.

# %% [markdown] tags=["zh"]
# ## 8 用一个数检验任何梯度
#
# 第 04 课把每个权重逐一移动。取一个随机**方向** $d$，一次就能全部检验：沿这个方向的斜率等于梯度与 $d$ 的内积。
#
# $$ \frac{f(x + h\,d) - f(x - h\,d)}{2h} \approx \nabla f(x) \cdot d $$
#
# 梯度只要有一处错，几乎在任何随机方向上都会露馅。照例用 float64。

# %%
start, direction = rng.standard_normal((2, 1, 1, 12, 12))
kernel = mediml.tensor(rng.standard_normal((4, 1, 3, 3)))
values, h = [], 1e-6
for shift in (h, -h):
    moved = mediml.tensor(start + shift * direction)
    values.append(F.avg_pool2d(F.conv2d(moved, kernel), 2).exp().sum().item())
x = mediml.tensor(start, requires_grad=True)
F.avg_pool2d(F.conv2d(x, kernel), 2).exp().sum().backward()
slope, product = (values[0] - values[1]) / (2 * h), float((x.grad.numpy() * direction).sum())
print(f"difference {slope:.4f}, gradient times direction {product:.4f}")
assert np.isclose(slope, product, rtol=1e-6)

# %% [markdown] tags=["en"]
# ## 9 Used on an X-ray: the gradient for the pixels
#
# A film with little dose is noisy. Which image $y$ is close to the noisy one $t$, and yet smooth? Write down what you
# want as a loss, and let the tape find out how each of the 16 384 pixels must change:
#
# $$ \mathcal L(y) = \tfrac12\sum_p (y_p - t_p)^2 + \lambda \sum_p \left(\sqrt{(\partial_h y)_p^2 + \varepsilon} +
#    \sqrt{(\partial_w y)_p^2 + \varepsilon}\right) $$
#
# The first sum holds on to what was measured, the second (**total variation**) charges for every difference between
# neighbours, but for a steep edge no more than for a gentle slope of the same height. No kernel of lesson 04 does this:
# it is not linear.

# %% [markdown] tags=["zh"]
# ## 9 用在 X 光片上：对像素求梯度
#
# 剂量低，片子就有噪声。什么样的图像 $y$ 既接近带噪声的 $t$，又平滑？把愿望写成损失，让记录带去算 16 384 个像素各该怎样
# 变：
#
# $$ \mathcal L(y) = \tfrac12\sum_p (y_p - t_p)^2 + \lambda \sum_p \left(\sqrt{(\partial_h y)_p^2 + \varepsilon} +
#    \sqrt{(\partial_w y)_p^2 + \varepsilon}\right) $$
#
# 第一个和守住测量值；第二个和（**全变差**）为相邻像素的每一点差异计费，但陡峭的边缘并不比同样高的缓坡更贵。第 04 课的任
# 何卷积核都做不到，因为它不是线性的。

# %%
film = resize_area(center_square(read_image(packaged_file("chest_xray")).display()), (128, 128))
noisy = mediml.tensor(film + 0.1 * rng.standard_normal(film.shape), dtype=mediml.float32)
y = noisy.clone().requires_grad_()
losses = []
for _ in range(100):
    down, right = y[1:, :] - y[:-1, :], y[:, 1:] - y[:, :-1]
    roughness = ((down**2 + 1e-3).sqrt()).sum() + ((right**2 + 1e-3).sqrt()).sum()
    loss = 0.5 * ((y - noisy) ** 2).sum() + 0.1 * roughness
    loss.backward()
    with mediml.no_grad():
        y -= 0.05 * y.grad
    y.grad = None
    losses.append(loss.item())
assert losses[-1] < 0.6 * losses[0]

# %%
restored = y.detach().numpy()
blur = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)[None, None] / 16
framed = np.pad(noisy.numpy(), 1, mode="edge")[None, None]
blurred = conv.conv2d_forward(framed, blur, None, (1, 1), (0, 0), (1, 1), 1)[0, 0]
alt = (
    "A noisy chest X-ray, the same blurred, and restored by total variation: smooth areas, sharp edges.",
    "带噪声的胸片、平滑后的结果、全变差复原的结果：区域平整，边缘清晰。",
)
show_images({"$t$": noisy.numpy(), r"$t \star w$": blurred, "$y$": restored}, alt, limits=(0, 1), size=2.6)
errors = [float(np.sqrt(np.mean((v - film) ** 2))) for v in (noisy.numpy(), blurred, restored)]
print("root mean square error: noisy {:.3f}, blurred {:.3f}, restored {:.3f}".format(*errors))
assert errors[2] < errors[1] < errors[0]

# %%
alt = ("The loss falls steeply for twenty steps and then stays.", "损失在前二十步迅速下降，随后平稳。")
show_curves(np.arange(100), {r"$\mathcal{L}$": losses}, alt, "$n$", r"$\mathcal{L}$")
assert losses[0] > losses[10] > losses[99]

# %% [markdown] tags=["en"]
# Restored beats blurred: the edges of the ribs stay. But look with the eye of a physician: total variation prefers flat
# patches, and a faint, small nodule is exactly what it pays to remove. A lower error is not a better film; what may be
# lost must be asked of the *finding*, not of the pixels.

# %% [markdown] tags=["zh"]
# 复原的结果好于平滑：肋骨的边缘保住了。但请用医生的眼光再看：全变差偏爱平坦的色块，而一个又小又淡的结节，恰恰是抹掉最
# “划算”的东西。误差更小不等于片子更好；会损失什么，要问**病灶**，不能只问像素。

# %% [markdown] tags=["en"]
# ## 10 Limits
#
# * A gradient is the slope **here**. It says nothing about what happens far away: a saturated unit has gradient 0 and
#   may matter very much.
# * At a kink (ReLU at 0, ties under a maximum) there is no derivative; the program follows a rule.
# * The tape keeps what it needs, so memory grows with depth, image size and batch.
# * A gradient for pixels shows what the *model* is sensitive to. That it shows the disease is a claim that needs proof
#   (lesson 18).

# %% [markdown] tags=["zh"]
# ## 10 局限
#
# * 梯度只是**此处**的斜率，远处如何，它一无所知：饱和的单元梯度为 0，却可能至关重要。
# * 在尖点处（ReLU 的 0 点、并列的最大值）没有导数，程序只是遵守约定。
# * 记录带要留住所需的值，内存随深度、图像大小和批量增长。
# * 对像素的梯度显示的是**模型**对什么敏感。若说它显示了病变，那是需要证明的断言（第 18 课）。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. On paper: $\ell = \max(wx, 0)^2$ at $w = -1$, $x = 2$. What are the gradients for $w$ and $x$?
# 2. Write the gradient of $f(x) = x / (1 + x^2)$ at $x = 2$ as a fraction, then compare with the tape.
# 3. Two parts of a batch, one after the other, shall give the gradient of the **mean** loss of the whole batch. By what
#    do you divide each part's loss?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 纸上做：$\ell = \max(wx, 0)^2$，$w = -1$，$x = 2$。对 $w$ 和 $x$ 的梯度各是多少？
# 2. 把 $f(x) = x / (1 + x^2)$ 在 $x = 2$ 处的导数写成分数，再与记录带比较。
# 3. 把一批数据等分成两份先后送入，要得到整批**平均**损失的梯度，每一份的损失应除以几？

# %%
gradients = None  # exercise 1: (for w, for x)
assert gradients in (None, (0, 0)), "wx = -2: the maximum takes the 0, and a constant has no slope"

# %%
fraction = None  # exercise 2: a number
x = mediml.tensor(2.0, dtype=mediml.float64, requires_grad=True)
(x / (1 + x * x)).backward()
assert fraction is None or abs(fraction - x.grad.item()) < 1e-12, "(1 + x² − x · 2x) / (1 + x²)²"

# %%
divisor = None  # exercise 3: a number
x = mediml.tensor([1.0, 2.0, 3.0, 6.0], requires_grad=True)
if divisor is not None:
    for part in (x[:2], x[2:]):
        ((part**2).mean() / divisor).backward()
    assert np.allclose(x.grad.numpy(), x.detach().numpy() / 2), "the mean of two means of equal size: divide by 2"

# %% [markdown] tags=["en"]
# ## Summary
#
# * Each operator records how its output's gradient becomes its inputs' gradients; the walk goes from the newest to the
#   oldest.
# * One loss, many weights: backwards costs about two forward passes, whatever the number of weights.
# * Where paths meet gradients add, and `.grad` adds from call to call.
# * Four accidents: no `zero_grad()`; an unnoticed `detach()`; graphs kept in lists; values changed in place (this one
#   is caught).
# * One random direction in float64 checks a whole gradient.
#
# ## To think about
#
# 1. Why does `add` save nothing, `mul` both factors, and `exp` its result? What does `max_pool2d` save?
# 2. A network of 1000 layers does not fit into memory. Which values could be thrown away and computed again, and what
#    does that cost?
# 3. Why must the check of section 8 not use float32?
#
# ## Sources
#
# * R. E. Wengert, *A simple automatic derivative evaluation program*, Comm. ACM 7 (1964), 463–464.
# * A. Griewank, A. Walther, *Evaluating Derivatives*, SIAM 2008, chapter 3.
# * A. G. Baydin et al., *Automatic differentiation in machine learning: a survey*, JMLR 18 (2018), 1–43.
# * L. Rudin, S. Osher, E. Fatemi, *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992), for
#   section 9.
# * Code: [`mediml/autograd.py`](../../mediml/autograd.py), [`mediml/tensor.py`](../../mediml/tensor.py). Terms:
#   [glossary](../glossary.md). Image: [catalogue](../../datasets/cards/pydicom_samples.md).
#
# *For education, not for clinical use.* Next: [09 · Training a CNN](09_training_a_cnn.ipynb).

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 每个算子都记下：输出的梯度怎样变成输入的梯度；行走的次序是从最新到最旧。
# * 一个损失，许多权重：无论权重有多少，反向一遍约等于前向两遍。
# * 路径汇合处梯度相加；多次调用之间，`.grad` 也相加。
# * 四种事故：忘了 `zero_grad()`；不留神的 `detach()`；把图存进列表；就地改值（这一种会被抓住）。
# * 用 float64 取一个随机方向，就能检验整个梯度。
#
# ## 思考题
#
# 1. 为什么 `add` 什么都不存，`mul` 存两个因子，`exp` 存结果？`max_pool2d` 存什么？
# 2. 一千层的网络内存放不下。哪些值可以扔掉、用时再算？代价是什么？
# 3. 第 8 节的检验为什么不能用 float32？
#
# ## 资料
#
# * R. E. Wengert, *A simple automatic derivative evaluation program*, Comm. ACM 7 (1964), 463–464。
# * A. Griewank, A. Walther, *Evaluating Derivatives*, SIAM 2008，第 3 章。
# * A. G. Baydin 等, *Automatic differentiation in machine learning: a survey*, JMLR 18 (2018), 1–43。
# * L. Rudin, S. Osher, E. Fatemi, *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992)（第 9
#   节）。
# * 代码：[`mediml/autograd.py`](../../mediml/autograd.py)、[`mediml/tensor.py`](../../mediml/tensor.py)。术语：
#   [术语表](../glossary.md)。图像：[目录](../../datasets/cards/pydicom_samples.md)。
#
# *仅供学习，不可用于临床。* 下一课：[09 · 训练 CNN](09_training_a_cnn.ipynb)。
