# %% [markdown] tags=["en"]
# # 13 · GAN: two players, and a collapse that can be measured
#
# A department has twenty films of a rare finding and would like two thousand. A **generative adversarial network**
# (GAN) promises to draw more: one network makes images out of noise, another tries to tell them from real ones, and
# each learns from the other. But what can such a generator know? Nothing that was not in the images it was trained on,
# often less: it may leave out whole kinds of images, and no loss will say so. This lesson builds both players from
# their parts, trains them, **makes them fail on purpose, and measures the failure**.
#
# **After this lesson you can** write the game as a formula and say what its best discriminator is; derive each side's
# gradient and say where one of them vanishes; stamp a transposed convolution and normalise a batch by hand; write the
# alternating training in five steps; count modes; and find the mistakes in a published program.
#
# **Time:** 90 minutes. **You need:** lessons 04, 05, 08 and 09.

# %% [markdown] tags=["zh"]
# # 13 · 生成对抗网络：两个玩家，崩溃要量得出来
#
# 科里只有二十张罕见病的片子，想要两千张。**生成对抗网络**（GAN）许诺可以“再画一些”：一个网络用噪声造图像，另一个网络努
# 力把它们与真实图像区分开，两者互相学习。可是这样的生成器究竟知道什么？训练图像里没有的，它一概不知；而且往往知道得更
# 少：整整一类图像都可能被它丢掉，任何损失都不会告诉你。本课从零件开始搭出两个玩家，训练它们，**再故意让它们失败，并把
# 失败量出来**。
#
# **学完本课，你能够**把这场博弈写成公式，说出最优判别器是什么；推导双方的梯度，指出其中一个在哪里消失；手工完成转置卷积
# 的“盖章”和一次批归一化；把交替训练写成五步；统计模式覆盖；并从一段已发表的程序里找出错误。
#
# **用时**：90 分钟。**先修**：第 04、05、08、09 课。

# %%
import json
from pathlib import Path

import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.conv import cpu as conv
from kernels.conv_transpose import reference as conv_transpose
from kernels.gan import cpu, reference
from kernels.norm import reference as norm
from mediml import evaluation, nn, optim
from mediml.data.two_modes import MODES, mode_of, two_modes

# %%
from mediml.models.gan import Discriminator, Generator, discriminator_step, fake_images, generator_step, init_weights
from mediml.plots import show_curves, show_numbers, show_sample_frames, show_samples, show_source

# %% [markdown] tags=["en"]
# ## 1 The game
#
# The **generator** $G$ turns noise $z$ into an image $G(z)$. The **discriminator** $D$ says with which probability an
# image is real. $D$ wants the following value large, $G$ wants it small:
#
# $$ \min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_{d}} \ln D(x) + \mathbb{E}_{z \sim p_z} \ln\bigl(1 - D(G(z))\bigr) $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $z$ | noise, standard normal; one vector per image | `noise`, of length `latent` |
# | $G(z)$ | image made of it | `fake` |
# | $x$ | real image, from the distribution $p_d$ | `real` |
# | $p_g$ | distribution of the generated images | |
# | $r, f$ | score (logit) of a real, of a fake image | `real_scores`, `fake_scores` |
# | $D = \sigma(s)$ | probability of being real, of a score $s$ | `F.sigmoid` |
#
# **The best discriminator.** At a place $x$ the value is $p_d \ln D + p_g \ln(1-D)$. Its derivative
# $p_d/D - p_g/(1-D)$ is zero where
#
# $$ D^*(x) = \frac{p_d(x)}{p_d(x) + p_g(x)}, \qquad s^*(x) = \ln\frac{p_d(x)}{p_g(x)} $$
#
# By hand, in one dimension: a liver measures $60 \pm 10$ HU in real scans, and $40 \pm 10$ HU in generated ones, both
# normal. In units $t = (x - 50)/10$ these are $N(1, 1)$ and $N(-1, 1)$, and the score is
# $s^* = \frac12[(t+1)^2 - (t-1)^2] = 2t$: a straight line. At 50 HU $D^*$ is 1/2, at 60 HU it is $\sigma(2) = 0.88$.
#
# **Predict:** a discriminator with one weight and one bias, $s = wt + b$, is trained on samples only. It never sees a
# density. Which $w$ and $b$ will it find?

# %% [markdown] tags=["zh"]
# ## 1 一场博弈
#
# **生成器** $G$ 把噪声 $z$ 变成图像 $G(z)$；**判别器** $D$ 给出一幅图像为真的概率。下面这个值，$D$ 想让它大，$G$ 想让
# 它小：
#
# $$ \min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_{d}} \ln D(x) + \mathbb{E}_{z \sim p_z} \ln\bigl(1 - D(G(z))\bigr) $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $z$ | 噪声，标准正态；每幅图像一个向量 | `noise`，长度为 `latent` |
# | $G(z)$ | 由它造出的图像 | `fake` |
# | $x$ | 真实图像，服从分布 $p_d$ | `real` |
# | $p_g$ | 生成图像的分布 | |
# | $r, f$ | 真图、假图的得分（logit） | `real_scores`、`fake_scores` |
# | $D = \sigma(s)$ | 得分 $s$ 对应的“为真”概率 | `F.sigmoid` |
#
# **最优判别器。** 在一点 $x$ 处，价值是 $p_d \ln D + p_g \ln(1-D)$，导数 $p_d/D - p_g/(1-D)$ 为零之处是
#
# $$ D^*(x) = \frac{p_d(x)}{p_d(x) + p_g(x)}, \qquad s^*(x) = \ln\frac{p_d(x)}{p_g(x)} $$
#
# 在一维情形手算：真实扫描中肝脏的 CT 值为 $60 \pm 10$ HU，生成图像中为 $40 \pm 10$ HU，都服从正态分布。换用单
# 位 $t = (x - 50)/10$，即 $N(1, 1)$ 与 $N(-1, 1)$，于是 $s^* = \frac12[(t+1)^2 - (t-1)^2] = 2t$：一条直线。50
# HU 处 $D^*$ 为 1/2，60 HU 处为 $\sigma(2) = 0.88$。
#
# **先猜**：一个只有一个权重、一个偏置的判别器 $s = wt + b$，只用样本训练，从未见过密度函数。它会学到怎样的 $w$ 和 $b$？

# %%
guess = None  # (w, b)
rng = np.random.default_rng(13)
t_real, t_fake = (mediml.tensor(rng.normal(mean, 1, (20_000, 1))) for mean in (1, -1))
mediml.manual_seed(0)
line = nn.Linear(1, 1, dtype=mediml.float64)
optimizer = optim.Adam(line.parameters(), lr=0.05)
for _ in range(300):
    optimizer.zero_grad()
    loss = F.discriminator_loss(line(t_real), line(t_fake))
    loss.backward()
    optimizer.step()
w, b = line.weight.item(), line.bias.item()
print(f"learned from samples: s = {w:.1f} t, bias below 0.05: {abs(b) < 0.05}")
assert abs(w - 2) < 0.08 and abs(b) < 0.05

# %% [markdown] tags=["en"]
# Put $D^*$ into the value and it becomes $2\,\mathrm{JSD}(p_d, p_g) - 2\ln 2$, with the Jensen–Shannon divergence JSD,
# a distance between distributions (in nats). The discriminator's **loss** is $-V$. So at best it pays
# $2 \ln 2 - 2\,\mathrm{JSD}$: next to nothing if the two do not overlap, and exactly $2\ln 2 = 1.386$ when the
# generator is perfect and every image deserves 1/2. Integrated on a grid:

# %% [markdown] tags=["zh"]
# 把 $D^*$ 代回去，价值变成 $2\,\mathrm{JSD}(p_d, p_g) - 2\ln 2$，其中 JSD 是 Jensen–Shannon 散度，衡量两个分布的差距
# （单位 nat）。判别器的**损失**是 $-V$，所以它至少要付 $2 \ln 2 - 2\,\mathrm{JSD}$：两个分布不重叠时几乎不用付；生成器
# 完美、每幅图像都该判 1/2 时，恰好是 $2\ln 2 = 1.386$。在网格上积分：

