# %% [markdown] tags=["en"]
# # 01 · Medical images: four machines, four physical quantities
#
# A woman of 63 coughs. Within a week she has an X-ray, a CT, an ultrasound of the liver and an MR of the head. Four
# pictures in grey, and in each of them grey means something else: how much radiation was *swallowed*, how strongly a
# spot *attenuates*, how fast protons *relax*, how loud an echo *comes back*. Whoever feeds them all to the same network
# as "pixels from 0 to 255" has thrown away the only thing that the machines had measured.
#
# **After this lesson you can** say for each modality which quantity a pixel holds, in which unit, and by which formula
# it came about; work out by hand the contrast and the noise of a nodule; and show, with a measurement for each, the
# five properties that make medical images difficult: size, several modalities, uneven intensity, low contrast, missing
# parts.
#
# **Time:** 60 minutes. **You need:** school physics; Python to read along. No download: real images come with
# installed packages, the others from the course's phantoms.

# %% [markdown] tags=["zh"]
# # 01 · 医学图像：四种机器，四种物理量
#
# 一位 63 岁的女士咳嗽不止，一周之内拍了 X 光片、做了 CT、查了肝脏超声、又做了头部磁共振。四幅都是灰度图，灰度的含义却
# 各不相同：射线被**吸收**了多少，某处**衰减**得多强，质子**弛豫**得多快，回波**返回**时有多响。谁要是把它们统统当作“0
# 到 255 的像素”喂给同一个网络，机器真正测到的东西就被扔掉了。
#
# **学完本课，你能够**说清每种模态的一个像素装的是什么量、什么单位、由哪条公式得来；亲手算出一个结节的对比度和噪声；并
# 且用测量逐一展示让医学图像难处理的五个特点：尺寸大、模态多、亮度不均、对比度低、信息不全。
#
# **用时**：60 分钟。**先修**：中学物理；能读懂 Python。无需下载：真实图像随已安装的软件包而来，其余出自课程的体模。

# %% [markdown] tags=["en"]
# ## 1 What a pixel holds
#
# | modality | what is measured | a pixel holds | unit | dimensions |
# |---|---|---|---|---|
# | X-ray (CR, DX) | radiation behind the body | sum of the attenuation along one ray | none | 2 |
# | CT | X-rays from many directions | attenuation at one place | HU | 3 |
# | MR | radio signal of protons | density and relaxation of protons, weighted | none | 3 |
# | ultrasound (US) | echo of a sound pulse | logarithm of the echo's loudness | dB below the loudest | 2, in time |
# | barium series (RF) | X-rays, the gut filled with contrast | as X-ray | none | 2, in time |
# | endoscopy, retina | visible light | red, green, blue | none | 2 |
#
# Lists of modalities often name "MRI" and "nuclear magnetic resonance" side by side: they are one and the same, the
# word *nuclear* was dropped because it frightened patients. Below, four real images that come with this course's
# dependencies: chest X-ray, head CT, shoulder MR, ultrasound.

# %% [markdown] tags=["zh"]
# ## 1 一个像素里装着什么
#
# | 模态 | 测量什么 | 一个像素的含义 | 单位 | 维数 |
# |---|---|---|---|---|
# | X 光片（CR、DX） | 身体后方的射线 | 沿一条射线的衰减之和 | 无 | 2 |
# | CT | 多个方向的 X 射线 | 某一处的衰减 | HU | 3 |
# | 磁共振（MR） | 质子发出的射频信号 | 质子密度与弛豫的加权 | 无 | 3 |
# | 超声（US） | 声脉冲的回波 | 回波强度的对数 | 低于最强回波的 dB | 2，随时间 |
# | 钡剂造影（RF） | X 射线，肠腔内有造影剂 | 同 X 光片 | 无 | 2，随时间 |
# | 内镜、眼底 | 可见光 | 红、绿、蓝 | 无 | 2 |
#
# 常见的模态清单把“MRI”和“核磁共振”并列，其实是一回事：只因“核”字让患者害怕，后来就省掉了。下面四幅真实图像都随本课程的
# 依赖包而来：胸部 X 光片、头部 CT、肩关节 MR、超声。

# %%
import numpy as np

from mediml.data.catalog import packaged_file
from mediml.imaging import WindowView, mean_filter, phantoms, read_image, resize_area
from mediml.plots import show_curves, show_images, show_numbers, show_source

# %%
names = ("chest_xray", "ct_slice", "mr_shoulder", "ultrasound")
real = {name: read_image(packaged_file(name)) for name in names}
for name, image in real.items():
    print(f"{name:12} {image.modality:3} {image.shape[0]:4} × {image.shape[1]:4}  unit {image.units}")
assert real["ct_slice"].units == "HU"

# %%
shown = {}
for image in real.values():
    grey = image.display() if image.is_grey else image.display()[..., 1]
    side = max(grey.shape)
    square = np.zeros((side, side), np.float32)
    square[: grey.shape[0], : grey.shape[1]] = grey
    shown[image.modality] = resize_area(square, (144, 144))
alt = (
    "Real images: chest X-ray, head CT, shoulder MR, ultrasound.",
    "真实图像：胸部 X 光片、头部 CT、肩关节 MR、超声。",
)
show_images(shown, alt, limits=(0, 1), size=1.5)
assert list(shown) == ["CR", "CT", "MR", "US"]

