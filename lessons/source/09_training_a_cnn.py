# %% [markdown] tags=["en"]
# # 09 · Training a CNN in five steps
#
# A child has a fever and a cough; the film is taken, and the question is whether there is an opacity that speaks for
# pneumonia. Nobody can write down in advance which of 784 pixels must be how bright. But there are films for which the
# answer is known. This lesson lets a network find its weights from them, in five steps, and then asks the question that
# matters more than the training: **how good is it, and how sure are we of that?**
#
# **After this lesson you can** name the five steps of training and write each as a line; compute a cross entropy, its
# gradient and one step of Adam by hand; train a CNN from random weights; read learning curves; report a result with its
# interval, at a threshold that was chosen honestly; and find the mistakes in a published training program.
#
# **Time:** 70 minutes. **You need:** lessons 04, 05 and 08.

# %% [markdown] tags=["zh"]
# # 09 · 五步训练一个 CNN
#
# 孩子发热、咳嗽，拍了胸片，要回答的是：有没有提示肺炎的阴影？784 个像素里哪个该有多亮，谁也无法事先写出来。但是有一批答
# 案已知的片子。本课让网络分五步从这些片子里找出自己的权重，然后追问比训练更要紧的问题：**它有多好？我们对此有多大把握？
# **
#
# **学完本课，你能够**说出训练的五个步骤，每一步写成一行代码；手算交叉熵、它的梯度和 Adam 的一步；从随机权重训练一个
# CNN；读懂学习曲线；用诚实选定的阈值报告结果并给出置信区间；还能从一段已发表的训练程序里找出错误。
#
# **用时**：70 分钟。**先修**：第 04、05、08 课。

# %%
import json
import os
from pathlib import Path

import numpy as np

import mediml
import mediml.nn.functional as F
from mediml import evaluation, nn, optim

# %%
from mediml.data import medmnist
from mediml.data.catalog import packaged_file
from mediml.data.synthetic import chest_xrays
from mediml.evaluation.calibration import negative_log_likelihood
from mediml.imaging import center_square, read_image, resize_area
from mediml.models import pretrained
from mediml.models.cnn import CNN
from mediml.models.predict import predict_logits
from mediml.plots import show_confusion, show_images, show_learning_curves, show_reliability, show_source
from mediml.utils.data import DataLoader, TensorDataset

# %% [markdown] tags=["en"]
# ## 1 The data, and what it is not
#
# The course brings a **generator** of chest-film-like images: thorax, lungs, heart, ribs, changing exposure. In class 1
# a soft, lumpy opacity lies somewhere in a lung. It needs no download and no patient, the truth is known exactly, and
# it proves nothing about medicine. Real films follow in section 9.
#
# Three parts with different (generated) patients: **training** moves the weights, **validation** makes choices,
# **test** is looked at once.

# %% [markdown] tags=["zh"]
# ## 1 数据：是什么，不是什么
#
# 课程自带一个**生成器**，产生类似胸片的图像：胸廓、肺、心影、肋骨，曝光各不相同。第 1 类的肺野某处有一团边缘模糊的阴
# 影。它不用下载，不涉及患者，真值完全已知；它对医学也什么都证明不了。真实的片子在第 9 节。
#
# 数据按（虚拟的）患者分成三份：**训练集**用来改权重，**验证集**用来做选择，**测试集**只看一次。

# %%
generated = chest_xrays(2100, size=28, seed=0)
parts = {"train": slice(0, 1200), "val": slice(1200, 1500), "test": slice(1500, 2100)}
pixels = generated.images / np.float32(255)
mean, std = pixels[parts["train"]].mean(), pixels[parts["train"]].std()  # of the training part only
x = ((pixels - mean) / std).astype(np.float32)[:, None]
c = generated.labels
for name, part in parts.items():
    patients = set(generated.patients[part].tolist())
    print(f"{name:5s} {c[part].size:5d} images, {len(patients):5d} patients, {c[part].mean():.0%} with an opacity")
assert not set(generated.patients[parts["train"]]) & set(generated.patients[parts["test"]])

# %%
shown = [int(np.flatnonzero(c[:100] == k)[i]) for k in (0, 1) for i in range(4)]
alt = (
    "Eight generated chest images of 28 by 28 pixels: four without (0), four with an opacity (1).",
    "八幅 28×28 的生成胸片：四幅无阴影（0），四幅有阴影（1）。",
)
show_images({f"{i}: $c$ = {c[i]}": pixels[i] for i in shown}, alt, limits=(0, 1), size=1.5)
assert c[shown].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]

# %% [markdown] tags=["en"]
# **Predict:** cover the titles with your hand. For which of the eight images can you tell the class?
#
# ## 2 First the baselines
#
# A number without a baseline says nothing. The mean brightness of an image, and one weight per pixel (logistic
# regression): how far do they get? The measure is the **AUC**: the probability that an image with an opacity gets a
# higher score than one without; 0.5 is a coin, 1 is perfect.

