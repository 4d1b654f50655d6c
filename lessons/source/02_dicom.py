# %% [markdown] tags=["en"]
# # 02 · DICOM and geometry: what the numbers mean, and where they lie
#
# A nodule of 8 mm in the right upper lobe. Four statements are in that sentence: *how dense*, *how large*, *where*,
# *which side*. None of them is in the pixels alone. All four come from a few attributes of the file, and each of them
# can be read wrongly without any error message: the picture still looks like a picture.
#
# **After this lesson you can** go from the stored number to the grey on the screen in the order of the standard; show
# by a measurement what each skipped step does; turn row and column into millimetres in the patient; order the slices of
# a series and notice that one is missing; say left and right without guessing; and hand on a file that names nobody.
#
# **Time:** 70 minutes. **You need:** lesson 01. The files are in packages that are installed anyway.

# %% [markdown] tags=["zh"]
# # 02 · DICOM 与几何：数字的含义，像素的位置
#
# “右肺上叶 8 mm 结节”——一句话里有四个判断：**多密**、**多大**、**在哪里**、**哪一侧**。单看像素，一个也得不出；它们全
# 靠文件里的几个属性。而每个属性都可能读错，又不会有任何报错：图像看上去照样是一幅图像。
#
# **学完本课，你能够**按标准规定的次序，从存储值一步步走到屏幕上的灰度；用测量说明漏掉每一步的后果；把行号、列号换算成
# 患者体内的毫米；给一个序列的切片排好次序，并发现少了一张；说左说右都有依据；交出一份不指名道姓的文件。
#
# **用时**：70 分钟。**先修**：第 01 课。所用文件都在已安装的软件包里。

# %% [markdown] tags=["en"]
# ## 1 A file is a list of attributes
#
# Each attribute has a tag (group, element), a type of value (VR) and a value; the pixels are only the last of them.
# Below, of a real CT slice: six attributes that the pixels need, and how many of each kind the file has.

# %% [markdown] tags=["zh"]
# ## 1 文件就是一张属性表
#
# 每个属性有标签（组号、元素号）、值的类型（VR）和值；像素不过是其中最后一个。下面取一张真实的 CT 切片：先看像素离不开
# 的六个属性，再数一数文件里各类属性有多少。

# %%
import tempfile
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from mediml.data.catalog import packaged_file

# %%
from mediml.imaging import (
    Pseudonyms,
    SeriesError,
    WindowView,
    deidentify_files,
    read_image,
    read_nifti,
    read_series,
    reorient,
    window,
    write_nifti,
    write_series,
)

# %%
from mediml.imaging.phantoms.ct import chest_ct
from mediml.imaging.phantoms.findings import Nodule
from mediml.imaging.phantoms.thorax import make_thorax
from mediml.plots import show_images, show_numbers, show_source
from mediml.viewer import show_static

# %%
header = pydicom.dcmread(packaged_file("ct_small"), stop_before_pixels=True)
for keyword in ("Modality", "Rows", "RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagePositionPatient"):
    print(f"{header[keyword].tag}  {header[keyword].VR}  {keyword:21} {header[keyword].value}")
print(dict(Counter(element.VR for element in header).most_common(6)), "of", len(header))

# %% [markdown] tags=["en"]
# About fifty of them describe the picture and how to show it. The other two hundred are texts, dates and private
# attributes (odd group numbers, meaning known to the maker only): of the patient, the staff and the machine. Section 9
# comes back to them. First the numbers.
#
# ## 2 From the stored number to the screen: four steps, in this order
#
# stored value → **modality** (physical value) → **VOI** (window) → **presentation** (polarity)
#
# $$ x = m\,s + b $$
#
# $$ y = \min\!\left(1,\ \max\!\left(0,\ \frac{x - (c - \frac12)}{w - 1} + \frac12\right)\right) $$
#
# | symbol | meaning | attribute | in the code |
# |---|---|---|---|
# | $s$ | stored whole number | Pixel Data (7FE0,0010) | `image.stored` |
# | $m, b$ | slope and intercept | Rescale Slope, Intercept (0028,1053), (0028,1052) | applied by `read_image` |
# | $x$ | physical value, for CT in HU: air −1000, water 0 | – | `image.values`, `image.units` |
# | $c, w$ | centre and width of the window | Window Center, Width (0028,1050), (0028,1051) | `WindowView` |
# | $y$ | 0 black … 1 white | – | `image.display()` |
#
# **By hand.** $s = 1064$, $m = 1$, $b = -1024$: $x = 40$ HU, soft tissue. In the window 40/400: $y = (40 - 39.5)/399 +
# 0.5 = 0.50125$. And **before you run**: which values of $x$ come out as exactly 0 and exactly 1, and how many whole
# numbers lie from the one to the other?