# %% [markdown] tags=["en"]
# ## 2 X-ray: what is left of the light
#
# A ray loses the same *fraction* in every millimetre. Beer and Lambert:
#
# $$ N = N_0 \exp\Big(-\sum_i \mu_i\, d_i\Big) $$
#
# | symbol | meaning | unit |
# |---|---|---|
# | $N_0, N$ | photons before and behind the body, per pixel | 1 |
# | $\mu_i$ | attenuation of the $i$-th tissue on the way, at the tube's energy | 1/cm |
# | $d_i$ | length of the way through it | cm |
#
# **By hand.** 10 cm of soft tissue at $\mu = 0.2$/cm: $e^{-2} = 13.5\,\%$ get through. A nodule of 1 cm in air-filled
# lung (lung .05, nodule .2): $e^{-0.15} = 86\,\%$ of its neighbours' photons. And the noise: photons are counted, so
# $N$ of them scatter by $\sqrt N$ (Poisson). With 1000 photons per pixel the noise is 3.2 %, so the nodule stands out
# by $14 / 3.2 \approx 4.4$ noise deviations **in every pixel**. **Predict**: how does that number change when the dose
# is a quarter?

# %% [markdown] tags=["zh"]
# ## 2 X 光片：剩下多少射线
#
# 射线每走一毫米，损失的**比例**都相同。这就是比尔–朗伯定律：
#
# $$ N = N_0 \exp\Big(-\sum_i \mu_i\, d_i\Big) $$
#
# | 符号 | 含义 | 单位 |
# |---|---|---|
# | $N_0, N$ | 每个像素在身体前、后的光子数 | 1 |
# | $\mu_i$ | 途经的第 $i$ 种组织在该能量下的衰减系数 | 1/cm |
# | $d_i$ | 穿过它的长度 | cm |
#
# **手算一遍**：10 cm 软组织，$\mu = 0.2$/cm，透过 $e^{-2} = 13.5\,\%$。含气的肺里有个 1 cm 的结节（肺 .05，结节 .2）：
# 光子数是旁边的 $e^{-0.15} = 86\,\%$。再看噪声：光子是一个个数出来的，$N$ 个光子的起伏为 $\sqrt N$（泊松分布）。每像素
# 1000 个光子时，噪声为 3.2 %，于是结节在**每个像素上**高出 $14 / 3.2 \approx 4.4$ 个噪声标准差。**先猜**：剂量降为四分
# 之一，这个数怎样变化？

# %%
guess = None  # a factor
rng = np.random.default_rng(1)
for photons in (1000, 250):
    lung = rng.poisson(photons, 100_000)
    nodule = rng.poisson(photons * np.exp(-0.15), 100_000)
    ratio = (lung.mean() - nodule.mean()) / lung.std()
    print(f"{photons:4} photons: noise {lung.std() / lung.mean():.1%}, contrast {ratio:.1f} deviations")
assert 2.1 < ratio < 2.3

# %% [markdown] tags=["en"]
# Half: noise follows the square root of the dose. Four times the dose buys twice the visibility; that is why low-dose
# images are noisy and why nobody simply turns the dose up.
#
# The course's phantom does nothing else: it sends rays through a thorax made of ribs, lungs, vessels and heart, adds up
# $\mu d$ along each, and throws the dice of the photons. Beside it the real film. A phantom's advantage is not its
# beauty: **its truth is known exactly**.

# %% [markdown] tags=["zh"]
# 减半：噪声随剂量的平方根变化。四倍的剂量只换来两倍的可见度；低剂量图像因此噪声大，也因此没有人一味加大剂量。
#
# 课程的体模做的正是这件事：让射线穿过由肋骨、肺、血管、心脏组成的胸腔，沿每条射线累加 $\mu d$，再为光子掷骰子。旁边是
# 真实的胸片。体模的长处不在好看，而在于**真值完全已知**。

# %%
nodule = phantoms.Nodule(diameter_mm=16, side="right")
thorax = phantoms.make_thorax(4, 0, [nodule])
film = phantoms.chest_radiograph(thorax, seed=4, size=256)
noisy = phantoms.chest_radiograph(thorax, seed=4, size=256, photons=3e3)
truth = film.mask(film.findings[0].label)
alt = ("Phantom radiograph with a nodule, the same with few photons, the nodule's exact outline, and a real film.",
       "带结节的体模胸片、光子很少时的同一张、结节的精确轮廓，以及一张真实胸片。")  # fmt: skip
panels = {r"$N_0 = 4\cdot10^5$": film.image.display(), r"$N_0 = 3\cdot10^3$": noisy.image.display()}
show_images(panels | {"mask": truth, "CR": shown["CR"]}, alt, limits=(0, 1), size=1.5)
assert 0 < truth.mean() < 0.01

# %% [markdown] tags=["en"]
# In the lung the phantom is checked against the formula: along the ray through the nodule's centre the exponent must be
# larger by $(\mu_{nodule} - \mu_{lung})\,d$ than without it, whatever else lies on the way.

# %% [markdown] tags=["zh"]
# 用公式检验体模：穿过结节中心的那条射线，指数应比没有结节时恰好多出 $(\mu_{nodule} - \mu_{lung})\,d$，与途中还有什么无
# 关。

