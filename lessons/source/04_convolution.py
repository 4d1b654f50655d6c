# %% [markdown] tags=["en"]
# # 04 · Convolution: one small question, asked at every place
#
# A radiologist who looks for a rib's edge, the rim of a nodule or the border of the heart asks the same small question
# all over the film: *does it get brighter here, from left to right?* A convolution is that habit as arithmetic: a
# handful of numbers, the **kernel**, is laid on every place of the image, and answers with one number per place.
#
# **After this lesson you can** compute a convolution by hand and write it as loops; say what padding, stride, dilation
# and groups do to the size of the output; derive its gradient and check it; express blurring, edge finding and
# sharpening of an X-ray as convolutions; and let gradient descent find such a kernel by itself.
#
# **Time:** 60 minutes. **You need:** Python with arrays, sums and partial derivatives.

# %% [markdown] tags=["zh"]
# # 04 · 卷积：一个小问题，处处都问一遍
#
# 阅片时，无论找肋骨的边、结节的轮廓还是心影的边界，医生在整张片子上反复问的是同一个小问题：**从左到右，这里变亮了吗？**
# 卷积把这个习惯写成了算术：一小组数（**卷积核**）依次放到图像的每个位置上，每放一处，就给出一个数作为回答。
#
# **学完本课，你能够**：手算卷积并写成循环；说清填充、步幅、空洞率和分组怎样决定输出的大小；推导并检验卷积的梯度；把 X
# 光片的平滑、边缘检测和锐化都写成卷积；还能让梯度下降自己把卷积核“找”出来。
#
# **用时**：60 分钟。**先修**：Python 数组、求和号、偏导数。

# %%
import json
from pathlib import Path

import numpy as np
from scipy.signal import convolve2d

import mediml
import mediml.nn.functional as F
from kernels.conv import cpu, reference
from mediml import nn
from mediml.data.catalog import packaged_file
from mediml.imaging import center_square, read_image, resize_area
from mediml.plots import show_curves, show_images, show_numbers, show_source, show_sweep

# %%
film = resize_area(center_square(read_image(packaged_file("chest_xray")).display()), (128, 128))
alt = ("A chest X-ray of an adult, bones white, lungs dark.", "成人胸部 X 光片：骨骼为白，肺野为黑。")
show_images({"$x$": film}, alt, limits=(0, 1), unit="1", size=3.2)
assert film.shape == (128, 128) and film.dtype == np.float32 and 0 <= film.min() < film.max() <= 1

# %% [markdown] tags=["en"]
# ## 1 The formula
#
# One image, one kernel of $K \times K$ numbers, one **bias**:
#
# $$ y_{ij} = \sum_{k=0}^{K-1} \sum_{l=0}^{K-1} x_{(i+k)(j+l)}\, w_{kl} + b $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $x$ | input image | `x` |
# | $w$ | kernel: the same weights at every place | `weight` |
# | $b$ | bias: one number added everywhere | `bias` |
# | $y$ | output, also called feature map | `y` |
# | $i, j$ | place in the output: row, column | `h_out, w_out` |
# | $k, l$ | place in the kernel: row, column | `k_h, k_w` |
# | $K$ | size of the kernel | `K_h, K_w` |
#
# The kernel stays inside the image, so an $H \times W$ image gives $(H-K+1) \times (W-K+1)$ outputs. The bias belongs
# to the *output channel* and not to the row $i$: all of $y$ gets the same $b$. (Some texts print $b_i$ here; taken
# literally, that would be another bias for each row of the image.)

# %% [markdown] tags=["zh"]
# ## 1 公式
#
# 一幅图像，一个 $K \times K$ 的卷积核，一个**偏置**：
#
# $$ y_{ij} = \sum_{k=0}^{K-1} \sum_{l=0}^{K-1} x_{(i+k)(j+l)}\, w_{kl} + b $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $x$ | 输入图像 | `x` |
# | $w$ | 卷积核：每个位置用的都是同一组权重 | `weight` |
# | $b$ | 偏置：处处加上的同一个数 | `bias` |
# | $y$ | 输出，也叫特征图 | `y` |
# | $i, j$ | 输出中的位置：行、列 | `h_out, w_out` |
# | $k, l$ | 卷积核中的位置：行、列 | `k_h, k_w` |
# | $K$ | 卷积核的大小 | `K_h, K_w` |
#
# 卷积核不伸出图像，所以 $H \times W$ 的图像得到 $(H-K+1) \times (W-K+1)$ 个输出。偏置属于**输出通道**，与行号 $i$ 无
# 关：整个 $y$ 加的是同一个 $b$。（有的资料在这里写成 $b_i$；照字面理解，就成了图像的每一行各有一个偏置。）

# %% [markdown] tags=["en"]
# ## 2 By hand
#
# A dark field meets a bright one. The kernel asks "brighter to the right?": right column minus left column. The top
# left output, term by term:
#
# $$ y_{00} = \underbrace{1(-1) + 1\cdot 0 + 1\cdot 1}_{0} + \underbrace{1(-1) + 1\cdot 0 + 1\cdot 1}_{0} +
#    \underbrace{1(-1) + 1\cdot 0 + 5\cdot 1}_{4} = 4 $$
#
# **Predict before you run:** what is the output at the bottom right, $y_{22}$? Write your number into `guess`.

