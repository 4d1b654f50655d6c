# %% [markdown] tags=["en"]
# # 03 · Preprocessing: every operation answers a question and charges a price
#
# The MR of the head comes from a new scanner: noisier, brighter on the left, other numbers for the same tissue, other
# voxels. Between such an image and a network stands preprocessing. Most of it is one line of code. Each line assumes
# something about the image, and where the assumption is false, it changes the diagnosis without changing the look.
#
# **After this lesson you can** name for each operation its formula, its unit, its assumption and its price; choose a
# noise filter by what it does to a faint lesion and not by how smooth it looks; normalise two scanners to one scale;
# take out a bias field; resample without aliasing and without inventing organs; and catch eight naive pipelines at it.
#
# **Time:** 80 minutes. **You need:** lessons 01 and 02; lesson 04 helps with the linear filters.

# %% [markdown] tags=["zh"]
# # 03 · 预处理：每一步都回答一个问题，也都要付出代价
#
# 头部 MR 来自一台新机器：噪声更大，左边偏亮，同一组织的数值变了，体素大小也变了。挡在这样的图像与网络之间的，就是预处
# 理。多数操作不过一行代码；而每一行都对图像有所假设，假设一旦不成立，看上去一切如常，诊断却已经变了。
#
# **学完本课，你能够**说出每种操作的公式、单位、假设和代价；选去噪滤波器时看它怎样对待一个很淡的病灶，而不是看画面多光
# 滑；把两台机器归一化到同一尺度；去掉偏置场；重采样时既不混叠、也不凭空造出器官；还能当场抓住八条天真的流水线。
#
# **用时**：80 分钟。**先修**：第 01、02 课；读过第 04 课，线性滤波会更好懂。

# %% [markdown] tags=["en"]
# ## 1 Which question, which price
#
# | operation | question | assumes | price |
# |---|---|---|---|
# | noise removal | what would it be without noise? | noise is finer than anatomy | small, faint things |
# | sharpening | where are the edges? | edges are signal | noise grows, halos |
# | contrast | can it be *seen*? | you look, nothing computes | the unit is lost |
# | normalisation | same number for same tissue? | images hold the same things | a real difference may go |
# | bias correction | same tissue, same number *everywhere*? | the field is smooth | smooth disease goes, too |
# | cropping | where is the body? | nothing matters outside | what lay outside |
# | resampling | same size of voxel? | the old grid was fine enough | detail, or aliasing |
#
# The first and the last column are a contract. Our example is a phantom brain (lesson 01): its truth is known exactly,
# so prices can be measured. One spot is added in the white matter, five pixels wide, twice the noise darker.

# %% [markdown] tags=["zh"]
# ## 1 什么问题，什么代价
#
# | 操作 | 回答的问题 | 假设 | 代价 |
# |---|---|---|---|
# | 去噪 | 没有噪声会是什么样？ | 噪声比解剖结构更细 | 又小又淡的东西 |
# | 锐化 | 边缘在哪里？ | 边缘就是信号 | 噪声变大，出现晕环 |
# | 对比度 | **看得见**吗？ | 是人在看，不再拿去计算 | 单位没有了 |
# | 归一化 | 同一组织，同一数值？ | 图像里的内容相同 | 真实差异可能消失 |
# | 偏置场校正 | 同一组织，**处处**同值？ | 场是平滑的 | 平滑的病变也会消失 |
# | 裁剪 | 身体在哪里？ | 外面的都不重要 | 落在外面的东西 |
# | 重采样 | 体素大小一致？ | 原来的网格够细 | 细节，或者混叠 |
#
# 第一列与最后一列合起来是一份契约。本课的例子是体模脑（第 01 课）：真值完全已知，代价因此量得出来。在白质里加一个斑
# 点，宽五个像素，比周围暗两个噪声标准差。

# %%
from dataclasses import replace
from functools import partial

import numpy as np

# %%
import mediml.imaging as im
from mediml.data.catalog import packaged_file

# %%
from mediml.imaging import phantoms
from mediml.imaging.phantoms import brain_anatomy, brain_mr, rician
from mediml.plots import show_images, show_numbers, show_source

# %%
head = brain_anatomy(3, shape=(1, 192, 160), spacing_mm=(4, 1.25, 1.25))
truth = brain_mr(head, "T1", bias=0.0, noise_sd=0.0).volume.values[0]
brain, white = head.masks["brain"][0], head.fractions["white"][0] > 0.99
rows, columns = np.indices(truth.shape)
spot = np.hypot(rows - 107, columns - 81) < 2.5
truth_with = truth - 100 * spot
noisy, noisy_with = (rician(t, 50, np.random.default_rng(0)).astype(np.float32) for t in (truth, truth_with))
print(f"spot of {spot.sum()} pixels in white matter: {white[spot].all()}; two deviations of noise: {100 / 50:.0f}")
assert white[spot].all()

# %%
alt = ("A slice of the phantom brain without noise, with noise, and the place of the spot.",
       "体模脑的一层：无噪声、有噪声，以及斑点的位置。")  # fmt: skip
show_images({"truth": truth_with, r"$\sigma = 50$": noisy_with, "spot": spot}, alt, size=1.6)
alike = im.estimate_noise(noisy_with), im.estimate_noise(noisy_with, brain)
print(f"noise estimated over the whole slice {alike[0]:.0f}, in the brain {alike[1]:.0f}, put in: 50")
assert abs(alike[1] - 50) < 4 and alike[0] < 47