# %% [markdown] tags=["zh"]
# 其中约五十个描述图像以及怎样显示它。其余二百个是文本、日期和私有属性（组号为奇数，含义只有厂家知道），讲的是患者、医
# 护人员和机器。这些留到第 9 节。先看数字。
#
# ## 2 从存储值到屏幕：四步，次序不能乱
#
# 存储值 → **模态变换**（物理值）→ **VOI**（窗）→ **显示变换**（黑白极性）
#
# $$ x = m\,s + b $$
#
# $$ y = \min\!\left(1,\ \max\!\left(0,\ \frac{x - (c - \frac12)}{w - 1} + \frac12\right)\right) $$
#
# | 符号 | 含义 | 属性 | 代码中的名字 |
# |---|---|---|---|
# | $s$ | 存储的整数 | Pixel Data (7FE0,0010) | `image.stored` |
# | $m, b$ | 斜率与截距 | Rescale Slope, Intercept (0028,1053), (0028,1052) | 由 `read_image` 完成 |
# | $x$ | 物理值；CT 以 HU 为单位：空气 −1000，水 0 | – | `image.values`, `image.units` |
# | $c, w$ | 窗位与窗宽 | Window Center, Width (0028,1050), (0028,1051) | `WindowView` |
# | $y$ | 0 为黑，1 为白 | – | `image.display()` |
#
# **手算一遍**：$s = 1064$，$m = 1$，$b = -1024$，于是 $x = 40$ HU，是软组织。取窗位 40、窗宽 400：
# $y = (40 - 39.5)/399 + 0.5 = 0.50125$。**先猜，再运行**：$x$ 取哪个整数时 $y$ 恰好为 0，取哪个时恰好为 1？从前者到后
# 者一共有多少个整数？

# %%
guess = None  # three whole numbers
x = np.arange(-165, 246)
y = window(x, center=40, width=400)
black, white = x[y == 0].max(), x[y == 1].min()
print(f"black up to {black} HU, white from {white} HU: {white - black + 1} whole numbers")
print(f"40 HU: {float(window(40.0, 40, 400)):.5f}")
assert white - black + 1 == 400 and np.isclose(window(40.0, 40, 400), 0.50125)

# %% [markdown] tags=["en"]
# A window of width 400 holds 400 whole numbers: that is where the half and the one in the formula come from. Many
# programs write $(x - (c - w/2))/w$ instead. The difference is half a grey level in a wide window and a whole picture
# in a narrow one:

# %% [markdown] tags=["zh"]
# 窗宽 400，窗里就恰好有 400 个整数：公式里的 ½ 和 1 由此而来。不少程序却写成 $(x - (c - w/2))/w$。窗很宽时，差别只有半
# 个灰度级；窗很窄时，就是另一幅图像：

# %%
show_source(window)

# %%
narrow = np.array([[0, 1, 2, 3, 4]])
naive = np.clip((narrow - (2 - 2 / 2)) / 2, 0, 1)
right = window(narrow, center=2, width=2)
alt = ("Values 0 to 4; naive formula: 0, 0, .5, 1, 1; the standard's: 0, 0, 1, 1, 1.",
       "数值 0 到 4；天真公式给出 0、0、.5、1、1；标准公式给出 0、0、1、1、1。")  # fmt: skip
show_numbers({"$x$": narrow, "$(x-(c-w/2))/w$": naive, "$y$": right}, alt, digits=1)
assert right.tolist() == [[0, 0, 1, 1, 1]] and naive.tolist() == [[0, 0, 0.5, 1, 1]]

# %% [markdown] tags=["en"]
# ## 3 One slice, three windows
#
# A CT slice of a head (`ct_slice`) spans thousands of HU, a screen shows 256 greys, an eye tells fewer. The windows of
# a file are *alternatives*, never to be applied one after the other. Width 80 around 40 HU for the brain, 1800 for
# bone, and the whole range.

# %% [markdown] tags=["zh"]
# ## 3 一张切片，三个窗
#
# 一张头部 CT（`ct_slice`）的数值跨越数千 HU，屏幕只有 256 级灰度，眼睛能分辨的更少。文件里给出的几个窗是**供选择的**，
# 绝不能一个接一个地叠着用。看脑组织用窗位 40、窗宽 80，看骨用窗宽 1800，再看全部范围。

# %%
head = read_image(packaged_file("ct_slice"))
views = {"40 / 80": WindowView(40, 80), "400 / 1800": WindowView(400, 1800), "-1000 / 4000": WindowView(-1000, 4000)}
shown = {title: head.display(view)[::2, ::2] for title, view in views.items()}
alt = ("Head CT in three windows: brain, bone, and the whole range with the scanner's circle.",
       "同一张头部 CT 的三个窗：脑窗、骨窗、全范围；全范围里能看到扫描视野的圆。")  # fmt: skip
show_images(shown, alt, limits=(0, 1))
for step in head.account:
    print("·", step)
assert head.units == "HU" and np.isclose(shown["40 / 80"].max(), 1)

# %% [markdown] tags=["en"]
# The dark and bright blocks along the skull in the narrow window are no anatomy: this file went through lossy
# compression once (`head.facts["lossy"]` says so), and a window of 80 HU shows it.
#
# The last lines are the image's *account*: what was done to the pixels, in order. Whoever hands you an array without
# such an account owes you four answers.
#
# ## 4 Trap labs: each step left out, and the check that catches it
#
# **4.1 No rescale.** "Body is what is above −500 HU" on the stored numbers of a CT from another machine, whose
# intercept is −1024 and whose pixels are unsigned.

# %% [markdown] tags=["zh"]
# 窄窗里颅骨内侧那些黑白方块不是解剖结构：这个文件曾被有损压缩（`head.facts["lossy"]` 写明了），80 HU 的窗把它暴露出
# 来。
#
# 最后几行是图像的**账目**：对像素依次做过什么。谁要是交给你一个没有账目的数组，就还欠你四个答案。
#
# ## 4 陷阱实验：漏掉一步会怎样，怎样查出来
#
# **4.1 漏掉模态变换。** “高于 −500 HU 的就是身体”——把这条规则直接用在另一台 CT 的存储值上；那台机器的截距是 −1024，像
# 素为无符号数。