# %% [markdown] tags=["zh"]
# ## 2 手算一遍
#
# 暗区与亮区相接。卷积核问的是“右边更亮吗”：右列减左列。左上角的输出逐项写开：
#
# $$ y_{00} = \underbrace{1(-1) + 1\cdot 0 + 1\cdot 1}_{0} + \underbrace{1(-1) + 1\cdot 0 + 1\cdot 1}_{0} +
#    \underbrace{1(-1) + 1\cdot 0 + 5\cdot 1}_{4} = 4 $$
#
# **先猜，再运行**：右下角的输出 $y_{22}$ 是多少？把你的答案写进 `guess`。

# %%
guess = None  # a number
x = np.array([[1, 1, 1, 5, 5], [1, 1, 1, 5, 5], [1, 1, 5, 5, 5], [1, 1, 5, 5, 5], [1, 5, 5, 5, 5]], np.float32)
w = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], np.float32)

# %%
y = reference.cross_correlation(x, w, 0.0)
show_sweep(x, w, y)
print(y)
assert y[0, 0] == 4 and y.shape == (3, 3)

# %% [markdown] tags=["en"]
# $y_{22} = 0$: columns 2 to 4 of the last three rows are all 5, and where nothing changes the answer is 0. The large
# numbers lie along the edge, largest where the whole edge fits under the kernel. The output is a **map of answers**,
# arranged as the image is. Were the edge to fall from bright to dark, the same numbers would come out negative.

# %% [markdown] tags=["zh"]
# $y_{22} = 0$：最后三行的第 2 至 4 列全是 5，没有变化，回答就是 0。大的数沿着边缘排列，边缘完整落在核下时最大。输出是一
# 张**回答的地图**，排列与图像一致。如果边缘是由亮变暗，同样的数会带上负号。

# %% [markdown] tags=["en"]
# ## 3 As loops
#
# The formula in its own letters, as it stands in this project. Two loops for the place, two for the kernel, one line
# that multiplies and adds. Read it against the formula; the names are the same.

# %% [markdown] tags=["zh"]
# ## 3 写成循环
#
# 下面是本项目里的原文，字母与公式相同：两层循环走位置，两层循环走卷积核，一行乘加。请对照公式来读。

# %%
show_source(reference.cross_correlation, reference._cross_correlation)

# %% [markdown] tags=["en"]
# A layer of a network does the same with more axes: a batch of $N$ images, $C_{in}$ channels in, $C_{out}$ kernels that
# give $C_{out}$ channels out. This is the general function that all tests of the project trust; its docstring is the
# formula with the identifiers of the loops.

# %% [markdown] tags=["zh"]
# 网络中的一层做同样的事，只是多了几个轴：一批 $N$ 幅图像，输入 $C_{in}$ 个通道，$C_{out}$ 个卷积核给出 $C_{out}$ 个输出
# 通道。下面是通用的函数，本项目的测试都以它为准；文档字符串就是公式，用的正是循环里的变量名。

# %%
show_source(reference.conv2d_forward, reference._forward)

# %% [markdown] tags=["en"]
# ## 4 Convolution or correlation?
#
# What networks call convolution is, for a mathematician, **cross-correlation**: the kernel is laid on as it is. The
# convolution of signal processing turns it by 180° first. An image with a single bright point tells them apart:

# %% [markdown] tags=["zh"]
# ## 4 卷积还是互相关？
#
# 神经网络里所说的“卷积”，在数学上是**互相关**：核原样放上去。信号处理中的卷积要先把核旋转 180°。用一幅只有一个亮点的图
# 像，就能把二者区分开：

# %%
point = np.zeros((5, 5), np.float32)
point[2, 2] = 1
w = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
correlated = reference.cross_correlation(point, w, 0.0)
convolved = convolve2d(point, w, mode="valid")
alt = (
    "A kernel with the numbers 1 to 9; correlating a point with it gives 9 to 1, convolving gives 1 to 9.",
    "数字 1 到 9 的卷积核：与亮点做互相关得到 9 到 1，做卷积得到 1 到 9。",
)
show_numbers({"$w$": w, r"$x \star w$": correlated, "$x * w$": convolved}, alt)
assert (correlated == w[::-1, ::-1]).all() and (convolved == w).all()

# %% [markdown] tags=["en"]
# Correlation answers with the kernel turned round, convolution with the kernel itself. For a *learned* kernel the
# difference is nothing: training finds the weights either way. It matters when you bring a kernel from a textbook on
# filters: an asymmetric one must be turned first. From here on we say convolution, as everyone does, and mean ⋆.

# %% [markdown] tags=["zh"]
# 互相关得到的是转了 180° 的核，卷积得到核本身。对**学出来的**核，这毫无影响：怎么定义，训练就怎么学。可是从滤波教材里搬
# 来一个不对称的核，就得先旋转。下文从俗，说“卷积”，指的都是 ⋆。