# %% [markdown] tags=["en"]
# The first trap at once: the air around the head has *less* noise. An MR image is a magnitude, $|s + n_1 + i\,n_2|$
# (Rician); where there is no signal, its deviation is only $.655\,\sigma$ and its mean is not zero but $1.25\,\sigma$.
# Estimate noise in tissue.
#
# ## 2 Noise: the mean, and what it costs
#
# $$ y_{p} = \frac{1}{n} \sum_{q \in W(p)} x_q, \qquad \sigma_y = \frac{\sigma_x}{\sqrt n} $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $W(p)$ | window around pixel $p$ | `size` |
# | $n$ | pixels in it; 9 for 3 × 3: a third of the noise | `size ** 2` |
# | $\sigma_x, \sigma_y$ | noise before and after | – |
#
# **By hand**, one row with an edge, window 3: $0, 0, 0, 9, 9, 9$ becomes $0, 0, 3, 6, 9, 9$. The edge is now a ramp.
# And **predict**: the same row with one broken pixel, $0, 9, 0, 0, 0, 0$. What do the mean and the median of three
# make of it?

# %% [markdown] tags=["zh"]
# 第一个陷阱马上就到：头外的空气里噪声反而**小**。MR 图像是模值 $|s + n_1 + i\,n_2|$（莱斯分布）；没有信号的地方，标准
# 差只有 $.655\,\sigma$，均值也不是零，而是 $1.25\,\sigma$。估计噪声要在组织里估。
#
# ## 2 噪声：均值滤波及其代价
#
# $$ y_{p} = \frac{1}{n} \sum_{q \in W(p)} x_q, \qquad \sigma_y = \frac{\sigma_x}{\sqrt n} $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $W(p)$ | 像素 $p$ 周围的窗口 | `size` |
# | $n$ | 窗口里的像素数；3 × 3 为 9，噪声降到三分之一 | `size ** 2` |
# | $\sigma_x, \sigma_y$ | 滤波前后的噪声 | – |
#
# **手算一遍**：一行带边缘的数，窗口为 3：$0, 0, 0, 9, 9, 9$ 变成 $0, 0, 3, 6, 9, 9$。边缘成了斜坡。**先猜**：换成一行
# 带坏点的数 $0, 9, 0, 0, 0, 0$，三点均值和三点中值各给出什么？

# %%
guess = None  # two rows of six numbers
edge = np.array([[0, 0, 0, 9, 9, 9], [0, 9, 0, 0, 0, 0]], np.float32)
panels = {"$x$": edge, "mean": im.mean_filter(edge, (1, 3)), "median": im.median_filter(edge, (1, 3))}
alt = ("Rows with an edge and with a broken pixel: the mean blurs both, the median keeps one and removes the other.",
       "带边缘的一行与带坏点的一行：均值把两者都抹开；中值保住边缘，去掉坏点。")  # fmt: skip
show_numbers(panels, alt, digits=0)
assert panels["mean"][0].tolist() == [0, 0, 3, 6, 9, 9] and panels["median"][1].max() == 0

# %% [markdown] tags=["en"]
# The mean is a convolution with equal weights, and it runs on the course's own kernels (lesson 04), as do the Gaussian,
# Sobel and Laplace filters:

# %% [markdown] tags=["zh"]
# 均值滤波就是权重相等的卷积，跑在课程自己的内核上（第 04 课）；高斯、Sobel、拉普拉斯滤波也是。

# %%
show_source(im.mean_filter, docstring=False)
field = np.random.default_rng(1).standard_normal((400, 400)).astype(np.float32)
for size in (3, 5, 7):
    print(f"{size} × {size}: noise {im.mean_filter(field, size).std():.3f}, by the formula {1 / size:.3f}")
assert abs(im.mean_filter(field, 3).std() - 1 / 3) < 0.01

# %% [markdown] tags=["en"]
# ## 3 Seven ways, and a judge that is not smoothness
#
# | filter | $y_p$ | idea |
# |---|---|---|
# | mean, Gaussian | $\sum_q w_{pq}\, x_q$, $w$ by distance | neighbours are alike |
# | median | middle of the window | outliers do not count |
# | bilateral | $w$ by distance *and* by difference of value | only like neighbours count |
# | non-local means | $w$ by likeness of whole patches, anywhere near | anatomy repeats itself |
# | anisotropic diffusion | $\partial_t x = \nabla \cdot (g(\lvert\nabla x\rvert)\nabla x)$ | flow, not across edges |
# | total variation | least $\frac12\lVert y - x\rVert^2 + \lambda \sum \lvert\nabla y\rvert$ | few edges |
#
# Each gets its best of several strengths, chosen by the truth (more than life ever grants). Two figures: the error over
# the brain, and **how much of the spot is left**: filter the image with and without it, and take the difference.
# **Predict** which filter has the smallest error, and which keeps least of the spot.

# %% [markdown] tags=["zh"]
# ## 3 七种办法，一位不看光滑程度的裁判
#
# | 滤波器 | $y_p$ | 想法 |
# |---|---|---|
# | 均值、高斯 | $\sum_q w_{pq}\, x_q$，权重 $w$ 由距离定 | 邻居彼此相像 |
# | 中值 | 窗口里的中间值 | 离群值不作数 |
# | 双边 | $w$ 由距离**和**灰度差定 | 只有相像的邻居才作数 |
# | 非局部均值 | $w$ 由整块的相似度定，附近任何位置 | 解剖结构会重复 |
# | 各向异性扩散 | $\partial_t x = \nabla \cdot (g(\lvert\nabla x\rvert)\nabla x)$ | 让它流动，但不越过边缘 |
# | 全变差 | 使 $\frac12\lVert y - x\rVert^2 + \lambda \sum \lvert\nabla y\rvert$ 最小 | 边缘要少 |
#
# 每种滤波器都从几档强度里取最好的一档，由真值挑选（现实中可没有这样的好事）。看两个数：全脑误差，以及**斑点还剩多少
# **：对有斑点和没有斑点的图像各滤一次，取其差。**先猜**：哪种误差最小？哪种剩得最少？