# %%
without = phantoms.chest_radiograph(phantoms.make_thorax(4, 0), seed=4, size=256)
extra = film.exponent - without.exponent
chord = film.chord_mm(film.findings[0].label)
row, column = np.unravel_index(np.argmax(chord), chord.shape)
print(f"longest way through the nodule {chord[row, column]:.1f} mm, exponent there + {extra[row, column]:.2f}")
print(f"that is mu(nodule) - mu(lung) = {extra[row, column] / chord[row, column] * 10:.2f} per cm")
assert 0.1 < extra[row, column] / chord[row, column] * 10 < 0.25

# %% [markdown] tags=["en"]
# ## 3 CT: from sums to places
#
# A film shows one sum per ray; ribs, heart and nodule lie on top of each other. CT measures such sums from hundreds of
# directions (a *sinogram*) and solves for the single places: each projection is sharpened by the ramp filter and
# smeared back over the slice along its rays. The result is scaled so that it does not depend on the machine:
#
# $$ \mathrm{HU} = 1000\,\frac{\mu - \mu_{water}}{\mu_{water}} $$
#
# **By hand.** Air ($\mu \approx 0$): −1000. Water: 0. A tissue that attenuates 5 % more than water: +50, about muscle.
# Lung, of which four fifths are air: about −800. It is the one common modality whose numbers mean the same everywhere.

# %% [markdown] tags=["zh"]
# ## 3 CT：从“和”回到“处”
#
# X 光片上每条射线只有一个和，肋骨、心脏、结节都叠在一起。CT 从几百个方向测量这样的和（得到**正弦图**），再解出每一处的
# 值：每个投影先经斜坡滤波器锐化，再沿射线抹回到切片上。结果这样定标，便与机器无关：
#
# $$ \mathrm{HU} = 1000\,\frac{\mu - \mu_{water}}{\mu_{water}} $$
#
# **手算一遍**：空气（$\mu \approx 0$）：−1000。水：0。比水多衰减 5 % 的组织：+50，约为肌肉。肺有五分之四是空气：约
# −800。常见模态里，只有它的数值在哪里都是同一个意思。

# %%
level = thorax.findings[0].centre_mm[2]
around = {"size": 160, "slices": 1, "range_mm": (level - 2, level + 2)}
scan, low_dose = (phantoms.chest_ct(thorax, seed=4, photons=photons, **around) for photons in (3e5, 1e4))
angles = np.linspace(0, np.pi, 160, endpoint=False)
sinogram = phantoms.forward_projection(scan.object_hu[0] + 1000, angles)
lungs = WindowView(-600, 1500)
alt = ("A sinogram, the CT slice from such sums, and the same slice at a thirtieth of the dose.",
       "正弦图，由这样的和重建出的 CT 切片，以及三十分之一剂量下的同一层。")  # fmt: skip
panels = {"CT": scan.volume.display(lungs)[0], r"CT, dose / 30": low_dose.volume.display(lungs)[0]}
show_images({r"$\sum \mu d$": sinogram / sinogram.max()} | panels, alt, limits=(0, 1), size=2.1)
assert scan.volume.units == "HU"

# %%
names = {label: name for label, name in scan.thorax.label_names.items() if name in ("lung", "fat", "muscle")}
for label, name in names.items():
    share = mean_filter(scan.fraction(label)[0], 5) > 0.999  # two pixels away from any border
    asked, found = scan.object_hu[0][share].mean(), scan.volume.values[0][share].mean()
    noise = [image.volume.values[0][share].std() for image in (scan, low_dose)]
    print(f"{name:7} asked for {asked:5.0f} HU, got {found:5.0f}; noise {noise[0]:3.0f}, low dose {noise[1]:3.0f}")
core = scan.fraction(scan.findings[0].label)[0] > 0.999
print(f"nodule  asked for {scan.findings[0].hu:5.0f} HU, got {scan.volume.values[0][core].mean():5.0f} over all of it")
assert abs(found - asked) < 10 and noise[1] > 3 * noise[0]

# %% [markdown] tags=["en"]
# Three tissues come out as they were put in, two pixels away from any border. The nodule does not: it is seven pixels
# wide, and the scanner's blur mixes its rim with the air around (*partial volume effect*). A small nodule measures
# less dense than it is, on every CT. And the noise: a thirtieth of the dose, five times the noise ($\sqrt{30}$).

# %% [markdown] tags=["zh"]
# 离边界两个像素以上，三种组织的读数都与放进去的一致。结节却不然：它只有七个像素宽，扫描仪的模糊把边缘与周围的空气混在一
# 起（**部分容积效应**）。小结节在任何 CT 上量出来都偏低。再看噪声：剂量降到三十分之一，噪声约为五倍（$\sqrt{30}$）。