# %%
t = np.linspace(-8, 8, 4001)
p_d, p_g = (np.exp(-((t - mean) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (1, -1))
middle = (p_d + p_g) / 2
jsd = np.trapezoid(p_d * np.log(p_d / middle) + p_g * np.log(p_g / middle), t) / 2
for slope in (1.0, 2.0, 3.0):
    of_real, of_fake = reference.discriminator_loss_forward(slope * t, slope * t, "minimax", "none")
    print(f"s = {slope:.0f} t: loss {np.trapezoid(p_d * of_real + p_g * of_fake, t):.3f}")
print(f"2 ln 2 - 2 JSD = {2 * np.log(2) - 2 * jsd:.3f}")
of_real, of_fake = reference.discriminator_loss_forward(2 * t, 2 * t, "minimax", "none")
assert np.isclose(np.trapezoid(p_d * of_real + p_g * of_fake, t), 2 * np.log(2) - 2 * jsd)

# %%
alt = (
    "Normal densities around 40 and 60 HU, and the best discriminator: it rises from 0 to 1 and is a half at 50.",
    "两条正态密度曲线，中心在 40 与 60 HU；最优判别器由 0 升到 1，在 50 处为二分之一。",
)
best = p_d / (p_d + p_g)
near = np.abs(t) < 5
curves = {"$10\\,p_d$": p_d[near], "$10\\,p_g$": p_g[near], "$D^*$": best[near]}
show_curves(50 + 10 * t[near], curves, alt, "$x$ (HU)", "$D^*$, $10\\,p$ (1/HU)", marks=(50,))
assert np.isclose(best[2000], 0.5) and np.isclose(best[2250], 1 / (1 + np.exp(-2)))

# %% [markdown] tags=["en"]
# ## 2 Objectives: what each side wants of a score
#
# The discriminator gives any real number, the **score** $s$; the sigmoid belongs to the loss. The logarithms are then
# $\ln D = -\operatorname{softplus}(-s)$ and $\ln(1-D) = -\operatorname{softplus}(s)$, with
# $\operatorname{softplus}(s) = \ln(1 + e^s)$. The article's objective is one of five that have been proposed:
#
# | objective | $D$ pays on a real $r$ | $D$ pays on a fake $f$ | $G$ pays | $G$'s slope |
# |---|---|---|---|---|
# | minimax | softplus$(-r)$ | softplus$(f)$ | $-$softplus$(f)$ | $-\sigma(f)$ |
# | non-saturating | softplus$(-r)$ | softplus$(f)$ | softplus$(-f)$ | $-\sigma(-f)$ |
# | least squares | $(r-1)^2/2$ | $f^2/2$ | $(f-1)^2/2$ | $f - 1$ |
# | hinge | $\max(0, 1-r)$ | $\max(0, 1+f)$ | $-f$ | $-1$ |
# | Wasserstein | $-r$ | $f$ | $-f$ | $-1$ |
#
# Since $\operatorname{softplus}'(s) = \sigma(s)$, the slopes follow by the chain rule; check two of them with pencil.
# The generator's column as a kernel, one score at a time:

# %% [markdown] tags=["zh"]
# ## 2 目标函数：双方各想要怎样的得分
#
# 判别器输出任意实数，即**得分** $s$；sigmoid 归损失函数管。于是 $\ln D = -\operatorname{softplus}(-s)$，
# $\ln(1-D) = -\operatorname{softplus}(s)$，其中 $\operatorname{softplus}(s) = \ln(1 + e^s)$。文章里的目标只是五种之一：
#
# | 目标 | $D$ 在真图 $r$ 上付 | $D$ 在假图 $f$ 上付 | $G$ 付 | $G$ 的斜率 |
# |---|---|---|---|---|
# | 极小极大（minimax） | softplus$(-r)$ | softplus$(f)$ | $-$softplus$(f)$ | $-\sigma(f)$ |
# | 非饱和 | softplus$(-r)$ | softplus$(f)$ | softplus$(-f)$ | $-\sigma(-f)$ |
# | 最小二乘 | $(r-1)^2/2$ | $f^2/2$ | $(f-1)^2/2$ | $f - 1$ |
# | 合页（hinge） | $\max(0, 1-r)$ | $\max(0, 1+f)$ | $-f$ | $-1$ |
# | Wasserstein | $-r$ | $f$ | $-f$ | $-1$ |
#
# 由 $\operatorname{softplus}'(s) = \sigma(s)$ 和链式法则即得各个斜率，请用笔验算其中两个。生成器那一列写成内核，一次处
# 理一个得分：

# %%
show_source(reference._softplus, reference._loss_of_generator, reference._slope_of_generator)

# %%
h, points = 1e-6, np.array([-3.0, -0.5, 0.3, 2.0])  # finite differences, away from the corners of the hinge
for objective in ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein"):
    up, down = (reference.generator_loss_forward(points + d, objective, "none") for d in (h, -h))
    slope = reference.generator_loss_backward_fake(np.ones_like(points), points, objective, "none")
    assert np.allclose((up - down) / (2 * h), slope, atol=1e-6), objective
print("the slopes of all five objectives are those of finite differences")

# %% [markdown] tags=["en"]
# **Why two objectives for the same wish?** At the beginning the generator is bad and $D$ is sure: say $f = -5$, so
# $D = \sigma(-5) = 0.0067$. The slope of *minimax* is $-0.0067$, that of *non-saturating* $-\sigma(5) = -0.9933$. By
# hand: $\sigma(-f)/\sigma(f) = e^{-f}$, here $e^5 = 148$. Both want $f$ to rise; one of them hardly says so, just when
# most is to be learnt.

# %% [markdown] tags=["zh"]
# **同一个愿望，为什么要两种目标？** 开始时生成器很差，$D$ 很有把握：设 $f = -5$，则 $D = \sigma(-5) = 0.0067$。极小极
# 大的斜率只有 $-0.0067$，非饱和的是 $-\sigma(5) = -0.9933$。手算：$\sigma(-f)/\sigma(f) = e^{-f}$，此处 $e^5 = 148$。
# 两者都希望 $f$ 升高，可是前者偏偏在最需要学习的时候几乎不出声。

# %%
f = np.linspace(-6, 4, 201)
slopes = {}
for objective in ("minimax", "non-saturating", "least-squares", "hinge"):
    slopes[objective] = reference.generator_loss_backward_fake(np.ones_like(f), f, objective, "none")
alt = (
    "The generator's slope over the score: minimax is flat at 0 left of -4, non-saturating is near -1 there.",
    "生成器的斜率随得分的变化：−4 以左，极小极大接近 0，非饱和接近 −1。",
)
show_curves(f, slopes, alt, "$f$", "$d\\ell_G/df$")
ratio = slopes["non-saturating"][20] / slopes["minimax"][20]
print(f"at f = {f[20]:.0f}: {slopes['minimax'][20]:.4f} and {slopes['non-saturating'][20]:.4f}, ratio {ratio:.0f}")
assert np.isclose(ratio, np.exp(5))

# %% [markdown] tags=["en"]
# **Stable or literal?** Written as it stands, $\ln \sigma(f)$ first computes a sigmoid, which is 0 in float32 below
# about $-89$, and then the logarithm of 0. `softplus` never forms that number: it takes
# $\max(x, 0) + \ln(1 + e^{-|x|})$. **Predict** the loss and the slope of a fake with the score $-1000$.

# %% [markdown] tags=["zh"]
# **稳定写法与照抄公式。** 照抄 $\ln \sigma(f)$，要先算 sigmoid，而它在 float32 里低于约 $-89$ 就成了 0，再取 0 的对
# 数。`softplus` 根本不产生这个数：它算的是 $\max(x, 0) + \ln(1 + e^{-|x|})$。**先猜**：得分为 $-1000$ 的假图，损失和斜
# 率各是多少？

# %%
scores = np.array([-1000, -50, 0], np.float32)
with np.errstate(over="ignore", divide="ignore"):
    literal = -np.log(1 / (1 + np.exp(-scores)))
f_score = mediml.tensor(scores, requires_grad=True)
stable = F.generator_loss(f_score, "non-saturating", reduction="none")
stable.sum().backward()
print("literal:", *(f"{value:.3f}" for value in literal))
print("stable: ", *(f"{value:.3f}" for value in stable.detach().numpy()))
print("slopes: ", *(f"{value:.1f}" for value in f_score.grad.numpy()))
assert np.isinf(literal[0]) and stable[0].item() == 1000 and f_score.grad[0].item() == -1

# %% [markdown] tags=["en"]
# ### The fast kernel, and what changed

# %% [markdown] tags=["zh"]
# ### 快速内核：改了什么

# %%
print(cpu.__doc__.split("Optimizations\n-------------\n")[1])
many = rng.standard_normal(100_000).astype(np.float32) * 5
for objective in ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein"):
    naive = reference.discriminator_loss_forward(many, -many, objective, "mean")
    fast = cpu.discriminator_loss_forward(many, -many, objective, "mean")
    assert np.isclose(naive, fast, rtol=1e-5, atol=1e-6), objective
print("naive and fast agree for all five objectives")

# %% [markdown] tags=["en"]
# ## 3 From small to large: the transposed convolution
#
# A discriminator makes images smaller, with strided convolutions. A generator must make them larger. A convolution
# *gathers* a window into one pixel; its transpose *scatters*: **each input pixel stamps the kernel, times its own
# value, onto the output**, `stride` pixels from its neighbour's stamp. Where stamps overlap they add up.
#
# $$ y_{h_{out},\,w_{out}} = \sum_{h_{in},\,w_{in},\,k_h,\,k_w} x_{h_{in},\,w_{in}}\, W_{k_h,\,k_w}
#    \quad\text{with}\quad h_{out} = h_{in}\, s - p + k_h,\quad w_{out} = w_{in}\, s - p + k_w $$
#
# The output has $(H_{in} - 1)\,s - 2p + K$ rows: with $K = 4$, $s = 2$, $p = 1$ exactly twice as many. By hand, 2 × 2
# to 4 × 4 with $K = s = 2$, so that no stamp overlaps. Compute the lower left block first, then run.

# %% [markdown] tags=["zh"]
# ## 3 由小变大：转置卷积
#
# 判别器用带步幅的卷积把图像变小，生成器则要把它变大。卷积是**收集**：一个窗口汇成一个像素；它的转置是**分发**：
# **每个输入像素都把卷积核乘以自己的值，像盖章一样盖到输出上**，相邻两枚章相距 `stride` 个像素，重叠之处相加。
#
# $$ y_{h_{out},\,w_{out}} = \sum_{h_{in},\,w_{in},\,k_h,\,k_w} x_{h_{in},\,w_{in}}\, W_{k_h,\,k_w}
#    \quad\text{且}\quad h_{out} = h_{in}\, s - p + k_h,\quad w_{out} = w_{in}\, s - p + k_w $$
#
# 输出有 $(H_{in} - 1)\,s - 2p + K$ 行：取 $K = 4$、$s = 2$、$p = 1$，恰好翻倍。手算：$K = s = 2$，2 × 2 变成 4 × 4，章
# 不重叠。先算出左下角那一块，再运行。

# %%
x = np.array([[1, 2], [3, 0]], np.float32)[None, None]
stamp = np.array([[1, 2], [3, 4]], np.float32)[None, None]
geometry = {"stride": (2, 2), "padding": (0, 0), "output_padding": (0, 0), "dilation": (1, 1), "groups": 1}
y = conv_transpose.conv_transpose2d_forward(x, stamp, None, **geometry)
alt = (
    "Input 1, 2, 3, 0; kernel 1, 2, 3, 4; output: four blocks, each the kernel times one input pixel.",
    "输入 1、2、3、0；核 1、2、3、4；输出分为四块，每块是核乘以一个输入像素。",
)
show_numbers({"$x$": x[0, 0], "$W$": stamp[0, 0], "$y$": y[0, 0]}, alt, between=["·", "→"])
assert y[0, 0].tolist() == [[1, 2, 2, 4], [3, 4, 6, 8], [3, 6, 0, 0], [9, 12, 0, 0]]

# %%
show_source(conv_transpose._forward)

# %% [markdown] tags=["en"]
# These are the loops of lesson 04's *gradient*. Indeed: as a matrix, a convolution is $y = Mx$, its gradient for $x$ is
# $M^{\mathsf T} g$, and the transposed convolution is nothing but $M^{\mathsf T}$ as a forward pass. And its own
# gradient is, conversely, a plain convolution. (It is not an inverse; the old name *deconvolution* misleads.)

# %% [markdown] tags=["zh"]
# 这正是第 04 课求**梯度**时的循环。的确：把卷积写成矩阵 $y = Mx$，它对 $x$ 的梯度是 $M^{\mathsf T} g$，而转置卷积不过
# 是把 $M^{\mathsf T}$ 拿来做前向。反过来，转置卷积的梯度就是普通的卷积。（它不是逆运算，旧名“反卷积”容易误导。）

# %%
g = rng.standard_normal((2, 6, 7, 7))
weight = rng.standard_normal((6, 3, 4, 4))
up = {**geometry, "padding": (1, 1)}
stamped = conv_transpose.conv_transpose2d_forward(g, weight, None, **up)
as_gradient = conv.conv2d_backward_x(g, weight, (2, 3, 14, 14), (2, 2), (1, 1), (1, 1), 1)
print("stamping is the gradient of a convolution:", stamped.shape, np.allclose(stamped, as_gradient))
again = conv_transpose.conv_transpose2d_backward_x(stamped, weight, g.shape, **up)
gathered = conv.conv2d_forward(stamped, weight, None, (2, 2), (1, 1), (1, 1), 1)
print("and its gradient is a convolution:       ", np.allclose(again, gathered))
assert np.allclose(stamped, as_gradient) and np.allclose(again, gathered)

# %% [markdown] tags=["en"]
# **Checkerboards.** Stamp a kernel of ones, from an input of ones, and the output counts how many stamps lie on each
# pixel. **Predict** the pattern for $K = 3$ and for $K = 4$, both with stride 2.

# %% [markdown] tags=["zh"]
# **棋盘格。** 输入全为 1，核也全为 1，输出就是每个像素上盖了几枚章。**先猜**：步幅为 2，$K = 3$ 与 $K = 4$ 时各是什么
# 花纹？

# %%
ones, counts = np.ones((1, 1, 5, 5), np.float32), {}
for K in (3, 4):
    kernel = np.ones((1, 1, K, K), np.float32)
    counts[f"$K = {K}$"] = conv_transpose.conv_transpose2d_forward(ones, kernel, None, **geometry)[0, 0, 2:-2, 2:-2]
alt = (
    "Stamps per pixel: with kernel 3 a checkerboard of 1, 2 and 4; with kernel 4 everywhere 4.",
    "每个像素上的章数：核为 3 时是 1、2、4 的棋盘格，核为 4 时处处为 4。",
)
show_numbers(counts, alt)
assert set(np.unique(counts["$K = 3$"])) == {1, 2, 4} and set(np.unique(counts["$K = 4$"])) == {4}

# %% [markdown] tags=["en"]
# If $K$ is no multiple of the stride, some pixels lie under four times as many stamps as others. A network may learn to
# level this; until then it paints a grid, which looks like texture and is arithmetic. So $K = 4$ with stride 2.
#
# ## 4 Batch normalisation, leaky ReLU, tanh
#
# **Batch norm** brings each channel to mean 0 and variance 1 *over the batch*, then scales and shifts as learned:
#
# $$ \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta, \qquad
#    \frac{\partial \mathcal L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}}
#    \Bigl(g_i - \bar g - \hat x_i\, \overline{g \hat x}\Bigr) $$
#
# By hand: $x = (1, 3, 5, 7)$ has $\mu = 4$ and $\sigma^2 = (9+1+1+9)/4 = 5$, so $\hat x = (-3, -1, 1, 3)/\sqrt5$. The
# gradient loses its mean and its part along $\hat x$: moving all pixels together, or stretching them, changes nothing.

# %% [markdown] tags=["zh"]
# 如果 $K$ 不是步幅的整数倍，有的像素盖的章是别处的四倍。网络也许能学会抹平，在此之前它画出的是网格：看似纹理，其实是算
# 术。所以用 $K = 4$、步幅 2。
#
# ## 4 批归一化、leaky ReLU、tanh
#
# **批归一化**把每个通道**在整批上**变成均值 0、方差 1，再按学到的参数缩放、平移：
#
# $$ \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta, \qquad
#    \frac{\partial \mathcal L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}}
#    \Bigl(g_i - \bar g - \hat x_i\, \overline{g \hat x}\Bigr) $$
#
# 手算：$x = (1, 3, 5, 7)$，$\mu = 4$，$\sigma^2 = (9+1+1+9)/4 = 5$，$\hat x = (-3, -1, 1, 3)/\sqrt5$。梯度里去掉了均值
# 和沿 $\hat x$ 的分量：所有像素一起移动或一起拉伸，结果不变。

# %%
show_source(norm._batch_norm_statistics, norm._batch_norm)

# %%
layer = nn.BatchNorm1d(1)
column = mediml.tensor([[1.0], [3.0], [5.0], [7.0]])
in_training, plus_ten = (layer(value).detach().numpy()[:, 0] for value in (column, column + 10))
print("in training:", *(f"{value:.2f}" for value in in_training))
print("10 added before gives the same:", np.allclose(in_training, plus_ten, atol=1e-4))
layer.eval()
print(f"in evaluation, by running statistics, the 1 becomes {layer(column[:1]).item():.1f}")
layer.train()
try:
    layer(column[:1])
except ValueError as error:
    print(error)
assert np.allclose(in_training, np.array([-3, -1, 1, 3]) / np.sqrt(5), atol=1e-5)

# %% [markdown] tags=["en"]
# Three consequences for a GAN. A layer before batch norm needs no bias. In training an image depends on the others in
# its batch, so **a batch of one is refused** (it would become 0) and images to look at are made in evaluation mode.
# And real and fake images pass through the discriminator as *two* batches, since mixed they would be normalised with
# each other's mean.
#
# **Leaky ReLU** has slope 1 above 0 and 0.2 below. The generator learns only through the discriminator's gradient; a
# plain ReLU would cut it at every unit that is off (lesson 05). **Tanh** at the end keeps pixels in $(-1, 1)$, and so
# the real images must be brought to that range, too: otherwise the discriminator needs to look at nothing but the
# largest pixel.
#
# ## 5 The two players
#
# The article's network (a *DCGAN*) in a form that runs:

# %% [markdown] tags=["zh"]
# 这对 GAN 有三个后果：批归一化之前的层不需要偏置；训练时一幅图像的结果取决于同批的其他图像，所以**一批只有一幅会被拒
# 绝**（它会变成 0），要看的图像用评估模式生成；真图与假图分**两批**通过判别器，混在一起就会互相用对方的均值来归一化。
#
# **Leaky ReLU** 在 0 以上斜率为 1，以下为 0.2。生成器只能通过判别器传回的梯度学习，普通 ReLU 会在每个关着的单元处把它
# 切断（第 05 课）。末端的 **tanh** 把像素限制在 $(-1, 1)$，因此真实图像也必须缩放到这个范围，否则判别器只要看最亮的像
# 素就够了。
#
# ## 5 两个玩家
#
# 文章里的网络（即 DCGAN），改成能运行的样子：

# %%
show_source(Generator, docstring=False)

# %%
show_source(Discriminator, docstring=False)

# %% [markdown] tags=["en"]
# | generator (width 16, 16 px) | output | discriminator | output |
# |---|---|---|---|
# | noise | 8 | image | 1 × 16 × 16 |
# | linear, batch norm, leaky ReLU | 512 = 32 × 4 × 4 | conv 4, stride 2, leaky ReLU | 16 × 8 × 8 |
# | transposed conv 4, stride 2, batch norm, leaky ReLU | 16 × 8 × 8 | the same, with batch norm | 32 × 4 × 4 |
# | transposed conv 4, stride 2, tanh | 1 × 16 × 16 | conv 4 over all: a score | 1 |
#
# The images are a test set with a known answer. **Two modes**: horizontal and vertical stripes, a half each, in
# countless variants. Think of two kinds of a finding. No expert is needed to say which a generated image shows: a rule
# does (`mode_of`), and it also says *neither*. Stripes are not medicine; they are a phantom, as for a scanner.

# %% [markdown] tags=["zh"]
# | 生成器（宽度 16，16 像素） | 输出 | 判别器 | 输出 |
# |---|---|---|---|
# | 噪声 | 8 | 图像 | 1 × 16 × 16 |
# | 全连接、批归一化、leaky ReLU | 512 = 32 × 4 × 4 | 4 × 4 卷积，步幅 2，leaky ReLU | 16 × 8 × 8 |
# | 转置卷积 4 × 4，步幅 2，批归一化，leaky ReLU | 16 × 8 × 8 | 同上，加批归一化 | 32 × 4 × 4 |
# | 转置卷积 4 × 4，步幅 2，tanh | 1 × 16 × 16 | 覆盖全图的 4 × 4 卷积：一个得分 | 1 |
#
# 图像用的是一个答案已知的测试集，有**两个模式**：横条纹与竖条纹，各占一半，变化无穷。不妨想成同一疾病的两种表现。生成
# 的图像属于哪一种，不需要专家，一条规则就能判断（`mode_of`），它也会说“都不是”。条纹不是医学，它是体模，就像检测扫描仪
# 用的那种。

# %%
images, modes = two_modes(2000, size=16, seed=0)
alt = (
    "Sixteen images of 16 by 16 pixels: horizontal or vertical stripes of different width, phase and contrast.",
    "十六幅 16×16 图像：横条纹或竖条纹，宽度、相位、对比度各不相同。",
)
show_samples(images[:16], alt, columns=8)
print("the rule agrees with the truth in all 2000:", np.array_equal(mode_of(images), modes))
assert np.array_equal(mode_of(images), modes) and np.abs(images).max() <= 1

# %% [markdown] tags=["en"]
# ## 6 The alternating training in five steps
#
# The article names five: (1) initialise both networks, (2) generate fake data, (3) train the discriminator, (4) train
# the generator, (5) iterate. Steps 3 and 4 as functions:

# %% [markdown] tags=["zh"]
# ## 6 交替训练的五个步骤
#
# 文章列出五步：（1）初始化两个网络，（2）生成假数据，（3）训练判别器，（4）训练生成器，（5）迭代。第 3、4 步写成函数：

# %%
show_source(discriminator_step, generator_step, docstring=False)

# %% [markdown] tags=["en"]
# **Why `detach`?** The discriminator's loss depends on the generator, through the fake images. Without `detach` the
# gradient walks on into $G$: it computes, at full cost, how $G$ could make the *discriminator's* work easier. If nobody
# clears it, it is added to the generator's own gradient. `detach` ends the tape at the image. In step 4 it is the other
# way round: the gradient must pass *through* $D$ to reach $G$, and $D$ must not move; so its parameters are frozen and
# the fake images are **not** detached. **Predict** the two lines:

# %% [markdown] tags=["zh"]
# **为什么要 `detach`？** 判别器的损失通过假图依赖于生成器。不写 `detach`，梯度会一直走进 $G$：花了全部代价，算的却
# 是 $G$ 怎样才能让**判别器**更省力；若没人清零，还会加到生成器自己的梯度里。`detach` 让记录带到图像为止。第 4 步正相
# 反：梯度必须**穿过** $D$ 到达 $G$，而 $D$ 不能动；所以冻结它的参数，假图则**不能** detach。**先猜**下面两行：

# %%
mediml.manual_seed(0)
generator = Generator(channels=1, image_size=16, latent=8, width=16)  # step 1: initialise
discriminator = Discriminator(channels=1, image_size=16, width=16)
real = mediml.from_numpy(images[:32])
fake = generator(mediml.randn(32, 8))  # step 2: fake images
for name, given in (("detached", fake.detach()), ("as it is", fake)):
    F.discriminator_loss(discriminator(real), discriminator(given)).backward()  # a part of step 3
    print(f"{name}: the generator got a gradient:", generator.main[0].weight.grad is not None)
assert generator.main[0].weight.grad is not None

# %%
try:
    generator_step(discriminator, None, fake.detach())
except ValueError as error:
    print(error)
try:
    generator(mediml.randn(32, 8, 1, 1))  # noise as the copied program makes it
except ValueError as error:
    print(error)
assert fake.requires_grad

# %% [markdown] tags=["en"]
# **The vanishing gradient, measured.** Here $D$ alone makes forty steps against a generator that stays as it began, the
# worst case of section 2. Then the length of the generator's gradient, for both objectives. **Predict** the order.

# %% [markdown] tags=["zh"]
# **把消失的梯度量出来。** 让 $D$ 独自走四十步，生成器停在初始状态，这是第 2 节里最坏的情形。然后量两种目标下生成器梯度
# 的长度。**先猜**：谁大？

# %%
optimizer_d = optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
for step in range(40):
    real = mediml.from_numpy(images[32 * step : 32 * step + 32])
    discriminator_step(discriminator, optimizer_d, real, generator(mediml.randn(32, 8)))
fake, length = generator(mediml.randn(32, 8)), {}
for objective in ("minimax", "non-saturating"):
    generator.zero_grad()
    scores = discriminator(fake)
    F.generator_loss(scores, objective).backward(retain_graph=True)
    length[objective] = np.sqrt(sum((p.grad.numpy() ** 2).sum() for p in generator.parameters()))
ratio = length["non-saturating"] / length["minimax"]
print("D(G(z)) below 0.1:", F.sigmoid(scores).mean().item() < 0.1)
print("the non-saturating gradient is more than 10 times as long:", ratio > 10)
assert ratio > 10 and F.sigmoid(scores).mean().item() < 0.1

# %% [markdown] tags=["en"]
# ## 7 The same numbers as PyTorch
#
# PyTorch was given the same weights, images and noise and made ten alternating steps in float64. Linear layer,
# transposed convolution, batch norm, convolution, losses, tape, two optimisers, `detach`: an error in any of them would
# show in the losses of *both* players.

# %% [markdown] tags=["zh"]
# ## 7 与 PyTorch 数值相同
#
# 给 PyTorch 同样的权重、图像和噪声，用 float64 交替走十步。全连接、转置卷积、批归一化、卷积、损失、记录带、两个优化器、
# `detach`，哪一处有错，都会在**双方**的损失里显出来。

# %%
torch_says = json.loads(Path("../stored/13_torch.json").read_text())
source = np.random.default_rng(torch_says["seed"])
twins = Generator(1, 16, latent=8, width=4).double(), Discriminator(1, 16, width=4).double()
for twin in twins:
    drawn = {}
    for name, parameter in twin.named_parameters():
        of_norm = parameter.ndim == 1 and name.endswith("weight")
        drawn[name] = mediml.tensor(0.2 * source.standard_normal(tuple(parameter.shape)) + of_norm)
    twin.load_state_dict(drawn, strict=False)
adams = [optim.Adam(twin.parameters(), lr=1e-3, betas=(0.5, 0.999)) for twin in twins]

# %%
losses = []
for step in range(10):
    real = mediml.tensor(images[16 * step : 16 * step + 16].astype(np.float64))
    fake = twins[0](mediml.tensor(source.standard_normal((16, 8))))
    of_discriminator = discriminator_step(twins[1], adams[1], real, fake).item()
    losses.append([of_discriminator, generator_step(twins[1], adams[0], fake).item()])
difference = np.abs(np.array(losses) / np.array(torch_says["losses"]) - 1).max()
for step in (0, 9):
    ours, theirs = losses[step], torch_says["losses"][step]
    print(f"step {step + 1:2d}: ours {ours[0]:.6f} {ours[1]:.6f}  PyTorch {theirs[0]:.6f} {theirs[1]:.6f}")
print("largest relative difference below 1e-8:", difference < 1e-8)
assert difference < 1e-8

# %% [markdown] tags=["en"]
# ## 8 Training, and what to look at
#
# 500 steps of 32 images. Adam with $\beta_1 = 0.5$ (a long memory of gradients is of no use when the opponent moves),
# initial weights from $N(0, 0.02)$, as Radford, Metz and Chintala propose. The training of two players is *chaotic*:
# another processor rounds otherwise, and after some hundred steps the images differ. So this lesson prints coarse facts
# only, and asserts inequalities.

# %% [markdown] tags=["zh"]
# ## 8 训练，以及该看什么
#
# 500 步，每步 32 幅图像。按 Radford、Metz 与 Chintala 的建议，Adam 取 $\beta_1 = 0.5$（对手一直在动，对旧梯度记得太久
# 没有用处），初始权重取自 $N(0, 0.02)$。双方博弈的训练是**混沌**的：换一台处理器，舍入不同，几百步之后图像就不一样了。
# 所以本课只打印粗略的事实，用不等式来断言。

# %%
mediml.manual_seed(0)  # 1 initialise
generator, discriminator = Generator(1, 16, latent=8, width=16), Discriminator(1, 16, width=16)
for player in (generator, discriminator):
    player.apply(init_weights)
optimizer_g = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
optimizer_d = optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
rng = np.random.default_rng(0)
fixed = mediml.from_numpy(np.random.default_rng(99).standard_normal((500, 8)).astype(np.float32))
history, frames, shares = [], [fake_images(generator, fixed[:32]).numpy()], []

# %%
for step in range(500):  # 5 iterate
    real = mediml.from_numpy(images[rng.integers(0, 2000, 32)])
    fake = generator(mediml.from_numpy(rng.standard_normal((32, 8)).astype(np.float32)))  # 2 fake images
    loss_d = discriminator_step(discriminator, optimizer_d, real, fake)  # 3 the discriminator's step
    loss_g = generator_step(discriminator, optimizer_g, fake)  # 4 the generator's step
    if step % 50 == 49:
        drawn = fake_images(generator, fixed).numpy()
        found = evaluation.mode_coverage(mode_of(2 * drawn - 1))
        frames.append(drawn[:32])
        shares.append([found.shares[0].value, found.shares[1].value, found.outside.value])
        with mediml.no_grad():
            d_real, d_fake = (F.sigmoid(discriminator(v)).mean().item() for v in (real, fake.detach()))
        history.append([loss_d.item(), loss_g.item(), d_real, d_fake])
assert len(frames) == 11 and np.isfinite(history).all()

# %% [markdown] tags=["en"]
# **The same 32 noise vectors** after every 50 steps $s$. What moves is the generator, not the draw.

# %% [markdown] tags=["zh"]
# **同样的 32 个噪声向量**，每 50 步 $s$ 画一次。变的是生成器，不是抽样。

# %%
alt = (
    "Thirty-two generated images in eleven frames: grey at first, then blobs, in the end stripes in both directions.",
    "三十二幅生成图像，共十一帧：起初一片灰，然后是斑块，最后是两个方向的条纹。",
)
labels = [f"$s = {50 * k}$" for k in range(11)]
show_sample_frames(frames, labels, alt, columns=8, limits=(0, 1), zoom=3)
assert frames[-1].std() > 3 * frames[0].std()

# %% [markdown] tags=["en"]
# **Predict:** the generator gets visibly better. Does its loss fall? And should $D(x)$ and $D(G(z))$ both be near 1/2
# at the end, as the theory says of a perfect generator?

# %% [markdown] tags=["zh"]
# **先猜**：生成器明显越来越好，它的损失在下降吗？最后 $D(x)$ 与 $D(G(z))$ 是否如理论所说，都接近 1/2？

# %%
steps, curves = np.arange(50, 501, 50), np.array(history)
alt = (
    "Both losses over 500 steps: up and down, no clear fall.",
    "500 步中双方的损失：起伏不定，没有明显的下降。",
)
show_curves(steps, {r"$\ell_D$": curves[:, 0], r"$\ell_G$": curves[:, 1]}, alt, "$s$", r"$\ell$")
print("the generator's loss at the end is above a perfect generator's ln 2:", curves[-3:, 1].mean() > np.log(2))
assert curves[-3:, 1].mean() > np.log(2)

# %%
alt = (
    "Mean probability given to real and to fake images over the steps: the real ones' stays above.",
    "真图与假图得到的平均概率随步数的变化：真图始终在上。",
)
show_curves(steps, {"$D(x)$": curves[:, 2], "$D(G(z))$": curves[:, 3]}, alt, "$s$", "$D$")
assert curves[-3:, 2].mean() > curves[-3:, 3].mean()

# %% [markdown] tags=["en"]
# The losses say how the *match* stands, not how the images are: the opponent gets better, too. A generator's loss that
# rises may go with better images, and a small one may mean a weak opponent (section 9 has such a case). That $D(x)$
# stays above $D(G(z))$ says that the discriminator still finds differences. So measure the **images**: 500 of fixed
# noise, each put into its mode by the rule.

# %% [markdown] tags=["zh"]
# 损失说的是**比赛**的形势，不是图像的好坏：对手也在进步。生成器的损失上升，图像可能反而更好；损失很小，也可能只是对手
# 太弱（第 9 节就有一例）。$D(x)$ 一直高于 $D(G(z))$，说明判别器仍能找出差别。所以要去量**图像**：固定噪声生成 500 幅，
# 按规则归入各个模式。

# %%
table = np.array(shares)
alt = (
    "Shares over the steps: that of neither falls from nearly 1, those of both modes rise to about 0.4.",
    "横、竖、都不是三者的比例：都不是由接近 1 下降，两个模式升到约 0.4。",
)
named = {"$m = 0$": table[:, 0], "$m = 1$": table[:, 1], "$m = -1$": table[:, 2]}
show_curves(steps, named, alt, "$s$", r"$\Pr(m)$")
print(f"modes covered: {found.covered} of {len(MODES)}; neither below a third: {found.outside.value < 1 / 3}")
print("collapsed:", found.collapsed)
assert found.covered == 2 and found.outside.value < 1 / 3 and table[0, 2] > 0.8

# %% [markdown] tags=["en"]
# ## 9 Mode collapse, provoked and measured
#
# **A rare finding.** Same program, same noise, one change: the second mode is one image in **ten** instead of one in
# two, 200 examples of it in 2000. **Predict:** which share of the generated images will show it after 400 steps?

# %% [markdown] tags=["zh"]
# ## 9 模式崩溃：故意引发，再量出来
#
# **罕见的表现。** 程序相同，噪声相同，只改一处：第二个模式从两幅中有一幅变成**十**幅中有一幅，2000 幅里有 200 例左右。
# **先猜**：400 步之后，生成的图像里它占多少？

# %%
guess = None  # a percentage
rare, rare_modes = two_modes(2000, size=16, seed=0, share=0.1)
collapsed = {"rare mode": Generator(1, 16, latent=8, width=16), "no batch norm": Generator(1, 16, latent=8, width=16)}
plain = collapsed["no batch norm"].main
for place, layer in enumerate(plain):
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        plain[place] = nn.Identity()
sets = {"rare mode": rare, "no batch norm": images}
print(f"share of the rare mode in the training images: {rare_modes.mean():.2f}")
assert 0.08 < rare_modes.mean() < 0.12

# %%
for name, player_g in collapsed.items():
    mediml.manual_seed(0)
    player_d = Discriminator(1, 16, width=16)
    for player in (player_g, player_d):
        player.apply(init_weights)
    adam_g, adam_d = (optim.Adam(p.parameters(), lr=5e-4, betas=(0.5, 0.999)) for p in (player_g, player_d))
    rng = np.random.default_rng(0)
    for _ in range(400):
        real = mediml.from_numpy(sets[name][rng.integers(0, 2000, 32)])
        fake = player_g(mediml.from_numpy(rng.standard_normal((32, 8)).astype(np.float32)))
        discriminator_step(player_d, adam_d, real, fake)
        generator_step(player_d, adam_g, fake)
assert not player_g.main[1].state_dict()

# %%
rare_drawn, bare_drawn = (2 * fake_images(player, fixed).numpy() - 1 for player in collapsed.values())
of_rare = evaluation.mode_coverage(mode_of(rare_drawn), expected=(0.9, 0.1))
alt = (
    "Sixteen images of the generator that saw a rare mode: stripes of the common direction, or unclear.",
    "见过罕见模式的生成器的十六幅图像：常见方向的条纹，或不清楚。",
)
show_samples(rare_drawn[:16], alt, columns=8)
print("of 500 images fewer than 1 % show the rare mode:", of_rare.shares[1].value < 0.01)
print("modes covered:", of_rare.covered, " collapsed:", of_rare.collapsed)
print("the balanced training had both after 400 steps:", min(shares[7][:2]) > 0.1)
assert of_rare.collapsed and of_rare.shares[1].value < 0.01 and min(shares[7][:2]) > 0.1

# %% [markdown] tags=["en"]
# **The finding for which we wanted more images is the one that vanished**, while its common sister is drawn in plenty.
# The arithmetic is plain: leaving out one image in ten costs the generator little, so long as the other nine are well
# made. No loss showed it; a count did. (Tried with two seeds, 500 steps, and shares
# of 10 % and of 5 %: fewer than 1 % of 500 images showed the rare mode in each of the four.)
#
# **Without batch norm** in the generator, on the balanced set: after as many steps not both modes are covered. And in
# the images shown here the checkerboard is back, although $K = 4$: the *counts* of stamps are even, the *weights* of
# the four taps that meet in a pixel need not be.

# %% [markdown] tags=["zh"]
# **我们本来想多要的那种表现，恰恰消失了**，常见的那种却要多少有多少。道理很简单：其余九幅造得好，漏掉十幅中的一幅，生
# 成器几乎没有损失。没有哪个损失显示出来，一数便知。（另用两个种子、
# 500 步、占比 10 % 与 5 % 试过：四次里，500 幅图像中罕见模式都不到 1 %。）
#
# 再看生成器**不用批归一化**，仍用各半的数据：同样步数之后，两个模式没有都覆盖到。而且在这里显示的图像里，棋盘格又回来
# 了，尽管 $K = 4$：章的**个数**处处相同，落在同一像素上的四个**权重**却未必相同。

# %%
alt = (
    "Sixteen images of a generator without batch norm: one direction only, with a harsh grid of single pixels.",
    "没有批归一化的生成器的十六幅图像：只有一个方向，并带刺眼的单像素网格。",
)
show_samples(bare_drawn[:16], alt, columns=8)
of_bare = evaluation.mode_coverage(mode_of(bare_drawn))
print("both modes covered:", of_bare.covered == 2, " more images of neither than with batch norm:",
      of_bare.outside.value > found.outside.value)  # fmt: skip
assert of_bare.collapsed and of_bare.outside.value > found.outside.value

# %% [markdown] tags=["en"]
# **An opponent that stands still.** In the formula $\max_D$ stands *inside* $\min_G$: for every generator a new best
# discriminator. If $D$ is frozen and only $G$ moves, the order is reversed, and the best answer to a fixed $D$ is the
# one image that it likes most, whatever the noise. We take the good pair of section 8 and make 400 steps of the
# generator alone. **Predict:** what becomes of its loss, of the variety, of the share of *neither*?

# %% [markdown] tags=["zh"]
# **站着不动的对手。** 公式里 $\max_D$ 在 $\min_G$ **之内**：每个生成器都要面对一个新的最优判别器。如果冻住 $D$、只训
# 练 $G$，次序就反了：对固定的 $D$，最好的回应是它最喜欢的那一幅图像，管它噪声是什么。取第 8 节训练好的一对，让生成器单
# 独再走 400 步。**先猜**：它的损失、图像的多样性、“都不是”的比例各会怎样？

# %%
before = 2 * fake_images(generator, fixed).numpy() - 1
rng = np.random.default_rng(1)
for _ in range(400):
    fake = generator(mediml.from_numpy(rng.standard_normal((32, 8)).astype(np.float32)))
    loss_alone = generator_step(discriminator, optimizer_g, fake).item()
after = 2 * fake_images(generator, fixed).numpy() - 1
variety = [drawn.std(axis=0).mean() for drawn in (before, after)]
outside = [evaluation.mode_coverage(mode_of(drawn)).outside.value for drawn in (before, after)]
print("the generator's loss is now below 0.3:", loss_alone < 0.3, "(a perfect one's is 0.69)")
print("variety has fallen by more than a tenth:", variety[1] < 0.9 * variety[0])
print("the share of neither is clearly smaller:", outside[1] < 0.8 * outside[0])
assert loss_alone < 0.3 and variety[1] < 0.9 * variety[0] and outside[1] > 0.8 * outside[0]

# %% [markdown] tags=["en"]
# A loss far below that of a perfect generator, and images with less variety, but no more stripes. (It does not come to
# a single image: once $D$ takes nearly all of them for real, hardly any gradient is left to push further.) So: **no
# result without a count of modes, or, where nobody knows the modes, a distance between
# distributions** (section 11).
#
# ## 10 A discriminator that cannot become too steep
#
# Multiply all weights of a discriminator by a number and its scores grow without end, and with them the slopes that the
# generator is given. The Wasserstein objective rewards exactly that: it is a distance only while $D$ is *Lipschitz*.
# **Spectral normalisation** divides each weight matrix by its largest singular value $\sigma$, the most it can stretch
# a vector. *Power iteration* finds it:
#
# $$ v \leftarrow \frac{W^{\mathsf T} u}{\lVert W^{\mathsf T} u\rVert}, \qquad
#    u \leftarrow \frac{W v}{\lVert W v\rVert}, \qquad \sigma = u^{\mathsf T} W v $$
#
# By hand: $W = \begin{pmatrix} 3 & 1 \\ 1 & 3 \end{pmatrix}$ stretches $(1, 1)$ four times, $(1, -1)$ twice. Start with
# $u = (1, 0)$: $v = (3, 1)/\sqrt{10}$, $Wv = (10, 6)/\sqrt{10}$, so $\sigma \approx \sqrt{13.6} = 3.688$.

# %% [markdown] tags=["zh"]
# 损失远低于完美生成器，图像却更单调，条纹也不见多。（没有真的只剩一幅：一旦 $D$ 把几乎所有图像都当成真的，就几乎没有梯
# 度再往前推了。）所以：**不数模式，就不报结果；不知道有哪些模式时，就量分布之间的距离**（第 11 节）。
#
# ## 10 不会变得太陡的判别器
#
# 把判别器的所有权重乘以一个数，得分就无限增大，传给生成器的斜率也跟着变大。Wasserstein 目标奖励的正是这个：只有 $D$ 满
# 足 **Lipschitz 条件**时，它才是一种距离。**谱归一化**把每个权重矩阵除以最大奇异值 $\sigma$，即它最多能把向量拉长多少
# 倍。用**幂迭代**求它：
#
# $$ v \leftarrow \frac{W^{\mathsf T} u}{\lVert W^{\mathsf T} u\rVert}, \qquad
#    u \leftarrow \frac{W v}{\lVert W v\rVert}, \qquad \sigma = u^{\mathsf T} W v $$
#
# 手算：$W = \begin{pmatrix} 3 & 1 \\ 1 & 3 \end{pmatrix}$ 把 $(1, 1)$ 拉长四倍，把 $(1, -1)$ 拉长两倍。
# 从 $u = (1, 0)$ 开始：$v = (3, 1)/\sqrt{10}$，$Wv = (10, 6)/\sqrt{10}$，于是 $\sigma \approx \sqrt{13.6} = 3.688$。

# %%
W, u = np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([1.0, 0.0])
for iteration in range(1, 5):
    v = W.T @ u / np.linalg.norm(W.T @ u)
    u = W @ v / np.linalg.norm(W @ v)
    print(f"iteration {iteration}: sigma = {u @ W @ v:.3f}")
dense = nn.Linear(2, 2, bias=False)
dense.weight.data = mediml.tensor(W.astype(np.float32))
dense = nn.utils.spectral_norm(dense)
for _ in range(20):
    dense(mediml.zeros(1, 2))
largest = np.linalg.svd(dense.weight.numpy(), compute_uv=False)[0]
print(f"largest singular value of the layer's weight: {largest:.3f}")
assert np.isclose(u @ W @ v, 4, atol=1e-3) and np.isclose(largest, 1, atol=1e-3)

# %% [markdown] tags=["en"]
# In training $u$ is kept from step to step and weights move little, so **one** iteration per step is enough. Now
# multiply every weight of two discriminators by ten. **Predict** what happens to the scores.

# %% [markdown] tags=["zh"]
# 训练时 $u$ 逐步保留，权重每步变化很小，所以每步**一次**迭代就够。现在把两个判别器的全部权重都乘以十。**先猜**：得分会
# 怎样？

# %%
grown = {}
for spectral in (False, True):
    mediml.manual_seed(0)
    player_d = Discriminator(1, 16, spectral=spectral, width=16).eval()
    first = player_d(mediml.from_numpy(images[:32])).detach().numpy()
    with mediml.no_grad():
        for name, parameter in player_d.named_parameters():
            parameter.mul_(1 if name.endswith("bias") else 10)
    second = player_d(mediml.from_numpy(images[:32])).detach().numpy()
    grown[spectral] = second.std() / first.std()
print("without it, differences between scores grow more than 1000 times:", grown[False] > 1000)
print(f"with spectral normalisation: {grown[True]:.2f} times")
assert grown[False] > 1000 and np.isclose(grown[True], 1, rtol=1e-3)

# %% [markdown] tags=["en"]
# What is promised is a *bound*, not the value 1 for a convolution: in a kernel of 4 with stride 2 each pixel lies in
# four windows, so such a layer may stretch by $\sqrt 4 = 2$ even if its matrix does not stretch at all. A constant
# factor does no harm to the objective.
#
# The better-known way to a Lipschitz critic, the *gradient penalty*, puts the length of a gradient into the loss, and
# so needs the gradient of a gradient. Our tape records operations of the forward pass and not those of the backward
# pass; it refuses instead of computing something else. Spectral normalisation needs first derivatives only.
#
# ## 11 How far apart? The Fréchet distance
#
# Where no rule knows the modes, two clouds of *features* are compared, each taken as a normal distribution. In one
# dimension:
#
# $$ d^2 = (\mu_1 - \mu_2)^2 + (\sigma_1 - \sigma_2)^2 $$
#
# By hand: $(-1, 0, 1)$ has mean 0 and deviation 1 (divide by $N - 1$); $(1, 3, 5)$ has 3 and 2. So
# $d^2 = 9 + 1 = 10$. In more dimensions the second term becomes
# $\operatorname{tr}(C_1 + C_2 - 2 (C_1 C_2)^{1/2})$; lesson 14 uses it with features of a network. **Predict** the
# distance between a bell curve and two sharp peaks with the same mean and deviation.

# %% [markdown] tags=["zh"]
# 它保证的是有**界**，对卷积而言并不正好是 1：核为 4、步幅为 2 时，每个像素落在四个窗口里，即使矩阵完全不拉长，这一层仍
# 可能拉长 $\sqrt 4 = 2$ 倍。一个常数因子对目标没有妨碍。
#
# 另一种更出名的办法是**梯度惩罚**，把梯度的长度放进损失，于是需要梯度的梯度。我们的记录带只记前向的运算，不记反向的；
# 遇到这种要求它会拒绝，而不是算出别的东西来。谱归一化只需要一阶导数。
#
# ## 11 相距多远？Fréchet 距离
#
# 没有规则可以判断模式时，就比较两团**特征**，各当作一个正态分布。一维时：
#
# $$ d^2 = (\mu_1 - \mu_2)^2 + (\sigma_1 - \sigma_2)^2 $$
#
# 手算：$(-1, 0, 1)$ 均值为 0，标准差为 1（除以 $N - 1$）；$(1, 3, 5)$ 分别为 3 和 2。所以 $d^2 = 9 + 1 = 10$。多维时第
# 二项变成 $\operatorname{tr}(C_1 + C_2 - 2 (C_1 C_2)^{1/2})$，第 14 课配合网络的特征使用。**先猜**：一条钟形曲线与两个
# 尖峰，均值与标准差都相同，距离是多少？

# %%
by_hand = evaluation.frechet_distance([[-1.0], [0.0], [1.0]], [[1.0], [3.0], [5.0]])
bell = np.random.default_rng(0).standard_normal((4000, 1))
bell = (bell - bell.mean()) / bell.std()
peaks = np.where(np.arange(4000) % 2, 1.0, -1.0)[:, None]
print(f"by hand 10, by program {by_hand:.1f}")
print(f"bell and two peaks: {abs(evaluation.frechet_distance(bell, peaks)):.3f}")
print("same distribution?", bool(np.abs(bell).min() > 0.5))
assert np.isclose(by_hand, 10) and evaluation.frechet_distance(bell, peaks) < 1e-6

# %% [markdown] tags=["en"]
# Zero, for two distributions that nobody would confuse: only mean and covariance are compared. Every figure for a
# generator is blind to something; a distance, a count of modes, the nearest training images (lesson 14) and a look at
# the worst together are less so.
#
# ## 12 What was wrong with the program
#
# A GAN program with these two networks is found in many introductions. Read as a reviewer:
#
# | fault | consequence | mended |
# |---|---|---|
# | `nn.Reshape` | does not exist in PyTorch: does not start | `nn.Unflatten` |
# | reshaped to (4, 4, 256) | channels last; the next layer expects them first | (256, 4, 4) |
# | no `forward` in either class | a call ends in `NotImplementedError` | both have one |
# | noise of shape (100, 100, 1, 1) | the linear layer finds 1 number where it expects 100 | (N, 100), or refused |
# | the same 100 noise vectors for ever | between them the generator is never asked | new noise at each step |
# | `images` is never defined | no real images, so no game | data set and loader |
# | target of shape (1,) for (N, 1, 1, 1) outputs | refused by the loss | one score per image, `ones_like` |
# | target `0.0` | a number is no tensor: refused | `zeros_like` |
# | `discriminator.device` | a module has no such attribute | not needed |
# | sigmoid, then `BCELoss` | the sigmoid rounds to 0, the logarithm fails (section 2) | loss on logits |
# | learning rate 3e-4, $\beta_1 = 0.9$, no initialisation | not the method's values | 2e-4, 0.5, $N(0, 0.02)$ |
# | bias before batch norm | computed, then subtracted (section 4) | `bias=False` |
# | images made in training mode | each depends on the others in its batch | `fake_images` switches |
# | `imshow` of (100, 3, 32, 32) | a whole batch, channels first: refused | grid, channels last |
# | `np`, `plt` never imported; no seed | does not run; cannot be repeated | imports, `manual_seed` |
# | no measure of quality | collapse passes unseen | modes, distances, neighbours |
#
# What it has right: it detaches the fake images in the discriminator's step, asks the generator for *real* as target
# (that is the non-saturating objective), and has kernels of 4 with stride 2.

# %% [markdown] tags=["zh"]
# 是零，尽管谁也不会把这两个分布搞混：它只比较均值与协方差。评价生成器的每个指标都有盲区；距离、模式计数、最近的训练图
# 像（第 14 课），再看看最差的图像，合起来盲区才小一些。
#
# ## 12 那段程序错在哪里
#
# 用这两个网络的 GAN 程序，许多入门文章里都能找到。以审稿人的眼光来读：
#
# | 毛病 | 后果 | 本课的做法 |
# |---|---|---|
# | `nn.Reshape` | PyTorch 里没有，无法运行 | `nn.Unflatten` |
# | 变形为 (4, 4, 256) | 通道在最后，下一层要求在最前 | (256, 4, 4) |
# | 两个类都没有 `forward` | 一调用就是 `NotImplementedError` | 都写了 |
# | 噪声形状为 (100, 100, 1, 1) | 全连接层要 100 个数，只见到 1 个 | (N, 100)，否则拒绝 |
# | 始终用同样 100 个噪声向量 | 它们之间的地方，生成器从未被问过 | 每步换新噪声 |
# | `images` 从未定义 | 没有真实图像，博弈无从谈起 | 数据集与加载器 |
# | 输出 (N, 1, 1, 1)，目标形状 (1,) | 损失函数拒绝 | 每图一个得分，`ones_like` |
# | 目标写成 `0.0` | 数字不是张量，被拒绝 | `zeros_like` |
# | `discriminator.device` | 模块没有这个属性 | 用不着 |
# | 先 sigmoid 再 `BCELoss` | sigmoid 舍入为 0，对数失效（第 2 节） | 直接对 logit 算损失 |
# | 学习率 3e-4、$\beta_1 = 0.9$、不做初始化 | 不是该方法的取值 | 2e-4、0.5、$N(0, 0.02)$ |
# | 批归一化之前还有偏置 | 算出来又被减掉（第 4 节） | `bias=False` |
# | 在训练模式下生成图像 | 每幅都取决于同批的其他图像 | `fake_images` 会切换 |
# | 对 (100, 3, 32, 32) 调用 `imshow` | 整批且通道在前，被拒绝 | 排成网格，通道在后 |
# | 没有导入 `np`、`plt`，没有种子 | 无法运行，无法重复 | 导入齐全，`manual_seed` |
# | 没有质量指标 | 模式崩溃了也看不出来 | 模式、距离、近邻 |
#
# 它也有做对的地方：训练判别器时对假图用了 detach，训练生成器时以“真”为目标（这就是非饱和目标），核为 4、步幅为 2。

# %% [markdown] tags=["en"]
# ## 13 Limits
#
# * Stripes have two modes that a rule can name. Findings have more, overlapping ones, and nobody has the list.
# * A generator adds no knowledge. Its images can at best rearrange what the training images held, and may lose a part
#   of it: the rare part first.
# * One seed is one draw. Everything in sections 8 and 9 should be repeated with several before anyone relies on it.
# * Whether $D$ is fooled says little about whether a *physician* is, and nothing about whether an image is true of any
#   patient. Invented lesions, memorised patients, and what augmentation is really worth: lesson 14.

# %% [markdown] tags=["zh"]
# ## 13 局限
#
# * 条纹只有两个模式，一条规则就能认出。真实的征象更多、互相重叠，谁也没有完整的清单。
# * 生成器不增加知识。它的图像最多是把训练图像里的东西重新组合，还可能丢掉一部分：首先丢的就是罕见的。
# * 一个种子就是一次抽签。第 8、9 节的结论，要用多个种子重复过，才谈得上依靠。
# * 骗过了 $D$，不等于骗得过**医生**，更不说明图像对任何一位患者为真。凭空捏造的病灶、被记住的患者、数据增强究竟值多
#   少：见第 14 课。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. A discriminator gives a fake the score $f = -\ln 3$. What are $D$, the minimax slope and the non-saturating slope?
# 2. A transposed convolution with $K = 4$, $s = 2$, $p = 1$, three times in a row, from 5 × 5: how large is the output?
# 3. $W = \operatorname{diag}(6, 2)$ and $u = (1, 1)/\sqrt2$. What is $\sigma$ after one power iteration (three
#    decimals)?
# 4. Real lungs measure $-850 \pm 30$ HU, generated ones $-846 \pm 27$ HU. What is the squared Fréchet distance?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 判别器给一幅假图的得分是 $f = -\ln 3$。$D$、极小极大的斜率、非饱和的斜率各是多少？
# 2. $K = 4$、$s = 2$、$p = 1$ 的转置卷积，从 5 × 5 开始连做三次，输出有多大？
# 3. $W = \operatorname{diag}(6, 2)$，$u = (1, 1)/\sqrt2$。一次幂迭代之后 $\sigma$ 是多少（保留三位小数）？
# 4. 真实肺组织为 $-850 \pm 30$ HU，生成的为 $-846 \pm 27$ HU。Fréchet 距离的平方是多少？

# %%
answer = None  # exercise 1: (D, minimax slope, non-saturating slope)
assert answer is None or np.allclose(answer, (0.25, -0.25, -0.75), atol=0.01), "D = 1/(1 + e^{ln 3}); slopes -D, D - 1"

# %%
side = None  # exercise 2
assert side in (None, 40), "(H - 1)·2 - 2 + 4 = 2H, three times"

# %%
sigma = None  # exercise 3
assert sigma is None or abs(sigma - np.sqrt(36 * 36 + 4 * 4) / np.sqrt(40)) < 2e-3, "v = (6, 2)/√40, and σ = |Wv|"

# %%
squared = None  # exercise 4
assert squared in (None, 25), "4² + 3²"

# %% [markdown] tags=["en"]
# ## Summary
#
# * The best discriminator is $p_d/(p_d + p_g)$; its score is the logarithm of the ratio of densities.
# * Minimax and non-saturating want the same, with slopes $-D$ and $D - 1$: the first vanishes where the generator is
#   bad.
# * A transposed convolution stamps; it is the gradient of a convolution. A kernel that is a multiple of the stride
#   avoids checkerboards.
# * Batch norm makes images depend on their batch: two batches for real and fake, evaluation mode for looking.
# * Five steps: initialise, fake images, the discriminator's step (`detach`), the generator's (freeze $D$), iterate.
# * Losses show the match and not the images. Collapse is counted; the rare mode goes first.
#
# ## To think about
#
# 1. Minority classes are what augmentation is wanted for, and what a GAN loses first. Which experiment would convince
#    you that a generator helps all the same?
# 2. The discriminator has seen every training image. Could somebody who holds it find out whether a certain patient
#    was among them?
# 3. Why does the generator need noise at all? What would it learn if $z$ were always the same vector?
#
# ## Sources
#
# * I. Goodfellow et al., *Generative adversarial nets*, NeurIPS 2014, arXiv:1406.2661: game, best discriminator, both
#   objectives.
# * A. Radford, L. Metz, S. Chintala, *Unsupervised representation learning with deep convolutional GANs*, ICLR 2016,
#   arXiv:1511.06434.
# * S. Ioffe, C. Szegedy, *Batch normalization*, ICML 2015, arXiv:1502.03167. A. Odena, V. Dumoulin, C. Olah,
#   *Deconvolution and checkerboard artifacts*, Distill 2016.
# * X. Mao et al., arXiv:1611.04076 (least squares); J. H. Lim, J. C. Ye, arXiv:1705.02894 (hinge); M. Arjovsky et al.,
#   arXiv:1701.07875 (Wasserstein); I. Gulrajani et al., arXiv:1704.00028 (gradient penalty); T. Miyato et al.,
#   arXiv:1802.05957 (spectral normalisation).
# * M. Heusel et al., *GANs trained by a two time-scale update rule …*, NeurIPS 2017, for the Fréchet distance of
#   features.
# * Code: [`kernels/gan/`](../../kernels/gan/__init__.py),
#   [`kernels/conv_transpose/`](../../kernels/conv_transpose/__init__.py),
#   [`kernels/norm/`](../../kernels/norm/__init__.py), [`mediml/models/gan.py`](../../mediml/models/gan.py),
#   [`mediml/nn/utils/spectral_norm.py`](../../mediml/nn/utils/spectral_norm.py),
#   [`mediml/training/adversarial.py`](../../mediml/training/adversarial.py),
#   [`mediml/evaluation/generation.py`](../../mediml/evaluation/generation.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 最优判别器是 $p_d/(p_d + p_g)$，它的得分是两个密度之比的对数。
# * 极小极大与非饱和目标愿望相同，斜率分别为 $-D$ 与 $D - 1$：生成器差的时候，前者消失。
# * 转置卷积是盖章，也就是卷积的梯度；核取步幅的整数倍，可避免棋盘格。
# * 批归一化使图像依赖同批的其他图像：真假各成一批，观看时用评估模式。
# * 五个步骤：初始化，生成假图，判别器一步（`detach`），生成器一步（冻结 $D$），迭代。
# * 损失反映比赛，不反映图像。模式崩溃要靠数；最先丢的是罕见的模式。
#
# ## 思考题
#
# 1. 需要数据增强的正是少数类，GAN 最先丢掉的也是它。什么样的实验才能让你相信，生成器仍然有帮助？
# 2. 判别器见过每一幅训练图像。拿到判别器的人，能不能查出某位患者是否在训练集里？
# 3. 生成器为什么非要有噪声？如果 $z$ 永远是同一个向量，它会学到什么？
#
# ## 资料
#
# * I. Goodfellow 等, *Generative adversarial nets*, NeurIPS 2014, arXiv:1406.2661（博弈、最优判别器、两种目标）。
# * A. Radford, L. Metz, S. Chintala, *Unsupervised representation learning with deep convolutional GANs*, ICLR 2016,
#   arXiv:1511.06434。
# * S. Ioffe, C. Szegedy, *Batch normalization*, ICML 2015, arXiv:1502.03167。A. Odena, V. Dumoulin, C. Olah,
#   *Deconvolution and checkerboard artifacts*, Distill 2016。
# * X. Mao 等, arXiv:1611.04076（最小二乘）；J. H. Lim, J. C. Ye, arXiv:1705.02894（合页）；M. Arjovsky 等,
#   arXiv:1701.07875（Wasserstein）；I. Gulrajani 等, arXiv:1704.00028（梯度惩罚）；T. Miyato 等,
#   arXiv:1802.05957（谱归一化）。
# * M. Heusel 等, *GANs trained by a two time-scale update rule …*, NeurIPS 2017（特征的 Fréchet 距离）。
# * 代码：[`kernels/gan/`](../../kernels/gan/__init__.py)、
#   [`kernels/conv_transpose/`](../../kernels/conv_transpose/__init__.py)、
#   [`kernels/norm/`](../../kernels/norm/__init__.py)、[`mediml/models/gan.py`](../../mediml/models/gan.py)、
#   [`mediml/nn/utils/spectral_norm.py`](../../mediml/nn/utils/spectral_norm.py)、
#   [`mediml/training/adversarial.py`](../../mediml/training/adversarial.py)、
#   [`mediml/evaluation/generation.py`](../../mediml/evaluation/generation.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