# %%
body = read_image(packaged_file("ct_small"))
wrong, right = body.stored > -500, body.values > -500
alt = ("A CT slice, the mask from stored values, which is everything, and the one from HU.",
       "一张 CT 切片；用存储值得到的掩膜覆盖了全部像素；用 HU 得到的掩膜只覆盖身体。")  # fmt: skip
show_images({"$x$": body.display(), "$s > -500$": wrong, "$x > -500$": right}, alt, limits=(0, 1))
print(f"stored: {wrong.mean():.0%} of the pixels are body; HU: {right.mean():.0%}")
print("lowest stored value:", body.stored.min(), "- in HU:", int(body.values.min()), body.units)
assert wrong.all() and not right.all()

# %% [markdown] tags=["en"]
# *The check:* ask for the unit. `image.units` is `"HU"` or it is not, and a CT without air near −1000 HU is a CT that
# nobody rescaled.
#
# **4.2 Arithmetic in the file's own type.** Stored numbers are often unsigned. Subtract 1024 from 1000 in 16 unsigned
# bits: what do you expect?

# %% [markdown] tags=["zh"]
# **怎么查**：先问单位。`image.units` 要么是 `"HU"`，要么不是；一张 CT 里若没有接近 −1000 HU 的空气，就是没人做过模态变
# 换。
#
# **4.2 用文件自己的类型做减法。** 存储值往往是无符号数。在 16 位无符号数里，1000 减 1024 等于多少？

# %%
stored = np.array([[1000, 1024, 1064]], np.uint16)
wrapped = stored - np.uint16(1024)
right = stored.astype(np.float32) - 1024
print("unsigned:", wrapped.tolist(), " as it should be:", right.tolist())
assert wrapped[0, 0] == 65512 and right[0, 0] == -24

# %% [markdown] tags=["en"]
# Fat became denser than any metal, silently. *The check:* the range. No tissue has 60000 HU.
#
# **4.3 Padding.** The scanner's field of view is a circle; the corners are filled with a number that was never
# measured. **Predict**: by how much does the mean of the slice change when the circle's outside is left in?

# %% [markdown] tags=["zh"]
# 脂肪一声不响地变得比任何金属都“密”。**怎么查**：看取值范围。没有组织能到 60000 HU。
#
# **4.3 填充值。** 扫描视野是一个圆，四角填的数从未测量过。**先猜**：把圆外也算进去，整张切片的均值会差多少？

# %%
rows, columns = np.indices(head.shape)
circle = np.hypot(rows - 255.5, columns - 255.5) < 250
print("padding as the file says it:", int(head.padding.sum()), "pixels; outside the circle:", int((~circle).sum()))
print(f"below -1024 HU, which nothing can be: {np.mean(head.values < -1024):.0%} of the slice")
print(f"mean of all: {head.values.mean():.0f} HU, inside: {head.values[circle].mean():.0f} HU")
assert head.values[circle].mean() - head.values.mean() > 500

# %% [markdown] tags=["en"]
# Two lessons in one. Statistics over all pixels are statistics of the padding. And the file's own Pixel Padding Value
# catches only a few hundred pixels here: the file was compressed with loss once, and the padding no longer holds one
# number. Trust the attribute, *and* check the range.
#
# **4.4 Polarity.** In MONOCHROME1 the lowest value is white. The chest film of this course is such a file. On the left,
# its numbers drawn as they come; on the right, with the last step of the chain.

# %% [markdown] tags=["zh"]
# 一举两得。其一，对全部像素做统计，统计的其实是填充值。其二，文件自己声明的 Pixel Padding Value 在这里只抓到几百个像
# 素：这个文件曾被有损压缩，填充区里已不再是同一个数。属性要信，范围**也要**查。
#
# **4.4 黑白极性。** MONOCHROME1 的意思是：最小的值显示为白。本课程的胸片正是这种文件。左边按原数直接画出，右边走完了最
# 后一步。

# %%
film = read_image(packaged_file("chest_xray"))
span = float(np.ptp(film.stored))
raw = (film.stored - np.float32(film.stored.min())) / span
alt = ("The chest film drawn from its stored numbers is a negative; displayed rightly, bones are white.",
       "直接按存储值画出的胸片是负片；正确显示时，骨骼是白的。")  # fmt: skip
show_images({"$s$": raw[::8, ::8], "$y$": film.display()[::8, ::8]}, alt, limits=(0, 1))
places = {"air": np.s_[5:25, 5:25], "lung": np.s_[560:760, 420:620], "spine": np.s_[900:1100, 880:960]}
for name, place in places.items():
    print(f"{name:5}  stored {raw[place].mean():.2f}   displayed {film.display()[place].mean():.2f}")
assert film.inverted and film.display()[places["spine"]].mean() > 0.8 > raw[places["spine"]].mean()