# %% [markdown] tags=["en"]
# ## 4 MR: one head, many pictures
#
# Protons in a strong field are tipped over by a radio pulse and send until they calm down again: along the field with
# the time $T_1$, across it with $T_2$. How often one pulses ($T_R$) and how late one listens ($T_E$) decides what the
# picture is about (spin echo):
#
# $$ S = PD\,\big(1 - e^{-T_R/T_1}\big)\,e^{-T_E/T_2} $$
#
# | symbol | meaning | unit |
# |---|---|---|
# | $PD$ | density of protons, water is 1 | 1 |
# | $T_1, T_2$ | relaxation times of the tissue | ms |
# | $T_R, T_E$ | repetition and echo time, chosen by the radiographer | ms |
#
# **By hand**, at 3 T, with $T_R = 500$ and $T_E = 12$: white matter ($T_1 \approx 1084$, $T_2 \approx 69$) gives $(1 -
# e^{-0.46})\,e^{-0.17} \approx .31$ of its density, the fluid of the ventricles ($T_1 \approx 4200$, $T_2 \approx
# 2000$) $(1 - e^{-0.12})\,e^{-0.006} \approx .11$: dark. **Predict** what $T_R = 5000$, $T_E = 95$ makes of the two.

# %% [markdown] tags=["zh"]
# ## 4 磁共振：一个头，许多幅图
#
# 强磁场里的质子被射频脉冲扳倒，随后一边恢复一边发出信号：沿磁场方向的恢复时间为 $T_1$，垂直方向的衰减时间为 $T_2$。多
# 久激发一次（$T_R$）、过多久才收听（$T_E$），决定了画面表现什么（自旋回波）：
#
# $$ S = PD\,\big(1 - e^{-T_R/T_1}\big)\,e^{-T_E/T_2} $$
#
# | 符号 | 含义 | 单位 |
# |---|---|---|
# | $PD$ | 质子密度，水为 1 | 1 |
# | $T_1, T_2$ | 组织的弛豫时间 | ms |
# | $T_R, T_E$ | 重复时间与回波时间，由技师选定 | ms |
#
# **手算一遍**，3 T，$T_R = 500$、$T_E = 12$：白质（$T_1 \approx 1084$，$T_2 \approx 69$）得到密度的
# $(1 - e^{-0.46})\,e^{-0.17} \approx .31$；脑室里的脑脊液（$T_1 \approx 4200$，$T_2 \approx 2000$）得到
# $(1 - e^{-0.12})\,e^{-0.006} \approx .11$，是暗的。**先猜**：换成 $T_R = 5000$、$T_E = 95$，两者会怎样？

# %%
show_source(phantoms.spin_echo)

# %%
guess = None  # which is brighter now
tissues = {"white matter": (0.7, 1084.0, 69.0), "fluid": (1.0, 4200.0, 2000.0)}
for name, (pd, t1, t2) in tissues.items():
    short, long = (float(phantoms.spin_echo(pd, t1, t2, *times)) for times in ((500, 12), (5000, 95)))
    print(f"{name:13} TR 500, TE 12: {short:.2f}   TR 5000, TE 95: {long:.2f}")
assert long > 0.6 and short < 0.2

# %%
head = phantoms.brain_anatomy(0, shape=(1, 144, 120), spacing_mm=(4, 1.6, 1.6), finding="stroke", side="right")
pictures = {name: phantoms.brain_mr(head, name) for name in ("T1", "T2", "FLAIR", "DWI")}
alt = ("One head in T1, T2, FLAIR and diffusion weighting; a stroke in the patient's right half, on the left.",
       "同一个头部的 T1、T2、FLAIR 与弥散加权像；卒中在患者右半球，即画面左侧。")  # fmt: skip
show_images({name: mr.volume.display()[0] for name, mr in pictures.items()}, alt, limits=(0, 1), size=1.45)
stroke, white = head.masks["lesion"], head.fractions["white"] > 0.99
for name, mr in pictures.items():
    values = mr.volume.values
    print(f"{name:5} stroke over white matter: {values[stroke].mean() / values[white].mean():.2f}")
assert pictures["DWI"].volume.values[stroke].mean() > 1.5 * pictures["DWI"].volume.values[white].mean()

# %% [markdown] tags=["en"]
# In T1 the stroke of a few hours is next to invisible, under diffusion weighting it shines: the same protons, another
# question. The values have no unit. They depend on coil, gain and maker; comparing "intensity 700" between two scans
# means nothing before it is normalised (lesson 03).
#
# ## 5 Ultrasound: echoes in the dark
#
# A pulse of sound runs at $c \approx 1540$ m/s; an echo that returns after the time $t$ comes from the depth
#
# $$ z = \frac{c\,t}{2}, \qquad L = 20 \log_{10}\frac{A}{A_{max}} $$
#
# and is drawn by the logarithm $L$ of its amplitude $A$, in dB. **By hand**: $t = 65$ µs: $z = 1540 \cdot 65 \cdot
# 10^{-6} / 2 = 5$ cm. An echo of one thousandth of the loudest: −60 dB, just black on most machines. The grain of the
# picture, *speckle*, is no noise of the receiver: thousands of tiny scatterers per pulse length interfere. The same
# probe at the same place shows the same grain again.

# %% [markdown] tags=["zh"]
# 发病几小时的卒中在 T1 像上几乎看不见，在弥散加权像上却亮得刺眼：同样的质子，换了个问题。这些数值没有单位，取决于线
# 圈、增益和厂家；在归一化之前（第 03 课），比较两次扫描的“强度 700”毫无意义。
#
# ## 5 超声：黑暗中的回声
#
# 声脉冲以 $c \approx 1540$ m/s 前进；经时间 $t$ 返回的回波来自深度
#
# $$ z = \frac{c\,t}{2}, \qquad L = 20 \log_{10}\frac{A}{A_{max}} $$
#
# 画出来的是振幅 $A$ 的对数 $L$，单位 dB。**手算一遍**：$t = 65$ µs，$z = 1540 \cdot 65 \cdot 10^{-6} / 2 = 5$ cm。千分
# 之一于最强者的回波：−60 dB，在多数机器上刚好是黑。画面的颗粒，即**散斑**，不是接收机的噪声：一个脉冲长度里有成千上万
# 个微小散射体在相互干涉。探头放在同一处，颗粒便一模一样地再现。

