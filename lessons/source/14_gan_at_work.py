# %% [markdown] tags=["en"]
# # 14 · GAN at work: what a generator gives, and what it makes up
#
# Ten patients with a rare disease are too few to train on: could a generator not draw a thousand more? A child's film
# was taken with little radiation and is grainy: could a network not clean it? Both are done, and both give pictures
# that look right. This lesson measures **what they are worth**, and finds pictures in which a finding was erased or
# made up, although they look right.
#
# **After this lesson you can** compute a Fréchet distance by hand and say three things that it does not see; catch a
# generator that copies its patients; test honestly whether generated images help a classifier; explain a U-Net's
# bridges and the two losses of an image translation; compute PSNR and SSIM; and measure what a translation erases and
# invents.
#
# **Time:** 70 minutes. **You need:** lessons 09 and 13.

# %% [markdown] tags=["zh"]
# # 14 · GAN 的应用：它给了什么，又编了什么
#
# 罕见病只有十位患者，数据太少，能不能让生成器再画一千幅？为了让孩子少受辐射，片子拍得满是噪点，能不能让网络“洗”干净？这
# 两件事都有人做，结果看上去也都像样。本课要量的是：**这些图像到底值多少**；还要找出那些看上去很像样、病灶却已被抹掉或凭
# 空捏造的图像。
#
# **学完本课，你能够**手算 Fréchet 距离，并说出它看不见的三件事；抓住照抄患者图像的生成器；诚实地检验生成图像对分类器有
# 没有帮助；讲清 U-Net 的跳跃连接和图像翻译的两项损失；计算 PSNR 与 SSIM；并量出一次翻译抹掉了什么、捏造了什么。
#
# **用时**：70 分钟。**先修**：第 09、13 课。

# %%
from dataclasses import replace
from functools import partial

import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.upsampling import cpu, reference
from mediml import evaluation, optim

# %%
from mediml.data.images import ImageData, Split
from mediml.data.noise import DenoisingSplit, best_gaussian, gaussian, low_dose, low_dose_data
from mediml.data.synthetic import chest_xray_data, chest_xrays
from mediml.data.two_modes import mode_of, two_modes
from mediml.evaluation import frechet_distance, generation, nearest_neighbours, psnr, ssim
from mediml.models import pix2pix
from mediml.models.cnn import CNN
from mediml.models.predict import predict_logits
from mediml.models.unet import UNet
from mediml.plots import show_curves, show_images, show_numbers, show_samples, show_source
from mediml.training import adversarial, translation, translation_report
from mediml.training.quality import features, padded

# %% [markdown] tags=["en"]
# ## 1 What generators are used for
#
# "GANs are for image generation and image translation", the introductions say, and stop. In medicine the sentence has
# to go on:
#
# | use | what is asked of it | what can go wrong | section |
# |---|---|---|---|
# | more training images (augmentation) | variety that real images have | copies, missing kinds, wrong labels | 5, 6 |
# | sharing data without sharing patients | no patient recognisable | the generator remembers a patient | 4 |
# | removing noise, raising resolution | what is there stays, nothing is added | a lesion erased or invented | 8, 9 |
# | one modality from another (MR → CT) | values in the target's unit | bone where there is none | 11 |
#
# One use is missing on purpose: **a generated image is never shown as a patient's image.**

# %% [markdown] tags=["zh"]
# ## 1 生成器用来做什么
#
# 入门文章常说“GAN 主要应用于图像生成和图像翻译”，说完就停了。在医学里，这句话必须接着往下说：
#
# | 用途 | 对它的要求 | 可能出的错 | 所在节 |
# |---|---|---|---|
# | 增加训练图像（数据增强） | 真实图像那样的多样性 | 照抄、缺类、标签错误 | 5、6 |
# | 共享数据而不泄露患者 | 认不出任何一位患者 | 生成器记住了某位患者 | 4 |
# | 去噪、提高分辨率 | 有的都留下，没有的不添加 | 病灶被抹掉或被捏造 | 8、9 |
# | 由一种模态得到另一种（MR → CT） | 数值符合目标模态的单位 | 没有骨头的地方长出骨头 | 11 |
#
# 有一种用途是故意不列的：**绝不能把生成的图像当作某位患者的图像给人看。**

# %% [markdown] tags=["en"]
# ## 2 A distance between two sets of images
#
# Lesson 13 looked at samples. Looking is no measurement. The usual figure takes a trained network, computes the
# features $f$ in front of its last layer for real and for generated images, describes each of the two clouds by its
# mean $m$ and covariance $C$, and compares these (**Fréchet distance**; with a certain large network it is called FID):
#
# $$ d = \|m_a - m_b\|^2 + \mathrm{tr}\,C_a + \mathrm{tr}\,C_b - 2\,\mathrm{tr}\,(C_a C_b)^{1/2} $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $m_a, m_b$ | mean feature vector of each sample | `mean_a`, `mean_b` |
# | $C_a, C_b$ | covariance, divided by $N - 1$ | `roots`: $C = R^{\mathsf T} R$ |
# | $\mathrm{tr}$ | sum of the diagonal | `spread` |
# | $\mathrm{tr}\,(C_a C_b)^{1/2}$ | sum of singular values of $R_a R_b^{\mathsf T}$ | `overlap` |
#
# **By hand, one feature.** The matrices are then variances and the formula becomes
# $(m_a - m_b)^2 + (s_a - s_b)^2$. Sample a: −1, 0, 1, so mean 0, variance (1 + 0 + 1)/2 = 1. Sample b: 1, 3, 5, so mean
# 3, variance 4. The distance is $3^2 + (1 - 2)^2 = 10$.
#
# **Two features.** a: (±1, ±2), b: (3 ± 2, 4 ± 3), four points each. The means are 3 and 4 apart: 25. The variances are
# 4/3 · 1², 4/3 · 2² and 4/3 · 2², 4/3 · 3², there is no covariance, so
# $4/3\,[(1-2)^2 + (2-3)^2] = 8/3$. Together 27.67.

# %% [markdown] tags=["zh"]
# ## 2 两组图像之间的距离
#
# 第 13 课是用眼睛看样本，但看不等于量。通行的做法是：取一个训练好的网络，对真实图像和生成图像分别求最后一层之前的特征
# $f$，每一团点用均值 $m$ 和协方差 $C$ 来描述，再作比较（**Fréchet 距离**；若用某个特定的大网络，就叫 FID）：
#
# $$ d = \|m_a - m_b\|^2 + \mathrm{tr}\,C_a + \mathrm{tr}\,C_b - 2\,\mathrm{tr}\,(C_a C_b)^{1/2} $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $m_a, m_b$ | 每组样本的特征均值 | `mean_a`、`mean_b` |
# | $C_a, C_b$ | 协方差，除以 $N - 1$ | `roots`：$C = R^{\mathsf T} R$ |
# | $\mathrm{tr}$ | 对角线之和 | `spread` |
# | $\mathrm{tr}\,(C_a C_b)^{1/2}$ | $R_a R_b^{\mathsf T}$ 的奇异值之和 | `overlap` |
#
# **手算，一个特征。** 矩阵退化为方差，公式变成 $(m_a - m_b)^2 + (s_a - s_b)^2$。样本 a：−1、0、1，均值 0，方差
# (1 + 0 + 1)/2 = 1；样本 b：1、3、5，均值 3，方差 4。距离为 $3^2 + (1 - 2)^2 = 10$。
#
# **两个特征。** a：(±1, ±2)，b：(3 ± 2, 4 ± 3)，各四个点。均值相差 3 和 4，贡献 25。方差分别是 4/3 · 1²、4/3 · 2² 与
# 4/3 · 2²、4/3 · 3²，协方差为 0，所以再加 $4/3\,[(1-2)^2 + (2-3)^2] = 8/3$。合计 27.67。

