# %% [markdown] tags=["en"]
# # 05 · Pooling and activation: keeping what matters, forgetting where exactly
#
# A nodule is a nodule whether it lies three pixels to the left or not. After a convolution has marked *what* is in the
# picture, **pooling** summarises each neighbourhood by one number, so that the next layer sees further and computes
# less. Between the two stands an **activation**, a curve that is applied to every number: without it, all depth would
# be in vain.
#
# **After this lesson you can** write max and average pooling from their formulas; say which pixel receives the gradient
# and why; say how far "invariant to shifts" is true, with a measurement; measure how far one output of a network sees;
# and choose an activation knowing where its gradient dies.
#
# **Time:** 50 minutes. **You need:** lesson 04.

# %% [markdown] tags=["zh"]
# # 05 · 池化与激活：留住要点，放开位置
#
# 一个结节往左偏三个像素，仍然是那个结节。卷积标出了图像里“有什么”之后，**池化**把每个小邻域概括成一个数：下一层因此看得
# 更远，算得更少。二者之间还有**激活函数**，一条作用在每个数上的曲线：没有它，网络再深也是徒劳。
#
# **学完本课，你能够**从公式写出最大池化与平均池化；说清梯度流回哪个像素、为什么；用测量说明“平移不变”在多大程度上成立；
# 量出网络的一个输出能看多远；并且在选激活函数时，知道它的梯度会在哪里消失。
#
# **用时**：50 分钟。**先修**：第 04 课。

# %% [markdown] tags=["en"]
# ## 1 The formula
#
# $$ y_{h_{out},\,w_{out}} = \max_{0 \le k_h < K_h,\; 0 \le k_w < K_w} x_{\,h_{out} s_h + k_h,\; w_{out} s_w + k_w} $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $K_h, K_w$ | height and width of the window | `kernel_size` |
# | $s_h, s_w$ | how far it moves at a time; usually $s = K$, so that windows do not overlap | `stride` |
# | $h_{out}, w_{out}$ | place in the output | `h_out, w_out` |
# | $k_h, k_w$ | place in the window | `k_h, k_w` |
#
# No weights, nothing to learn; each channel is pooled for itself. The size of the output follows the formula of lesson
# 04.
#
# **Predict before you run:** the image below moves one pixel to the right (what leaves on the right comes back on the
# left). Which of the four windows keeps its value? Write your guess into `guess`.

# %% [markdown] tags=["zh"]
# ## 1 公式
#
# $$ y_{h_{out},\,w_{out}} = \max_{0 \le k_h < K_h,\; 0 \le k_w < K_w} x_{\,h_{out} s_h + k_h,\; w_{out} s_w + k_w} $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $K_h, K_w$ | 窗口的高和宽 | `kernel_size` |
# | $s_h, s_w$ | 窗口每次移动多远；通常 $s = K$，窗口互不重叠 | `stride` |
# | $h_{out}, w_{out}$ | 输出中的位置 | `h_out, w_out` |
# | $k_h, k_w$ | 窗口中的位置 | `k_h, k_w` |
#
# 池化没有权重，不需要学习；各个通道分别进行。输出的大小仍由第 04 课的公式决定。
#
# **先猜，再运行**：把下面的图像整体右移一个像素（右边移出的从左边补回），四个窗口中哪一个的值不变？把答案写进 `guess`。

# %%
import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.conv import cpu as conv
from kernels.pooling import cpu, reference
from mediml.data.catalog import packaged_file
from mediml.imaging import center_square, read_image, resize_area
from mediml.plots import show_curves, show_images, show_numbers, show_source, show_windows

x = np.array([[1, 3, 2, 0], [5, 1, 0, 2], [0, 2, 7, 1], [4, 0, 1, 3]], np.float32)[None, None]
guess = None  # "top left", "top right", "bottom left" or "bottom right"
show_windows(x[0, 0], kernel_size=2, stride=2)
assert x.shape == (1, 1, 4, 4)

# %%
by_two = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
y, indices = reference.max_pool2d_forward(x, **by_two, dilation=(1, 1), ceil_mode=False)
shifted = np.roll(x, 1, axis=3)
y_shifted, _ = reference.max_pool2d_forward(shifted, **by_two, dilation=(1, 1), ceil_mode=False)
print("pooled        ", y[0, 0].tolist())
print("shifted by one", y_shifted[0, 0].tolist())
assert y[0, 0].tolist() == [[5, 2], [4, 7]] and y_shifted[0, 0].tolist() == [[5, 3], [4, 7]]