# %%
echo = phantoms.ultrasound(3, organ="liver", finding="cyst", shape=(300, 400))
again = phantoms.ultrasound(3, organ="liver", finding="cyst", shape=(300, 400))
alt = ("Ultrasound phantom of a liver with a cyst, bright behind it, and the cyst's outline.",
       "肝脏超声体模：囊肿及其后方增强，以及囊肿的轮廓。")  # fmt: skip
show_images({"US": echo.image.display(), "mask": echo.masks["finding"]}, alt, limits=(0, 1), size=2.4)
plain = phantoms.ultrasound(5, organ="uniform", shape=(240, 320))
quiet = plain.envelope[80:-80, 10:-10]
print(f"mean over deviation of the speckle {quiet.mean() / quiet.std():.2f}; the theory (Rayleigh) says 1.91")
print("the same grain again:", np.array_equal(echo.image.stored, again.image.stored))
assert abs(quiet.mean() / quiet.std() - 1.91) < 0.15

# %% [markdown] tags=["en"]
# ## 6 The gut: make the invisible swallow something
#
# A bowel is soft tissue among soft tissue: on a film it does not exist. Barium does, with an attenuation many times
# that of tissue. The course's phantom coats a colon and projects it; its lesions are the article's third organ.

# %% [markdown] tags=["zh"]
# ## 6 胃肠道：让看不见的显出来
#
# 肠管是软组织里的软组织，在 X 光片上等于不存在。钡剂则不然，它的衰减是组织的许多倍。课程的体模给结肠涂上一层钡再做投
# 影；其中的病变，就是课程里的第三个器官。

# %%
series = phantoms.barium_series(2, finding="polyp")
alt = ("A barium enema phantom from two directions, and where a polyp lies in the first.",
       "钡灌肠体模的两个投照方向，以及第一幅中息肉的位置。")  # fmt: skip
frames = [resize_area(frame.display(), (192, 192)) for frame in series.images[:2]]
where = resize_area(series.masks[0]["finding"].astype(np.float32), (192, 192)) > 0
show_images({"RF 1": frames[0], "RF 2": frames[1], "mask": where}, alt, limits=(0, 1), size=1.9)
print(f"polyp of {series.size_mm:.0f} mm; frames at {series.angles_deg[0]:.0f}° and {series.angles_deg[1]:.0f}°")
assert where.any()

# %% [markdown] tags=["en"]
# ## 7 Five properties, each seen and measured
#
# Introductions list what makes medical images special: high resolution, several modalities, uneven intensity, low
# contrast, missing parts. A list convinces nobody; here is a number for each.
#
# **7.1 Large, and the finding small.** The chest film has millions of pixels, the nodule of our phantom occupies about
# a hundred of its matrix. **Predict**: what is left of it at 28 × 28, the size of many teaching data sets?

# %% [markdown] tags=["zh"]
# ## 7 五个特点，逐个看，逐个量
#
# 入门文章常列出医学图像的特点：分辨率高、模态多、亮度不均、对比度低、信息不全。光列出来没有说服力，下面给每一条配上一
# 个数。
#
# **7.1 图像大，病灶小。** 真实胸片有几百万像素，体模里的结节在它的矩阵中只占一百来个。**先猜**：缩到许多教学数据集所用
# 的 28 × 28，还剩多少？

# %%
guess = None  # pixels
print(f"the real film: {real['chest_xray'].values.size / 1e6:.1f} million pixels")
for side in (256, 128, 28):
    covered = resize_area(truth.astype(np.float32), (side, side))
    change = resize_area(film.image.values - without.image.values, (side, side))
    print(f"{side:3} × {side:3}: nodule {covered.sum():6.1f} pixels, {covered.max():.0%} of the fullest pixel")
small = resize_area(film.image.display(), (28, 28))
assert covered.sum() < 2

# %% [markdown] tags=["en"]
# Hardly more than one pixel. A network that does well at 28 × 28 has not learned to find nodules.
#
# **7.2 Several modalities.** The same slice of the same head, voxel on voxel: is bright in T1 bright in T2? The
# correlation says how far one picture predicts the other.

# %% [markdown] tags=["zh"]
# 还不到两个像素。在 28 × 28 上成绩好的网络，学到的绝不是找结节。
#
# **7.2 多种模态。** 同一个头、同一层、逐体素对齐：T1 上亮的，T2 上也亮吗？相关系数说明一幅图能在多大程度上预测另一幅。

# %%
brain = head.masks["brain"]
values = {name: mr.volume.values[brain] for name, mr in pictures.items()}
matrix = np.corrcoef(list(values.values()))
alt = ("Correlation of T1, T2, FLAIR and DWI over the brain; T1 and T2 are opposed.",
       "脑内 T1、T2、FLAIR、DWI 两两的相关系数；T1 与 T2 相反。")  # fmt: skip