# %%
one = frechet_distance([[-1], [0], [1]], [[1], [3], [5]])
signs = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
two = frechet_distance(signs * (1, 2), signs * (2, 3) + (3, 4))
print(f"one feature {one:.2f}, two features {two:.2f}")
assert np.isclose(one, 10) and np.isclose(two, 25 + 8 / 3)

# %% [markdown] tags=["en"]
# The program never forms $C_a C_b$, whose root may turn out complex by rounding. It is enough to know that the square
# roots of that product's eigenvalues are singular values:

# %% [markdown] tags=["zh"]
# 程序不去构造 $C_a C_b$：对它开方，舍入误差可能带来复数。只要知道该乘积特征值的平方根就是奇异值，便够了：

# %%
show_source(generation._frechet, generation._root, docstring=False)

# %% [markdown] tags=["en"]
# ## 3 How many images does it need?
#
# **Predict:** both samples below come from *the same* generator of chest images, so the true distance is 0. What does
# the formula say for 25 images, and for 800? The features are the 128 numbers in front of the last layer of the
# package's pneumonia network (lesson 09).

# %% [markdown] tags=["zh"]
# ## 3 需要多少幅图像？
#
# **先猜**：下面两组样本来自**同一个**胸片生成器，真实距离是 0。用 25 幅图像，公式给出多少？用 800 幅呢？特征取软件包
# 自带肺炎网络最后一层之前的 128 个数（第 09 课）。

# %%
guess = None  # 0 for both, or falling with N?
f = features(chest_xrays(1600, 28, seed=5).images)
counts = [25, 50, 100, 200, 400, 800]
plain = [frechet_distance(f[:N], f[800 : 800 + N]) for N in counts]
fewest, most = plain[0], plain[-1]
print("25 images say more than ten times what 800 say:", fewest > 10 * most)
assert fewest > 10 * most and np.all(np.diff(plain) < 0)

# %%
alt = (
    "Fréchet distance of two samples of one distribution, falling from 25 to 800 images as one over N.",
    "同一分布的两组样本之间的 Fréchet 距离，从 25 幅到 800 幅，按 1/N 下降。",
)
show_curves(counts, {"$d(N)$": plain, r"$\propto 1/N$": plain[2] * 100 / np.array(counts)}, alt, "$N$", "$d$")
assert 0.4 < plain[5] * 8 / plain[2] < 2.5

# %% [markdown] tags=["en"]
# The figure is **biased upwards**, about as $1/N$: with few images it measures their number. So compare only figures
# from samples of the same size, always give the same figure for *other real images* as the yardstick, and never compare
# figures from two networks. `evaluation.frechet_interval` estimates the bias by drawing again and takes it off.

# %% [markdown] tags=["zh"]
# 这个数**偏大**，大致按 $1/N$：图像太少时，它量的是图像的数目。所以只比较样本量相同的数；永远同时给出“另一批真实图像”的
# 同一个数作为标尺；用不同网络得到的数不可相比。`evaluation.frechet_interval` 用重抽样估计偏差，再把它减去。

# %%
corrected = evaluation.frechet_interval(f[:800], f[800:], resamples=40)
print("corrected, the value is at most half of the plain one:", corrected.value <= most / 2)
assert corrected.value <= most / 2

# %% [markdown] tags=["en"]
# ## 4 A perfect score for a thief
#
# Here are 100 "patients" for training, a generator that is honest but poor (trained just below), and a **copier**: it
# hands out its training images, unchanged. **Predict:** which of the two has the better Fréchet distance?
#
# The question that exposes it is another one: how far is a generated image from the *nearest* training image, compared
# with how far **new real images** are? The players are those of lesson 13, trained on each class by itself, because a
# generator that is fed with noise alone cannot say which class it has drawn.

# %% [markdown] tags=["zh"]
# ## 4 小偷得满分
#
# 训练用的“患者”有 100 位。一个生成器诚实但水平不高（现在就训练），另一个是**抄袭者**：把训练图像原样交出来。**先猜**：
# 哪一个的 Fréchet 距离更好？
#
# 能揭穿它的是另一个问题：生成图像离**最近的**训练图像有多远？与**全新的真实图像**离得有多远相比如何？生成器沿用第 13
# 课的两个角色，每一类各训练一个，因为无条件的生成器说不出自己画的是哪一类。

# %%
few = chest_xray_data(100, 100, 400)
settings = adversarial.GanSettings(
    epochs=60, batch_size=16, width=16, latent=32, lr=5e-4, each_epoch=False, measured=10
)
made = []
for k in (0, 1):
    own = few.train.labels == k
    part = Split(few.train.images[own], few.train.labels[own])
    one_class = ImageData("one class", few.classes, part, few.val, few.test)
    player = adversarial.train(one_class, settings, progress=False).generator
    made.append(adversarial.generate(player, adversarial.fixed_noise(settings, 200)))
print("generated", [images.shape for images in made])

# %%
real = padded(few.train.images)
samples = np.concatenate([made[0][:8], made[1][:8], real[few.train.labels == 0][:8], real[few.train.labels == 1][:8]])
alt = (
    "Generated chest images without and with opacity in rows one and two, training images of both classes below.",
    "前两行：生成的无阴影、有阴影胸片；后两行：这两类的训练图像。",
)
show_samples(samples, alt, limits=(0, 255))
assert samples.shape == (32, 1, 32, 32)

# %% [markdown] tags=["en"]
# Rows 1 and 2 are generated (without and with opacity), rows 3 and 4 real. Now the distances, each from 100 images to
# 100 test images, and the neighbours:

# %% [markdown] tags=["zh"]
# 第 1、2 行是生成的（无阴影、有阴影），第 3、4 行是真实的。下面求距离（各用 100 幅与 100 幅测试图像相比），并找最近邻：

# %%
# NBVAL_IGNORE_OUTPUT
held_out = padded(few.test.images)
makers = {"generator": np.concatenate([m[:50] for m in made]), "copier": real, "new real": padded(few.val.images)}
distance, closer = {}, {}
for name, images in makers.items():
    distance[name] = frechet_distance(features(images), features(held_out[:100]))
    found = nearest_neighbours(images / 255, real / 255, held_out / 255)
    closer[name] = found.closer.value
    print(f"{name:10s} Fréchet {distance[name]:5.1f}   nearer than a new real image: {closer[name]:.2f}")
assert distance["copier"] < distance["generator"]
assert closer["copier"] == 1 and closer["new real"] < 0.6

# %% [markdown] tags=["en"]
# The copier's distance is that of real images: to the Fréchet distance it *is* real. The second column asks for the
# probability that a generated image lies nearer to its nearest training image than a new real one does: 0.5 is usual,
# and 1 says **every one is a copy**. Far below 0.5, as for our generator, is no certificate of privacy, either: poor
# images are far from everything. And a generator may copy only a few: look at the nearest pairs, too.

# %% [markdown] tags=["zh"]
# 抄袭者的距离与真实图像相当：在 Fréchet 距离看来，它**就是**真的。第二列问的是：一幅生成图像比一幅全新的真实图像更靠近
# 训练集的概率有多大？0.5 属于正常，1 说明**幅幅都是抄的**。像我们的生成器这样远低于 0.5，也不是隐私安全的证明：图像画得
# 差，离什么都远。况且也可能只抄几幅，所以还要看看最相近的那几对。