# %% [markdown] tags=["zh"]
# **先猜**：用手遮住标题，这八幅图像里，哪几幅你分得出类别？
#
# ## 2 先定基线
#
# 没有基线，数字毫无意义。只看图像的平均亮度，或者每个像素一个权重（逻辑回归），能做到什么程度？指标用 **AUC**：随机取一
# 幅有阴影、一幅无阴影的图像，前者得分更高的概率；0.5 等于抛硬币，1 是完美。

# %%
test, train = parts["test"], parts["train"]
mediml.manual_seed(0)
linear = nn.Linear(784, 2)
optimizer = optim.Adam(linear.parameters(), lr=1e-3, weight_decay=1e-2)
flat = mediml.from_numpy(x[train].reshape(-1, 784))
for _ in range(150):
    optimizer.zero_grad()
    F.cross_entropy(linear(flat), mediml.from_numpy(c[train])).backward()
    optimizer.step()
difference = predict_logits(linear, x[test].reshape(-1, 784)) @ [-1, 1]
baseline = evaluation.auc(c[test], difference)
print(f"mean brightness: AUC {evaluation.auc(c[test], x[test].mean((1, 2, 3))).value:.2f}")
print(f"a weight per pixel: AUC {baseline.value:.1f}")
assert baseline.value < 0.85

# %% [markdown] tags=["en"]
# ## 3 The network
#
# Two blocks of convolution, ReLU and pooling, then two fully connected layers. This is the whole model:

# %% [markdown] tags=["zh"]
# ## 3 网络
#
# 两组“卷积、ReLU、池化”，再接两个全连接层。整个模型如下：

# %%
show_source(CNN)

# %% [markdown] tags=["en"]
# | layer | output | weights and biases |
# |---|---|---|
# | image | 1 × 28 × 28 | |
# | `conv1`, ReLU, pool | 32 × 14 × 14 | $32 \cdot 9 + 32 = 320$ |
# | `conv2`, ReLU, pool | 64 × 7 × 7 | $64 \cdot 32 \cdot 9 + 64 = 18\,496$ |
# | flatten | 3136 | |
# | `fc1`, ReLU | 128 | $3136 \cdot 128 + 128 = 401\,536$ |
# | `fc2` | 2 | $128 \cdot 2 + 2 = 258$ |
#
# Nineteen weights of twenty sit in `fc1`. And here a program that is often copied goes wrong. It declares `fc1` with
# $64 \cdot 16 \cdot 16$ inputs for images of 32 × 32. Two poolings leave 8 × 8 and not 16 × 16. **Predict:** the
# program reshapes with `x.view(-1, 64 * 16 * 16)`. What becomes of a batch of 64 images?

# %% [markdown] tags=["zh"]
# | 层 | 输出 | 权重与偏置的个数 |
# |---|---|---|
# | 图像 | 1 × 28 × 28 | |
# | `conv1`、ReLU、池化 | 32 × 14 × 14 | $32 \cdot 9 + 32 = 320$ |
# | `conv2`、ReLU、池化 | 64 × 7 × 7 | $64 \cdot 32 \cdot 9 + 64 = 18\,496$ |
# | 展平 | 3136 | |
# | `fc1`、ReLU | 128 | $3136 \cdot 128 + 128 = 401\,536$ |
# | `fc2` | 2 | $128 \cdot 2 + 2 = 258$ |
#
# 二十个权重里有十九个在 `fc1`。一段常被转抄的程序正是在这里出错：图像是 32 × 32，它却给 `fc1` 声明了
# $64 \cdot 16 \cdot 16$ 个输入。两次池化之后是 8 × 8，不是 16 × 16。**先猜**：程序用 `x.view(-1, 64 * 16 * 16)` 改变形
# 状，64 幅图像的一批会变成什么？

# %%
guess = None  # how many rows?
pooled_twice = mediml.zeros(64, 64, 8, 8)
rows = pooled_twice.view(-1, 64 * 16 * 16)
print("batch of 64 images ->", tuple(rows.shape))
model = CNN(in_channels=1, num_classes=2, image_size=28)
print("ours:", sum(p.numel() for p in model.parameters()), "numbers to learn")
assert rows.shape == (16, 16384) and sum(p.numel() for p in model.parameters()) == 420_610

# %% [markdown] tags=["en"]
# Sixteen rows: `-1` silently put four patients into one row. Only because 16 rows do not match 64 labels does the loss
# complain. The rule: **keep the batch axis, let the program compute the rest** (`x.flatten(1)`), and compute the size
# of `fc1` from the image.

# %% [markdown] tags=["zh"]
# 十六行：`-1` 悄悄把四位患者拼进了同一行。只因为 16 行与 64 个标签对不上，损失函数才报错。规矩是：
# **批量这个轴不动，其余让程序去算** （`x.flatten(1)`），而且 `fc1` 的大小要由图像尺寸算出来。

# %% [markdown] tags=["en"]
# ## 4 The five steps, one at a time
#
# **Step 1: initialise.** Weights start at random (all equal would stay equal: every kernel would receive the same
# gradient), small enough that the first answers are undecided.
#
# **Step 2: forward.** Images in, two scores $z_0, z_1$ per image out.