show_numbers({" · ".join(values): matrix.round(2)}, alt, digits=2, cell=0.7)
assert matrix[0, 1] < -0.5

# %% [markdown] tags=["en"]
# Opposed: subtracting one from the other, or averaging them, is nonsense; as two *channels* of a network they
# complement each other.
#
# **7.3 Uneven intensity.** A receiving coil hears better what is near. The same tissue then has another value left and
# right, and no threshold fits both. The phantom knows its field exactly; the histogram of white matter shows the
# damage.

# %% [markdown] tags=["zh"]
# 正好相反：把两者相减、取平均都是胡闹；作为网络的两个**通道**，它们却互相补充。
#
# **7.3 亮度不均。** 接收线圈离哪里近，哪里就响。于是同一种组织左右数值不同，没有一个阈值能两边兼顾。体模的场完全已知；
# 白质的直方图显示了后果。

# %%
uneven = phantoms.brain_mr(head, "T1", bias=0.4)
even = phantoms.brain_mr(head, "T1", bias=0.0)
bins = np.linspace(0, 1.6, 61)
curves = {}
for label, mr in (("even", even), ("uneven", uneven)):
    inside = mr.volume.values[white]
    curves[label] = np.histogram(inside / np.median(inside), bins)[0] / inside.size
    print(f"{label:6} white matter: 95th over 5th percentile {np.divide(*np.percentile(inside, (95, 5))):.2f}")
alt = ("Histograms of white matter: narrow without a bias field, wide with one.",
       "白质直方图：没有偏置场时很窄，有偏置场时很宽。")  # fmt: skip
show_curves(bins[1:], curves, alt, "S / median", "share")
assert curves["even"].max() > 1.5 * curves["uneven"].max()

# %%
alt = ("A T1 slice with an uneven field, and the field itself.", "亮度不均的 T1 切片，以及偏置场本身。")
show_images({"T1": uneven.volume.display()[0], "b": uneven.bias_field[0]}, alt, size=1.7)
print(f"field over the brain: {uneven.bias_field[brain].min():.2f} to {uneven.bias_field[brain].max():.2f}")
assert uneven.bias_field[brain].max() > 1.2

# %% [markdown] tags=["en"]
# **7.4 Low contrast.** What is to be found often differs by less than the noise. Contrast-to-noise ratio:
#
# $$ \mathrm{CNR} = \frac{|\bar x_1 - \bar x_2|}{\sigma} $$
#
# But a finding is not one pixel. Averaging over $n$ independent pixels lowers the noise by $\sqrt n$; Rose found that
# the eye needs about $\mathrm{CNR}\,\sqrt n \ge 5$. **Predict**: a disc of $\mathrm{CNR} = 0.5$ in every pixel: from
# which diameter in pixels on can it be seen?

# %% [markdown] tags=["zh"]
# **7.4 对比度低。** 要找的东西，与周围的差别常常小于噪声。对比噪声比：
#
# $$ \mathrm{CNR} = \frac{|\bar x_1 - \bar x_2|}{\sigma} $$
#
# 但病灶不止一个像素。对 $n$ 个独立像素取平均，噪声降低 $\sqrt n$ 倍；Rose 发现，眼睛大约需要
# $\mathrm{CNR}\,\sqrt n \ge 5$。**先猜**：每个像素的 $\mathrm{CNR} = 0.5$，圆盘的直径要有多少像素才看得见？

# %%
guess = None  # pixels
rows, columns = np.indices((64, 64))
panels = {}
for diameter in (4, 8, 12, 24):
    disc = np.hypot(rows - 31.5, columns - 31.5) < diameter / 2
    panels[f"d = {diameter}"] = 0.5 * disc + np.random.default_rng(diameter).standard_normal((64, 64))
    print(f"diameter {diameter:2}: CNR · sqrt(n) = {0.5 * np.sqrt(disc.sum()):4.1f}")
alt = ("Four discs of half a noise deviation; the smallest are invisible, the largest is plain.",
       "四个只高出半个噪声标准差的圆盘：小的看不见，大的清清楚楚。")  # fmt: skip
show_images(panels, alt, limits=(-3, 3), size=1.6)
assert 0.5 * np.sqrt((np.hypot(rows - 31.5, columns - 31.5) < 6).sum()) > 5

# %% [markdown] tags=["en"]
# From about 11 pixels on. The formula of the invisible is short: too small, too faint, or too little dose.
#
# **7.5 Missing parts.** Nothing is lost in the file, and still part of the patient is not in the picture: hidden behind
# the heart, outside of the field, in a shadow. How much of the lungs lies, in a PA film, behind heart, diaphragm and
# spine? With a phantom that is no matter of opinion.

# %% [markdown] tags=["zh"]
# 大约从 11 个像素起。看不见的公式很短：太小、太淡、剂量太少。
#
# **7.5 信息不全。** 文件里什么也没丢，患者却有一部分不在画面上：被心脏挡住、在视野之外、在声影里。正位胸片上，有多大一
# 部分肺藏在心脏、膈肌和脊柱后面？有了体模，这不再是各说各话。