# %% [markdown] tags=["en"]
# ## 5 Where the kernel may stand: padding, stride, dilation
#
# * **Padding** $p$ puts $p$ rows and columns of zeros round the image, so that the kernel can be centred on border
#   pixels.
# * **Stride** $s$ moves it $s$ pixels at a time: fewer outputs.
# * **Dilation** $d$ spreads its taps $d$ pixels apart: it sees further with the same number of weights.
#
# The span of the kernel is $d(K-1)+1$ pixels; counting the places where it fits gives the size of the output:
#
# $$ H_{out} = \left\lfloor \frac{H_{in} + 2p - d\,(K-1) - 1}{s} \right\rfloor + 1 $$
#
# Below: a 6 × 6 image with padding 1 and a 3 × 3 kernel that moves by 2.

# %% [markdown] tags=["zh"]
# ## 5 卷积核能站在哪里：填充、步幅、空洞率
#
# * **填充**（padding）$p$：在图像四周补 $p$ 行 $p$ 列的零，核就能以边上的像素为中心。
# * **步幅**（stride）$s$：核每次移动 $s$ 个像素，输出随之变少。
# * **空洞率**（dilation）$d$：核的各个元素相隔 $d$ 个像素，权重不增加，却看得更远。
#
# 核的跨度是 $d(K-1)+1$ 个像素；数一数能放下它的位置，就得到输出的大小：
#
# $$ H_{out} = \left\lfloor \frac{H_{in} + 2p - d\,(K-1) - 1}{s} \right\rfloor + 1 $$
#
# 下图：6 × 6 的图像，填充为 1，3 × 3 的核每次移动 2 个像素。

# %%
x = np.arange(36, dtype=np.float32).reshape(6, 6) % 7
w = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
y = reference.conv2d_forward(x[None, None], w[None, None], None, (2, 2), (1, 1), (1, 1), 1)[0, 0]
show_sweep(x, w, y, stride=2, padding=1)
assert y.shape == (3, 3) and y[0, 0] == -4 * x[0, 0] + x[0, 1] + x[1, 0]

# %% [markdown] tags=["en"]
# **Predict before you run:** a 28 × 28 image. Which size has the output in each of the four cases? Fill in `guess`.

# %% [markdown] tags=["zh"]
# **先猜，再运行**：28 × 28 的图像，下面四种情形的输出各有多大？把答案填进 `guess`。

# %%
guess = [None, None, None, None]
x = np.zeros((1, 1, 28, 28), np.float32)
for K, s, p, d in [(3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 0, 1), (3, 1, 0, 2)]:
    w = np.zeros((1, 1, K, K), np.float32)
    H_out = cpu.conv2d_forward(x, w, None, (s, s), (p, p), (d, d), 1).shape[2]
    print(f"K={K} stride={s} padding={p} dilation={d}: {H_out} × {H_out}")
    assert H_out == (28 + 2 * p - d * (K - 1) - 1) // s + 1

# %% [markdown] tags=["en"]
# The last two agree: a 5 × 5 kernel and a 3 × 3 kernel with dilation 2 span the same five pixels, with 25 weights or 9.
# An odd kernel with padding $(K-1)/2$ keeps the size; torch calls that `padding="same"`.

# %% [markdown] tags=["zh"]
# 后两种大小相同：5 × 5 的核与空洞率为 2 的 3 × 3 的核跨度都是五个像素，权重却是 25 个与 9 个。核为奇数时取填充
# $(K-1)/2$，大小不变，在 torch 里写作 `padding="same"`。

# %% [markdown] tags=["en"]
# ## 6 Channels and groups
#
# A kernel reaches through **all** input channels and adds up what it finds:
#
# $$ y_{c_{out},\,ij} = b_{c_{out}} + \sum_{c=0}^{C_{in}-1} \sum_{k,l} w_{c_{out},\,c,\,kl}\; x_{c,\,(i+k)(j+l)} $$
#
# So `weight` has the shape $(C_{out}, C_{in}, K, K)$. With **groups** $G$ the channels are dealt into $G$ families that
# do not see each other, and the shape is $(C_{out}, C_{in}/G, K, K)$; $G = C_{in}$ gives each channel kernels of its
# own. Where do channels come from in medicine? One CT slice of a head, shown through three windows, is a natural
# example: brain, soft tissue and bone are in one set of numbers (Hounsfield units), and no single grey scale shows them
# all. The titles give centre / width of each window.

# %% [markdown] tags=["zh"]
# ## 6 通道与分组
#
# 卷积核贯穿**所有**输入通道，并把结果相加：
#
# $$ y_{c_{out},\,ij} = b_{c_{out}} + \sum_{c=0}^{C_{in}-1} \sum_{k,l} w_{c_{out},\,c,\,kl}\; x_{c,\,(i+k)(j+l)} $$
#
# 因此 `weight` 的形状是 $(C_{out}, C_{in}, K, K)$。**分组**数为 $G$ 时，通道被分成互不相见的 $G$ 组，形状变为
# $(C_{out}, C_{in}/G, K, K)$；$G = C_{in}$ 时，每个通道各有自己的核。医学图像的通道从哪里来？同一层头部 CT 用三种窗来
# 看，就是很自然的例子：脑、软组织、骨都在同一组数（亨氏单位，HU）里，却没有哪一种灰度能把它们同时显示清楚。图题是窗位 /
# 窗宽。