# %%
guess = None  # two names
sigma = 50
choices = {
    "mean": [partial(im.mean_filter, size=size) for size in (3, 5)],
    "Gauss": [partial(im.gaussian_filter, sigma=width) for width in (0.5, 0.7, 1.0)],
    "median": [partial(im.median_filter, size=size) for size in (3, 5)],
    "bilateral": [partial(im.bilateral_filter, sigma_value=k * sigma, sigma_space=1.5) for k in (1, 2, 3)],
}

# %%
choices |= {
    "non-local": [partial(im.non_local_means, sigma=sigma, strength=k) for k in (0.6, 0.8, 1.0)],
    "diffusion": [partial(im.anisotropic_diffusion, kappa=k * sigma, steps=8) for k in (1, 2, 3)],
    "variation": [partial(im.total_variation, weight=k * sigma) for k in (0.3, 0.5, 0.8)],
}
cleaned, error, left = {}, {}, {}
for name, strengths in choices.items():
    results = [strength(noisy_with) for strength in strengths]
    errors = [np.sqrt(np.mean((result - truth_with)[brain] ** 2)) for result in results]
    best = int(np.argmin(errors))
    cleaned[name], error[name] = results[best], errors[best]
    left[name] = float((strengths[best](noisy) - results[best])[spot].mean() / 100)
    print(f"{name:10} error {error[name]:4.1f}   left of the spot {left[name]:4.0%}")
assert min(left, key=left.get) == "non-local" and min(error, key=error.get) == "non-local"

# %%
cut = np.s_[72:142, 46:116]
panels = {"truth": truth_with, r"$\sigma = 50$": noisy_with} | cleaned
alt = ("Part of the brain: truth, noise, and seven filters; non-local means looks best, and its spot is faint.",
       "脑的局部：真值、噪声图像和七种滤波结果；非局部均值最好看，斑点却最淡。")  # fmt: skip
show_images({name: picture[cut] for name, picture in panels.items()}, alt, columns=5, limits=(300, 900), size=1.7)
assert len(panels) == 9

# %% [markdown] tags=["en"]
# The filter with the smallest error takes half of the spot away: it looks for patches that repeat, and a lesion that
# occurs once does not. The error cannot see it, since the spot is 21 pixels of thousands. **The rule of this lesson:
# judge a filter by what you are looking for.**
#
# ## 4 Sharpening
#
# $$ y = x + a\,(x - G_\sigma x) $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $G_\sigma x$ | the image, blurred by a Gaussian | `sigma` |
# | $a$ | how much of the difference is added again | `amount` |
#
# **By hand** with the mean of three as blur and $a = 1$: of $0, 0, 0, 9, 9, 9$, blurred $0, 0, 3, 6, 9, 9$, comes $0,
# 0, -3, 12, 9, 9$. Darker than the dark side, brighter than the bright side: a halo. Nothing that small existed. And
# noise is sharpened with the rest. **Predict** whether two rounds of it at $a = 1$ double the noise.

# %% [markdown] tags=["zh"]
# 误差最小的滤波器抹掉了斑点的一半：它靠重复出现的图块工作，而只出现一次的病灶并不重复。误差看不见这一点，因为斑点只占
# 几千像素中的 21 个。**本课的规矩：按你要找的东西来评判滤波器。**
#
# ## 4 锐化
#
# $$ y = x + a\,(x - G_\sigma x) $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $G_\sigma x$ | 高斯模糊后的图像 | `sigma` |
# | $a$ | 把差值加回多少 | `amount` |
#
# **手算一遍**：用三点均值作模糊，$a = 1$：$0, 0, 0, 9, 9, 9$ 模糊成 $0, 0, 3, 6, 9, 9$，结果是 $0, 0, -3, 12, 9, 9$。
# 比暗的一侧更暗，比亮的一侧更亮：一圈晕环，那里本来什么也没有。噪声也一道被锐化。**先猜**：$a = 1$ 做两遍，噪声会翻倍
# 吗？

# %%
row = edge[:1]
print((row + (row - im.mean_filter(row, (1, 3)))).tolist()[0])
once = im.unsharp_mask(field, sigma=1.5, amount=1.0)
print(f"noise: 1.00, sharpened {once.std():.2f}, twice {im.unsharp_mask(once, 1.5, 1.0).std():.2f}")
film = im.read_image(packaged_file("chest_xray")).display()[560:920:4, 400:760:4]
panels = {"$x$": film, "$a = 1$": im.unsharp_mask(film, 2.0, 1.0), "$a = 4$": im.unsharp_mask(film, 2.0, 4.0)}
alt = ("Part of the chest film, sharpened, and sharpened too much: halos along ribs and vessels.",
       "胸片局部、适度锐化、过度锐化：肋骨与血管旁出现晕环。")  # fmt: skip
show_images(panels, alt, limits=(0.2, 1), size=1.7)
assert im.unsharp_mask(once, 1.5, 1.0).std() > 3 > once.std() > 1.5