# %% [markdown] tags=["en"]
# A person sees the negative at once. A network does not complain: trained on one polarity and asked about the other, it
# answers with the same confidence. *The check:* air outside the body is
# darker than lung, lung darker than spine.
#
# ## 5 From row and column to millimetres
#
# $$ P(r, c) = P_0 + r\,\Delta_r\,\mathbf{v} + c\,\Delta_c\,\mathbf{u} $$
#
# | symbol | meaning | attribute |
# |---|---|---|
# | $P_0$ | centre of the first pixel, mm | Image Position (Patient) (0020,0032) |
# | $\mathbf{u}$ | where the *column index* leads, along a row | the first three of Image Orientation (0020,0037) |
# | $\mathbf{v}$ | where the *row index* leads, down a column | its last three |
# | $\Delta_r, \Delta_c$ | distance between rows, between columns | Pixel Spacing (0028,0030), **in this order** |
#
# The coordinates are the patient's: $x$ grows to the patient's **l**eft, $y$ to the back (**p**osterior), $z$ to the
# head (**s**uperior): LPS.
#
# **By hand.** Spacing $0.5 \backslash 2$; the ends of a lesion at pixel $(0, 0)$ and $(6, 2)$. Rows: $6 \cdot 0.5 = 3$
# mm, columns: $2 \cdot 2 = 4$ mm, so $\sqrt{3^2 + 4^2} = 5$ mm. Whoever reads Pixel Spacing as $(x, y)$ gets …?

# %% [markdown] tags=["zh"]
# 人一眼就能看出负片，网络却不吭声：用一种极性训练，拿另一种极性去问，它照样自信地作答。**怎么查**：体外空气比肺暗，肺
# 比脊柱暗。
#
# ## 5 从行号、列号到毫米
#
# $$ P(r, c) = P_0 + r\,\Delta_r\,\mathbf{v} + c\,\Delta_c\,\mathbf{u} $$
#
# | 符号 | 含义 | 属性 |
# |---|---|---|
# | $P_0$ | 第一个像素的中心，mm | Image Position (Patient) (0020,0032) |
# | $\mathbf{u}$ | **列号**增大的方向，即沿着一行走 | Image Orientation (0020,0037) 的前三个数 |
# | $\mathbf{v}$ | **行号**增大的方向，即沿着一列往下走 | 它的后三个数 |
# | $\Delta_r, \Delta_c$ | 相邻两行、相邻两列的距离 | Pixel Spacing (0028,0030)，**就是这个次序** |
#
# 坐标是患者的坐标：$x$ 指向患者的左（L），$y$ 指向背（P），$z$ 指向头（S），合称 LPS。
#
# **手算一遍**：像素间距 $0.5 \backslash 2$，病灶两端位于像素 $(0, 0)$ 与 $(6, 2)$。行方向 $6 \cdot 0.5 = 3$ mm，列方向
# $2 \cdot 2 = 4$ mm，所以 $\sqrt{3^2 + 4^2} = 5$ mm。要是把 Pixel Spacing 当成 $(x, y)$，会得到多少？

# %%
guess = None  # mm
ends = np.array([[0, 0], [6, 2]])
for name, spacing in (("(row, column)", (0.5, 2.0)), ("read as (x, y)", (2.0, 0.5))):
    print(f"{name:15} {np.linalg.norm((ends[1] - ends[0]) * spacing):.1f} mm")
assert np.isclose(np.linalg.norm((ends[1] - ends[0]) * (0.5, 2.0)), 5)

# %%
rows, columns = np.indices((40, 10))
disc = np.hypot((rows - 19.5) * 0.5, (columns - 4.5) * 2.0) < 8  # a round lesion of 16 mm
round_one = (
    "A round lesion of 16 mm, drawn with its spacing in the right order.",
    "圆形病灶，直径 16 mm，间距次序正确。",
)
squeezed = (
    "The same pixels with the spacing swapped: 64 mm high, 4 mm wide.",
    "同样的像素，间距颠倒：高 64 mm，宽 4 mm。",
)
show_images({"(0.5, 2)": disc}, round_one, spacing_mm=(0.5, 2.0), size=1.4)
show_images({"(2, 0.5)": disc}, squeezed, spacing_mm=(2.0, 0.5), size=0.3)
assert abs(disc.sum() * 0.5 * 2.0 - np.pi * 8**2) < 10  # the area does not notice

# %% [markdown] tags=["en"]
# 5 mm or 12 mm: on the lung, the difference between "look again in a year" and "now". Most scanners write square
# pixels, so the mistake sleeps until the first image that has none. For X-ray films there is one more: **Imager** Pixel
# Spacing is measured on the detector, and the body, which stands before it, is magnified. `image.spacing_at` tells the
# two apart, and our film gives none at all:

# %% [markdown] tags=["zh"]
# 5 mm 还是 12 mm：放在肺上，就是“一年后复查”与“立即处理”之别。大多数设备的像素是正方形，这个错误便一直潜伏着，直到遇上
# 第一幅不是正方形的图像。X 光片还有一处：**Imager** Pixel Spacing 是在探测器上量的，身体在探测器前面，成像被放大了。
# `image.spacing_at` 把二者区分开；而我们这张胸片干脆没有给出间距：

# %%
for name in ("ct_small", "mr_small", "chest_xray"):
    image = read_image(packaged_file(name))
    print(f"{name:10} spacing {image.spacing_mm}, measured at: {image.spacing_at}, doubts: {len(image.doubts)}")
print("·", image.doubts[0])
assert image.spacing_mm is None

# %% [markdown] tags=["en"]
# ## 6 A series: order the slices by where they lie
#
# A CT is a folder of files. Their names, and even Instance Number, are the order in which somebody wrote them. The
# place is in the positions, and one number per slice is enough: how far along the normal of the slices it lies.
#
# $$ d = P_0 \cdot \mathbf{n}, \qquad \mathbf{n} = \mathbf{u} \times \mathbf{v} $$
#
# The spacing between slices is the difference of two such $d$, **not** Slice Thickness: slices may overlap or leave
# gaps. Here is a chest from the course's phantom (lesson 01), 3 mm between slices, with a nodule in the **right** lung.
# It is written as DICOM under names that mean nothing, as they come from many archives.