# %% [markdown] tags=["zh"]
# ## 4 五个步骤，一步一步来
#
# **第一步：初始化。** 权重从随机数开始（若都相等，得到的梯度也相等，就会永远相等），而且要小，使最初的回答不偏不倚。
#
# **第二步：前向。** 输入图像，每幅输出两个得分 $z_0, z_1$。

# %%
mediml.manual_seed(0)
model = CNN(in_channels=1, num_classes=2, image_size=28)  # step 1
images, labels = mediml.from_numpy(x[:64]), mediml.from_numpy(c[:64])
scores = model(images)  # step 2
p = F.softmax(scores, dim=1)[:, 1].mean().item()
print("scores", tuple(scores.shape), f" mean probability of class 1: {p:.1f}")
assert scores.shape == (64, 2)

# %% [markdown] tags=["en"]
# **Step 3: loss.** Softmax makes probabilities of the scores; the **cross entropy** charges the logarithm of what was
# given to the right class:
#
# $$ \ell = -\frac1N\sum_{n} \ln p_{n, c_n}, \qquad p_{n,k} = \frac{e^{z_{n,k}}}{\sum_j e^{z_{n,j}}}, \qquad
#    \frac{\partial \ell}{\partial z_{n,k}} = \frac1N\,(p_{n,k} - [k = c_n]) $$
#
# By hand: an undecided network gives 1/2 to either class and pays $\ln 2 = 0.693$ per image. The gradient is as plain
# as can be: what you said, minus what is true.

# %% [markdown] tags=["zh"]
# **第三步：损失。** Softmax 把得分变成概率；**交叉熵**按正确类别所得概率的对数收费：
#
# $$ \ell = -\frac1N\sum_{n} \ln p_{n, c_n}, \qquad p_{n,k} = \frac{e^{z_{n,k}}}{\sum_j e^{z_{n,j}}}, \qquad
#    \frac{\partial \ell}{\partial z_{n,k}} = \frac1N\,(p_{n,k} - [k = c_n]) $$
#
# 手算：不偏不倚的网络给两类各 1/2，每幅图像付 $\ln 2 = 0.693$。梯度再朴素不过：你说的，减去真实的。

# %%
loss = F.cross_entropy(scores, labels)  # step 3
p = evaluation.softmax(scores.detach().numpy())
by_hand = -np.log(p[np.arange(64), c[:64]]).mean()
print(f"first loss {loss.item():.1f}, ln 2 = {np.log(2):.3f}")
print("the same by hand:", np.isclose(by_hand, loss.item(), rtol=1e-5))
assert abs(loss.item() - np.log(2)) < 0.05 and np.isclose(by_hand, loss.item(), rtol=1e-5)

# %% [markdown] tags=["en"]
# **Step 4: backward, and a step of the optimizer.** These are two things. `backward()` only *computes* gradients
# (lesson 08); the optimizer decides how to move. Gradient descent takes $w \leftarrow w - \eta g$. **Adam** divides by
# the usual size of the gradient:
#
# $$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
#    w \leftarrow w - \eta\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \epsilon} $$
#
# By hand for the first step: $m = 0.1\,g$ and $v = 0.001\,g^2$, divided by $1-\beta^1$ they are $g$ and $g^2$, so
# **every** weight moves by $\eta\,g/|g| = \pm\eta$, whether its gradient is large or small. **Predict:** is the loss on
# these same images smaller after the step?

# %% [markdown] tags=["zh"]
# **第四步：反向传播，再由优化器走一步。** 这是两件事。`backward()` 只是**计算**梯度（第 08 课），怎样移动由优化器决定。
# 梯度下降是 $w \leftarrow w - \eta g$；**Adam** 则除以梯度惯常的大小：
#
# $$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
#    w \leftarrow w - \eta\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \epsilon} $$
#
# 手算第一步：$m = 0.1\,g$，$v = 0.001\,g^2$，各除以 $1-\beta^1$ 便是 $g$ 与 $g^2$，于是**每个**权重都移动
# $\eta\,g/|g| = \pm\eta$，不管它的梯度是大是小。**先猜**：走完这一步，同一批图像上的损失会变小吗？

# %%
optimizer = optim.Adam(model.parameters(), lr=1e-3)
before = model.fc2.weight.detach().clone()
optimizer.zero_grad()
loss.backward()  # step 4: gradients …
optimizer.step()  # … and the step
moved = (model.fc2.weight.detach() - before).numpy()
gradient = model.fc2.weight.grad.numpy()
decided = np.abs(gradient) > 1e-5
against = np.allclose(moved[decided], -1e-3 * np.sign(gradient[decided]), rtol=0.01)
print("each weight moved by 0.001 against the sign of its gradient:", against)
after = F.cross_entropy(model(images), labels).item()
print(f"loss on the same images: before {loss.item():.2f}, after {after:.2f}")
assert against and after > loss.item()