# %%
slice_hu = read_image(packaged_file("ct_slice")).values
windows = {"brain": (40, 80), "soft tissue": (40, 400), "bone": (400, 1800)}
channels = np.stack([np.clip((slice_hu - c) / w + 0.5, 0, 1) for c, w in windows.values()]).astype(np.float32)
alt = (
    "One CT slice of a head through three windows: brain, soft tissue, bone.",
    "同一层头部 CT 的三种窗：脑窗、软组织窗、骨窗。",
)
titles = [f"{c} / {w} HU" for c, w in windows.values()]
show_images(dict(zip(titles, channels)), alt, limits=(0, 1))
assert channels.shape == (3, 512, 512) and channels.min() == 0 and channels.max() == 1

# %%
x = channels[None]
for C_out, groups in [(8, 1), (6, 3)]:
    weight = np.zeros((C_out, 3 // groups, 3, 3), np.float32)
    y = cpu.conv2d_forward(x, weight, None, (1, 1), (1, 1), (1, 1), groups)
    print(f"groups={groups}: weight {weight.shape}, {weight.size} numbers; y {y.shape}")
    assert y.shape == (1, C_out, 512, 512)

# %% [markdown] tags=["en"]
# Two habits explain why a convolution needs so few numbers: it looks at a **neighbourhood** only, and it uses the
# **same weights everywhere**. A fully connected layer from 512 × 512 to 512 × 512 pixels would need 69 thousand million
# weights; one 3 × 3 kernel needs nine.

# %% [markdown] tags=["zh"]
# 卷积需要的数这样少，是因为两条约定：只看**局部邻域**，处处**共享权重**。从 512 × 512 到 512 × 512 的全连接层需要约六百
# 九十亿个权重，一个 3 × 3 的卷积核只要九个。

# %% [markdown] tags=["en"]
# ## 7 The fast kernel, and what changed
#
# The naive loops are right and slow. The fast twin computes the same sums; this is what its author says of it:

# %% [markdown] tags=["zh"]
# ## 7 快速内核：改了什么
#
# 朴素循环正确但是慢。快速版本算的是同样的和；它的作者这样说明（英文，引自源文件）：

# %%
print(cpu.__doc__)

# %% [markdown] tags=["en"]
# The order of the additions is another one, so the last bits may differ: rounding is not associative. How much may be
# predicted. For a sum of $n$ products in float32 the error is of the order of $\sqrt{n}\,\varepsilon$ with
# $\varepsilon = 2^{-23}$. Here $n = 3 \cdot 3 \cdot 16 = 144$.

# %% [markdown] tags=["zh"]
# 相加的次序变了，最后几位就可能不同，因为舍入不满足结合律。差多少可以事先估计：float32 下 $n$ 个乘积之和的误差，量级为
# $\sqrt{n}\,\varepsilon$，其中 $\varepsilon = 2^{-23}$。这里 $n = 3 \cdot 3 \cdot 16 = 144$。

# %%
rng = np.random.default_rng(4)
x = rng.standard_normal((2, 16, 32, 32)).astype(np.float32)
weight = rng.standard_normal((8, 16, 3, 3)).astype(np.float32)
bias = rng.standard_normal(8).astype(np.float32)
geometry = ((1, 1), (1, 1), (1, 1), 1)  # stride, padding, dilation, groups
naive = reference.conv2d_forward(x, weight, bias, *geometry)
fast = cpu.conv2d_forward(x, weight, bias, *geometry)
bound = 10 * np.sqrt(144) * 2.0**-23
error = np.abs(fast - naive).max() / np.abs(naive).max()
print(f"naive and fast agree within {bound:.1e} of the largest value: {error < bound}")
assert error < bound

# %% [markdown] tags=["en"]
# ## 8 The gradient
#
# Training asks: if the loss $\mathcal L$ rises by $g_{ij} = \partial\mathcal L / \partial y_{ij}$ for each output, how
# does it rise for a weight, for a pixel, for the bias? The formula is a sum, so look at one term: $y_{ij}$ contains
# $x_{(i+k)(j+l)}\,w_{kl}$. Collect all terms in which the wanted number occurs:
#
# $$ \frac{\partial\mathcal L}{\partial w_{kl}} = \sum_{i,j} g_{ij}\, x_{(i+k)(j+l)} \qquad
#    \frac{\partial\mathcal L}{\partial x_{pq}} = \sum_{k,l} g_{(p-k)(q-l)}\, w_{kl} \qquad
#    \frac{\partial\mathcal L}{\partial b} = \sum_{i,j} g_{ij} $$
#
# Look what they are. The weight's gradient is a *correlation* of the input with $g$. The input's gradient has minus
# signs: a true *convolution* of $g$ with the kernel, the one from section 4. In the code nothing changes but the
# innermost line:

# %% [markdown] tags=["zh"]
# ## 8 梯度
#
# 训练要问：已知损失 $\mathcal L$ 对每个输出的变化率 $g_{ij} = \partial\mathcal L / \partial y_{ij}$，那么它对某个权重、
# 某个像素、对偏置的变化率是多少？公式是一个和，只看其中一项：$y_{ij}$ 里含有 $x_{(i+k)(j+l)}\,w_{kl}$。把出现了所求那个
# 数的项都收集起来：
#
# $$ \frac{\partial\mathcal L}{\partial w_{kl}} = \sum_{i,j} g_{ij}\, x_{(i+k)(j+l)} \qquad
#    \frac{\partial\mathcal L}{\partial x_{pq}} = \sum_{k,l} g_{(p-k)(q-l)}\, w_{kl} \qquad
#    \frac{\partial\mathcal L}{\partial b} = \sum_{i,j} g_{ij} $$
#
# 再看它们是什么：权重的梯度是输入与 $g$ 的**互相关**；输入的梯度里出现了减号，正是第 4 节所说的、真正意义上的**卷积**。
# 在代码里，只有最内层那一行变了：

# %%
show_source(reference._backward_x, reference._backward_weight)

# %% [markdown] tags=["en"]
# **By hand.** Let only one output matter: $g$ is 1 at $(0, 1)$ and 0 elsewhere. Then only the pixels under the kernel
# at that place receive something, each its weight: the kernel appears in the input, upright. And the weights receive
# the pixels that they were multiplied with.

# %% [markdown] tags=["zh"]
# **手算。** 只让一个输出起作用：$g$ 在 $(0, 1)$ 处为 1，其余为 0。于是只有核停在那里时盖住的像素得到梯度，每个像素得到
# 的就是与它相乘的权重：卷积核原样出现在输入上。反过来，权重得到的是与它相乘的像素。

# %%
x = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]], np.float32)[None, None]
w = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)[None, None]
g = np.array([[0, 1], [0, 0]], np.float32)[None, None]
plain = ((1, 1), (0, 0), (1, 1), 1)
grad_x = reference.conv2d_backward_x(g, w, x.shape, *plain)
grad_w = reference.conv2d_backward_weight(g, x, w.shape, *plain)
alt = ("One output's gradient: the kernel appears in grad x, the pixels under it in grad w.",
       "单个输出的梯度：grad x 中出现卷积核，grad w 中出现核下的像素。")  # fmt: skip