# %%
found = nearest_neighbours(makers["generator"] / 255, real / 255, held_out / 255)
nearest = np.argsort(found.distances)[:4]
pairs = {f"$g_{i}$": makers["generator"][n, 0] for i, n in enumerate(nearest, 1)}
pairs |= {f"$x_{i}$": real[found.indices[n], 0] for i, n in enumerate(nearest, 1)}
alt = (
    "Four generated images and, below, the training image nearest to each: alike in outline, not copies.",
    "四幅生成图像，下面是各自最近的训练图像：轮廓相似，但不是复制。",
)
show_images(pairs, alt, limits=(0, 255), size=1.5)
assert found.distances[nearest].min() > 0.5

# %% [markdown] tags=["en"]
# Three things the Fréchet distance does not see:
#
# * **copies**, as shown;
# * **what its network ignores**: features that were trained on pneumonia need not change with a wrong number of ribs;
# * **single images**: it compares means and covariances, so one absurd image among a thousand hardly counts, and a
#   missing rare kind hardly, either. If the kinds are known, count them (**mode coverage**):

# %% [markdown] tags=["zh"]
# Fréchet 距离看不见三件事：
#
# * **抄袭**，如上所示；
# * **它的网络不在意的东西**：为肺炎训练的特征，肋骨画错了根数也未必变；
# * **单幅图像**：它只比较均值和协方差，一千幅里有一幅荒唐的，几乎不影响；缺了某个少见的种类，也几乎不影响。种类已知
#   时，应当数一数（**模式覆盖**）：

# %%
healthy = evaluation.mode_coverage(mode_of(two_modes(500, seed=1)[0]))
collapsed = evaluation.mode_coverage(mode_of(two_modes(500, seed=1, share=0.03)[0]))
print("both kinds:", healthy.covered, "of 2 covered; one kind nearly missing:", collapsed.covered, "of 2")
assert not healthy.collapsed and collapsed.collapsed

# %% [markdown] tags=["en"]
# ## 5 Augmentation: the baselines
#
# The question: 100 images with labels are all we have. Does a classifier become better on **new** patients if it also
# sees 400 generated ones? An honest answer needs rivals:
#
# | name | training images |
# |---|---|
# | real | the 100 |
# | shifted | the 100, each time mirrored at random and shifted by up to 2 pixels: classical augmentation |
# | generated added | the 100 and 400 generated ones |
# | generated only | the 400 |
# | more real | the 100 and 400 other real ones: what data could do at best |
#
# All get the same network, the same number of steps, the same test images. (*Real* means: from the course's image
# generator. The GAN has seen only the 100.) **Predict the order.**

# %% [markdown] tags=["zh"]
# ## 5 数据增强：先定对手
#
# 问题是：带标签的图像只有 100 幅。再加 400 幅生成的，分类器在**新**患者身上会更好吗？要诚实地回答，得有对手：
#
# | 名称 | 训练图像 |
# |---|---|
# | real | 这 100 幅 |
# | shifted | 这 100 幅，每次随机左右翻转并平移至多 2 个像素：经典的数据增强 |
# | generated added | 100 幅加 400 幅生成的 |
# | generated only | 只用 400 幅生成的 |
# | more real | 100 幅加另外 400 幅真实的：数据最多能带来多少 |
#
# 网络相同，步数相同，测试图像相同。（这里的“真实”指来自课程的图像生成器；GAN 只见过那 100 幅。）**先猜一猜次序。**

# %%
prepared = {
    "real": few.train.images,
    "generated only": np.concatenate([m[:, 0, 2:-2, 2:-2] for m in made]),
    "other": chest_xrays(400, 28, seed=77).images,
}
x = {name: ((images[:, None] / 255 - 0.5) / 0.25).astype(np.float32) for name, images in prepared.items()}
c = {"real": few.train.labels, "generated only": np.repeat([0, 1], 200), "other": chest_xrays(400, 28, seed=77).labels}
for name, extra in (("generated added", "generated only"), ("more real", "other")):
    x[name], c[name] = np.r_[x["real"], x[extra]], np.r_[c["real"], c[extra]]
x["shifted"], c["shifted"] = x["real"], c["real"]
x_test = ((few.test.images[:, None] / 255 - 0.5) / 0.25).astype(np.float32)
rivals, aucs = ("real", "shifted", "generated added", "generated only", "more real"), {}
print({name: len(x[name]) for name in rivals})