# %% [markdown] tags=["en"]
# It rises! The gradient promises a descent for *small* steps, and 420 610 weights that each move by 0.001 in concert
# are not a small step. With $\eta = 10^{-4}$ it falls at once (try it); with $10^{-3}$ it falls after a few steps, when
# the gradients disagree and $m$ becomes small against $\sqrt v$. A loss is judged over epochs, not over one step.
#
# **Step 5: iterate.** Batch after batch, epoch after epoch. Before we do so, a check.
#
# ## 5 The same numbers as PyTorch
#
# PyTorch was given the same weights and the same images and made twenty steps of Adam, in float64. Its losses are
# stored with this lesson. If our convolution, pooling, loss, tape and optimizer are right, ours must agree to many
# digits at **every** step: an error anywhere would grow from step to step.

# %% [markdown] tags=["zh"]
# 反而变大了！梯度只保证**小**步会下降，而 420 610 个权重步调一致地各移动 0.001，并不是一小步。取 $\eta = 10^{-4}$ 立刻
# 就降（请试一试）；取 $10^{-3}$，几步之后，各批梯度意见不一，$m$ 相对 $\sqrt v$ 变小，损失也会降。看损失要看整轮，不看
# 一步。
#
# **第五步：迭代。** 一批接一批，一轮接一轮。开始之前先做个检查。
#
# ## 5 与 PyTorch 数值相同
#
# 给 PyTorch 同样的权重、同样的图像，用 float64 走二十步 Adam，它的损失存放在本课旁边。如果我们的卷积、池化、损失、记录
# 带和优化器都对， **每一步**都应有许多位数字一致：任何一处有错，都会一步步放大。

# %%
torch_says = json.loads(Path("../stored/09_torch.json").read_text())
rng = np.random.default_rng(torch_says["seed"])
twin = CNN(in_channels=1, num_classes=2, image_size=28).double()
drawn = {}
for name, parameter in twin.named_parameters():
    values = rng.standard_normal(tuple(parameter.shape)) / np.sqrt(max(parameter[0].numel(), 16))
    drawn[name] = mediml.tensor(values)
twin.load_state_dict(drawn)