# %%
organs = {
    "middle": ("heart", "mediastinum", "great vessels"),
    "below": ("liver", "spleen", "stomach"),
    "bone": ("bone",),
}
lung = without.chord_mm(phantoms.LABELS["lung"])
ways = {place: sum(without.chord_mm(phantoms.LABELS[name]) for name in names) for place, names in organs.items()}
covered = {place: way > (4 if place == "bone" else 10) for place, way in ways.items()}
for name, mask in covered.items():
    print(f"lung on one ray with {name:6} ({', '.join(organs[name])}): {lung[mask].sum() / lung.sum():4.0%}")

# %%
soft = covered["middle"] | covered["below"]
print(f"behind or before soft tissue in all: {lung[soft].sum() / lung.sum():.0%} of the lungs' volume")
alt = ("Way of each ray through lung in mm, and where heart or diaphragm lie on the same ray.",
       "每条射线穿过肺的长度（mm），以及同一条射线上有心脏或膈的区域。")  # fmt: skip
show_images({"lung": lung, "lung, covered": lung * soft}, alt, limits=(0, 200), unit="mm", size=2.6)
assert 0.1 < lung[soft].sum() / lung.sum() < 0.6

# %% [markdown] tags=["en"]
# ## 8 What a phantom is for, and what not
#
# | | real image | phantom |
# |---|---|---|
# | truth | an expert's opinion, another test, time | exact, because it was put in |
# | variety | all that nature has | what somebody programmed |
# | a method works on it | evidence | a necessary condition |
# | a method fails on it | a finding | a finding |
# | privacy, licence | a problem | none |
#
# A phantom finds errors: wrong units, wrong side, wrong volume, biased noise. It proves nothing about patients. From
# here on the course says each time which of the two it is using.

# %% [markdown] tags=["zh"]
# ## 8 体模能做什么，不能做什么
#
# | | 真实图像 | 体模 |
# |---|---|---|
# | 真值 | 专家意见、另一种检查、时间 | 精确，因为是放进去的 |
# | 多样性 | 自然界的一切 | 有人编进程序的那些 |
# | 方法在上面有效 | 证据 | 必要条件 |
# | 方法在上面失败 | 说明问题 | 说明问题 |
# | 隐私、许可 | 是个难题 | 没有 |
#
# 体模用来发现错误：单位错、左右错、体积错、噪声有偏。它不能证明任何关于患者的事。往后，课程每次都会说明用的是哪一种。

# %% [markdown] tags=["en"]
# ## 9 What the introductions get wrong
#
# | statement | what is wrong | mended |
# |---|---|---|
# | modalities: "optical, arc, power images" | no such thing is used in medicine | section 1 |
# | MRI and nuclear magnetic resonance as two | one method, two names | section 1 |
# | "high resolution shows cells" | a CT voxel is half a millimetre, a cell a hundredth of one | section 7.1 |
# | "uneven: needs preprocessing" | first its cause: field, scatter, depth; each has its own remedy | 7.3, lesson 03 |
# | "low contrast: enhance it" | a window shows contrast, it does not make any; noise is enhanced with it | 7.4 |
# | "incomplete: restore it" | what was not measured can only be guessed, and must be marked as such | 7.5, lesson 14 |

# %% [markdown] tags=["zh"]
# ## 9 入门文章错在哪里
#
# | 说法 | 错在哪里 | 本课的说法 |
# |---|---|---|
# | 模态有“光学图像、弧度图像、功率图像” | 医学里没有这样的分类 | 第 1 节 |
# | 把 MRI 与核磁共振当成两种 | 一种方法，两个名字 | 第 1 节 |
# | “高分辨率，能看细胞结构” | CT 体素约半毫米，细胞约百分之一毫米 | 7.1 |
# | “分布不均，需要预处理” | 先问原因：场、散射还是深度；各有各的办法 | 7.3，第 03 课 |
# | “对比度低，需要增强” | 调窗只是显示对比度，并不产生对比度；噪声也一起被增强 | 7.4 |
# | “信息不完整，需要补全” | 没测到的只能猜，而且必须标明是猜的 | 7.5，第 14 课 |

# %% [markdown] tags=["en"]
# ## 10 Limits
#
# * One energy instead of a spectrum, parallel rays, one kind of scatter: the phantom's film has no beam hardening, no
#   motion, no clothes, no wrong exposure.
# * Relaxation times are textbook values; real tissue varies by 10 % and more, and with age and disease.
# * PET, SPECT, mammography, OCT and microscopy are not here. The questions are the same: which quantity, which unit,
#   which noise, which place?

# %% [markdown] tags=["zh"]
# ## 10 局限
#
# * 单一能量代替能谱、平行射线、一种散射：体模的片子没有射束硬化，没有运动，没有衣物，也没有曝光失误。
# * 弛豫时间取自教科书；真实组织相差一成以上，还随年龄和疾病而变。
# * PET、SPECT、乳腺 X 线、OCT、显微镜这里都没有。要问的问题是一样的：什么量、什么单位、什么噪声、在哪里？

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. Half-value layer: through how many cm of tissue ($\mu = 0.2$/cm) does half of the radiation get? (One decimal.)
# 2. A tissue attenuates 10 % less than water. HU?
# 3. An echo comes back after 130 µs. Depth in cm? (Whole number.)
# 4. $\mathrm{CNR} = 1$: how many pixels does Rose ask for?
# 5. Without a check: give the nodule of section 2 the side `"left"` and put it behind the heart with `position_mm`.
#    From which diameter on do you see it?

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 半值层：多少 cm 的组织（$\mu = 0.2$/cm）会挡住一半射线（保留一位小数）？
# 2. 某组织的衰减比水少 10 %，是多少 HU？
# 3. 回波经 130 µs 返回，深度多少 cm（取整）？
# 4. $\mathrm{CNR} = 1$ 时，按 Rose 的要求需要多少个像素？
# 5. 不设检查：把第 2 节的结节放到左肺（`"left"`），用 `position_mm` 藏到心脏后面。直径多大才看得见？