show_numbers({"$x$": x[0, 0], "$g$": g[0, 0], "$\\nabla x$": grad_x[0, 0], "$\\nabla w$": grad_w[0, 0]}, alt)
assert (grad_x[0, 0, :3, 1:] == w[0, 0]).all() and (grad_w[0, 0] == x[0, 0, :3, 1:]).all()

# %% [markdown] tags=["en"]
# ## 9 Is it right? Ask the definition
#
# A derivative is a limit of differences. Move one weight by $\pm h$ and see how far the loss moves:
#
# $$ \frac{\partial\mathcal L}{\partial w} \approx \frac{\mathcal L(w+h) - \mathcal L(w-h)}{2h} $$
#
# As loss take $\mathcal L = \sum_{ij} g_{ij}\,y_{ij}$ with **random** $g$. With $g = 1$ everywhere every pixel of the
# interior receives the sum of all weights, and a kernel that is flipped by mistake gives the same sum: the check would
# pass and prove nothing. Use float64, or the rounding of the loss hides the difference.

# %% [markdown] tags=["zh"]
# ## 9 算对了吗？回到定义去问
#
# 导数是差商的极限。把一个权重移动 $\pm h$，看损失变多少：
#
# $$ \frac{\partial\mathcal L}{\partial w} \approx \frac{\mathcal L(w+h) - \mathcal L(w-h)}{2h} $$
#
# 损失取 $\mathcal L = \sum_{ij} g_{ij}\,y_{ij}$，其中 $g$ 是**随机**的。如果 $g$ 处处取 1，图像内部每个像素得到的都是全
# 部权重之和，核即使误写成翻转的，和也不变：检验照样通过，却什么也没有证明。要用 float64，否则损失的舍入误差会把差值淹
# 没。

# %%
rng = np.random.default_rng(9)
x, w = rng.standard_normal((1, 2, 6, 5)), rng.standard_normal((3, 2, 3, 2))
geometry = ((2, 1), (1, 1), (1, 1), 1)
g = rng.standard_normal(cpu.conv2d_forward(x, w, None, *geometry).shape)
analytic = cpu.conv2d_backward_weight(g, x, w.shape, *geometry)
numeric, h = np.empty_like(w), 1e-6
for place in np.ndindex(w.shape):
    step = np.zeros_like(w)
    step[place] = h
    rise = cpu.conv2d_forward(x, w + step, None, *geometry) - cpu.conv2d_forward(x, w - step, None, *geometry)
    numeric[place] = (g * rise).sum() / (2 * h)
print("largest relative error below 1e-7:", np.abs(analytic - numeric).max() / np.abs(numeric).max() < 1e-7)
assert np.allclose(analytic, numeric, rtol=1e-7, atol=1e-7)

# %% [markdown] tags=["en"]
# ## 10 Classical filters are convolutions
#
# Long before networks, image processing had kernels with names. Four of them in one call, $C_{out} = 4$:
#
# $$ w_{blur} = \tfrac{1}{16}\begin{pmatrix}1&2&1\\2&4&2\\1&2&1\end{pmatrix} \quad
#    w_{\rightarrow} = \begin{pmatrix}-1&0&1\\-2&0&2\\-1&0&1\end{pmatrix} \quad
#    w_{\downarrow} = w_{\rightarrow}^{\mathsf T} \quad
#    w_{sharp} = \begin{pmatrix}0&-1&0\\-1&5&-1\\0&-1&0\end{pmatrix} $$
#
# The **sum of the weights** says what happens to a uniform area: 1 keeps its brightness (blur, sharpen), 0 erases it
# (the Sobel filters $w_\rightarrow$ and $w_\downarrow$ leave edges only).