# %% [markdown] tags=["en"]
# ## 5 Contrast: for the eye only
#
# *Gamma* bends the scale, *equalisation* gives every grey the same number of pixels, *CLAHE* does so tile by tile with
# a limit on the slope.
#
# $$ y = x^{\gamma}, \qquad y = F(x) = \frac{\#\{p : x_p \le x\}}{N} $$
#
# **By hand**: the pixels $0, 0, 0, 0, 1, 1, 2, 9$. Equalised: half of them are at most 0, so $0 \to .5$; then $1 \to
# .75$, $2 \to .875$, $9 \to 1$. The distance from 1 to 2 was a ninth of the range, now it is an eighth of it; that
# from 2 to 9 shrank from seven ninths to an eighth as well. Grey values are ranks now, and HU are gone.

# %% [markdown] tags=["zh"]
# ## 5 对比度：只给眼睛看
#
# **伽马**把刻度掰弯；**均衡化**让每级灰度的像素一样多；**CLAHE** 分块来做，并限制斜率。
#
# $$ y = x^{\gamma}, \qquad y = F(x) = \frac{\#\{p : x_p \le x\}}{N} $$
#
# **手算一遍**：像素为 $0, 0, 0, 0, 1, 1, 2, 9$。均衡化：一半像素不超过 0，故 $0 \to .5$；接着 $1 \to .75$，
# $2 \to .875$，$9 \to 1$。1 与 2 原来相距全程的九分之一，现在是八分之一；2 与 9 原来相距九分之七，现在也只有八分之一。
# 灰度成了名次，HU 没有了。

# %%
whole = im.read_image(packaged_file("chest_xray")).display()[::16, ::16]
panels = {
    "$x$": whole,
    r"$\gamma = 2$": im.gamma(whole, 2.0),
    "$F(x)$": im.equalise_histogram(whole),
    "CLAHE": im.clahe(whole, 20),
}
alt = ("The chest film: as it is, with gamma 2, equalised, and with CLAHE.", "胸片：原图、伽马 2、均衡化、CLAHE。")
show_images(panels, alt, limits=(0, 1), size=1.4)
order = np.argsort(whole.ravel()[::11])
kept = {name: bool((np.diff(p.ravel()[::11][order]) >= -1e-6).all()) for name, p in panels.items()}
print("brighter stays brighter everywhere:", kept)
assert kept[r"$\gamma = 2$"] and kept["$F(x)$"] and not kept["CLAHE"]

# %% [markdown] tags=["en"]
# Gamma and equalisation keep the order of greys; CLAHE does not even keep that: the same tissue gets another grey in
# each tile. Good for eyes that compare neighbours, poison for a threshold. **The price in noise**: a flat region holds
# nothing to stretch but its noise.

# %% [markdown] tags=["zh"]
# 伽马与均衡化保持灰度的先后；CLAHE 连这个也不保持：同一种组织在不同的块里灰度不同。对比较邻近处的眼睛有好处，对阈值则
# 是毒药。**噪声的代价**：平坦区域里没有别的可拉伸，只有噪声。

# %%
flat = np.clip(0.5 + 0.02 * np.random.default_rng(4).standard_normal((128, 128)), 0, 1).astype(np.float32)
for name, picture in {"x": flat, "equalised": im.equalise_histogram(flat), "CLAHE": im.clahe(flat, 32)}.items():
    print(f"{name:9} deviation in a region that is flat: {picture.std():.3f}")
assert im.equalise_histogram(flat).std() > 10 * flat.std()

# %% [markdown] tags=["en"]
# ## 6 Normalisation: the same number for the same tissue
#
# $$ z = \frac{x - \mu}{\sigma} $$
#
# CT needs none: HU *is* a scale; clip it, divide it by a constant, the same for all. MR needs one. Two scanners see the
# same brain; the second multiplies everything by 1.7 and shows more air around it. **Trap lab:** z-score over all
# pixels, air included, against z-score in the brain.

# %% [markdown] tags=["zh"]
# ## 6 归一化：同一组织，同一数值
#
# $$ z = \frac{x - \mu}{\sigma} $$
#
# CT 不需要：HU **本身**就是刻度；截断一下，除以一个对所有人都相同的常数即可。MR 需要。两台机器看同一个脑，第二台把所有
# 数值乘以 1.7，周围的空气也更多。**陷阱实验**：对全部像素（含空气）做 z-score，对比只在脑内做。

# %%
second = im.pad_to(1.7 * noisy, (288, 288), value=0.0)
inside = im.pad_to(brain.astype(np.uint8), (288, 288), value=0).astype(bool)
matter = im.pad_to(white.astype(np.uint8), (288, 288), value=0).astype(bool)
naive = im.z_score(noisy)[white].mean(), im.z_score(second)[matter].mean()
right = im.z_score(noisy, brain)[white].mean(), im.z_score(second, inside)[matter].mean()
print(f"white matter, z over everything:  scanner 1 {naive[0]:.2f}, scanner 2 {naive[1]:.2f}")
print(f"white matter, z in the brain:     scanner 1 {right[0]:.2f}, scanner 2 {right[1]:.2f}")
assert abs(naive[0] - naive[1]) > 0.3 and abs(right[0] - right[1]) < 1e-3

# %% [markdown] tags=["en"]
# The naive number measures how much air is in the picture. **And the opposite error**: `match_histogram` forces the
# *whole distribution* on a template. Where part of the patient's brain is ill, the ill voxels are moved to where
# healthy ones should be. A tumour with oedema, matched to a healthy head. **Predict** the share of ill voxels from
# which on that matters.