# %%
half = None  # exercise 1
assert half is None or abs(half - np.log(2) / 0.2) < 0.06, "exp(-mu d) = 1/2"

# %%
hu = None  # exercise 2
assert hu in (None, -100), "1000 times the relative difference to water; fat"

# %%
depth = None  # exercise 3
assert depth in (None, 10), "half of c times t: the pulse goes there and back"

# %%
pixels = None  # exercise 4
assert pixels in (None, 25), "CNR times the root of n is 5"

# %% [markdown] tags=["en"]
# ## Summary
#
# * A pixel is a measurement: ask for quantity, unit, noise and place before you count.
# * X-ray: one sum per ray, photons with Poisson noise. CT: the places themselves, in HU. MR: density and relaxation,
#   weighted, without a unit. Ultrasound: echoes in dB, with speckle.
# * Large images, small findings; modalities that contradict each other; uneven fields; contrast below the noise; parts
#   that were never measured. Each can be put into a number.
# * A phantom finds errors and proves nothing about patients.
#
# ## To think about
#
# 1. Which of the five properties does a larger network help against, and which not at all?
# 2. Why is "restore the missing part" a more dangerous sentence in medicine than in photography?
# 3. A method was tested on phantoms only, and failed on none. What do you know?
#
# ## Sources
#
# * J. T. Bushberg et al., *The Essential Physics of Medical Imaging*, 3rd ed. 2011.
# * J. H. Hubbell, S. M. Seltzer, NIST *Tables of X-Ray Mass Attenuation Coefficients* (2004).
# * G. J. Stanisz et al., *T1, T2 relaxation and magnetization transfer in tissue at 3T*, MRM 54 (2005).
# * A. Rose, *The sensitivity performance of the human eye on an absolute scale*, JOSA 38 (1948).
# * R. F. Wagner et al., *Statistics of speckle in ultrasound B-scans*, IEEE Trans. Sonics Ultrason. 30 (1983).
# * Code: [`mediml/imaging/phantoms/radiograph.py`](../../mediml/imaging/phantoms/radiograph.py),
#   [`mediml/imaging/phantoms/ct.py`](../../mediml/imaging/phantoms/ct.py),
#   [`mediml/imaging/phantoms/mr.py`](../../mediml/imaging/phantoms/mr.py),
#   [`mediml/imaging/phantoms/ultrasound.py`](../../mediml/imaging/phantoms/ultrasound.py),
#   [`mediml/imaging/phantoms/gut.py`](../../mediml/imaging/phantoms/gut.py). On the command line: `mediml data make`.
#   Data: [card](../../datasets/cards/pydicom_samples.md). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 像素是一次测量：动手计算之前，先问是什么量、什么单位、什么噪声、在哪里。
# * X 光片：每条射线一个和，光子服从泊松噪声。CT：每一处的值，以 HU 为单位。MR：密度与弛豫的加权，没有单位。超声：以 dB
#   表示的回波，带散斑。
# * 图像大而病灶小；各模态互相矛盾；亮度不均；对比度低于噪声；有些部分从未测到。每一条都能落实成一个数。
# * 体模用来发现错误，不能证明任何关于患者的事。
#
# ## 思考题
#
# 1. 五个特点里，网络做大一些对哪些有用，对哪些毫无用处？
# 2. 为什么“补全缺失部分”这句话，在医学里比在摄影里危险得多？
# 3. 某方法只在体模上测试过，一次也没失败。你由此知道了什么？
#
# ## 资料
#
# * J. T. Bushberg 等, *The Essential Physics of Medical Imaging*, 第 3 版, 2011。
# * J. H. Hubbell, S. M. Seltzer, NIST *Tables of X-Ray Mass Attenuation Coefficients* (2004)。
# * G. J. Stanisz 等, *T1, T2 relaxation and magnetization transfer in tissue at 3T*, MRM 54 (2005)。
# * A. Rose, *The sensitivity performance of the human eye on an absolute scale*, JOSA 38 (1948)。
# * R. F. Wagner 等, *Statistics of speckle in ultrasound B-scans*, IEEE Trans. Sonics Ultrason. 30 (1983)。
# * 代码：[`mediml/imaging/phantoms/radiograph.py`](../../mediml/imaging/phantoms/radiograph.py)、
#   [`mediml/imaging/phantoms/ct.py`](../../mediml/imaging/phantoms/ct.py)、
#   [`mediml/imaging/phantoms/mr.py`](../../mediml/imaging/phantoms/mr.py)、
#   [`mediml/imaging/phantoms/ultrasound.py`](../../mediml/imaging/phantoms/ultrasound.py)、
#   [`mediml/imaging/phantoms/gut.py`](../../mediml/imaging/phantoms/gut.py)。命令行：`mediml data make`。数据：
#   [数据卡](../../datasets/cards/pydicom_samples.md)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