# %% [markdown] tags=["zh"]
# ## 6 一个序列：按位置给切片排序
#
# 一次 CT 检查是满满一文件夹的文件。文件名，乃至 Instance Number，只反映写文件的先后。位置藏在坐标里；每张切片只要一个
# 数：它沿切片法线走了多远。
#
# $$ d = P_0 \cdot \mathbf{n}, \qquad \mathbf{n} = \mathbf{u} \times \mathbf{v} $$
#
# 层间距是两个 $d$ 之差，**不是** Slice Thickness（层厚）：切片可能重叠，也可能留有空隙。下面是课程的胸部体模（第 01
# 课），层间距 3 mm，**右**肺有一个结节。把它写成 DICOM，文件名毫无意义——许多归档系统导出来的正是这样。

# %%
thorax = make_thorax(4, 0, [Nodule(diameter_mm=24, side="right")])
height = round(thorax.findings[0].centre_mm[2])  # of the nodule, in mm
scan = chest_ct(thorax, seed=4, size=112, slices=24, range_mm=(height - 36, height + 36), method="direct")
chest = scan.volume
print(chest.shape, "voxels of", tuple(round(v, 2) for v in chest.spacing_mm), "mm")

# %%
folder = Path(tempfile.mkdtemp())
files = write_series(folder / "series", chest)
order = np.random.default_rng(2).permutation(len(files))
for file, number in zip(files, order):
    file.rename(folder / "series" / f"IM{number:03d}")
print(len(files), "files; the first by name shows slice", int(np.argmin(order)))
assert sorted(order) == list(range(len(files)))

# %%
by_name = np.stack([read_image(file).values for file in sorted((folder / "series").iterdir())])
volume = read_series(folder / "series")
middle = chest.shape[1] // 2
lungs = WindowView(-600, 1500)
views = {"by name": by_name[::-1, middle], "by position": volume.values[::-1, middle]}
views = {title: lungs.apply(view) for title, view in views.items()}
alt = ("Coronal cut: with files by name a jumble of stripes, by position a chest.",
       "冠状面：按文件名排列是一片乱条纹，按位置排列才是胸部。")  # fmt: skip
spacing = (volume.spacing_mm[0], volume.spacing_mm[2])
show_images(views, alt, limits=(0, 1), spacing_mm=spacing, size=4.4)
print("shape", volume.shape, "spacing", np.round(volume.spacing_mm, 2), "mm, axes lead to", "".join(volume.axis_codes))
assert np.array_equal(volume.values, chest.values) and not np.array_equal(by_name, chest.values)

# %% [markdown] tags=["en"]
# The jumble is easy to see because the permutation is wild. With names `1, 10, 11, 2, …` it is a little less so, and a
# network that takes slices as channels will not see it at all.
#
# **A slice is missing.** Somebody lost a file in the middle. Stacked by a naive program, the patient becomes 3 mm
# shorter, and everything above the gap has moved. What should a reader do?

# %% [markdown] tags=["zh"]
# 这里打得很乱，一眼就能看出来。若文件名是 `1, 10, 11, 2, …`，就没那么显眼了；把切片当通道用的网络更是完全看不出来。
#
# **少了一张切片。** 中间丢了一个文件。天真的程序照样叠起来，患者便矮了 3 mm，缺口以上全部错位。读取程序该怎么做？