# %% [markdown] tags=["zh"]
# 天真的那个数，量的其实是画面里有多少空气。**反过来的错误**：`match_histogram` 把**整个分布**强行套到模板上。患者的脑
# 若有一部分病了，病变的体素就会被搬到健康体素该在的位置。把一个带水肿的肿瘤匹配到健康头部。**先猜**：病变体素占到多大
# 比例，影响才显现？

# %%
ill = brain_anatomy(3, shape=(1, 192, 160), spacing_mm=(4, 1.25, 1.25), finding="tumour", side="left", volume_ml=30)
flair, healthy = brain_mr(ill, "FLAIR", bias=0.0), brain_mr(head, "FLAIR", bias=0.0)
image, inside = flair.volume.values[0], ill.masks["brain"][0]
sick = ill.masks["oedema"][0] | ill.masks["lesion"][0]
matched = im.match_histogram(image, healthy.volume.values[0], inside, brain)
well = inside & ~sick
for name, picture in (("before", image), ("matched", matched)):
    print(f"{name:8} ill over well: {np.median(picture[sick]) / np.median(picture[well]):.2f}")
print(f"share of the brain that is ill: {sick.sum() / inside.sum():.0%}")
assert np.median(matched[sick]) / np.median(matched[well]) < 0.95 * np.median(image[sick]) / np.median(image[well])

# %%
alt = ("FLAIR with a large tumour, before and after matching to a healthy head; the contrast of the lesion shrinks.",
       "带大肿瘤的 FLAIR，匹配到健康头部之前与之后：病变的对比变小。")  # fmt: skip
show_images(
    {"before": image * inside, "matched": matched * inside, "healthy": healthy.volume.values[0] * brain},
    alt,
    limits=(0, 2600),
)
assert sick[inside].any()

# %% [markdown] tags=["en"]
# ## 7 Uneven intensity: the bias field
#
# $$ x = b\,t, \qquad \log x = \log b + \log t $$
#
# | symbol | meaning |
# |---|---|
# | $t$ | what the tissue would give |
# | $b$ | the coil's field: smooth, positive, about 1 |
#
# In logarithms the field is a summand. N4's idea: noise and field both widen the peaks of the histogram; so sharpen
# the histogram, see by how much each voxel would have to move, and fit *that* by a smooth surface; repeat. How well it
# works is measured by the coefficient of variation within one tissue, and, since this is a phantom, against the field
# itself.

# %% [markdown] tags=["zh"]
# ## 7 亮度不均：偏置场
#
# $$ x = b\,t, \qquad \log x = \log b + \log t $$
#
# | 符号 | 含义 |
# |---|---|
# | $t$ | 组织本来的信号 |
# | $b$ | 线圈的场：平滑、为正、约等于 1 |
#
# 取对数后，场成了加数。N4 的想法：噪声和场都会把直方图的峰展宽；那就先把直方图锐化，看每个体素该挪多少，再用平滑曲面去
# 拟合**这个挪动量**；如此反复。效果用同一组织内的变异系数来量；既然是体模，还可以直接与真实的场比较。

# %%
uneven = brain_mr(head, "T1", bias=0.4)
x = uneven.volume.values[0]
corrected, field = im.correct_bias_field(x, brain)
real_field = uneven.bias_field[0]
agreement = np.corrcoef(np.log(field[brain]), np.log(real_field[brain]))[0, 1]
for name, picture in (("before", x), ("after", corrected)):
    print(f"{name:6} variation within white matter: {picture[white].std() / picture[white].mean():.1%}")
print(f"correlation of the found field with the true one: {agreement:.2f}")
assert agreement > 0.9 and corrected[white].std() / corrected[white].mean() < 0.6 * x[white].std() / x[white].mean()

# %%
alt = (
    "Uneven image, corrected image, the field found, the true field.",
    "亮度不均的图像、校正后的图像、求得的场、真实的场。",
)
panels = {"$x$": x / 1000, r"$x / \hat b$": corrected / 1000, r"$\hat b$": field * brain, "$b$": real_field * brain}
show_images(panels, alt, limits=(0, 1.5), size=1.4)
assert field[brain].min() > 0

# %% [markdown] tags=["en"]
# *The price:* whatever is smooth and large counts as field. A CT has no such field; correcting one destroys HU. And
# half a brain that is slightly darker because it is *ill* will be brightened.
#
# ## 8 Cropping and resampling: trap labs
#
# **8.1 Aliasing.** A grid of 3 mm lead stripes, made four times coarser by taking every fourth pixel. **Predict** what
# you see: stripes, grey, or something else?

# %% [markdown] tags=["zh"]
# **代价**：凡是平滑而大的东西都被当成场。CT 没有这种场，去“校正”只会毁掉 HU。半边脑若因**病**而稍暗，也会被提亮。
#
# ## 8 裁剪与重采样：陷阱实验
#
# **8.1 混叠。** 一块铅条栅，每隔四个像素取一个，缩成四分之一。**先猜**：看到的是条纹、一片灰，还是别的？

# %%
guess = None  # "stripes", "grey" or what?
across = np.arange(256)
stripes = (0.5 + 0.5 * np.sin(2 * np.pi * across / 4.4))[None].repeat(256, 0).astype(np.float32)
panels = {"$x$": stripes[:64, :64], "every 4th": stripes[::4, ::4], "anti-aliased": im.resize(stripes, (64, 64))}
alt = ("Fine stripes; every fourth pixel gives broad stripes that are not there; with anti-aliasing an even grey.",
       "细条纹；每四个取一个，冒出并不存在的宽条纹；抗混叠后是均匀的灰。")  # fmt: skip