# %% [markdown] tags=["en"]
# Three windows keep their value; at the top right the 2 became the neighbour's 3. Pooling forgives a small shift only
# while the maximum stays inside its window, or an equal one comes in. How often that is so in real images is measured
# in section 6.

# %% [markdown] tags=["zh"]
# 三个窗口的值不变；右上角的 2 被邻居的 3 取代了。只有最大值仍留在自己的窗口里（或者移进来一个同样大的），池化才“原谅”微
# 小的平移。真实图像里这有多常见？第 6 节来量。

# %% [markdown] tags=["en"]
# ## 2 As loops
#
# The function returns two arrays: the maxima, and **where** each stood. The place is needed again for the gradient.

# %% [markdown] tags=["zh"]
# ## 2 写成循环
#
# 函数返回两个数组：最大值，以及它**在哪里**。求梯度时还要用到这个位置。

# %%
show_source(reference._max_pool2d)

# %% [markdown] tags=["en"]
# Two decisions hide in the line with `if`; a formula does not make them, a program must:
#
# * **Ties.** Two pixels are equally large. `>` and not `>=`: the first in reading order wins.
# * **NaN.** A comparison with NaN is always false, so a plain `>` would skip it, and a broken pixel or a diverged
#   network would look healthy. Here NaN wins, as in PyTorch.

# %% [markdown] tags=["zh"]
# `if` 那一行里藏着两个决定；公式不必回答，程序却必须回答：
#
# * **并列。** 两个像素一样大怎么办？用的是 `>` 而不是 `>=`：按阅读顺序，先到者胜。
# * **NaN。** 与 NaN 比较永远为假，只写 `>` 就会把它跳过，坏掉的像素、发散的网络看上去便一切正常。这里规定 NaN 获胜，与
#   PyTorch 一致。

# %%
special = np.array([[7, 7, 1, np.nan], [7, 7, 2, 3]], np.float32)[None, None]
y, indices = cpu.max_pool2d_forward(special, **by_two, dilation=(1, 1), ceil_mode=False)
print("maxima ", y[0, 0].tolist())
print("indices", indices[0, 0].tolist(), "(row · width + column)")
assert indices[0, 0, 0, 0] == 0 and np.isnan(y[0, 0, 0, 1])

# %% [markdown] tags=["en"]
# ## 3 Average pooling, and what each of the two forgets
#
# $$ y_{h_{out},\,w_{out}} = \frac{1}{K_h K_w}\sum_{k_h,\,k_w} x_{\,h_{out} s_h + k_h,\; w_{out} s_w + k_w} $$
#
# It is often said that pooling maps pixels to a larger value. Not so: the mean lies between the smallest and the
# largest pixel, and the maximum *is* one of them. What gets smaller is the number of pixels, what gets larger is the
# area that each one stands for. The difference is what survives. Below: the chest film with one bright pixel added in
# the right lung, as small as a calcification may be, then pooled 8 × 8.

# %% [markdown] tags=["zh"]
# ## 3 平均池化：两种池化各自忘掉了什么
#
# $$ y_{h_{out},\,w_{out}} = \frac{1}{K_h K_w}\sum_{k_h,\,k_w} x_{\,h_{out} s_h + k_h,\; w_{out} s_w + k_w} $$
#
# 常有人说，池化把像素映射成“更大的值”。并非如此：平均值介于最小与最大像素之间，最大值**就是**其中一个像素。变小的是像素
# 的个数，变大的是每个像素所代表的面积。二者的差别在于什么得以保留。下面在胸片的肺野里加一个亮像素，像微小的钙化那样，再
# 做 8 × 8 池化。