# %%
lost = sorted((folder / "series").iterdir(), key=lambda f: read_image(f).origin_mm[2])[len(files) // 2]
content = lost.read_bytes()
lost.unlink()
try:
    read_series(folder / "series")
except SeriesError as refusal:
    print(refusal)
filled = read_series(folder / "series", gaps="fill")
print("with gaps='fill':", filled.shape, "planes marked as padding:", int(filled.padding.all(axis=(1, 2)).sum()))
lost.write_bytes(content)
assert filled.shape == chest.shape and filled.padding[len(files) // 2].all()

# %% [markdown] tags=["en"]
# Refuse, and say why; go on only when the caller has asked for it, and mark what was not measured. The same holds for
# doubled slices, two series in one folder, slices of another size, and a tilted gantry (the slices shear against each
# other). Each is a refusal of `read_series` with its reason.
#
# ## 7 Which side is the heart on?
#
# On an axial slice the columns grow to the patient's left, so the patient's right is on the **left** of the screen, as
# if you stood at the patient's feet. Nothing in an array says so. Mirror it, and the picture is anatomically possible,
# in one person of ten thousand (situs inversus). The file says it: `axis_codes` names where each axis leads.

# %% [markdown] tags=["zh"]
# 拒绝，并说明理由；只有调用者明确要求，才继续往下走，并且把没有测量到的部分标出来。切片重复、一个文件夹里混着两个序
# 列、尺寸不一、机架倾斜（切片彼此错切），都是同样的处理：`read_series` 一概拒绝，并给出原因。
#
# ## 7 心脏在哪一边？
#
# 横断面上，列号朝患者的左边增大，于是患者的右侧在屏幕的**左边**，就像你站在患者脚端看过去。数组本身对此只字不提。左右
# 一翻，画面在解剖上仍说得通——一万人里确有一个（内脏反位）。依据在文件里：`axis_codes` 说明每个轴通向哪里。

# %%
nodule = np.argwhere(scan.mask(scan.findings[0].label)).mean(axis=0)  # plane, row, column
level = round(nodule[0])
axial = lungs.apply(volume.values[level])
alt = ("An axial chest slice and its mirror image; the nodule changes sides.",
       "胸部横断面及其左右翻转：结节换到了另一侧。")  # fmt: skip
show_images({"R | L": axial, "?": axial[:, ::-1]}, alt, limits=(0, 1), size=3)
place = volume.affine @ (*nodule, 1)
print("axes:", volume.axis_codes, " centre of the nodule, mm:", [round(float(v)) for v in place[:3]])
print("x is", "negative: the patient's right" if place[0] < 0 else "positive: the patient's left")
assert place[0] < 0 and volume.axis_codes[2] == "L"

# %% [markdown] tags=["en"]
# **The NIfTI trap.** Research software speaks NIfTI, whose coordinates are RAS: $x$ to the **right**, $y$ to the front.
# Between the two, $x$ and $y$ change sign. Below the same volume goes to a file and comes back through another
# library's eyes. **Predict** the three letters that nibabel gives for the file's axes, which are column, row, plane.

# %% [markdown] tags=["zh"]
# **NIfTI 陷阱。** 科研软件讲的是 NIfTI，它的坐标系是 RAS：$x$ 指向**右**，$y$ 指向前。两种坐标之间，$x$、$y$ 要变号。
# 下面把同一个体数据写成文件，再用另一个库的眼光来看。**先猜**：对文件的三个轴（列、行、层），nibabel 会给出哪三个字
# 母？

# %%
guess = None  # three letters of R L A P S I
write_nifti(folder / "chest.nii.gz", volume)
seen = nibabel.load(folder / "chest.nii.gz")
print("nibabel:", nibabel.aff2axcodes(seen.affine), " ours:", volume.axis_codes, "(H, head, is their S)")
back = read_nifti(folder / "chest.nii.gz")
assert np.allclose(sorted(back.values.ravel()[::997]), sorted(volume.values.ravel()[::997]))

# %% [markdown] tags=["en"]
# And **flips as augmentation**: mirroring a chest teaches a network that hearts may lie on the right. For a task with
# sides it is a lie about anatomy; `flip` in [`mediml/imaging/augmentation.py`](../../mediml/imaging/augmentation.py)
# refuses it unless you say that sides do not matter. Turning the *array* without lying is `reorient`: the axes change,
# and every voxel keeps its place in the patient.

# %% [markdown] tags=["zh"]
# 再说**翻转增强**：把胸部左右翻转，等于教网络“心脏也可能在右边”。任务若分左右，这就是对解剖撒谎；
# [`mediml/imaging/augmentation.py`](../../mediml/imaging/augmentation.py) 里的 `flip` 会拒绝，除非你声明左右无关紧要。
# 要换**数组**的方向又不撒谎，用 `reorient`：轴变了，每个体素在患者体内的位置不变。

# %%
turned = reorient(volume, "HPR")
there = volume.affine @ (*nodule, 1)
mirrored = (nodule[0], nodule[1], volume.shape[2] - 1 - nodule[2])
print("columns now lead to", turned.axis_codes[2], "- same place:", np.allclose(turned.affine @ (*mirrored, 1), there))
assert np.allclose(turned.affine @ (*mirrored, 1), there)

# %% [markdown] tags=["en"]
# ## 8 Look before you count
#
# The course's viewer writes one HTML file that needs no server: slices, window by mouse, pixel under the cursor in
# its unit and its place, histogram. On the command line: `mediml view FOLDER --out chest.html`. In a notebook, `show`
# gives sliders; its twin for paper is `show_static`.

# %% [markdown] tags=["zh"]
# ## 8 先看，再算
#
# 课程的查看器只写出一个 HTML 文件，不需要服务器：翻层、用鼠标调窗、显示光标处的物理值与位置、直方图。命令行：
# `mediml view FOLDER --out chest.html`。在笔记本里，`show` 给出滑块；它的静态版本是 `show_static`。

# %%
alt = ("The chest in three planes through the nodule, with orientation letters and a scale in HU.",
       "过结节的三个平面，带方位字母和 HU 刻度。")  # fmt: skip
show_static(volume, window="lung", alt=alt, at=tuple(round(float(v)) for v in nodule))
assert volume.values[tuple(np.rint(nodule).astype(int))] > -200

# %% [markdown] tags=["en"]
# ## 9 A file that names nobody
#
# A header names the patient in more places than anyone lists: names, dates, the referring physician, the station, free
# text, private attributes, the file's own name, and the picture itself where text is burned in. Deleting what one can
# think of leaves what one did not think of. So the other way round: a list of what **may stay**; everything else goes.
# Identifiers become a keyed hash, so that two files of one patient still belong together; dates move by one unknown
# number of days per patient.

# %% [markdown] tags=["zh"]
# ## 9 一份不指名道姓的文件
#
# 文件头里指向患者的地方，比谁列得出的都多：姓名、日期、送检医生、设备站名、自由文本、私有属性、文件名本身，还有直接“烧
# ”在画面上的字。想到什么删什么，没想到的就留下了。所以反过来：列一张**允许保留**的清单，其余一律去掉。标识符换成带密钥
# 的散列，同一患者的两个文件仍然对得上；日期则按患者整体平移一个无人知晓的天数。

# %%
key = Pseudonyms(bytes(range(32)))  # for the lesson; a real key is Pseudonyms() and kept elsewhere
outcome = deidentify_files(packaged_file("ct_small"), folder / "shared", key)
before, after = pydicom.dcmread(packaged_file("ct_small")), pydicom.dcmread(outcome.written[0])
for keyword in ("PatientName", "InstitutionName", "StudyDate", "RescaleIntercept", "PixelSpacing"):
    print(f"{keyword:17} {before.get(keyword)!s:24} -> {after.get(keyword)}")
private = [sum(element.tag.is_private for element in data.iterall()) for data in (before, after)]
print("attributes", len(before), "->", len(after), "  private", private[0], "->", private[1])
assert private[1] == 0 and np.array_equal(read_image(outcome.written[0]).values, body.values)

# %% [markdown] tags=["en"]
# The pixels are the same to the last bit. **What this does not do**: find text in the picture (so ultrasound and screen
# captures are refused unless you name the rectangle to black out), remove a face that can be rebuilt from a head scan,
# or replace a review: it is no certified implementation of the standard's profile. On the command line:
# `mediml deidentify FOLDER --out SHARED --key FILE`.

# %% [markdown] tags=["zh"]
# 像素逐位相同。**它做不到的**：发现画面里的字（所以超声和屏幕截图会被拒绝，除非你指明要涂掉的矩形），抹去能从头部扫描
# 重建出来的面孔，代替人工复核——它不是标准中那份规范的认证实现。命令行：
# `mediml deidentify FOLDER --out SHARED --key FILE`。

# %%
outcome = deidentify_files(packaged_file("ultrasound"), folder / "shared", key)
print(outcome.refused[0][1])
assert not outcome.written and len(outcome.refused) == 1

# %% [markdown] tags=["en"]
# ## 10 What to check in every new data set
#
# | what went wrong | how it looks | the check |
# |---|---|---|
# | no rescale | a picture | the unit; air near −1000 HU |
# | unsigned arithmetic | bright fat | no tissue above some thousand HU |
# | padding left in | a picture, wrong mean | values below −1024; the padding attribute |
# | polarity | a negative | air darker than lung, lung darker than spine |
# | spacing swapped | squeezed, or nothing to see | a known length in mm |
# | slices by name | stripes in a coronal cut | positions along the normal |
# | a slice lost | nothing to see | equal steps between positions |
# | left and right | a picture | axis codes; the heart's side |
# | names in the header | nothing to see | a list of what may stay |

# %% [markdown] tags=["zh"]
# ## 10 拿到新数据集先查什么
#
# | 错在哪里 | 看上去 | 怎么查 |
# |---|---|---|
# | 没做模态变换 | 是一幅图像 | 查单位；空气应接近 −1000 HU |
# | 无符号数运算 | 脂肪发亮 | 没有组织会高到几千 HU 以上 |
# | 填充值混入 | 是一幅图像，均值不对 | 有没有低于 −1024 的值；填充值属性 |
# | 极性反了 | 负片 | 空气比肺暗，肺比脊柱暗 |
# | 间距颠倒 | 被压扁，或者看不出 | 用已知长度核对毫米 |
# | 按文件名排切片 | 冠状面上有条纹 | 看沿法线的位置 |
# | 丢了一张切片 | 看不出 | 位置之间的步长是否相等 |
# | 左右颠倒 | 是一幅图像 | 轴的方向码；心脏在哪一侧 |
# | 文件头里有名字 | 看不出 | 允许保留的清单 |

# %% [markdown] tags=["en"]
# ## 11 Limits
#
# * A handful of files and one phantom: enough to show each trap, not to say how often it occurs.
# * Real archives hold more: enhanced multi-frame objects, presentation states, segmentations, structured reports. The
#   reader takes the first and refuses the rest by name.
# * The units of MR and ultrasound are arbitrary, and no attribute changes that (lesson 03).
# * The standard is long. What is quoted here is PS3.3 C.7.6.2, C.11.1, C.11.2 and PS3.15 E; when in doubt, read it.

# %% [markdown] tags=["zh"]
# ## 11 局限
#
# * 几个文件加一个体模：足以演示每个陷阱，不足以说明它有多常见。
# * 真实的归档里还有增强型多帧对象、显示状态、分割、结构化报告。前者能读，其余会点名拒绝。
# * MR 与超声的数值没有绝对单位，任何属性都改变不了这一点（第 03 课）。
# * 标准很长。本课引用的是 PS3.3 的 C.7.6.2、C.11.1、C.11.2 与 PS3.15 的附录 E；有疑问就去读原文。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. Stored 524, slope 2, intercept −1024. HU? And is it fat (about −100), water or muscle (about 50)?
# 2. Window LINEAR 0/101: which grey $y$ has 0 HU? (Three decimals.)
# 3. Three slices have $z = 10$, $12.5$ and $17.5$ mm. How many are missing, if the step is constant?
# 4. Row direction $(0, 1, 0)$, column direction $(0, 0, -1)$: which plane is it, axial, coronal or sagittal?
# 5. Without a check: write a series with one slice doubled, and read it with each of the choices of `duplicates`.

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 存储值 524，斜率 2，截距 −1024，等于多少 HU？是脂肪（约 −100）、水，还是肌肉（约 50）？
# 2. LINEAR 窗 0/101 里，0 HU 的灰度 $y$ 是多少（保留三位小数）？
# 3. 三张切片的 $z$ 为 10、12.5、17.5 mm。若步长不变，少了几张？
# 4. 行方向 $(0, 1, 0)$，列方向 $(0, 0, -1)$：这是横断面、冠状面还是矢状面？
# 5. 不设检查：写一个有重复切片的序列，用 `duplicates` 的各个选项分别读取。

# %%
hu = None  # exercise 1
assert hu in (None, 2 * 524 - 1024), "slope times stored, plus intercept: between water and muscle"

# %%
grey = None  # exercise 2
assert grey is None or abs(grey - 0.505) < 5e-4, "(0 - (0 - 0.5)) / (101 - 1) + 0.5"

# %%
missing = None  # exercise 3
assert missing in (None, 1), "steps of 2.5 and 5"

# %%
plane = None  # exercise 4
assert plane in (None, "sagittal"), "one axis leads to the back, the other to the feet: x is fixed"

# %% [markdown] tags=["en"]
# ## Summary
#
# * stored → modality → VOI → presentation. Every skipped step still gives a picture.
# * A LINEAR window of width $w$ holds $w$ whole numbers: hence the half and the one.
# * Position $= P_0 + r\,\Delta_r \mathbf{v} + c\,\Delta_c \mathbf{u}$; Pixel Spacing is (row, column).
# * Slices are ordered, and their distance measured, by position along the normal; what is irregular is refused.
# * LPS in DICOM, RAS in NIfTI; the patient's right is on the left of the screen.
# * De-identify by a list of what may stay, and know what that cannot see.
#
# ## To think about
#
# 1. Which of the nine mistakes would your favourite training script survive without an error, and which would raise
#    its accuracy?
# 2. A hospital sends windowed 8-bit PNGs "to make it easier". What can never be recovered?
# 3. Two studies of one patient are shifted by the same number of days. What does that still reveal?
#
# ## Sources
#
# * DICOM PS3.3 (C.7.6.2.1.1 position and orientation, C.7.6.3 pixels, C.11.1 modality LUT, C.11.2 VOI LUT), PS3.15 E.
# * O. S. Pianykh, *Digital Imaging and Communications in Medicine (DICOM)*, Springer 2012.
# * NIfTI-1 header (R. W. Cox et al., 2004).
# * M. Roberts et al., *Common pitfalls … for COVID-19 using chest radiographs and CT*, Nature Machine Intelligence 3
#   (2021).
# * Code: [`mediml/imaging/dicom.py`](../../mediml/imaging/dicom.py),
#   [`mediml/imaging/intensity.py`](../../mediml/imaging/intensity.py),
#   [`mediml/imaging/series.py`](../../mediml/imaging/series.py),
#   [`mediml/imaging/volume.py`](../../mediml/imaging/volume.py),
#   [`mediml/imaging/orientation.py`](../../mediml/imaging/orientation.py),
#   [`mediml/imaging/nifti.py`](../../mediml/imaging/nifti.py),
#   [`mediml/imaging/deidentify.py`](../../mediml/imaging/deidentify.py). Data:
#   [card](../../datasets/cards/pydicom_samples.md). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 存储值 → 模态变换 → VOI → 显示变换。漏掉哪一步，出来的都还是一幅图像。
# * 窗宽为 $w$ 的 LINEAR 窗恰好容纳 $w$ 个整数，公式里的 ½ 和 1 由此而来。
# * 位置 $= P_0 + r\,\Delta_r \mathbf{v} + c\,\Delta_c \mathbf{u}$；Pixel Spacing 的次序是（行，列）。
# * 切片的次序与间距，都由沿法线的位置决定；不规则的一律拒绝。
# * DICOM 用 LPS，NIfTI 用 RAS；患者的右侧在屏幕左边。
# * 去标识化靠“允许保留”的清单，并且要清楚它看不见什么。
#
# ## 思考题
#
# 1. 上面九种错误，哪些能让你手头的训练脚本毫无报错地跑完？哪些反而会让准确率变高？
# 2. 医院“为了方便”发来加过窗的 8 位 PNG。哪些东西再也找不回来？
# 3. 同一患者的两次检查平移了同样的天数。这仍会泄露什么？
#
# ## 资料
#
# * DICOM PS3.3（C.7.6.2.1.1 位置与方向、C.7.6.3 像素、C.11.1 模态 LUT、C.11.2 VOI LUT），PS3.15 附录 E。
# * O. S. Pianykh, *Digital Imaging and Communications in Medicine (DICOM)*, Springer 2012。
# * NIfTI-1 文件头（R. W. Cox 等, 2004）。
# * M. Roberts 等, *Common pitfalls … for COVID-19 using chest radiographs and CT*, Nature Machine Intelligence 3
#   (2021)。
# * 代码：[`mediml/imaging/dicom.py`](../../mediml/imaging/dicom.py)、
#   [`mediml/imaging/intensity.py`](../../mediml/imaging/intensity.py)、
#   [`mediml/imaging/series.py`](../../mediml/imaging/series.py)、
#   [`mediml/imaging/volume.py`](../../mediml/imaging/volume.py)、
#   [`mediml/imaging/orientation.py`](../../mediml/imaging/orientation.py)、
#   [`mediml/imaging/nifti.py`](../../mediml/imaging/nifti.py)、
#   [`mediml/imaging/deidentify.py`](../../mediml/imaging/deidentify.py)。数据：
#   [数据卡](../../datasets/cards/pydicom_samples.md)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