show_images(panels, alt, limits=(0, 1))
inner = im.resize(stripes, (64, 64))[8:-8, 8:-8]
print(f"contrast: every 4th {np.ptp(stripes[::4, ::4]):.2f}, anti-aliased {np.ptp(inner):.2f}")
assert np.ptp(stripes[::4, ::4]) > 0.9 > 0.2 > np.ptp(inner)

# %% [markdown] tags=["en"]
# Broad stripes that do not exist. In a chest they would be ribs, in a lung a pattern of disease.
#
# **8.2 Resampling labels.** 1 is the liver, 3 the left kidney, 2 the spleen. Linear interpolation between 1 and 3 gives
# 2: along every border of liver and kidney grows a film of spleen. **By hand**: $1, 1, 3, 3$ at half steps:
# $1, 1, \mathbf{2}, 3, 3$.

# %% [markdown] tags=["zh"]
# 冒出了并不存在的宽条纹。在胸片上它们会像肋骨，在肺里会像一种病变。
#
# **8.2 给标签重采样。** 1 是肝，3 是左肾，2 是脾。在 1 与 3 之间线性插值会得到 2：肝与肾的每一处交界都长出一层“脾”。**
# 手算一遍**：$1, 1, 3, 3$ 按半步插值：$1, 1, \mathbf{2}, 3, 3$。

# %%
organs = np.ones((24, 24), np.uint8)
organs[np.hypot(*(np.indices(organs.shape) - 12)) < 8] = 3
naive = np.rint(im.resize(organs.astype(np.float32), (72, 72))).astype(int)
right = im.resize_mask(organs, (72, 72))
alt = ("Two organs; interpolating their numbers draws a ring of a third one; by label there is none.",
       "两个器官；对标号插值，会画出一圈第三种器官；逐标签处理则没有。")  # fmt: skip
show_images({"labels": organs, "numbers": naive, "by label": right}, alt, limits=(1, 3))
print("labels before:", np.unique(organs), " numbers interpolated:", np.unique(naive), " by label:", np.unique(right))
assert 2 in naive and 2 not in right

# %% [markdown] tags=["en"]
# **8.3 Millimetres.** Resampling changes the numbers of voxels, never the volume in mm³. And cropping moves the origin.
# A CT phantom, cropped to the body and resampled to 2 mm: the nodule must stay where it is and as large as it is.

# %% [markdown] tags=["zh"]
# **8.3 毫米。** 重采样改变体素个数，绝不改变以 mm³ 计的体积；裁剪会移动原点。取一个 CT 体模，裁到身体边缘，再重采样到
# 2 mm：结节的位置与大小都应不变。

# %%
thorax = phantoms.make_thorax(4, 0, [phantoms.Nodule(diameter_mm=24, side="right")])
height = round(thorax.findings[0].centre_mm[2])  # of the nodule, in mm
scan = phantoms.chest_ct(thorax, seed=4, size=112, slices=24, range_mm=(height - 36, height + 36), method="direct")
body = im.body_mask(scan.volume.values, -500, opening_mm=4, spacing_mm=scan.volume.spacing_mm)
box = im.bounding_box(body, margin=2)
share = replace(scan.volume, values=scan.fraction(scan.findings[0].label), views=())  # of each voxel, the nodule's
steps = {"as it was": share, "cropped": im.crop_volume(share, box)}
steps["2 mm cubes"] = im.resample_volume(steps["cropped"], 2.0)
for name, step in steps.items():
    places = np.argwhere(step.values > -1) * 1.0
    centre = step.affine @ (*np.average(places, axis=0, weights=step.values.ravel()), 1)
    volume = step.values.sum() * np.prod(step.spacing_mm)
    print(f"{name:10} {step.shape!s:15} centre {centre[:3].round(1)} mm, volume {volume / 1000:.2f} ml")
assert abs(volume - np.pi * 24**3 / 6) < 0.03 * volume

# %% [markdown] tags=["en"]
# **8.4 Flips.** Image and mask must move together, and left must stay left. `PairedAugmentation` does the one and
# insists on the other:

# %% [markdown] tags=["zh"]
# **8.4 翻转。** 图像与掩膜必须一起动，左必须还是左。`PairedAugmentation` 管住前者，也坚持后者：

# %%
try:
    im.flip(truth, brain, axis=1)
except ValueError as refusal:
    print(refusal)
bend = im.PairedAugmentation(elastic_mm=4, smoothness_mm=20, noise=30, fill=0.0)
made = bend(x, brain, np.random.default_rng(2), spacing_mm=(1.25, 1.25))
alt = ("A slice and its mask before and after being turned, bent and made noisy together.",
       "切片与掩膜：一同旋转、弯曲、加噪之前与之后。")  # fmt: skip
show_images({"$x$": x, "mask": brain, "$x'$": made.image, "mask'": made.mask}, alt, size=1.5)
assert made.mask.dtype == bool and 0.8 < made.mask.sum() / brain.sum() < 1.25