# %%
film = resize_area(center_square(read_image(packaged_file("chest_xray")).display()), (128, 128))
marked = film.copy()
marked[60, 36] = 1.0
by_eight = {"kernel_size": (8, 8), "stride": (8, 8), "padding": (0, 0)}
largest, _ = cpu.max_pool2d_forward(marked[None, None], **by_eight, dilation=(1, 1), ceil_mode=False)
options = {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
mean = cpu.avg_pool2d_forward(marked[None, None], **by_eight, **options)
alt = ("Chest X-ray with one bright pixel in a lung; its maximum and its mean over 8 by 8 pixels.",
       "肺野里有一个亮像素的胸片，及其 8×8 最大池化与平均池化。")  # fmt: skip
show_images({"$x$": marked, r"$\max$": largest[0, 0], r"$\bar{x}$": mean[0, 0]}, alt, limits=(0, 1))
assert largest[0, 0, 7, 4] == 1 and mean[0, 0, 7, 4] < 0.75

# %%
before = cpu.avg_pool2d_forward(film[None, None], **by_eight, **options)
window = film[56:64, 32:40]
print(f"the pixel rises by {1 - film[60, 36]:.2f}, the mean of its window by {(mean - before).max():.4f}")
print(f"the window's largest pixel before: {window.max():.2f}, after: {largest[0, 0, 7, 4]:.2f}")
assert np.isclose((mean - before).max(), (1 - film[60, 36]) / 64, atol=1e-6)

# %% [markdown] tags=["en"]
# The maximum keeps the point whole; the mean dilutes it to 1/64. But the maximum keeps *anything* that is bright: a
# speck of dust, or noise. In an area of pure noise the maximum rises with the size of the window, the mean stays:

# %% [markdown] tags=["zh"]
# 最大池化把这个点完整留下，平均池化把它稀释成 1/64。然而最大池化对**一切**亮的东西都照单全收，灰尘也好，噪声也好。在只
# 有噪声的区域，窗口越大，最大值越高，平均值则不变：

# %%
rng = np.random.default_rng(5)
noise = rng.standard_normal((1, 1, 512, 512)).astype(np.float32)
for K in (2, 4, 8):
    window = {"kernel_size": (K, K), "stride": (K, K), "padding": (0, 0)}
    top, _ = cpu.max_pool2d_forward(noise, **window, dilation=(1, 1), ceil_mode=False)
    middle = cpu.avg_pool2d_forward(noise, **window, **options)
    print(f"{K} × {K}: mean of the maxima {top.mean():5.2f} σ, of the means {abs(middle.mean()):.2f} σ")
assert top.mean() > 2 and abs(middle.mean()) < 0.01

# %% [markdown] tags=["en"]
# ## 4 The gradient
#
# *Maximum.* Move the winner by a little: the output moves as much. Move a loser: nothing happens. So the winner
# receives the whole gradient of its window, and `indices` says who that was. *Mean.* Each pixel moves the output by
# $1/(K_h K_w)$ of its own movement, so each receives that share.
#
# $$ \frac{\partial \mathcal L}{\partial x_{p}} = \sum_{\text{windows won by } p} g \qquad\qquad
#    \frac{\partial \mathcal L}{\partial x_{p}} = \sum_{\text{windows with } p} \frac{g}{K_h K_w} $$

# %% [markdown] tags=["zh"]
# ## 4 梯度
#
# **最大池化**：胜出者动一点，输出跟着动同样多；落选者动一点，输出不变。所以窗口的梯度全归胜出者，`indices` 记着它是谁。
# **平均池化**：每个像素变化时，输出只变化其 $1/(K_h K_w)$，于是每个像素分得这么一份。
#
# $$ \frac{\partial \mathcal L}{\partial x_{p}} = \sum_{p\ \text{胜出的窗口}} g \qquad\qquad
#    \frac{\partial \mathcal L}{\partial x_{p}} = \sum_{\text{含}\ p\ \text{的窗口}} \frac{g}{K_h K_w} $$

# %%
show_source(reference.max_pool2d_backward_x, reference._add_at)

# %%
g = np.array([[10, 20], [30, 40]], np.float32)[None, None]
_, indices = cpu.max_pool2d_forward(x, **by_two, dilation=(1, 1), ceil_mode=False)
grad_max = cpu.max_pool2d_backward_x(g, indices, x.shape)
grad_mean = cpu.avg_pool2d_backward_x(g, x.shape, **by_two, **options)
alt = (
    "Gradients 10, 20, 30, 40: whole to each window's maximum; in quarters to all pixels.",
    "梯度 10、20、30、40：最大池化全给窗口中的最大者，平均池化四等分。",
)
panels = {"$x$": x, "$g$": g, r"$\nabla x\ (\max)$": grad_max, r"$\nabla x\ (\bar{x})$": grad_mean}
show_numbers({title: array[0, 0] for title, array in panels.items()}, alt, digits=1)
assert grad_max.sum() == grad_mean.sum() == g.sum() == 100

# %% [markdown] tags=["en"]
# Both pass on all of the gradient, none is lost: the sums are equal. But under the maximum three pixels of four learn
# nothing from this image. And where two pixels tie, the function has a kink and no derivative: the program hands all of
# it to the first one. That is a rule, not a law; a check by finite differences fails there, and must avoid ties.

# %% [markdown] tags=["zh"]
# 两种池化都把梯度一点不少地传了下去：和是相等的。不过在最大池化下，四个像素里有三个从这幅图像中什么也学不到。两个像素并
# 列时，函数有尖点，没有导数：程序把梯度全给了先到者。这是约定，不是定理；有限差分检验在这里必然失败，应避开并列。

# %% [markdown] tags=["en"]
# ## 5 The fast kernel, and what changed

# %% [markdown] tags=["zh"]
# ## 5 快速内核：改了什么

# %%
print(cpu.__doc__)
show_source(cpu._max_2x2)

# %% [markdown] tags=["en"]
# No sum, so no rounding: the fast maximum must equal the naive one to the last bit, its indices too.

# %% [markdown] tags=["zh"]
# 没有求和，也就没有舍入：快速版本与朴素版本必须逐位相等，位置也一样。

# %%
batch = rng.integers(-3, 4, (4, 8, 28, 28)).astype(np.float32)  # whole numbers: many ties
naive = reference.max_pool2d_forward(batch, **by_two, dilation=(1, 1), ceil_mode=False)
fast = cpu.max_pool2d_forward(batch, **by_two, dilation=(1, 1), ceil_mode=False)
print("values equal:", np.array_equal(naive[0], fast[0]), " places equal:", np.array_equal(naive[1], fast[1]))
assert np.array_equal(naive[0], fast[0]) and np.array_equal(naive[1], fast[1])

# %% [markdown] tags=["en"]
# ## 6 Invariant to shifts? A measurement
#
# Move the film by one pixel and pool both. How much do the pooled numbers change, compared with how much the pixels
# themselves changed? 0 % would be invariance, 100 % no benefit at all. **Predict** the order of the three rows.

# %% [markdown] tags=["zh"]
# ## 6 对平移不变？量一量
#
# 把胸片平移一个像素，移动前后各做一次池化。与像素本身的变化相比，池化后的数变了多少？0 % 是完全不变，100 % 是毫无作用。
# **先猜**：下面三行谁大谁小？

# %%
moved = np.roll(film, 1, axis=1)
pixels = np.abs(moved - film)[:, 8:].mean()
for K in (2, 4, 8):
    window = {"kernel_size": (K, K), "stride": (K, K), "padding": (0, 0)}
    geometry = {**window, "dilation": (1, 1), "ceil_mode": False}
    before, after = (cpu.max_pool2d_forward(v[None, None], **geometry)[0] for v in (film, moved))
    change = np.abs(after - before)[..., 1:].mean()
    same = np.mean(after[..., 1:] == before[..., 1:])
    print(f"{K} × {K}: change {change / pixels:4.0%} of that of the pixels; {same:3.0%} of outputs the same")
assert 0.1 < change / pixels < 1

# %% [markdown] tags=["en"]
# The change does not vanish. *Approximately* invariant, to shifts that are small against the window, is all one can
# say; and a network whose answer flips when the patient moves by a pixel has a fault worth testing for. What *is*
# exact: the maximum over the **whole** image (global pooling) does not care where its pixel lies.

# %% [markdown] tags=["zh"]
# 变化并没有消失。只能说：对于比窗口小得多的平移，**近似**不变。患者挪动一个像素，网络的回答就翻转——这样的毛病值得专门测
# 一测。严格成立的只有一条：对**整幅**图像取最大（全局池化），与那个像素在哪里无关。

# %%
values = []
for shift in range(0, 128, 16):
    values.append(cpu.adaptive_max_pool2d_forward(np.roll(film, shift, axis=1)[None, None], (1, 1))[0].item())
print("global maximum at eight shifts: all equal:", len(set(values)) == 1)
assert len(set(values)) == 1

# %% [markdown] tags=["en"]
# ## 7 How far does one output see? The receptive field
#
# Every layer $l$ with kernel $K_l$ and stride $s_l$ widens the view by $K_l - 1$ of *its* pixels, and one of its pixels
# is already $s_1 s_2 \cdots s_{l-1}$ image pixels wide:
#
# $$ r_l = r_{l-1} + (K_l - 1)\prod_{m<l} s_m, \qquad r_0 = 1 $$
#
# Take the network of lesson 09: convolution 3 × 3, pooling 2 × 2, convolution 3 × 3, pooling 2 × 2. **Predict**: how
# many pixels wide is the field of one output at the end? Then measure: NaN as a dye. Put NaN into one pixel and see
# whether the output turns NaN; do so for each pixel of a 32 × 32 image, in one batch of 1024.

# %% [markdown] tags=["zh"]
# ## 7 一个输出能看多远？感受野
#
# 第 $l$ 层的核大小为 $K_l$、步幅为 $s_l$，它把视野扩大**本层的** $K_l - 1$ 个像素，而本层的一个像素已相当于原图的
# $s_1 s_2 \cdots s_{l-1}$ 个像素宽：
#
# $$ r_l = r_{l-1} + (K_l - 1)\prod_{m<l} s_m, \qquad r_0 = 1 $$
#
# 以第 09 课的网络为例：3 × 3 卷积、2 × 2 池化、3 × 3 卷积、2 × 2 池化。**先猜**：最后一个输出的感受野有多少像素宽？再用
# NaN 当染料来量：把一个像素换成 NaN，看输出是否也变成 NaN；对 32 × 32 图像的每个像素都试一次，1024 幅合成一批。

# %%
guess = None  # a number of pixels
dyed = rng.standard_normal((1024, 1, 32, 32)).astype(np.float32)
dyed.reshape(1024, -1)[np.arange(1024), np.arange(1024)] = np.nan
weight = rng.standard_normal((1, 1, 3, 3)).astype(np.float32)
layer = dyed
fields = {}
for block in (1, 2):
    layer = conv.conv2d_forward(layer, weight, None, (1, 1), (1, 1), (1, 1), 1)
    fields[f"conv {block}"] = np.isnan(layer[:, 0, layer.shape[2] // 2, layer.shape[3] // 2]).reshape(32, 32)
    layer, _ = cpu.max_pool2d_forward(layer, **by_two, dilation=(1, 1), ceil_mode=False)
    fields[f"pool {block}"] = np.isnan(layer[:, 0, layer.shape[2] // 2, layer.shape[3] // 2]).reshape(32, 32)
print({name: int(field.any(axis=0).sum()) for name, field in fields.items()}, "pixels wide")
assert [int(field.any(axis=0).sum()) for field in fields.values()] == [3, 4, 8, 10]

# %%
alt = (
    "White squares in a 32 by 32 image: what one output sees after each layer; 3, 4, 8, 10 pixels wide.",
    "32×32 图像中的白色方块：各层之后一个输出看到的范围，宽 3、4、8、10 个像素。",
)
show_images({name: field.astype(float) for name, field in fields.items()}, alt, limits=(0, 1), size=1.6)
assert all(field.sum() == side**2 for field, side in zip(fields.values(), (3, 4, 8, 10)))

# %% [markdown] tags=["en"]
# Ten pixels. On a film of 350 mm shrunk to 28 pixels that is 125 mm, half a thorax; on the film at its 1800 pixels it
# is 2 mm, less than a nodule. A receptive field is a length in the patient, and must fit to what is looked for.

# %% [markdown] tags=["zh"]
# 十个像素。一张 350 mm 的胸片缩成 28 个像素，十个像素是 125 mm，半个胸廓；若保留 1800 个像素，就只有 2 mm，比结节还小。
# 感受野是患者身上的一段长度，必须与所要找的东西相称。

# %% [markdown] tags=["en"]
# ## 8 Activation: why a curve must stand between
#
# Two convolutions without anything between them are one: apply a 3 × 3 kernel twice and the result is that of a single
# 5 × 5 kernel. A hundred layers would still be one linear filter. The cell shows it, and what a curve changes.

# %% [markdown] tags=["zh"]
# ## 8 激活：中间为什么必须有一条曲线
#
# 两层卷积之间什么都不加，等于一层：3 × 3 的核用两次，与用一个 5 × 5 的核结果相同。一百层也还是一个线性滤波器。下面的代
# 码说明这一点，以及加上一条曲线后的不同。

# %%
plain = ((1, 1), (0, 0), (1, 1), 1)
a, b = rng.standard_normal((2, 1, 1, 3, 3))
image = rng.standard_normal((1, 1, 12, 12))
one_by_one = conv.conv2d_forward(conv.conv2d_forward(image, a, None, *plain), b, None, *plain)
merged = conv.conv2d_backward_x(b, a, (1, 1, 5, 5), *plain)  # both kernels convolved: lesson 04, section 8
at_once = conv.conv2d_forward(image, merged, None, *plain)
curved = conv.conv2d_forward(np.maximum(conv.conv2d_forward(image, a, None, *plain), 0), b, None, *plain)
print("two layers are one of 5 × 5:   ", np.allclose(one_by_one, at_once))
print("still so with a curve between: ", np.allclose(curved, at_once))
assert np.allclose(one_by_one, at_once) and not np.allclose(curved, at_once)

# %% [markdown] tags=["en"]
# | name | formula | derivative | largest slope |
# |---|---|---|---|
# | ReLU | $\max(x, 0)$ | 1 for $x > 0$, 0 for $x \le 0$ | 1 |
# | sigmoid | $\sigma(x) = 1/(1+e^{-x})$ | $\sigma(x)\,(1-\sigma(x))$ | 1/4, at 0 |
# | tanh | $(e^x-e^{-x})/(e^x+e^{-x})$ | $1-\tanh^2 x$ | 1, at 0 |
#
# The figure on top shows the curves, the one below their derivatives, as the kernels compute them.

# %% [markdown] tags=["zh"]
# | 名称 | 公式 | 导数 | 最大斜率 |
# |---|---|---|---|
# | ReLU | $\max(x, 0)$ | $x > 0$ 时为 1，$x \le 0$ 时为 0 | 1 |
# | sigmoid | $\sigma(x) = 1/(1+e^{-x})$ | $\sigma(x)\,(1-\sigma(x))$ | 1/4，在 0 处 |
# | tanh | $(e^x-e^{-x})/(e^x+e^{-x})$ | $1-\tanh^2 x$ | 1，在 0 处 |
#
# 上图是函数曲线，下图是导数，都由内核算出。

# %%
points = np.linspace(-4, 4, 161)
curves, slopes = {}, {}
for name, activation in {"ReLU": F.relu, r"$\sigma$": F.sigmoid, "tanh": F.tanh}.items():
    x = mediml.tensor(points, requires_grad=True)
    y = activation(x)
    y.sum().backward()
    curves[name], slopes[name] = y.detach().numpy(), x.grad.numpy()
alt = ("ReLU, sigmoid and tanh from -4 to 4.", "ReLU、sigmoid、tanh 在 −4 到 4 之间的曲线。")
show_curves(points, curves, alt, "$x$", "$y$")
assert abs(curves[r"$\sigma$"][80] - 0.5) < 1e-12 and curves["ReLU"][:80].max() == 0

# %%
alt = (
    "Their derivatives: a step, and two bells; that of tanh is flat beyond 3.",
    "三者的导数：一个台阶，两个钟形；tanh 的在 3 以外接近 0。",
)
show_curves(points, slopes, alt, "$x$", "$dy/dx$")
print("largest slopes:", [round(float(slope.max()), 2) for slope in slopes.values()])
assert abs(slopes[r"$\sigma$"].max() - 0.25) < 1e-12 and slopes["ReLU"][80] == 0

# %% [markdown] tags=["en"]
# **Saturation.** The derivatives of a chain are multiplied. Through $n$ sigmoids at most $(1/4)^n$ of a gradient is
# left; through ReLUs all of it, as long as the unit is on. A ReLU that is off for every image receives no gradient at
# all and stays off: it is dead. **Predict**: ten layers, input 0.5. Which part of the gradient arrives at the first?

# %% [markdown] tags=["zh"]
# **饱和。** 链上的导数要连乘。经过 $n$ 个 sigmoid，梯度至多剩下 $(1/4)^n$；经过 ReLU，只要单元是开着的，就一点不少。但
# 一个对所有图像都关着的 ReLU 得不到任何梯度，于是永远关着：它“死”了。**先猜**：十层，输入为 0.5，传到第一层的梯度还剩多
# 少？

# %%
for name, activation in {"ReLU": F.relu, "sigmoid": F.sigmoid, "tanh": F.tanh}.items():
    start = mediml.tensor(0.5, dtype=mediml.float64, requires_grad=True)
    value = start
    for _ in range(10):
        value = activation(value)
    value.backward()
    print(f"{name:8s} gradient after ten layers: {start.grad.item():.1e}")
assert start.grad.item() < 1

# %% [markdown] tags=["en"]
# ## 9 Softmax: from scores to probabilities
#
# The last layer gives one score $z_i$ for each class, of any size. Softmax makes them positive with sum 1:
#
# $$ p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}, \qquad \frac{\partial p_i}{\partial z_j} = p_i(\delta_{ij} - p_j) $$
#
# By hand: $z = (0, \ln 2, \ln 5)$ gives $e^z = (1, 2, 5)$, so $p = (1, 2, 5)/8$. A constant added to all scores changes
# nothing, and this saves the computation: $e^{1000}$ is infinite in floating point, so the kernel first subtracts the
# largest score.

# %% [markdown] tags=["zh"]
# ## 9 Softmax：从得分到概率
#
# 最后一层给每个类别一个得分 $z_i$，大小不限。Softmax 把它们变成和为 1 的正数：
#
# $$ p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}, \qquad \frac{\partial p_i}{\partial z_j} = p_i(\delta_{ij} - p_j) $$
#
# 手算：$z = (0, \ln 2, \ln 5)$，则 $e^z = (1, 2, 5)$，$p = (1, 2, 5)/8$。所有得分加上同一个常数，结果不变；这一点救了计
# 算： $e^{1000}$ 在浮点数里是无穷大，所以内核先减去最大的得分。

# %%
z = np.log([1.0, 2.0, 5.0])
for shift in (0, 1000):
    p = F.softmax(mediml.tensor(z + shift), dim=0).numpy()
    print(f"scores + {shift}: {p.round(3)}")
with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(z + 1000) / np.exp(z + 1000).sum()
print("the formula taken literally at + 1000:", naive)
assert np.allclose(p, [0.125, 0.25, 0.625]) and np.isnan(naive).all()

# %% [markdown] tags=["en"]
# The word *probability* promises more than softmax keeps: numbers that are positive and sum to 1 need not be right as
# often as they say. Whether they are is measured (calibration, lessons 09 and 10).

# %% [markdown] tags=["zh"]
# “概率”一词许诺的，比 softmax 做到的要多：正数、和为 1，并不保证“说七成就真有七成”。是否如此，要靠测量（校准，见第 09、
# 10 课）。

# %% [markdown] tags=["en"]
# ## 10 Limits
#
# * Pooling throws positions away. For a label this is welcome; for an outline (lesson 15) it must be given back.
# * Two fine structures inside one window become one: microcalcifications are counted before pooling, not after.
# * A maximum follows the brightest artefact; a mean hides the smallest finding. Neither knows medicine.
# * Strided convolution can do the job of pooling and learns how; it costs weights.

# %% [markdown] tags=["zh"]
# ## 10 局限
#
# * 池化丢掉了位置。判断类别时正合适；勾画轮廓时（第 15 课）还得把位置找回来。
# * 同一窗口里的两个细小结构会合成一个：要数微钙化，得在池化之前。
# * 最大池化跟着最亮的伪影走，平均池化把最小的病灶藏起来。两者都不懂医学。
# * 带步幅的卷积也能承担池化的工作，而且能学；代价是要有权重。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. Max pooling 3 × 3, stride 2, padding 1 on 28 × 28: how large is the output?
# 2. The **minimum** of each 2 × 2 window, with `max_pool2d_forward` only: which array do you pool, and what do you do
#    after?
# 3. Add a third block (convolution 3 × 3, pooling 2 × 2) to section 7: how wide is the receptive field?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 28 × 28 的图像做 3 × 3、步幅 2、填充 1 的最大池化，输出有多大？
# 2. 只用 `max_pool2d_forward` 求每个 2 × 2 窗口的**最小值**：该对哪个数组做池化，之后再做什么？
# 3. 在第 7 节的网络后面再加一组（3 × 3 卷积、2 × 2 池化），感受野有多宽？

# %%
size = None  # exercise 1: a number
assert size in (None, 14), "⌊(28 + 2·1 − (3 − 1) − 1) / 2⌋ + 1"

# %%
minimum = None  # exercise 2: an array of shape (1, 1, 64, 64), made from film[None, None]
if minimum is not None:
    blocks = film.reshape(64, 2, 64, 2).min(axis=(1, 3))
    assert np.array_equal(minimum[0, 0], blocks), "the smallest of x is minus the largest of −x"

# %%
wide = None  # exercise 3: a number of pixels
assert wide in (None, 22), "the strides before the third block multiply to 4: 10 + 2·4, then + 1·4"

# %% [markdown] tags=["en"]
# ## Summary
#
# * Max pooling keeps the largest number of each window and where it stood; ties go to the first, NaN is never lost.
# * Its gradient goes to the winner alone; that of average pooling is shared equally. Neither loses any.
# * Invariance to shifts is approximate; only global pooling has it exactly.
# * $r_l = r_{l-1} + (K_l-1)\prod_{m<l}s_m$: two blocks of 3 × 3 and 2 × 2 see ten pixels.
# * Without an activation, depth is an illusion. Sigmoids shrink gradients by 4 or more per layer; ReLU does not, but
#   can die.
#
# ## To think about
#
# 1. A film is padded with zeros to make it square, then max-pooled. Why is zero a bad padding value for the maximum of
#    CT in HU, and which value would you take?
# 2. Why does dropping every second pixel (stride 2 without pooling) disturb fine rib patterns more than pooling does?
# 3. Which of max and average would you use to shrink a mask of a lesion, and what happens to its volume?
#
# ## Sources
#
# * Y. LeCun et al., *Gradient-based learning applied to document recognition*, Proc. IEEE 86 (1998), 2278–2324.
# * A. Azulay, Y. Weiss, *Why do deep convolutional networks generalize so poorly to small image transformations?*, JMLR
#   20 (2019), for section 6.
# * X. Glorot, A. Bordes, Y. Bengio, *Deep sparse rectifier neural networks*, AISTATS 2011, for ReLU.
# * Image: `chest_xray` of the [catalogue](../../datasets/cards/pydicom_samples.md). Code:
#   [`kernels/pooling/`](../../kernels/pooling/__init__.py), layers
#   [`mediml/nn/modules/pooling.py`](../../mediml/nn/modules/pooling.py) and
#   [`mediml/nn/modules/activation.py`](../../mediml/nn/modules/activation.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.* Next: [08 · Automatic differentiation](08_autograd.ipynb).

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 最大池化留下每个窗口中最大的数及其位置；并列取先，NaN 决不丢失。
# * 最大池化的梯度全归胜出者，平均池化的梯度平分；都不损失。
# * 平移不变只是近似的；只有全局池化才严格不变。
# * $r_l = r_{l-1} + (K_l-1)\prod_{m<l}s_m$：两组 3 × 3 与 2 × 2 能看到十个像素。
# * 没有激活函数，深度只是假象。sigmoid 每层把梯度缩小到四分之一以下；ReLU 不会，但可能“死掉”。
#
# ## 思考题
#
# 1. 把图像补零成正方形，再做最大池化。对以 HU 为单位的 CT，为什么补零不合适？该补什么值？
# 2. 不池化、只隔一个像素取一个（步幅为 2），为什么比池化更容易破坏细密的肋骨纹理？
# 3. 缩小病灶的掩膜时，你用最大池化还是平均池化？病灶的体积会怎样变化？
#
# ## 资料
#
# * Y. LeCun 等, *Gradient-based learning applied to document recognition*, Proc. IEEE 86 (1998), 2278–2324。
# * A. Azulay, Y. Weiss, *Why do deep convolutional networks generalize so poorly to small image transformations?*, JMLR
#   20 (2019)（第 6 节）。
# * X. Glorot, A. Bordes, Y. Bengio, *Deep sparse rectifier neural networks*, AISTATS 2011（ReLU）。
# * 图像：[目录](../../datasets/cards/pydicom_samples.md)中的 `chest_xray`。代码：
#   [`kernels/pooling/`](../../kernels/pooling/__init__.py)，网络层
#   [`mediml/nn/modules/pooling.py`](../../mediml/nn/modules/pooling.py) 与
#   [`mediml/nn/modules/activation.py`](../../mediml/nn/modules/activation.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。* 下一课：[08 · 自动微分](08_autograd.ipynb)。