# %%
for name in rivals:
    mediml.manual_seed(0)
    source, model = np.random.default_rng(0), CNN(1, 2, 28)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(200):
        chosen = source.integers(0, len(x[name]), 32)
        images = x[name][chosen]
        if name == "shifted":
            images = np.roll(images[..., :: source.choice([-1, 1])], source.integers(-2, 3, 2), (2, 3))
        loss = F.cross_entropy(model(mediml.tensor(images)), mediml.tensor(c[name][chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    aucs[name] = evaluation.auc(few.test.labels, predict_logits(model, x_test) @ [-1, 1])

# %% [markdown] tags=["en"]
# ## 6 Augmentation: the result
#
# AUC on 400 new patients with DeLong's 95 % interval (your digits may differ):

# %% [markdown] tags=["zh"]
# ## 6 数据增强：结果
#
# 400 位新患者上的 AUC 及 DeLong 95 % 置信区间（你的数字可能略有出入）：

# %%
# NBVAL_IGNORE_OUTPUT
for name in rivals:
    print(f"{name:16s} {aucs[name].value:.2f}   95 % interval {aucs[name].low:.2f} to {aucs[name].high:.2f}")
assert aucs["more real"].low > aucs["real"].high
assert aucs["shifted"].value > aucs["real"].value + 0.05
assert aucs["generated added"].value < aucs["shifted"].value - 0.05

# %% [markdown] tags=["en"]
# No gain here. Shifting and mirroring, two lines of code, brought most of what 400 further patients would have brought;
# the generated images brought nothing, and a classifier that sees only them hardly learns the finding. That has a
# reason: the generator knows only what is in the 100 images, it adds no patient; what it adds is its own errors, under
# labels that nobody checked. **A generator makes images, not information.** Gains that are reported in the literature
# come from generators that know *more* than the training set (trained on many unlabelled images), or are measured
# against a baseline without classical augmentation. Ask for that column. And this is one small experiment with one
# small generator: it shows how to ask, and not what comes out elsewhere.

# %% [markdown] tags=["zh"]
# 这里没有收益。平移加翻转，两行代码，就得到了再来 400 位患者所能带来的大部分；生成的图像什么也没带来，只看生成图像的
# 分类器几乎学不到这个征象。道理很简单：生成器只知道那 100 幅里有的东西，它没有增加一位患者；它加进来的是自己的错误，
# 而且贴着无人核对的标签。**生成器造的是图像，不是信息。** 文献里报告的收益，要么生成器知道的比训练集**更多**（用大量
# 无标签图像训练过），要么基线里没有经典的数据增强。读论文时请找那一列。还要说明：这只是一个小生成器的一次小实验，它示
# 范怎样提问，并不代表别处的结论。

# %% [markdown] tags=["en"]
# ## 7 Image against image: PSNR and SSIM
#
# From images out of nothing to images out of images. If the true image $y$ is known, a result $x$ can be compared with
# it pixel by pixel (**PSNR**, in decibels), or window by window in mean, contrast and structure (**SSIM**):
#
# $$ \mathrm{PSNR} = 10 \log_{10} \frac{L^2}{\frac1P \sum_p (x_p - y_p)^2}, \qquad
#    \mathrm{SSIM} = \frac{(2 m_x m_y + C_1)(2 s_{xy} + C_2)}{(m_x^2 + m_y^2 + C_1)(s_x^2 + s_y^2 + C_2)} $$
#
# $L$ is the range of possible values (1 here), $C_1 = (0.01 L)^2$, $C_2 = (0.03 L)^2$; $m$, $s^2$, $s_{xy}$ are means,
# variances and covariance in a window of 11 × 11 pixels with Gaussian weights, and SSIM is averaged over all windows.
#
# **By hand.** Every pixel is wrong by 0.1: mean square 0.01, PSNR $10 \log_{10} 100 = 20$ dB. Half the error: a quarter
# of the square, 6 dB more. SSIM of an even grey 0.4 against an even 0.5: no variance, the second factors cancel, and
# $(2 \cdot 0.4 \cdot 0.5 + 0.0001) / (0.16 + 0.25 + 0.0001) = 0.976$. **Predict:** is the SSIM of an image with its own
# negative near 0, or below?

# %% [markdown] tags=["zh"]
# ## 7 图像比图像：PSNR 与 SSIM
#
# 从“无中生图”到“由图生图”。如果真图 $y$ 已知，就可以把结果 $x$ 与它逐像素比较（**PSNR**，单位分贝），或者逐窗口比较均
# 值、对比度与结构（**SSIM**）：
#
# $$ \mathrm{PSNR} = 10 \log_{10} \frac{L^2}{\frac1P \sum_p (x_p - y_p)^2}, \qquad
#    \mathrm{SSIM} = \frac{(2 m_x m_y + C_1)(2 s_{xy} + C_2)}{(m_x^2 + m_y^2 + C_1)(s_x^2 + s_y^2 + C_2)} $$
#
# $L$ 是可能取值的范围（这里为 1），$C_1 = (0.01 L)^2$，$C_2 = (0.03 L)^2$；$m$、$s^2$、$s_{xy}$ 是 11 × 11 高斯加权窗
# 口内的均值、方差与协方差，SSIM 再对所有窗口取平均。
#
# **手算。** 每个像素都错 0.1：均方为 0.01，PSNR 为 $10 \log_{10} 100 = 20$ dB。误差减半，均方变为四分之一，多 6 dB。
# 均匀的灰 0.4 与均匀的灰 0.5 的 SSIM：方差为零，第二个因子约掉，得
# $(2 \cdot 0.4 \cdot 0.5 + 0.0001) / (0.16 + 0.25 + 0.0001) = 0.976$。**先猜**：一幅图像与它自己的负片，SSIM 接近 0，
# 还是小于 0？

# %%
guess = None  # near 0, or below?
even = np.full((16, 16), 0.5)
print(f"wrong by 0.1: {psnr(even + 0.1, even):.1f} dB; by 0.05: {psnr(even + 0.05, even):.1f} dB")
print(f"SSIM of 0.4 with 0.5: {ssim(even - 0.1, even):.3f}")
noise = 0.5 + 0.2 * np.random.default_rng(0).uniform(-1, 1, (16, 16))
print("SSIM of an image with its negative is below -0.5:", bool(ssim(1 - noise, noise) < -0.5))
assert np.isclose(psnr(even + 0.1, even), 20) and abs(ssim(even - 0.1, even) - 0.4001 / 0.4101) < 1e-9

# %% [markdown] tags=["en"]
# ## 8 Image translation: a U-Net and a judge of patches
#
# The translator gets a noisy image and shall give back the clean one. It is a **U-Net**: a path down that halves the
# resolution and sees ever wider, a path up that doubles it, and at each resolution a **bridge** (skip connection) that
# hands the fine detail across. Without bridges every edge would have to pass through the bottom, at a quarter of the
# resolution. For 32 × 32 pixels and widths 8, 16, 32:
#
# | level | way down | bridge | way up |
# |---|---|---|---|
# | 32 × 32 | 1 → 8 channels | 8 channels across → | 8 + 8 → 8, then 1 |
# | 16 × 16 | 8 → 16 | 16 across → | 16 + 16 → 16 |
# | 8 × 8 | 16 → 32 | (the bottom) | 32 → 16, doubled |

# %% [markdown] tags=["zh"]
# ## 8 图像翻译：U-Net 加一个看小块的裁判
#
# 翻译网络拿到含噪图像，要还回干净的图像。它是一个 **U-Net**：下行路径逐级把分辨率减半，看得越来越广；上行路径逐级加
# 倍；每一级分辨率上都有一座**桥**（跳跃连接），把细节直接递过去。没有桥，每条边缘都得挤过分辨率只有四分之一的底部。图
# 像为 32 × 32、宽度为 8、16、32 时：
#
# | 层级 | 下行 | 桥 | 上行 |
# |---|---|---|---|
# | 32 × 32 | 1 → 8 个通道 | 8 个通道直达 → | 8 + 8 → 8，最后为 1 |
# | 16 × 16 | 8 → 16 | 16 个通道直达 → | 16 + 16 → 16 |
# | 8 × 8 | 16 → 32 | （底部） | 32 → 16，放大一倍 |

# %%
show_source(UNet.forward)

# %% [markdown] tags=["en"]
# What is it asked for? **pix2pix** asks for two things at once: be close to the target (L1), and look real beside the
# source in the eyes of a judge $D$ that scores patches:
#
# $$ \ell_G = -\frac1N \sum_n \ln D(s_n, G(s_n)) + \lambda\, \frac1N \sum_n |G(s_n) - t_n| $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $s_n, t_n$ | source (noisy) and target (clean) | `source`, `target` |
# | $G(s_n)$ | the translation | `fake` |
# | $D$ | probability of "real", for each patch | `discriminator`, gives logits |
# | $\lambda$ | weight of closeness | `l1_weight` |

# %% [markdown] tags=["zh"]
# 对它的要求是什么？**pix2pix** 同时提两个要求：离目标近（L1），而且与源图放在一起时，在逐块打分的判别器 $D$ 看来像真
# 的：
#
# $$ \ell_G = -\frac1N \sum_n \ln D(s_n, G(s_n)) + \lambda\, \frac1N \sum_n |G(s_n) - t_n| $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $s_n, t_n$ | 源图（含噪）与目标（干净） | `source`、`target` |
# | $G(s_n)$ | 翻译结果 | `fake` |
# | $D$ | 每个小块“是真的”的概率 | `discriminator`，输出 logits |
# | $\lambda$ | “离得近”的权重 | `l1_weight` |

# %%
show_source(pix2pix.translator_step, docstring=False)

# %% [markdown] tags=["en"]
# **The gradient by hand, and what it does to a lesion.** For one pixel the gradient of $|g - t|$ is the sign of
# $g - t$. Suppose that three patients look the same under the noise; in truth the pixel is 0.2, 0.2 and 0.8 (a lesion).
# The network must give one answer for all three. At $g = 0.3$ the signs are +1, +1, −1: it goes down, and stops at the
# **median**, 0.2. The lesion is gone, without a trace. Squared differences would stop at the mean, 0.4, a third of a
# lesion for everyone. A judge rejects 0.4 (no image looks like that): it wants 0.2 *or* 0.8, and the network guesses.
# **So L1 erases the rare, squares blur it, and the adversarial loss rolls dice.**

# %% [markdown] tags=["zh"]
# **手算梯度，看它怎样对待病灶。** 对一个像素，$|g - t|$ 的梯度就是 $g - t$ 的符号。设有三位患者在噪声下看起来一模一
# 样，这个像素的真值分别是 0.2、0.2、0.8（有病灶）。网络只能给三人同一个回答。在 $g = 0.3$ 处，符号为 +1、+1、−1：往下
# 走，停在**中位数** 0.2。病灶没了，不留痕迹。换成平方差，会停在均值 0.4：人人分到三分之一个病灶。判别器不接受 0.4（没
# 有图像长这样），它要么 0.2 **要么** 0.8，网络只好猜。**所以：L1 抹掉少见的，平方差把它抹糊，对抗损失则掷骰子。**

# %%
truth = mediml.tensor(np.array([0.2, 0.2, 0.8]))
ends = {}
for name, loss_of in (("L1", F.l1_loss), ("squares", F.mse_loss)):
    g = mediml.tensor(np.array([0.6]), requires_grad=True)
    for _ in range(400):
        (gradient,) = mediml.autograd.grad(loss_of(g.expand(3), truth), [g])
        g = (g - 0.02 * gradient).detach().requires_grad_()
    ends[name] = g.item()
print({name: round(value, 1) for name, value in ends.items()})
assert abs(ends["L1"] - 0.2) < 0.02 and abs(ends["squares"] - 0.4) < 0.02

# %% [markdown] tags=["en"]
# Now in earnest. The pairs come from the physics of a detector that counts photons: the count of a pixel is Poisson
# distributed, and 3 photons per pixel before the body is next to nothing. Rivals: the noisy image, and the best
# Gaussian filter with its brightness corrected on the training pairs (at so low a dose the logarithm is biased; a
# rival that is not corrected for that would be a straw man).

# %% [markdown] tags=["zh"]
# 现在动真格的。图像对来自光子计数探测器的物理模型：每个像素的计数服从泊松分布；到达身体之前每像素只有 3 个光子，几乎
# 等于没有。对手有两个：含噪图像本身，以及最好的高斯滤波，其亮度已在训练图像对上校正（剂量这么低，取对数会有偏差；不校
# 正的对手只是稻草人）。

# %%
data = low_dose_data(800, 50, 200, size=32, photons=3, seed=0)
sigma = best_gaussian(data.train)
slope, offset = np.polyfit(gaussian(data.train.noisy, sigma).ravel(), data.train.clean.ravel(), 1)
results = {"noisy": data.test.noisy, "Gaussian": slope * gaussian(data.test.noisy, sigma) + offset}
common = translation.TranslationSettings(epochs=4, width=8, lr=2e-3, adversarial=False)
wanted = {"L1": common, "adversarial": replace(common, adversarial=True, l1_weight=2.0)}
trained = {name: translation.train(data, s, progress=False).translator for name, s in wanted.items()}
results |= {name: translation.translate(t, data.test.noisy) for name, t in trained.items()}

# %%
# NBVAL_IGNORE_OUTPUT
target, edges, decibels = data.test.clean, {}, {}
for name, images in results.items():
    decibels[name] = psnr(images, target).mean()
    edges[name] = np.abs(np.diff(images)).mean() / np.abs(np.diff(target)).mean()
    print(
        f"{name:12s} PSNR {decibels[name]:4.1f} dB   SSIM {ssim(images, target).mean():.2f}"
        f"   differences of neighbours against the truth {edges[name]:.2f}"
    )
assert decibels["L1"] > decibels["Gaussian"] > decibels["noisy"]

# %%
print("the adversarial one is sharper:", edges["adversarial"] > edges["L1"])
print("and further from the truth:   ", decibels["adversarial"] < decibels["L1"])
assert edges["adversarial"] > edges["L1"] and decibels["adversarial"] < decibels["L1"]

# %% [markdown] tags=["en"]
# Learning wins against the filter at this dose, since the network knows what chests look like. At a normal dose it
# need not: with 200 photons and three epochs our own trials lost to the filter. And the two losses do what the
# gradient said: the judge pays in **faithfulness** for **sharpness**. Which is nicer to look at says nothing about
# which is right.
#
# > ⚠ **Warning.** The pictures below were made by a network. They are not what the detector saw, and what is sharp in
# > them need not exist. Left to right: truth, noisy, L1, adversarial, and adversarial minus truth (red: added, blue:
# > taken away).

# %% [markdown] tags=["zh"]
# 在这样的剂量下，学习胜过滤波，因为网络知道胸片长什么样。剂量正常时则未必：用 200 个光子、三轮训练，我们自己的试验输
# 给了滤波。两种损失的表现，与梯度所预言的一致：判别器用**忠实**换**清晰**。哪一幅更好看，与哪一幅正确毫无关系。
#
# > ⚠ **警告。** 下面的图像是网络做出来的，不是探测器看到的；其中清晰的东西未必存在。从左到右：真图、含噪、L1、对抗，
# > 以及“对抗减真图”（红色是添加的，蓝色是拿走的）。

# %%
n = int(np.flatnonzero(data.test.labels)[0])
panels = {"$t$": target[n, 0], "$s$": data.test.noisy[n, 0]}
panels |= {f"⚠ $G_{i}(s)$": results[name][n, 0] for i, name in enumerate(("L1", "adversarial"), 1)}
alt = (
    "A chest image: truth, noisy, cleaned by L1 and by the adversarial network; the noisy one is hardly recognisable.",
    "一幅胸片：真图、含噪图、L1 与对抗网络的去噪结果；含噪图几乎无法辨认。",
)
show_images(panels, alt, limits=(0, 1), size=1.7)
assert data.test.labels[n] == 1 and np.abs(panels["$t$"] - panels["$s$"]).mean() > 0.1

# %%
alt = (
    "What the networks added in red and took away in blue, L1 left and adversarial right; patches of several pixels.",
    "网络添加的（红）与拿走的（蓝），左为 L1，右为对抗；成片的斑块。",
)
differences = {f"⚠ $G_{i}(s) - t$": results[m][n, 0] - target[n, 0] for i, m in enumerate(("L1", "adversarial"), 1)}
show_images(differences, alt, limits=(-0.3, 0.3), signed=True, unit="1", size=2.0)
assert all(np.abs(d).max() > 0.1 for d in differences.values())

# %% [markdown] tags=["en"]
# ## 9 Erased and invented
#
# A training set is a claim about the world. Train the same network, by L1, once on patients **without** opacities only,
# once on patients **with** one only. Then show it new patients, each of whom the image generator can draw **with and
# without** the opacity $o$, under the same noise. What is left of the opacity in the output is its share along $o$:
#
# $$ q = \frac{\sum_p (G(s)_p - t_p)\, o_p}{\sum_p o_p^2} $$
#
# with $t$ the image of the same patient without opacity. $q = 1$: whole; $q = 0$: erased; for a patient *without* an
# opacity, $q$ should be 0, and above it something was added there. **Predict:** order the three networks by $q$.

# %% [markdown] tags=["zh"]
# ## 9 抹掉与捏造
#
# 训练集就是对世界的一个断言。用 L1 把同一个网络训练两遍：一遍只用**没有**阴影的患者，一遍只用**有**阴影的患者。然后给
# 它看新患者；每位新患者，图像生成器都能在同样的噪声下画出**有、无**阴影 $o$ 的两幅。输出里还剩下多少阴影，就是沿 $o$
# 的份额：
#
# $$ q = \frac{\sum_p (G(s)_p - t_p)\, o_p}{\sum_p o_p^2} $$
#
# 其中 $t$ 是同一患者没有阴影时的图像。$q = 1$：完整；$q = 0$：被抹掉；对**没有**阴影的患者，$q$ 应为 0，大于 0 就是在
# 那里添了东西。**先猜**：按 $q$ 给三个网络排序。

# %%
for name, label in (("clear only", 0), ("opacity only", 1)):
    parts = {}
    for split in ("train", "val"):
        part = getattr(data, split)
        own = part.labels == label
        parts[split] = DenoisingSplit(part.noisy[own], part.clean[own], part.labels[own], part.opacity[own])
    settings = replace(common, epochs=8)
    trained[name] = translation.train(replace(data, **parts), settings, progress=False).translator
print(list(trained))

# %%
clear, ill = (chest_xrays(200, 32, 1003, p).images[:, None] / np.float32(255) for p in (0.0, 1.0))
opacity = ill - clear
weight = (opacity**2).sum((1, 2, 3))
seen = {"without": low_dose(clear, 3, seed=7), "with": low_dose(ill, 3, seed=7)}
shown = {name: {k: translation.translate(t, s) for k, s in seen.items()} for name, t in trained.items()}
q = {m: {k: ((y - clear) * opacity).sum((1, 2, 3)) / weight for k, y in ys.items()} for m, ys in shown.items()}
print(len(clear), "patients, each with and without an opacity")

# %%
# NBVAL_IGNORE_OUTPUT
for name, shares in q.items():
    print(
        f"{name:13s} with opacity: median q {np.median(shares['with']):.2f}, more than half lost in "
        f"{(shares['with'] < 0.5).mean():4.0%}   without: q > 1/4 in {(shares['without'] > 0.25).mean():4.0%}"
    )
left = {name: np.median(shares["with"]) for name, shares in q.items()}
assert left["clear only"] + 0.05 < left["opacity only"] < 1
assert (q["clear only"]["with"] < 0.5).mean() > 0.25

# %% [markdown] tags=["en"]
# Who has never seen an opacity takes it for noise. The network trained on the healthy lost more than half of it in
# about every second patient; even the one that had seen both loses a good part. All of them give clean, convincing
# images. And PSNR? Measure it on the same patients:

# %% [markdown] tags=["zh"]
# 从没见过阴影的，就把阴影当噪声。只用健康人训练的网络，大约每两位患者就有一位的阴影丢了一半以上；两种都见过的网络也丢
# 了不少。而它们给出的图像都干干净净，令人信服。那么 PSNR 呢？在同一批患者身上量一量：

# %%
p_all, p_clear = (psnr(shown[name]["with"], ill).mean() for name in ("L1", "clear only"))
print("PSNR tells the two apart by less than 1.5 dB:", abs(p_all - p_clear) < 1.5)
assert abs(p_all - p_clear) < 1.5

# %% [markdown] tags=["en"]
# > ⚠ **Warning: erased.** The patient in whom the network trained on the healthy lost most. Top: truth with the
# > opacity, noisy, the translation. Bottom: the true opacity, and what the translation has of it (difference to the
# > patient without opacity).

# %% [markdown] tags=["zh"]
# > ⚠ **警告：被抹掉。** 只用健康人训练的网络，在这位患者身上丢得最多。上行：有阴影的真图、含噪图、翻译结果。下行：真
# > 实的阴影，以及翻译结果里还有多少（与该患者无阴影时的差）。

# %%
strong = np.flatnonzero(weight > np.median(weight))
lost = int(strong[np.argmin(q["clear only"]["with"][strong])])
panels = {"$t + o$": ill[lost, 0], "$s$": seen["with"][lost, 0], "⚠ $G(s)$": shown["clear only"]["with"][lost, 0]}
alt = (
    "Truth with an opacity, noisy image, and translation in which the opacity is gone.",
    "有阴影的真图、含噪图，以及阴影已经消失的翻译结果。",
)
show_images(panels, alt, columns=3, limits=(0, 1), size=1.8)
assert q["clear only"]["with"][lost] < 0.4

# %%
panels = {"$o$": opacity[lost, 0], "⚠ $G(s) - t$": shown["clear only"]["with"][lost, 0] - clear[lost, 0]}
alt = (
    "Left the true opacity in red; right what the translation shows there: little or nothing of it.",
    "左：真实的阴影（红）；右：翻译结果在该处显示的，所剩无几。",
)
show_images(panels, alt, limits=(-0.4, 0.4), signed=True, unit="1", size=2.0)
assert panels["$o$"].max() > 0.1

# %% [markdown] tags=["en"]
# The reverse: the same healthy patients, shown to the network that knows only opacities, and to the adversarial one. A
# bright blob of at least half a typical opacity that the clean image does not have counts as **invented**.

# %% [markdown] tags=["zh"]
# 反过来：把同样的健康人给只见过阴影的网络看，也给对抗网络看。若出现一个亮斑，强度至少为典型阴影的一半，而干净的图像里
# 没有，就算**捏造**。

# %%
# NBVAL_IGNORE_OUTPUT
made_up = {}
for name, t in trained.items():
    method = {name: partial(translation.translate, t)}
    figures = translation_report.inventions(method, data, 32)
    made_up[name] = figures[f"invented_{name.replace(' ', '_')}"]
    low, high = made_up[name]["low"], made_up[name]["high"]
    print(f"{name:13s} invented in {made_up[name]['value']:4.0%}   95 % interval {low:.0%} to {high:.0%}")
assert min(figure["value"] for figure in made_up.values()) > 0.2

# %%
added = shown["opacity only"]["without"] - clear
blobs = (gaussian(added, 2.0) - gaussian(added, 6.0))[:, 0, 8:24, 8:24]  # away from the edge of the image
worst = int(blobs.max((1, 2)).argmax())
panels = {"$t$": clear[worst, 0], "$s$": seen["without"][worst, 0]}
panels["⚠ $G(s)$"] = shown["opacity only"]["without"][worst, 0]
alt = (
    "A healthy patient: truth, noisy image, and translation that is brighter in a place than the truth.",
    "一位健康人：真图、含噪图，以及某处比真图更亮的翻译结果。",
)
show_images(panels, alt, columns=3, limits=(0, 1), size=1.8)
assert blobs[worst].max() > 0.05

# %%
alt = (
    "The difference to the truth: a red patch of several pixels, where brightness was added to a healthy patient.",
    "与真图之差：一片红色的斑，健康人身上被添加的亮度。",
)
show_images({"⚠ $G(s) - t$": added[worst, 0]}, alt, limits=(-0.4, 0.4), signed=True, unit="1", size=2.2)
assert added[worst, 0, 8:24, 8:24].max() > 0.1

# %% [markdown] tags=["en"]
# > ⚠ **Warning: invented.** What is red was added to a healthy patient. Nobody who sees only $G(s)$ could know.
#
# Read the table with care. **Every** network draws a false bright patch in about half of the healthy or more, even the
# one that has never seen an opacity: it puts the edge of a heart or a diaphragm in the wrong place. The one that knows
# only opacities does it a little more often; with these intervals that is no proof. What is proved is the plain fact: a
# clean image from three photons per pixel is in good part the network's opinion.

# %% [markdown] tags=["zh"]
# > ⚠ **警告：凭空捏造。** 红色的部分，是添加到健康人身上的。只看 $G(s)$ 的人，无从知道。
#
# 这张表要仔细读。**每个**网络都在大约一半甚至更多的健康人身上画出了假的亮斑，连从没见过阴影的那个也不例外：它把心影或
# 膈肌的边缘画错了地方。只见过阴影的那个稍多一些，但看这些区间，还算不上证据。能证明的是一个朴素的事实：从每像素三个光
# 子得来的干净图像，有很大一部分是网络的“看法”。

# %% [markdown] tags=["en"]
# ## 10 How the way up is built: checkerboards
#
# A transposed convolution lays its kernel down at every input pixel and adds. With kernel 3 and stride 2 neighbours
# overlap in one pixel. **By hand**, a row of ones and a kernel of ones: $1, 1, 2, 1, 2, 1, 2, \dots$ From an even grey
# comes a **checkerboard**; in two dimensions 1, 2, 4. Kernel 4 with stride 2 overlaps evenly, kernel 2 (our U-Net) not
# at all; then only unequal weights can make the pattern. The safe way is to interpolate first and to convolve then:

# %% [markdown] tags=["zh"]
# ## 10 上行路径怎样搭：棋盘格
#
# 转置卷积在每个输入像素处放下一个卷积核，再相加。核为 3、步幅为 2 时，相邻两次重叠一个像素。**手算**：一行 1，核也全
# 是 1，得 $1, 1, 2, 1, 2, 1, 2, \dots$ 均匀的灰变成了**棋盘格**；二维时是 1、2、4。核为 4、步幅为 2，重叠是均匀的；核
# 为 2（我们的 U-Net）则完全不重叠，这时只有权重不等才会出花纹。稳妥的做法是先插值，再卷积：

# %%
ones = mediml.ones(1, 1, 4, 4)
three = F.conv_transpose2d(ones, mediml.ones(1, 1, 3, 3), stride=2).numpy()[0, 0]
four = F.conv_transpose2d(ones, mediml.ones(1, 1, 4, 4), stride=2, padding=1).numpy()[0, 0]
enlarged = F.interpolate(ones, scale_factor=2, mode="bilinear", align_corners=False).numpy()[0, 0]
panels = {"$K = 3$, $s = 2$": three, "$K = 4$, $s = 2$": four, "×2": enlarged}
alt = (
    "Even grey doubled: kernel 3 gives a checkerboard of 1, 2, 4; kernel 4 is even inside; interpolation all ones.",
    "均匀的灰放大一倍：核为 3 得到 1、2、4 的棋盘格；核为 4 内部均匀；插值处处为 1。",
)
show_numbers(panels, alt, cell=0.3)
assert three[1:-1, 1:-1].max() == 4 and np.ptp(four[1:-1, 1:-1]) == 0 and np.ptp(enlarged) == 0

# %% [markdown] tags=["en"]
# Interpolation as plain loops: each new pixel is a weighted mean of old ones; a small table per axis says of which and
# with what weights. The gradient sends back along the same table:

# %% [markdown] tags=["zh"]
# 插值写成朴素的循环：每个新像素是若干旧像素的加权平均；每个轴一张小表，写着用哪些、权重多少。梯度沿同一张表送回去：

# %%
show_source(reference._forward, reference._backward_x)

# %% [markdown] tags=["en"]
# Doubling a row linearly, by hand: new pixel $i$ lies at $(i + \frac12)/2 - \frac12$. So 0, 4 becomes 0, 1, 3, 4.
# The fast kernel works **axis by axis**: in a volume 2 + 2 + 2 products for a pixel and not 8, the innermost loop over
# neighbouring numbers. And its gradient is the transposed map, which one line proves:
# $\langle g, A x\rangle = \langle A^{\mathsf T} g, x\rangle$.

# %% [markdown] tags=["zh"]
# 手算，一行线性放大一倍：新像素 $i$ 位于 $(i + \frac12)/2 - \frac12$，所以 0、4 变成 0、1、3、4。快速内核**一个轴一个
# 轴地做**：在三维体数据里，每个像素是 2 + 2 + 2 次乘法而不是 8 次，最内层循环走过相邻的数。它的梯度就是转置映射，一行
# 即可证明：$\langle g, A x\rangle = \langle A^{\mathsf T} g, x\rangle$。

# %%
options = {"mode": "linear", "align_corners": False, "antialias": False}
row = np.array([0.0, 4.0])[None, None]
print("0, 4 becomes", reference.interpolate_forward(row, (4,), scales=(None,), **options)[0, 0].tolist())
source = np.random.default_rng(0)
a, g = source.standard_normal((1, 2, 5, 6)), source.standard_normal((1, 2, 9, 12))
up = cpu.interpolate_forward(a, (9, 12), scales=(None, None), **options)
back = cpu.interpolate_backward_x(g, a.shape, scales=(None, None), **options)
same = np.allclose(up, reference.interpolate_forward(a, (9, 12), scales=(None, None), **options))
print("fast equals loops:", same, "· transposed:", np.isclose((g * up).sum(), (back * a).sum()))
assert same and np.isclose((g * up).sum(), (back * a).sum())

# %% [markdown] tags=["en"]
# ## 11 Outlook, and what must not be done
#
# **MR → CT.** Radiotherapy needs attenuation (Hounsfield units) and would like to spare the CT. A translator trained on
# registered pairs estimates it from MR; without pairs two translators are trained that undo each other (CycleGAN), and
# then nothing but the network's taste says where a tumour goes (J. P. Cohen et al. showed tumours that were added and
# removed in this way). The test is the dose computed, never the look. Diffusion models have replaced GANs in much of
# this; each question of this lesson is to be asked of them, too.
#
# **Rules.**
#
# * Never show a generated or translated image as a patient's image. Mark it *in the pixels* and in the header (in DICOM
#   the image type says DERIVED), keep the original beside it, and decide on the original.
# * The **label** of a generated image is a wish: nobody has examined that patient. Test only on real images.
# * A generator is made of its patients. Section 4's test belongs before every release, and passing it is no proof of
#   privacy; a proof needs noise in the training itself (differential privacy, lesson 20).
# * Say how it was measured what is erased and invented, with lesions whose place is known.

# %% [markdown] tags=["zh"]
# ## 11 展望，以及绝不能做的事
#
# **MR → CT。** 放疗需要衰减值（亨氏单位），又希望省掉一次 CT。用配准好的图像对训练翻译网络，可以由 MR 估计它；没有图
# 像对时，训练两个互为逆操作的翻译网络（CycleGAN），这时肿瘤放在哪里，全凭网络的“口味”（J. P. Cohen 等人展示过肿瘤就这
# 样被加上、被去掉）。检验的标准是算出来的剂量，绝不是好不好看。如今扩散模型在许多地方取代了 GAN，本课的每个问题，对它
# 们同样要问。
#
# **规矩。**
#
# * 绝不把生成或翻译出来的图像当作患者的图像给人看。标记要写**进像素里**，也要写进文件头（DICOM 的图像类型注明
#   DERIVED）；原图放在旁边，凭原图做决定。
# * 生成图像的**标签**只是一个愿望：没有人检查过那位“患者”。测试只能用真实图像。
# * 生成器是由它的患者做成的。每次发布之前都要做第 4 节的检验；通过了也不等于证明了隐私安全，要证明，得在训练里加噪声
#   （差分隐私，第 20 课）。
# * 要说明怎样测量抹掉了什么、捏造了什么，而且要用位置已知的病灶来测。

# %% [markdown] tags=["en"]
# ## 12 What the introductions leave out
#
# Introductions name the uses of GANs in one sentence and print no program for them. Read as a reviewer:
#
# | statement | what is wrong or missing | mended |
# |---|---|---|
# | "generates data similar to real data" | by which measure, and to training or to new data? | sections 2 to 4 |
# | "mainly for generation and translation" | translation needs a source and pairs, not noise | section 8 |
# | "repeat until convergence" | two losses need not settle; stop by a measured figure | best PSNR on validation |
# | samples drawn at the end as the only result | a picture is no measurement; copies look best | section 4 |
# | more data by generation | no information is added | section 6 |
# | nothing on errors | erased and invented findings | section 9 |

# %% [markdown] tags=["zh"]
# ## 12 入门文章没说的
#
# 入门文章用一句话带过 GAN 的用途，并不给出程序。以审稿人的眼光来读：
#
# | 说法 | 错在哪里，缺了什么 | 本课的做法 |
# |---|---|---|
# | “生成类似于真实数据的假数据” | 用什么量度算类似？像训练数据还是像新数据？ | 第 2 至 4 节 |
# | “主要应用于图像生成和图像翻译” | 翻译要有源图，还要有图像对；只吃噪声的生成器做不了 | 第 8 节 |
# | “重复上述步骤，直到收敛” | 两个角色的损失未必稳定；应按验证集上量得的数停下 | 取 PSNR 最好的一轮 |
# | 最后画几个样本就算结果 | 画图不是测量；照抄的最好看 | 第 4 节 |
# | 用生成来增加数据 | 信息没有增加 | 第 6 节 |
# | 不谈错误 | 病灶被抹掉、被捏造 | 第 9 节 |

# %% [markdown] tags=["en"]
# ## 13 Limits
#
# * Generated chests of 32 × 32 pixels, small networks, minutes of training: the *questions* carry over, the figures do
#   not.
# * "Real" meant the course's image generator throughout. Its opacities are soft and large; small, sharp
#   findings are lost sooner.
# * One training run each. Section 6 should be repeated with several seeds before anyone builds on it (exercise 4).
# * The features of section 2 come from a network for children's films; a distance in them is a distance *in them*.

# %% [markdown] tags=["zh"]
# ## 13 局限
#
# * 32 × 32 的生成胸片、小网络、几分钟的训练：可以搬走的是**问题**，不是数字。
# * 本课的“真实”始终指课程的图像生成器。它的阴影又软又大；小而锐利的病灶会丢得更早。
# * 每种设置只训练了一次。第 6 节的结论要换几个种子重做，才能拿去用（练习 4）。
# * 第 2 节的特征来自一个看儿童胸片的网络；用它量出的距离，只是**在它眼里**的距离。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. One feature: sample a has mean 1 and standard deviation 2, sample b mean 4 and standard deviation 6. Fréchet
#    distance?
# 2. Half of the pixels are right, the others wrong by 0.2. PSNR in dB (one decimal)?
# 3. In the same noise five patients look alike: 0.1, 0.1, 0.3, 0.7, 0.8. Which value does L1 give?
# 4. Without a check: repeat section 6 with three other seeds. Does the order stay?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 一个特征：样本 a 均值 1、标准差 2，样本 b 均值 4、标准差 6。Fréchet 距离是多少？
# 2. 一半像素完全正确，另一半错 0.2。PSNR 是多少 dB（保留一位小数）？
# 3. 五位患者在同样的噪声下看起来一样：0.1、0.1、0.3、0.7、0.8。L1 会给出哪个值？
# 4. 不设检查：换三个种子重做第 6 节，次序变不变？

# %%
distance_by_hand = None  # exercise 1
assert distance_by_hand in (None, (1 - 4) ** 2 + (2 - 6) ** 2), "squares of the differences of means and deviations"

# %%
ratio = None  # exercise 2
assert ratio is None or abs(ratio - 10 * np.log10(1 / 0.02)) < 0.06, "the mean square is 0.04 / 2"

# %%
answer = None  # exercise 3
assert answer in (None, float(np.median([0.1, 0.1, 0.3, 0.7, 0.8]))), "as many signs up as down"

# %% [markdown] tags=["en"]
# ## Summary
#
# * The Fréchet distance compares means and covariances of features; it is biased with few images, blind to copies, to
#   what its network ignores, and to single images.
# * Memorisation is measured by nearest neighbours, against new real images.
# * A generator makes images, not information: here classical augmentation helped and generated images did not.
# * PSNR and SSIM do not see a lost lesion. L1 erases the rare, the adversarial loss is sharper and less faithful.
# * A translator fills gaps with its training set: what it has not seen it erases, what it expects it draws.
#
# ## To think about
#
# 1. A generator passes the neighbour test in pixels. Give two ways in which it could still reveal a patient.
# 2. Which patients are harmed first by a noise remover that was trained on what is frequent?
# 3. You are shown a paper: "adding 10 000 generated images raised AUC from 0.81 to 0.84". Which three columns do you
#    ask for?
#
# ## Sources
#
# * M. Heusel et al., *GANs trained by a two time-scale update rule …*, NeurIPS 2017 (Fréchet distance); M. J. Chong,
#   D. Forsyth, *Effectively unbiased FID and inception score*, CVPR 2020.
# * P. Isola et al., *Image-to-image translation with conditional adversarial networks*, CVPR 2017.
# * O. Ronneberger, P. Fischer, T. Brox, *U-Net*, MICCAI 2015.
# * Z. Wang et al., *Image quality assessment: from error visibility to structural similarity*, IEEE TIP 13 (2004).
# * J. P. Cohen, M. Luck, S. Honari, *Distribution matching losses can hallucinate features in medical image
#   translation*, MICCAI 2018.
# * A. Odena, V. Dumoulin, C. Olah, *Deconvolution and checkerboard artifacts*, Distill 2016.
# * Code: [`mediml/evaluation/generation.py`](../../mediml/evaluation/generation.py),
#   [`mediml/evaluation/image_quality.py`](../../mediml/evaluation/image_quality.py),
#   [`mediml/models/pix2pix.py`](../../mediml/models/pix2pix.py),
#   [`mediml/models/unet.py`](../../mediml/models/unet.py),
#   [`mediml/data/noise.py`](../../mediml/data/noise.py),
#   [`kernels/upsampling/reference.py`](../../kernels/upsampling/reference.py),
#   [`kernels/upsampling/cpu.py`](../../kernels/upsampling/cpu.py). On the command line: `mediml train pix2pix`. Terms:
#   [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * Fréchet 距离比较特征的均值和协方差；图像少时偏大，看不见抄袭，看不见它的网络不在意的东西，也看不见单幅图像。
# * 是否死记硬背，用最近邻来量，并以全新的真实图像为对照。
# * 生成器造的是图像，不是信息：在这里，经典的数据增强有用，生成的图像没有用。
# * PSNR 与 SSIM 看不见丢失的病灶。L1 抹掉少见的；对抗损失更清晰，却更不忠实。
# * 翻译网络用训练集来填补空白：没见过的，它抹掉；它期待的，它画上。
#
# ## 思考题
#
# 1. 某生成器通过了像素上的最近邻检验。举出它仍可能泄露患者的两种途径。
# 2. 一个用常见病例训练出来的去噪网络，最先受害的是哪些患者？
# 3. 有论文说：“加入一万幅生成图像，AUC 从 0.81 升到 0.84”。你会要求补上哪三列？
#
# ## 资料
#
# * M. Heusel 等, *GANs trained by a two time-scale update rule …*, NeurIPS 2017（Fréchet 距离）；M. J. Chong,
#   D. Forsyth, *Effectively unbiased FID and inception score*, CVPR 2020。
# * P. Isola 等, *Image-to-image translation with conditional adversarial networks*, CVPR 2017。
# * O. Ronneberger, P. Fischer, T. Brox, *U-Net*, MICCAI 2015。
# * Z. Wang 等, *Image quality assessment: from error visibility to structural similarity*, IEEE TIP 13 (2004)。
# * J. P. Cohen, M. Luck, S. Honari, *Distribution matching losses can hallucinate features in medical image
#   translation*, MICCAI 2018。
# * A. Odena, V. Dumoulin, C. Olah, *Deconvolution and checkerboard artifacts*, Distill 2016。
# * 代码：[`mediml/evaluation/generation.py`](../../mediml/evaluation/generation.py)、
#   [`mediml/evaluation/image_quality.py`](../../mediml/evaluation/image_quality.py)、
#   [`mediml/models/pix2pix.py`](../../mediml/models/pix2pix.py)、
#   [`mediml/models/unet.py`](../../mediml/models/unet.py)、
#   [`mediml/data/noise.py`](../../mediml/data/noise.py)、
#   [`kernels/upsampling/reference.py`](../../kernels/upsampling/reference.py)、
#   [`kernels/upsampling/cpu.py`](../../kernels/upsampling/cpu.py)。命令行：`mediml train pix2pix`。术语：
#   [术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