# %% [markdown] tags=["en"]
# ## 9 Everything on everything
#
# Each operation on each modality where it makes sense, before and after; in the corner what a filter changed, blue less
# and red more. Not every pair is a good idea: look for the halos, the noise, and the grey that no longer means
# anything.
#
# ![Seven noise filters on five modalities, before and after](../images/gallery.noise.jpg)
# ![Sharpening and edges on five modalities](../images/gallery.edges.jpg)
# ![Window, gamma, equalisation and CLAHE on five modalities](../images/gallery.contrast.jpg)
# ![Normalisation with histograms on five modalities](../images/gallery.normalisation.jpg)
# ![Body mask, crop, resampling and movement on five modalities](../images/gallery.geometry.jpg)
# ![Bias field correction where it makes sense](../images/gallery.field.jpg)
#
# The X-ray is real, with noise added, for its own is hardly visible; the others are phantoms.
# [`mediml/plots/gallery.py`](../../mediml/plots/gallery.py) draws them: `python -c "from mediml.plots.gallery import
# write_gallery; write_gallery('gallery')"`.

# %% [markdown] tags=["zh"]
# ## 9 全部操作，全部模态
#
# 每种操作用到说得通的每种模态上，处理前后对照；角上是滤波器改动了什么，蓝色为减少，红色为增加。并非每一对都是好主意：
# 找找晕环、噪声，还有那些已经失去含义的灰度。
#
# ![五种模态上的七种去噪滤波，处理前后](../images/gallery.noise.jpg) ![五种模态上的锐化与边缘
# ](../images/gallery.edges.jpg) ![五种模态上的窗、伽马、均衡化与
# CLAHE](../images/gallery.contrast.jpg) ![五种模态上的归一化及直方图
# ](../images/gallery.normalisation.jpg) ![五种模态上的身体掩膜、裁剪、重采样与移动
# ](../images/gallery.geometry.jpg) ![说得通之处的偏置场校正](../images/gallery.field.jpg)
#
# X 光片是真实的，另外加了噪声（它自身的噪声几乎看不出）；其余是体模。图由
# [`mediml/plots/gallery.py`](../../mediml/plots/gallery.py) 画出：
# `python -c "from mediml.plots.gallery import write_gallery; write_gallery('gallery')"`。

# %% [markdown] tags=["en"]
# ## 10 Eight naive pipelines, and how to catch them
#
# | pipeline | goes wrong | the check |
# |---|---|---|
# | noise from the air around the head | a third too low | estimate in tissue |
# | the smoothest filter | takes faint lesions | put one in, measure what is left |
# | sharpen, then measure | halos count as structure | overshoot beyond the range |
# | CLAHE, then a threshold | one tissue, many greys | order of greys kept? |
# | z-score with air | the number measures air | change the margin |
# | histogram of a healthy template | large disease shrinks | contrast before and after |
# | every k-th voxel | stripes that are not there | resample a pattern of known frequency |
# | labels interpolated | organs from nowhere | no new label numbers |
#
# A ninth belongs to lesson 10: any of these *fitted* on all images, the test set included, tells the network about it.

# %% [markdown] tags=["zh"]
# ## 10 八条天真的流水线，怎样抓住它们
#
# | 流水线 | 错在哪里 | 怎么查 |
# |---|---|---|
# | 在头外空气里估噪声 | 低了三分之一 | 在组织里估 |
# | 选最光滑的滤波器 | 抹掉很淡的病灶 | 放一个进去，量还剩多少 |
# | 先锐化再测量 | 晕环被当成结构 | 有没有超出原来的范围 |
# | CLAHE 之后用阈值 | 一种组织，多种灰度 | 灰度先后保持了吗 |
# | 把空气算进 z-score | 量的是空气 | 换个边距试试 |
# | 套健康模板的直方图 | 大病变缩水 | 比较处理前后的对比 |
# | 每 k 个体素取一个 | 冒出不存在的条纹 | 拿已知频率的图案重采样 |
# | 对标签插值 | 凭空长出器官 | 不许出现新标号 |
#
# 第九条留给第 10 课：以上任何一步，只要是在全部图像（含测试集）上**拟合**的，就把测试集泄露给了网络。

# %% [markdown] tags=["en"]
# ## 11 Limits
#
# * One phantom, one kind of noise, one spot. Which filter is best for *your* finding, only your measurement says.
# * Strengths were chosen by the truth; chosen by eye they come out larger, and cost more.
# * Learned noise removal is lesson 14; its prices are of the same kind and harder to see.
# * Nothing here makes information that was not measured.

# %% [markdown] tags=["zh"]
# ## 11 局限
#
# * 一个体模、一种噪声、一个斑点。哪种滤波器最适合**你的**病灶，只有你自己的测量说了算。
# * 强度是靠真值挑的；凭眼睛挑往往偏大，代价也更大。
# * 学出来的去噪见第 14 课；代价是同一类的，而且更难察觉。
# * 这里没有一样能造出未曾测到的信息。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. How large must a square mean filter be to bring noise of 10 HU down to 2 HU? (Side, odd.)
# 2. Sharpen $4, 4, 8, 8$ with the mean of three and $a = 2$. What becomes of the first 8?
# 3. Equalise $5, 5, 5, 7$. What becomes of 5?
# 4. Volume 512 × 512 × 100 of 0.7 × 0.7 × 2.5 mm to 1 mm cubes: how many planes, and how many rows?
# 5. Without a check: move the spot of section 3 to the border of the cortex. Does the order of the filters stay?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 要把 10 HU 的噪声降到 2 HU，正方形均值滤波器要多大（边长，奇数）？
# 2. 用三点均值、$a = 2$ 锐化 $4, 4, 8, 8$。第一个 8 变成多少？
# 3. 对 $5, 5, 5, 7$ 做均衡化。5 变成多少？
# 4. 512 × 512 × 100、体素 0.7 × 0.7 × 2.5 mm 的体数据，重采样为 1 mm 立方体：多少层，多少行？
# 5. 不设检查：把第 3 节的斑点移到皮层边缘。滤波器的名次还一样吗？