# %% [markdown] tags=["zh"]
# ## 10 经典滤波器就是卷积
#
# 早在神经网络之前，图像处理里就有许多有名字的卷积核。这里一次算四个，$C_{out} = 4$：
#
# $$ w_{平滑} = \tfrac{1}{16}\begin{pmatrix}1&2&1\\2&4&2\\1&2&1\end{pmatrix} \quad
#    w_{\rightarrow} = \begin{pmatrix}-1&0&1\\-2&0&2\\-1&0&1\end{pmatrix} \quad
#    w_{\downarrow} = w_{\rightarrow}^{\mathsf T} \quad
#    w_{锐化} = \begin{pmatrix}0&-1&0\\-1&5&-1\\0&-1&0\end{pmatrix} $$
#
# **权重之和**决定均匀区域的命运：和为 1，亮度不变（平滑、锐化）；和为 0，亮度被抹掉，只留下边缘（Sobel 算子
# $w_\rightarrow$ 与 $w_\downarrow$）。

# %%
blur = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 16
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
sharp = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
bank = np.stack([blur, sharp, sobel, sobel.T])[:, None]
responses = cpu.conv2d_forward(film[None, None], bank, None, (1, 1), (0, 0), (1, 1), 1)[0]
alt = ("The chest X-ray, blurred, and sharpened.", "胸片及其平滑、锐化的结果。")
show_images({"$x$": film, r"$x \star w_1$": responses[0], r"$x \star w_2$": responses[1]}, alt, limits=(0, 1))
assert bank.sum((1, 2, 3)).round(6).tolist() == [1, 1, 0, 0]

# %%
edges = np.hypot(responses[2], responses[3])
alt = (
    "Sobel responses: vertical edges, horizontal edges (red rising, blue falling).",
    "Sobel 响应：竖直边缘与水平边缘（红为变亮，蓝为变暗）。",
)
titles = [r"$x \star w_\rightarrow$", r"$x \star w_\downarrow$"]
show_images(dict(zip(titles, responses[2:])), alt, signed=True, unit="1", size=2.6)
print(f"strongest edge: {edges.max():.1f} of at most {np.sqrt(20):.1f}; median: {np.median(edges):.2f}")
assert edges.shape == (126, 126) and edges.max() < np.sqrt(20)

# %% [markdown] tags=["en"]
# $w_\rightarrow$ answers to the ribs' ends, the heart's border and the spine; $w_\downarrow$ to the ribs and the
# diaphragm. Neither knows what a rib *is*. Both answer to a scratch on the film with the same zeal.

# %% [markdown] tags=["zh"]
# $w_\rightarrow$ 对心影边缘、脊柱和肋骨两端有反应，$w_\downarrow$ 对肋骨和膈肌有反应。可它们都不知道什么**是**肋骨：片
# 子上有一道划痕，它们也会同样卖力地作答。

# %% [markdown] tags=["en"]
# ## 11 A kernel that is found, not given
#
# Show a machine the film and the Sobel response, nothing else, and let it find the nine weights by gradient descent:
#
# $$ \mathcal L(w) = \frac{1}{M}\sum_{ij} (y_{ij} - t_{ij})^2, \qquad g_{ij} = \frac{2}{M}(y_{ij} - t_{ij}), \qquad
#    w \leftarrow w - \eta\,\frac{\partial\mathcal L}{\partial w} $$
#
# **Predict before you run:** two learners, the same step count. One sees the film as it is (grey values round 0.75),
# the other the film minus its mean. Sobel's weights add up to 0, so the target is the same for both. Which learns
# faster?

# %% [markdown] tags=["zh"]
# ## 11 学出来的卷积核
#
# 只给机器看胸片和 Sobel 响应，别的什么也不说，让它用梯度下降把九个权重找出来：
#
# $$ \mathcal L(w) = \frac{1}{M}\sum_{ij} (y_{ij} - t_{ij})^2, \qquad g_{ij} = \frac{2}{M}(y_{ij} - t_{ij}), \qquad
#    w \leftarrow w - \eta\,\frac{\partial\mathcal L}{\partial w} $$
#
# **先猜，再运行**：两个学习者，步数相同。一个看原来的胸片（灰度在 0.75 上下），另一个看减去均值的胸片。 Sobel 权重之和
# 为 0，所以两者的目标完全一样。谁学得快？

# %%
guess = None  # "as it is", "minus its mean" or "no difference"
plain = ((1, 1), (0, 0), (1, 1), 1)
target = responses[2:3][None]
curves = {}
for name, image, rate in [("$x$", film, 0.17), (r"$x - \bar{x}$", film - film.mean(), 5.0)]:
    x, w, losses = image[None, None].astype(np.float32), np.zeros((1, 1, 3, 3), np.float32), []
    for _ in range(1500):
        residual = cpu.conv2d_forward(x, w, None, *plain) - target
        losses.append(float(np.mean(residual**2)))
        w -= np.float32(rate) * cpu.conv2d_backward_weight(2 / residual.size * residual, x, w.shape, *plain)
    curves[name] = losses