# %%
optimizer, losses = optim.Adam(twin.parameters(), lr=1e-3), []
for step in range(20):
    batch = slice(16 * step, 16 * step + 16)
    images = mediml.tensor(generated.images[batch, None] / 255.0)
    loss = F.cross_entropy(twin(images), mediml.tensor(c[batch]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# %%
difference = np.abs(np.array(losses) / np.array(torch_says["losses"]) - 1).max()
for step in (0, 9, 19):
    print(f"step {step + 1:2d}: ours {losses[step]:.8f}  PyTorch {torch_says['losses'][step]:.8f}")
print("largest relative difference below 1e-9:", difference < 1e-9)
assert difference < 1e-9

# %% [markdown] tags=["en"]
# ## 6 Training
#
# All five steps in one cell. The numbers of the next cells depend in their last digits on the processor (sums are
# rounded in another order), and training magnifies that; so your figures may differ a little from the ones shown.

# %% [markdown] tags=["zh"]
# ## 6 训练
#
# 五个步骤写在一个单元里。以下各单元的数字，最后几位与处理器有关（求和的舍入次序不同），训练又会把它放大，所以你得到的结
# 果可能与这里略有出入。

# %%
mediml.manual_seed(0)
model = CNN(in_channels=1, num_classes=2, image_size=28)  # 1 initialise
optimizer = optim.Adam(model.parameters(), lr=1e-3)
training = TensorDataset(mediml.from_numpy(x[train]), mediml.from_numpy(c[train]))
loader = DataLoader(training, batch_size=32, shuffle=True)
history, snapshots = {"train": [], "val": [], "auc": []}, []

# %%
for _ in range(8):  # 5 iterate
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)  # 2 forward, 3 loss
        optimizer.zero_grad()
        loss.backward()  # 4 backward …
        optimizer.step()  # … and step
    snapshots.append({name: value.detach().clone() for name, value in model.state_dict().items()})
    for name in ("train", "val"):
        logits = predict_logits(model, x[parts[name]])
        history[name].append(negative_log_likelihood(c[parts[name]], logits))
    history["auc"].append(evaluation.auc(c[parts["val"]], logits @ [-1, 1]).value)
print("the training loss fell below a half of ln 2:", history["train"][-1] < 0.35)
assert history["train"][-1] < 0.35 and max(history["auc"]) > 0.9

# %% [markdown] tags=["en"]
# **Learning curves.** Left: loss on training (blue) and validation (dashed) after each epoch $e$; right: AUC on
# validation. While both losses fall together the network learns what holds for new patients, too. Where the dashed
# curve turns up and the blue one goes on falling, it learns the training images by heart. **Predict:** which epoch
# would you take, and may you look at the test images to decide?

# %% [markdown] tags=["zh"]
# **学习曲线。** 左图：每轮 $e$ 之后训练集（蓝色实线）与验证集（虚线）的损失；右图：验证集上的 AUC。两条损失一起下降时，
# 学到的东西对新患者也成立；虚线掉头向上、蓝线仍在下降时，网络就是在背训练图像了。**先猜**：你会取哪一轮？能不能看测试集
# 来决定？

# %%
epochs = np.arange(1, 9)
losses = {r"$\ell_{tr}$": history["train"], r"$\ell_{val}$": history["val"]}
alt = (
    "Training and validation loss fall over eight epochs, steeply from the second to the fourth; AUC rises above 0.9.",
    "八轮中训练与验证损失下降，第二至第四轮最陡；AUC 升到 0.9 以上。",
)
show_learning_curves(epochs, losses, {"AUC": history["auc"]}, alt)
best = int(np.argmax(history["auc"]))
model.load_state_dict(snapshots[best])
assert history["train"][-1] < history["train"][0] and len(snapshots) == 8

# %% [markdown] tags=["en"]
# We take the epoch with the largest AUC on **validation**. A choice made by looking at the test images would make them
# part of the training.
#
# ## 7 How good is it?
#
# The AUC asks for no threshold; a decision does. It is chosen on validation (largest sensitivity + specificity) and
# then left alone. *Now* the test images are looked at, once. Each figure comes with its 95 % interval: DeLong's for the
# AUC, Wilson's for fractions.

# %% [markdown] tags=["zh"]
# 取**验证集**上 AUC 最大的一轮。如果看着测试集来挑，测试集就成了训练的一部分。
#
# ## 7 它有多好？
#
# AUC 不需要阈值，做决定却需要。阈值在验证集上选定（灵敏度与特异度之和最大），此后不再动。**现在**才看测试集，而且只看一
# 次。每个指标都附 95 % 置信区间：AUC 用 DeLong 法，比例用 Wilson 法。

# %%
# NBVAL_IGNORE_OUTPUT
p_val = evaluation.softmax(predict_logits(model, x[parts["val"]]))[:, 1]
threshold = evaluation.choose_threshold(c[parts["val"]], p_val)
logits = predict_logits(model, x[test])
figures = evaluation.evaluate(c[test], logits, threshold)
for name in ("auc", "sensitivity", "specificity", "accuracy"):
    estimate = figures[name]
    print(f"{name:12s} {estimate['value']:.3f}   95 % interval {estimate['low']:.3f} to {estimate['high']:.3f}")
print(
    f"a weight per pixel had AUC {baseline.value:.3f}; always answering 0: accuracy {figures['baseline_accuracy']:.3f}"
)
assert figures["auc"]["low"] > baseline.high

# %% [markdown] tags=["en"]
# The intervals come from 600 images, about half of them with an opacity. They say what chance alone may do to the
# figure; they do *not* say how it would be with other hospitals, other devices, other children.
#
# **The confusion matrix** counts what became of them: rows are the truth $c$, columns the answer $\hat c$. Top right
# stand the false alarms, bottom left the misses. Which of the two is worse is no question of mathematics.

# %% [markdown] tags=["zh"]
# 这些区间来自 600 幅图像，其中约一半有阴影。它们说明单凭偶然，数字能偏多少；它们**不能**说明换一家医院、一台设备、一群
# 孩子会怎样。
#
# **混淆矩阵**数一数结局：行是真值 $c$，列是回答 $\hat c$。右上是误报，左下是漏诊。哪一种更糟，不是数学问题。

# %%
alt = (
    "Confusion matrix of the test images: rows the truth, columns the answer; nearly all on the diagonal.",
    "测试集的混淆矩阵：行为真值，列为回答；绝大多数在对角线上。",
)
show_confusion(figures["confusion"], ["0", "1"], alt)
assert np.sum(figures["confusion"]) == 600 and np.trace(figures["confusion"]) > 510

# %% [markdown] tags=["en"]
# **Calibration.** Among images that were given a probability of about 0.7, do 70 % have an opacity? Points on the
# dotted line say yes. The number at each point is how many images it stands for, the bars are 95 % intervals.

# %% [markdown] tags=["zh"]
# **校准。** 被判为约 0.7 的那些图像里，真有七成有阴影吗？点落在虚线上，就是有。点旁的数字是图像数，竖线是 95 % 置信区
# 间。

# %%
p_test = evaluation.softmax(logits)[:, 1]
bins = evaluation.reliability_bins(c[test], p_test, bins=6)
predicted, observed, counts = zip(*bins)
interval = ([o.low for o in observed], [o.high for o in observed])
alt = (
    "Reliability diagram: observed frequency over predicted probability, six points near the diagonal.",
    "可靠性图：横轴为预测概率，纵轴为实际频率，六个点靠近对角线。",
)
show_reliability(predicted, [o.value for o in observed], interval, counts, alt)
assert sum(counts) == 600

# %% [markdown] tags=["en"]
# ## 8 What has it learned, and what does it miss?
#
# The 32 kernels of the first layer, red positive, blue negative. Lesson 04 gave such kernels names; here nobody did.
# Some still look like their random beginning: they were good enough, and Adam moved them little.

# %% [markdown] tags=["zh"]
# ## 8 它学到了什么，又漏掉了什么？
#
# 第一层的 32 个卷积核，红为正，蓝为负。第 04 课里这样的核都有名字，这里没有人起名。有些还像随机的初值：它们已经够用，
# Adam 没怎么动。

# %%
kernels = model.conv1.weight.detach().numpy()[:, 0]
alt = (
    "The 32 learned kernels of 3 by 3 weights; some resemble edge filters.",
    "学到的 32 个 3×3 卷积核，有些像边缘滤波器。",
)
show_images({f"{i}": kernel for i, kernel in enumerate(kernels)}, alt, columns=8, signed=True, size=0.75)
start = snapshots[0]["conv1.weight"].numpy()[:, 0]
print("the kernels have moved since the first epoch:", np.abs(kernels - start).max() > 1e-3)
assert kernels.shape == (32, 3, 3) and np.abs(kernels - start).max() > 1e-3

# %%
found = 1500 + int(np.argmax(p_test))
maps = F.relu(model.conv1(mediml.from_numpy(x[found : found + 1]))).detach().numpy()[0]
strongest = np.argsort(-maps.var(axis=(1, 2)))[:3]
alt = (
    "The surest test image, its opacity's true outline, and the three feature maps that vary most.",
    "把握最大的一幅测试图像、阴影的真实轮廓，以及变化最大的三张特征图。",
)
panels = {"$x$": pixels[found], "$o$": generated.opacity[found]} | {f"$y_{{{k}}}$": maps[k] for k in strongest}
show_images(panels, alt, columns=5, size=1.5)
assert c[found] == 1 and maps.shape == (32, 28, 28) and maps.min() >= 0

# %% [markdown] tags=["en"]
# Look at the **failures**; averages hide them. The four opacities with the lowest probability, and below where they
# truly are:

# %% [markdown] tags=["zh"]
# 要看**失败的例子**，平均数会把它们藏起来。下面是得分最低的四处阴影，第二行是它们真正的位置：

# %%
positives = np.flatnonzero(c[test] == 1)
missed = 1500 + positives[np.argsort(p_test[positives])[:4]]
alt = (
    "The four opacities with the lowest probability and, below, their outlines: faint, or beside heart or edge.",
    "概率最低的四处阴影及其轮廓：或者很淡，或者贴着心影或边缘。",
)
top = {f"{p_test[i - 1500]:.2f}": pixels[i] for i in missed}
show_images(top | {f"$o_{k}$": generated.opacity[i] for k, i in enumerate(missed, 1)}, alt, limits=(0, 1), size=1.5)
assert c[missed].tolist() == [1, 1, 1, 1]

# %% [markdown] tags=["en"]
# ## 9 The same on real films
#
# The package carries a network of this kind that the project's own kernels trained on **PneumoniaMNIST**: 5,856 chest
# films of children from one hospital in Guangzhou, 28 × 28 pixels (D. Kermany et al., 2018; J. Yang et al., 2023). Its
# **card** says how it did on the test films. Whoever has the data file repeats the evaluation in the second cell below;
# everyone else reads the card.

# %% [markdown] tags=["zh"]
# ## 9 真实的片子
#
# 软件包自带一个这样的网络，由本项目自己的内核在 **PneumoniaMNIST** 上训练而成：广州一家医院 5 856 张儿童胸片，28 × 28
# 像素（D. Kermany 等，2018；J. Yang 等，2023）。它在测试集上的表现写在**模型卡片**里。手头有数据文件的读者，可以用下面
# 第二个单元重做一遍评估；没有的，读卡片即可。

# %%
trained = pretrained.load("pneumonia_cnn")
results = trained.card["metrics"]["test"]
print("data: ", trained.card["data"]["name"], "·", results["cases"], "test images")
for name in ("auc", "sensitivity", "specificity", "accuracy"):
    estimate = results[name]
    print(f"{name:12s} {estimate['value']:.3f}   95 % interval {estimate['low']:.3f} to {estimate['high']:.3f}")
validation = trained.card["metrics"]["validation"]["auc"]
print(
    f"AUC on validation {validation['value']:.3f}; always the more frequent class: {results['baseline_accuracy']:.3f}"
)
assert results["auc"]["low"] > 0.9

# %%
file = Path(os.environ.get("MEDIML_DATA_DIR", ".")) / "pneumoniamnist.npz"
if file.exists():
    real = medmnist.load(file)
    preparation = trained.card["preprocessing"]
    logits = predict_logits(trained.model, real.test.arrays(preparation["mean"], preparation["std"]))
    again = evaluation.evaluate(real.test.labels, logits, trained.card["threshold"], trained.card["temperature"])
    assert abs(again["auc"]["value"] - results["auc"]["value"]) < 1e-3, "not the file that the card describes?"
print("the card stands")

# %% [markdown] tags=["en"]
# Compare sensitivity with specificity: of the training films three of four show pneumonia, of the test films five of
# eight, and a network that has seen so many ill children says *ill* too readily. Compare validation with test, too: the
# gap is larger than the intervals. The publisher's test films are not like the others, and hospitals differ more than
# these two parts do. And **whom** was it trained on? Children. The adult's film of lesson 04 can be fed into it, and a
# number comes out, as from any arithmetic:

# %% [markdown] tags=["zh"]
# 比较一下灵敏度与特异度：训练片四张里有三张是肺炎，测试片八张里有五张；见惯了患儿的网络，太容易说“有病”。再比较验证集与
# 测试集：差距超出了置信区间。发布者给的测试片与其余的片子并不一样，而不同医院之间的差别只会更大。再问一句：它是
# 拿**谁**训练的？儿童。第 04 课那张成人胸片也能送进去，也会得出一个数，正如任何算术都会给出一个数：

# %%
film = center_square(read_image(packaged_file("chest_xray")).display())
small = resize_area(film, (28, 28))
alt = (
    "The adult's chest X-ray of lesson 04 reduced to 28 by 28 pixels, as a network sees it.",
    "第 04 课的成人胸片缩成 28×28 像素，网络看到的就是这样。",
)
show_images({"1841 × 1841": resize_area(film, (256, 256)), "28 × 28": small}, alt, limits=(0, 1), size=2.4)
assert small.shape == (28, 28) and 0 <= small.min() < small.max() <= 1

# %% [markdown] tags=["en"]
# The number would mean nothing, and so it is not printed here. `mediml diagnose` measures how unlike the training films
# an image is, and may refuse to judge. *I do not know* is an answer that a program must be able to give.

# %% [markdown] tags=["zh"]
# 这个数没有任何意义，所以这里不打印。`mediml diagnose` 会先量一量图像与训练片子有多不像，必要时拒绝判断。“我不知道”，是
# 程序必须会说的一句话。

# %% [markdown] tags=["en"]
# ## 10 What was wrong with the program
#
# A CNN program with two convolutions is found in many introductions, in nearly the same words. Read as a reviewer, it
# has these faults; each is mended in this lesson:
#
# | fault | consequence | mended |
# |---|---|---|
# | flattened size 64 · 16 · 16 assumed | four images in one row, then a crash | computed from the image size |
# | `F` and `torchvision` used, never imported | does not start | imports complete |
# | natural photographs, ten classes of objects | says nothing about films | medical images, classes of a finding |
# | no validation part | no way to choose epochs honestly | three parts, by patient |
# | no `model.eval()` before the test | with dropout the test is random | `predict_logits` switches |
# | inputs not normalised | slow start (lesson 04, section 11) | mean and deviation of the training part |
# | no seed | cannot be repeated | `manual_seed` |
# | accuracy alone, without an interval | looks exact, hides misses | AUC, sensitivity, specificity, intervals |
# | "back-propagation updates the weights" | two steps confused | `backward()` computes, `step()` moves |

# %% [markdown] tags=["zh"]
# ## 10 那段程序错在哪里
#
# 一段含两层卷积的 CNN 程序，在许多入门文章里几乎一字不差地出现。以审稿人的眼光来读，有下列毛病，本课逐一改正：
#
# | 毛病 | 后果 | 本课的做法 |
# |---|---|---|
# | 想当然地把展平大小写成 64 · 16 · 16 | 四幅图像并成一行，随后崩溃 | 由图像尺寸计算 |
# | 用了 `F` 和 `torchvision`，却没有导入 | 无法运行 | 导入齐全 |
# | 数据是自然照片，十类物体 | 对胸片什么也说明不了 | 医学图像，按征象分类 |
# | 没有验证集 | 无法诚实地选择轮数 | 按患者分成三份 |
# | 测试前没有 `model.eval()` | 一旦有 dropout，测试结果是随机的 | `predict_logits` 会切换 |
# | 输入没有归一化 | 起步缓慢（第 04 课第 11 节） | 用训练集的均值与标准差 |
# | 没有设随机种子 | 无法重复 | `manual_seed` |
# | 只报准确率，没有区间 | 看似精确，掩盖漏诊 | AUC、灵敏度、特异度及区间 |
# | 说“反向传播更新权重” | 把两步混为一谈 | `backward()` 计算，`step()` 移动 |

# %% [markdown] tags=["en"]
# ## 11 Limits
#
# * Generated images have the faults that their author thought of. Real ones have others.
# * One training run is one draw. Another seed gives another network, a little better or worse; honest reports train
#   several.
# * 28 × 28 pixels of a chest are about 12 mm each: nodules, fine lines and catheters are gone before the network
#   begins.
# * A good AUC is not a useful tool. Use depends on prevalence, on what happens after the answer, and on who reads it
#   (lessons 16 and 19).

# %% [markdown] tags=["zh"]
# ## 11 局限
#
# * 生成的图像只有作者想到的那些毛病；真实图像还有别的。
# * 训练一次，等于抽签一次。换个种子就是另一个网络，略好或略差；诚实的报告要训练多次。
# * 胸片缩成 28 × 28，每个像素约 12 mm：结节、细线、导管在网络开始之前就已经没有了。
# * AUC 高不等于有用。有没有用，要看患病率、回答之后做什么，以及由谁来看（第 16、19 课）。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. A network gives the right class probability 0.9, 0.6 and 0.1 in three images. What is the cross entropy (two
#    decimals)?
# 2. How many inputs has `fc1` for images of 64 × 48 pixels?
# 3. Of 100 children 5 have pneumonia. A test has sensitivity 0.9 and specificity 0.9. Of those it calls ill, which
#    fraction is ill? (two decimals)

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 三幅图像中，网络给正确类别的概率分别是 0.9、0.6、0.1，交叉熵是多少（保留两位小数）？
# 2. 图像为 64 × 48 像素时，`fc1` 有多少个输入？
# 3. 100 个孩子里有 5 个患肺炎。某检验的灵敏度和特异度都是 0.9。被判为患病的人里，真正患病的占多少（保留两位小数）？

# %%
entropy = None  # exercise 1
assert entropy is None or abs(entropy - -np.log([0.9, 0.6, 0.1]).mean()) < 0.006, "the mean of -ln p"

# %%
inputs = None  # exercise 2
assert inputs in (None, CNN(1, 2, (64, 48)).fc1.in_features), (
    "each pooling halves height and width: 64 channels of 16 × 12"
)

# %%
fraction = None  # exercise 3
assert fraction is None or abs(fraction - 4.5 / (4.5 + 9.5)) < 0.006, (
    "4.5 true alarms stand against 95 · 0.1 false ones"
)

# %% [markdown] tags=["en"]
# ## Summary
#
# * Five steps: initialise, forward, loss, backward with a step of the optimizer, iterate.
# * Cross entropy starts at the logarithm of the number of classes; its gradient is $(p - \text{truth})/N$.
# * Adam's first step moves every weight by $\eta$.
# * Training moves weights, validation chooses, test is looked at once. Split by patient.
# * A figure comes with a baseline and an interval, a probability with its calibration, a model with what it cannot
#   judge.
#
# ## To think about
#
# 1. Exercise 3 gives about one third. Why is the same test useful in one ward and harmful in another?
# 2. You try 50 settings and take the best on validation. Why is its validation AUC too good, and what does the test
#    part tell you?
# 3. The generator puts opacities only into lungs. What would a network learn from films on which the ill were X-rayed
#    in bed and the healthy standing?
#
# ## Sources
#
# * D. P. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015, arXiv:1412.6980.
# * E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, *Comparing the areas under … ROC curves*, Biometrics 44 (1988),
#   837–845.
# * D. S. Kermany et al., *Identifying medical diagnoses and treatable diseases by image-based deep learning*, Cell 172
#   (2018), 1122–1131.
# * J. Yang et al., *MedMNIST v2*, Scientific Data 10 (2023), 41. Card:
#   [PneumoniaMNIST](../../datasets/cards/pneumoniamnist.md).
# * J. Mongan et al., *Checklist for artificial intelligence in medical imaging (CLAIM)*, Radiology: AI 2 (2020),
#   updated 2024.
# * Code: [`mediml/models/cnn.py`](../../mediml/models/cnn.py),
#   [`mediml/training/loop.py`](../../mediml/training/loop.py),
#   [`mediml/evaluation/`](../../mediml/evaluation/__init__.py),
#   [`mediml/data/synthetic.py`](../../mediml/data/synthetic.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 五个步骤：初始化，前向，损失，反向传播并由优化器走一步，迭代。
# * 交叉熵从类别数的对数开始；它的梯度是 $(p - \text{真值})/N$。
# * Adam 的第一步让每个权重都移动 $\eta$。
# * 训练集改权重，验证集做选择，测试集只看一次；按患者划分。
# * 数字要带基线和区间，概率要带校准，模型要说明自己不能判断什么。
#
# ## 思考题
#
# 1. 练习 3 的答案约为三分之一。同一个检验，为什么在这个病区有用，在那个病区有害？
# 2. 试了 50 组设置，取验证集上最好的。它的验证 AUC 为什么偏高？测试集能告诉你什么？
# 3. 生成器只把阴影放在肺里。如果患者都躺着拍、健康人都站着拍，网络会学到什么？
#
# ## 资料
#
# * D. P. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015, arXiv:1412.6980。
# * E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, *Comparing the areas under … ROC curves*, Biometrics 44 (1988),
#   837–845。
# * D. S. Kermany 等, *Identifying medical diagnoses and treatable diseases by image-based deep learning*, Cell 172
#   (2018), 1122–1131。
# * J. Yang 等, *MedMNIST v2*, Scientific Data 10 (2023), 41。卡片：
#   [PneumoniaMNIST](../../datasets/cards/pneumoniamnist.md)。
# * J. Mongan 等, *Checklist for artificial intelligence in medical imaging (CLAIM)*, Radiology: AI 2 (2020)，2024 年更
#   新。
# * 代码：[`mediml/models/cnn.py`](../../mediml/models/cnn.py)、
#   [`mediml/training/loop.py`](../../mediml/training/loop.py)、
#   [`mediml/evaluation/`](../../mediml/evaluation/__init__.py)、
#   [`mediml/data/synthetic.py`](../../mediml/data/synthetic.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