# %%
side = None  # exercise 1
assert side in (None, 5), "the noise falls by the root of the number of pixels, which is the side"

# %%
eight = None  # exercise 2
assert eight is None or abs(eight - (8 + 2 * (8 - 20 / 3))) < 0.05, "its mean of three is (4 + 8 + 8) / 3"

# %%
five = None  # exercise 3
assert five in (None, 0.75), "three of four pixels are at most 5"

# %%
planes, rows_new = None, None  # exercise 4
assert (planes, rows_new) in ((None, None), (250, 358)), "the extent in millimetres, divided by 1 mm"

# %% [markdown] tags=["en"]
# ## Summary
#
# * Every operation has a formula, an assumption and a price; measure the price on what you are looking for.
# * Averaging lowers noise by $\sqrt n$ and edges with it; the filter with the smallest error took half of the spot.
# * Sharpening makes halos and noise; equalisation makes ranks of units; CLAHE not even that.
# * HU need no normalisation; MR needs it *in the tissue*, and never by force of a healthy histogram.
# * Bias fields are smooth, and so are some diseases.
# * Low-pass before you drop pixels; never interpolate labels; carry millimetres along.
#
# ## To think about
#
# 1. A paper filters its images "to improve quality" and then reports a higher accuracy. Which control do you ask for?
# 2. In which order would you correct bias, remove noise, normalise and resample? Which swap does most harm?
# 3. Why is a noise filter before a *detector* of small lesions a stranger idea than before a segmentation of the heart?
#
# ## Sources
#
# * P. Perona, J. Malik, *Scale-space and edge detection using anisotropic diffusion*, IEEE PAMI 12 (1990).
# * C. Tomasi, R. Manduchi, *Bilateral filtering for gray and color images*, ICCV 1998.
# * A. Buades, B. Coll, J.-M. Morel, *A non-local algorithm for image denoising*, CVPR 2005.
# * L. I. Rudin, S. Osher, E. Fatemi, *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992).
# * K. Zuiderveld, *Contrast limited adaptive histogram equalization*, Graphics Gems IV, 1994.
# * N. J. Tustison et al., *N4ITK: improved N3 bias correction*, IEEE TMI 29 (2010); H. Gudbjartsson, S. Patz, *The
#   Rician distribution of noisy MRI data*, MRM 34 (1995).
# * Code: [`mediml/imaging/filters.py`](../../mediml/imaging/filters.py),
#   [`mediml/imaging/denoising.py`](../../mediml/imaging/denoising.py),
#   [`mediml/imaging/contrast.py`](../../mediml/imaging/contrast.py),
#   [`mediml/imaging/normalisation.py`](../../mediml/imaging/normalisation.py),
#   [`mediml/imaging/bias_field.py`](../../mediml/imaging/bias_field.py),
#   [`mediml/imaging/resample.py`](../../mediml/imaging/resample.py),
#   [`mediml/imaging/augmentation.py`](../../mediml/imaging/augmentation.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 每种操作都有公式、假设和代价；代价要在你要找的东西上量。
# * 取平均使噪声降低 $\sqrt n$ 倍，边缘也跟着模糊；误差最小的滤波器抹掉了斑点的一半。
# * 锐化带来晕环和噪声；均衡化把单位变成名次；CLAHE 连名次也不保。
# * HU 不需要归一化；MR 需要，而且要**在组织里**做，绝不能硬套健康人的直方图。
# * 偏置场是平滑的，有些病变也是。
# * 丢像素之前先低通；标签绝不插值；毫米要一路带着。
#
# ## 思考题
#
# 1. 某论文为“提高质量”先滤波，然后报告准确率升高。你会要求哪项对照？
# 2. 偏置场校正、去噪、归一化、重采样，你会按什么次序做？哪两步对调害处最大？
# 3. 为什么在小病灶**检测**之前去噪，比在心脏分割之前去噪更奇怪？
#
# ## 资料
#
# * P. Perona, J. Malik, *Scale-space and edge detection using anisotropic diffusion*, IEEE PAMI 12 (1990)。
# * C. Tomasi, R. Manduchi, *Bilateral filtering for gray and color images*, ICCV 1998。
# * A. Buades, B. Coll, J.-M. Morel, *A non-local algorithm for image denoising*, CVPR 2005。
# * L. I. Rudin, S. Osher, E. Fatemi, *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992)。
# * K. Zuiderveld, *Contrast limited adaptive histogram equalization*, Graphics Gems IV, 1994。
# * N. J. Tustison 等, *N4ITK: improved N3 bias correction*, IEEE TMI 29 (2010)；H. Gudbjartsson, S. Patz, *The Rician
#   distribution of noisy MRI data*, MRM 34 (1995)。
# * 代码：[`mediml/imaging/filters.py`](../../mediml/imaging/filters.py)、
#   [`mediml/imaging/denoising.py`](../../mediml/imaging/denoising.py)、
#   [`mediml/imaging/contrast.py`](../../mediml/imaging/contrast.py)、
#   [`mediml/imaging/normalisation.py`](../../mediml/imaging/normalisation.py)、
#   [`mediml/imaging/bias_field.py`](../../mediml/imaging/bias_field.py)、
#   [`mediml/imaging/resample.py`](../../mediml/imaging/resample.py)、
#   [`mediml/imaging/augmentation.py`](../../mediml/imaging/augmentation.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