print(np.rint(w[0, 0]).astype(int))
assert np.abs(w[0, 0] - sobel).max() < 0.15

# %%
alt = (
    "Loss over steps, logarithmic: minus the mean it falls some hundred times lower.",
    "损失随步数的变化（对数坐标）：减去均值后低几百倍。",
)
show_curves(
    np.arange(1500), {name: np.log10(losses) for name, losses in curves.items()}, alt, "$t$", r"$\log_{10}\ell$"
)
assert curves["$x$"][-1] > 100 * curves[r"$x - \bar{x}$"][-1]

# %% [markdown] tags=["en"]
# It finds Sobel's filter. And the mean matters: with the large constant in the image the loss is a valley 100 000 times
# steeper across than along; the learning rate $\eta$ must be small for the steep direction (larger than 0.19 and it
# diverges) and is then far too small for the others. Subtracting the mean allows $\eta = 5$. This is why images are
# normalised before training.

# %% [markdown] tags=["zh"]
# 它找到了 Sobel 算子。均值的影响也看到了：图像里带着一个大的常数时，损失像一道横向比纵向陡十万倍的山谷；学习率 $\eta$
# 必须迁就最陡的方向（大于 0.19 就发散），对其余方向便小得可怜。减去均值之后，$\eta$ 可以取 5。训练之前为什么要把图像归
# 一化，道理就在这里。

# %% [markdown] tags=["en"]
# ## 12 As a layer
#
# `nn.Conv2d` holds weight and bias and calls these very kernels. Names, arguments and numbers are torch's.

# %% [markdown] tags=["zh"]
# ## 12 作为网络的一层
#
# `nn.Conv2d` 保存权重和偏置，调用的就是上面这些内核。名字、参数与数值都和 torch 一致。

# %%
layer = nn.Conv2d(1, 4, kernel_size=3, bias=False)
layer.weight.data = mediml.from_numpy(bank)
y = layer(mediml.from_numpy(film[None, None]))
print(layer)
print("y", tuple(y.shape), "the same numbers as above:", bool((y.detach().numpy()[0] == responses).all()))
assert (y.detach().numpy()[0] == responses).all()

# %% [markdown] tags=["en"]
# The next cell computes one awkward case (stride, padding, dilation and groups at once), forward and backward, and
# compares it with numbers that PyTorch gave for the same input. They are stored with the lesson, so PyTorch need not be
# installed.

# %% [markdown] tags=["zh"]
# 下面的代码计算一个刁钻的例子（步幅、填充、空洞率、分组同时出现），前向与反向都算，再与 PyTorch 对同样输入给出的数值比
# 较。这些数值随本课保存，不必安装 PyTorch。

# %%
torch_says = json.loads(Path("../stored/04_torch.json").read_text())
x, weight, g = (mediml.tensor(np.array(torch_says[name])) for name in ("x", "weight", "g"))
y = F.conv2d(x.requires_grad_(), weight.requires_grad_(), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
y.backward(g)
for name, ours in {"y": y.detach(), "grad_x": x.grad, "grad_weight": weight.grad}.items():
    error = np.abs(ours.numpy() - np.array(torch_says[name])).max()
    print(f"{name:11s} {tuple(ours.shape)!s:15s} differs from PyTorch's by less than 1e-12: {error < 1e-12}")
    assert error < 1e-12

# %% [markdown] tags=["en"]
# ## 13 Limits
#
# * **Translation, not rotation.** Shift the image and the answers shift along (away from the borders). Turn it, and
#   they change: a kernel for vertical edges is blind to horizontal ones.
# * **Borders.** Zero padding claims that the world is black beyond the film. The cell below shows how far that reaches.
# * **Linear.** Two convolutions in a row are one larger convolution. Depth needs something between them: lesson 05.
# * **Near-sighted.** One 3 × 3 layer sees 3 × 3 pixels. How networks come to see further: lesson 05, too.
# * **No meaning.** A kernel answers to brightness patterns: to tubes, letters and scratches as to anatomy.

# %% [markdown] tags=["zh"]
# ## 13 局限
#
# * **对平移等变，对旋转不然。** 图像平移，回答跟着平移（远离边界处）；图像旋转，回答就变了：找竖直边缘的核看不见水平边
#   缘。
# * **边界。** 补零等于宣称片子之外是一片漆黑。下面的代码量出它的影响有多远。
# * **线性。** 两次卷积连做，等于一次更大的卷积。要有深度，中间须加别的东西：见第 05 课。
# * **近视。** 一层 3 × 3 只看得到 3 × 3 个像素。网络怎样看得更远，也在第 05 课。
# * **不懂含义。** 核只对明暗的样式作答：对导管、字母、划痕，与对解剖结构一视同仁。

# %%
x = film[None, None]
padded = cpu.conv2d_forward(x, bank[:1], None, (1, 1), (1, 1), (1, 1), 1)[0, 0]
print("blurred film, first row:", padded[0, 60:64].round(2), " second row:", padded[1, 60:64].round(2))
turned = cpu.conv2d_forward(np.rot90(film).copy()[None, None], bank[2:3], None, *plain)[0, 0]
print("turning the film turns the answers along:", np.allclose(turned, np.rot90(responses[2]), atol=1e-3))
assert padded[0].mean() < 0.8 * padded[1].mean() and not np.allclose(turned, np.rot90(responses[2]), atol=1e-3)

# %% [markdown] tags=["en"]
# ## Exercises
#
# Replace `None` and run the cell; a wrong answer stops with a hint.
#
# 1. Which padding keeps the size of an image under a 3 × 3 kernel with dilation 4?
# 2. Which 3 × 3 kernel moves an image one pixel to the **right** (with padding 1)? Remember section 4.
# 3. The second derivative from left to right is the difference of differences, $x_{j-1} - 2x_j + x_{j+1}$. Write it as
#    a kernel.

# %% [markdown] tags=["zh"]
# ## 练习
#
# 把 `None` 换成你的答案再运行；答错时会停下并给出提示。
#
# 1. 3 × 3 的核，空洞率为 4，填充取多少才能保持图像大小不变？
# 2. 哪个 3 × 3 的核能把图像向**右**移动一个像素（填充为 1）？想想第 4 节。
# 3. 从左到右的二阶导数是差分的差分：$x_{j-1} - 2x_j + x_{j+1}$。请写成卷积核。

# %%
padding = None  # exercise 1: a number
assert padding in (None, 4), "span = 4 (3 - 1) + 1 = 9 pixels: how many lie on each side of the centre?"

# %%
right = None  # exercise 2: np.array([[…], […], […]], np.float32)
if right is not None:
    moved = cpu.conv2d_forward(film[None, None], right[None, None], None, (1, 1), (1, 1), (1, 1), 1)[0, 0]
    assert np.array_equal(moved[:, 1:], film[:, :-1]), "y_ij must be x_i(j-1): the weight 1 stands left of the centre"

# %%
second = None  # exercise 3: np.array([[…], […], […]], np.float32)
if second is not None:
    parabola = np.tile(np.arange(6, dtype=np.float32) ** 2, (5, 1))
    assert (reference.cross_correlation(parabola, second, 0.0) == 2).all(), (
        "the second derivative of j² is 2, in one row only"
    )

# %% [markdown] tags=["en"]
# ## Summary
#
# * A convolution lays the same few weights on every place of the image and gives one number per place: a map of
#   answers.
# * Networks use cross-correlation. The true convolution, with the kernel turned by 180°, appears in the gradient of the
#   input.
# * $H_{out} = \lfloor (H_{in} + 2p - d(K-1) - 1)/s \rfloor + 1$; the weight's shape is $(C_{out}, C_{in}/G, K, K)$.
# * Forward and both gradients are one loop nest with three different innermost lines.
# * Check a gradient with a random cotangent in float64. Subtract the mean before you train.
#
# ## To think about
#
# 1. Why may a network trained on films with a burnt-in "L" learn to read the letter instead of the lung?
# 2. Blur, then blur again: which single kernel does the same? How large is it?
# 3. The gradient of stride-2 convolution for $x$ leaves some pixels with fewer contributions than others. Which, and
#    can you see it in an image?
#
# ## Sources
#
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285, for section 5.
# * Y. LeCun et al., *Backpropagation applied to handwritten zip code recognition*, Neural Computation 1 (1989),
#   541–551.
# * I. Sobel, G. Feldman, *A 3×3 isotropic gradient operator for image processing*, Stanford AI project talk, 1968.
# * Images: `chest_xray` and `ct_slice` of the [catalogue](../../datasets/cards/pydicom_samples.md). Code:
#   [`kernels/conv/`](../../kernels/conv/__init__.py), layer
#   [`mediml/nn/modules/conv.py`](../../mediml/nn/modules/conv.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.* Next: [05 · Pooling and activation](05_pooling.ipynb).

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 卷积把同一组为数不多的权重放到图像的每个位置，每处给出一个数：一张回答的地图。
# * 网络里用的是互相关；把核旋转 180° 的真正的卷积，出现在输入的梯度里。
# * $H_{out} = \lfloor (H_{in} + 2p - d(K-1) - 1)/s \rfloor + 1$；权重的形状是 $(C_{out}, C_{in}/G, K, K)$。
# * 前向与两个梯度是同一套循环，只有最内层那一行不同。
# * 检验梯度要用随机的 $g$ 和 float64；训练之前先减去均值。
#
# ## 思考题
#
# 1. 有的片子上印着字母“L”。用这样的片子训练，网络为什么可能学会认字母，而不是看肺？
# 2. 平滑之后再平滑，等于用哪一个核做一次？它有多大？
# 3. 步幅为 2 的卷积，对 $x$ 求梯度时，有些像素收到的贡献比别的少。是哪些？在图像上看得出来吗？
#
# ## 资料
#
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285（第 5 节）。
# * Y. LeCun 等, *Backpropagation applied to handwritten zip code recognition*, Neural Computation 1 (1989), 541–551。
# * I. Sobel, G. Feldman, *A 3×3 isotropic gradient operator for image processing*, Stanford AI project talk, 1968。
# * 图像：[目录](../../datasets/cards/pydicom_samples.md)中的 `chest_xray` 与 `ct_slice`。代码：
#   [`kernels/conv/`](../../kernels/conv/__init__.py)，网络层
#   [`mediml/nn/modules/conv.py`](../../mediml/nn/modules/conv.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。* 下一课：[05 · 池化与激活](05_pooling.ipynb)。
