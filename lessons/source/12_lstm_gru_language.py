# %% [markdown] tags=["en"]
# # 12 · LSTM, GRU, language: what is kept, and what is denied
#
# *No evidence of pneumothorax.* Whoever searches reports for *pneumothorax*, to count cases or to find training images,
# finds this one. **The word is there, the finding is not.** And in *no change in the effusion* there is a *no*, and
# yet the effusion is there. What a word means is decided by words that stand before or behind it, often far away. The
# network of lesson 11 forgets within some ten steps. This lesson builds two that are able to keep: the **LSTM** and the
# **GRU**.
#
# **After this lesson you can** write both from their formulas and compute them by hand; say why a cell state carries a
# gradient and by which factor per step it loses it; set the right bias of the right gate; show on a task that one
# network remembers and another does not; train a reader of negation in English and Chinese and judge it by what it has
# **not** seen; and read a series of visits of any number.
#
# **Time:** 80 minutes. **You need:** lessons [09](09_training_a_cnn.ipynb) (training, confusion matrix) and
# [11](11_rnn.ipynb) (the RNN, back-propagation through time, lengths).

# %% [markdown] tags=["zh"]
# # 12 · LSTM、GRU 与语言：记住什么，否定什么
#
# “**未见**气胸。”谁要是在报告里检索“气胸”，好统计病例或者找训练图像，这一份就会被检出来：**词在，征象不在**。反过来，
# “胸腔积液**无**变化”里有个“无”字，积液却是有的。一个词是什么意思，取决于它前面或后面的词，有时隔得很远。第 11 课的网络
# 十来步就忘光了。本课造两个记得住的：**LSTM** 和 **GRU**。
#
# **学完本课，你能够**从公式写出这两种网络，并手算它们；说清细胞状态为什么能把梯度带回去，每走一步又损失几成；给该给的门
# 设上该设的偏置；用一个任务证明哪个网络记得住、哪个记不住；训练一个能读懂中、英文否定的网络，并且拿它**没见过的**来评判
# 它；还能读次数不定的随访。
#
# **用时**：80 分钟。**先修**：[第 09 课](09_training_a_cnn.ipynb)（训练、混淆矩阵）、[第 11 课](11_rnn.ipynb)（循环神经网
# 络、随时间反向传播、长度）。

# %%
import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.rnn import cpu, reference_gru, reference_lstm
from mediml import nn, optim
from mediml.data.sentences import STATUSES, keyword_rule, report_sentences, tokens
from mediml.data.sequences import adding

# %%
from mediml.evaluation.classification import confusion_matrix
from mediml.evaluation.intervals import wilson
from mediml.models.rnn import RNN
from mediml.nn.utils import clip_grad_norm_
from mediml.plots import show_confusion, show_curves, show_numbers, show_source
from mediml.utils.data import DataLoader, TensorDataset

# %% [markdown] tags=["en"]
# ## 1 Present, negated, uncertain
#
# Reports of patients cannot be given away. The sentences here are put together by a generator from lists of findings,
# places and phrases, in English and in Chinese. The finding that is asked for stands in brackets, and each sentence has
# one of three labels.

# %% [markdown] tags=["zh"]
# ## 1 有、无、不确定
#
# 患者的报告不能随便给人。这里的句子由生成器用征象、部位、用语的清单拼成，中、英文都有。所问的征象放在方括号里，每个句子有
# 三种标签之一：positive（有）、negated（无）、uncertain（不确定）。

# %%
data = {language: report_sentences(train=1500, val=300, test=900, language=language) for language in ("en", "zh")}
for language, sentences in data.items():
    for c in range(3):
        for trap in (False, True):
            i = np.flatnonzero((sentences.train.labels == c) & (sentences.train.traps == trap))[0]
            print(f"{STATUSES[c]:10s}{'trap ' if trap else '     '}{sentences.train.texts[i]}")
assert all(np.bincount(d.test.labels).min() > 200 for d in data.values())

# %% [markdown] tags=["en"]
# A **trap** is a sentence in which a phrase of denial or doubt belongs to another finding, or means the opposite of
# what it looks like. The oldest solution needs no network: a list of phrases (W. Chapman's NegEx of 2001 is a better
# version, with a limited reach for each phrase). Ours knows *every* phrase that the generator can use: is there one of
# doubt, the answer is *uncertain*; else, is there one of denial, *negated*. **Predict** its accuracy; chance is a third.

# %% [markdown] tags=["zh"]
# **陷阱**指这样的句子：表示否定或怀疑的用语说的是另一个征象，或者看上去像否定，实际意思正相反。最老的办法不用网络，只用一
# 张用语清单（W. Chapman 2001 年的 NegEx 是更好的版本，每个用语只管一定范围）。我们的清单认得生成器会用的**每一个**用语：有
# 表示怀疑的，就答“不确定”；否则，有表示否定的，就答“无”。**先猜**它的准确率；乱猜是三分之一。

# %%
guess = None
for language, sentences in data.items():
    test = sentences.test
    right = keyword_rule(test.texts, language) == test.labels
    print(f"{language}: all {right.mean():.0%}, traps {right[test.traps].mean():.0%}, the others {right[~test.traps].mean():.0%}")
    assert right[~test.traps].mean() > 0.9 and right[test.traps].mean() < 0.7

# %% [markdown] tags=["en"]
# The list finds every phrase and fails on *whose* phrase it is. That takes order, and a memory.
#
# ## 2 The LSTM
#
# The plain RNN makes its state anew at every step: $h_t = \tanh(\dots)$. What it wants to keep has to be squeezed
# through weights and a curve each time. S. Hochreiter and J. Schmidhuber (1997) added a second state, the **cell
# state** $c_t$, which is handed on by *multiplying with a number between 0 and 1 and adding*. Those numbers are the
# **gates**, and each is itself a small layer that looks at the input and the last state:
#
# $$ \begin{pmatrix} i_t \\ f_t \\ g_t \\ o_t \end{pmatrix} =
#    \begin{pmatrix} \sigma \\ \sigma \\ \tanh \\ \sigma \end{pmatrix}
#    \left( W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh} \right) $$
#
# $$ c_t = f_t \odot c_{t-1} + i_t \odot g_t, \qquad h_t = o_t \odot \tanh(c_t) $$
#
# | symbol | name | what it decides | in the code |
# |---|---|---|---|
# | $i_t$ | **input gate**, 0 to 1 | how much is taken in | rows `0 : F_hid` |
# | $f_t$ | **forget gate**, 0 to 1 | how much is **kept** (1 keeps all, in spite of its name) | rows `F_hid : 2*F_hid` |
# | $g_t$ | candidate, −1 to 1 | what is taken in | rows `2*F_hid : 3*F_hid` |
# | $o_t$ | **output gate**, 0 to 1 | how much is shown | rows `3*F_hid : 4*F_hid` |
# | $c_t$ | cell state | the memory; it has no bounds | `c` |
# | $h_t$ | hidden state | what is shown of the memory | `h` |
#
# $\sigma(a) = 1/(1+e^{-a})$, $\odot$ multiplies number by number. The four blocks stand above one another in *one*
# matrix, $W_{ih}$ of shape $4F_{hid} \times F_{in}$, in the order i, f, g, o. The forget gate came later (F. Gers, 2000).

# %% [markdown] tags=["zh"]
# 清单找得到每一个用语，错在分不清它说的是**谁**。这要靠次序，要靠记忆。
#
# ## 2 LSTM
#
# 朴素的 RNN 每一步都把状态重做一遍：$h_t = \tanh(\dots)$。想记住的东西，每次都得从权重和曲线里挤过去。S. Hochreiter 与
# J. Schmidhuber（1997）加了第二个状态——**细胞状态** $c_t$，它往下传只做两件事：**乘以一个 0 到 1 之间的数，再相加**。这
# 些数就是**门**，每个门本身又是一个小小的层，看着输入和上一个状态作决定：
#
# $$ \begin{pmatrix} i_t \\ f_t \\ g_t \\ o_t \end{pmatrix} =
#    \begin{pmatrix} \sigma \\ \sigma \\ \tanh \\ \sigma \end{pmatrix}
#    \left( W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh} \right) $$
#
# $$ c_t = f_t \odot c_{t-1} + i_t \odot g_t, \qquad h_t = o_t \odot \tanh(c_t) $$
#
# | 符号 | 名称 | 决定什么 | 代码中的位置 |
# |---|---|---|---|
# | $i_t$ | **输入门**，0 到 1 | 收进多少 | 第 `0 : F_hid` 行 |
# | $f_t$ | **遗忘门**，0 到 1 | **留下**多少（名为遗忘，取 1 却是全留） | 第 `F_hid : 2*F_hid` 行 |
# | $g_t$ | 候选值，−1 到 1 | 收进什么 | 第 `2*F_hid : 3*F_hid` 行 |
# | $o_t$ | **输出门**，0 到 1 | 露出多少 | 第 `3*F_hid : 4*F_hid` 行 |
# | $c_t$ | 细胞状态 | 记忆本身，大小没有上下界 | `c` |
# | $h_t$ | 隐藏状态 | 记忆露出来的部分 | `h` |
#
# $\sigma(a) = 1/(1+e^{-a})$，$\odot$ 是逐个相乘。四块上下叠在**同一个**矩阵里：$W_{ih}$ 的形状是 $4F_{hid} \times F_{in}$，次序为 i、f、g、o。遗忘
# 门是后来才加的（F. Gers，2000）。

# %% [markdown] tags=["en"]
# ## 3 By hand
#
# One number per step, one number of state, two steps: $x_1 = 1$ (something happens), $x_2 = 0$ (nothing happens),
# $h_0 = c_0 = 0$. Helpful values: $\sigma(\ln 3) = \tfrac34$, $\sigma(-\ln 3) = \tfrac14$, $\sigma(0) = \tfrac12$,
# $\tanh(\ln 3) = 0.8$.
#
# | gate | $w_{ih}$ | $w_{hh}$ | $b$ | step 1: $a$, gate | step 2: $a$, gate |
# |---|---|---|---|---|---|
# | $i$ | $2\ln 3$ | 0 | $-\ln 3$ | $\ln 3$, 0.75 | $-\ln 3$, 0.25 |
# | $f$ | 0 | 0 | $\ln 3$ | $\ln 3$, 0.75 | $\ln 3$, 0.75 |
# | $g$ | $\ln 3$ | 1 | 0 | $\ln 3$, 0.8 | $h_1 = 0.2685$, 0.2623 |
# | $o$ | 0 | 0 | 0 | 0, 0.5 | 0, 0.5 |
#
# $c_1 = 0.75 \cdot 0 + 0.75 \cdot 0.8 = 0.6$ and $h_1 = 0.5 \tanh(0.6) = 0.2685$;
# $c_2 = 0.75 \cdot 0.6 + 0.25 \cdot 0.2623 = 0.5156$ and $h_2 = 0.5 \tanh(0.5156) = 0.2371$. The input gate was open
# when something came and nearly shut when nothing did; three quarters of the memory are still there.

# %% [markdown] tags=["zh"]
# ## 3 手算
#
# 每步一个数，状态一个数，共两步：$x_1 = 1$（有事），$x_2 = 0$（无事），$h_0 = c_0 = 0$。用得着的值：
# $\sigma(\ln 3) = \tfrac34$，$\sigma(-\ln 3) = \tfrac14$，$\sigma(0) = \tfrac12$，$\tanh(\ln 3) = 0.8$。
#
# | 门 | $w_{ih}$ | $w_{hh}$ | $b$ | 第 1 步：$a$，门 | 第 2 步：$a$，门 |
# |---|---|---|---|---|---|
# | $i$ | $2\ln 3$ | 0 | $-\ln 3$ | $\ln 3$，0.75 | $-\ln 3$，0.25 |
# | $f$ | 0 | 0 | $\ln 3$ | $\ln 3$，0.75 | $\ln 3$，0.75 |
# | $g$ | $\ln 3$ | 1 | 0 | $\ln 3$，0.8 | $h_1 = 0.2685$，0.2623 |
# | $o$ | 0 | 0 | 0 | 0，0.5 | 0，0.5 |
#
# $c_1 = 0.75 \cdot 0 + 0.75 \cdot 0.8 = 0.6$，$h_1 = 0.5 \tanh(0.6) = 0.2685$；
# $c_2 = 0.75 \cdot 0.6 + 0.25 \cdot 0.2623 = 0.5156$，$h_2 = 0.5 \tanh(0.5156) = 0.2371$。有事时输入门打开，无事时几乎关
# 上；记忆还留着四分之三。

# %%
l3 = np.log(3)
unit = nn.LSTM(1, 1).double()
columns = {"weight_ih_l0": [2 * l3, 0, l3, 0], "weight_hh_l0": [0, 0, 1, 0], "bias_ih_l0": [-l3, l3, 0, 0]}
values = {name: mediml.tensor(np.array(v, float).reshape(unit.state_dict()[name].shape)) for name, v in columns.items()}
unit.load_state_dict(values | {"bias_hh_l0": mediml.zeros(4)})
x = mediml.tensor(np.array([1.0, 0.0]).reshape(2, 1, 1))
states, (h_n, c_n) = unit(x)
print("h_1, h_2 =", states.detach().numpy().ravel().round(4), "  c_2 =", round(c_n.item(), 4))
assert np.allclose(states.detach().numpy().ravel(), [0.2685, 0.2371], atol=5e-5) and abs(c_n.item() - 0.5156) < 5e-5

# %% [markdown] tags=["en"]
# ## 4 As loops
#
# The kernel is the formula, with the loop over $t$ outside as in lesson 11. (`projected` belongs to an option: a matrix
# that makes $h$ smaller than $c$; cover it with your hand.)

# %% [markdown] tags=["zh"]
# ## 4 写成循环
#
# 内核就是公式，对 $t$ 的循环与第 11 课一样在最外层。（`projected` 是一个选项：再乘一个矩阵，让 $h$ 比 $c$ 小；先用手遮住。）

# %%
show_source(reference_lstm._gates_of, reference_lstm._lstm)

# %%
weights = [np.array(v, float).reshape(4, 1) for v in (columns["weight_ih_l0"], columns["weight_hh_l0"])]
b, start = np.array(columns["bias_ih_l0"], float), np.zeros((1, 1))
y, _, _, gates, cells = reference_lstm.lstm_forward(x.numpy(), start, start, *weights, None, b, None, None, False)
alt = ("The example by hand: gates i, f, g, o of both steps, the cell states 0.6 and 0.52, the states 0.27 and 0.24.",
       "手算的例子：两步的 i、f、g、o 四个门，细胞状态 0.6 和 0.52，隐藏状态 0.27 和 0.24。")  # fmt: skip
show_numbers({"$i, f, g, o$": gates[:, 0], "$c_t$": cells[:, 0], "$h_t$": y[:, 0]}, alt, digits=2)
assert np.allclose(cells.ravel(), [0.6, 0.5156], atol=5e-5) and np.allclose(gates[0, 0], [0.75, 0.75, 0.8, 0.5])

# %% [markdown] tags=["en"]
# ## 5 The fast kernel, and what changed

# %% [markdown] tags=["zh"]
# ## 5 快速内核：改了什么

# %%
print(cpu.__doc__)

# %% [markdown] tags=["en"]
# The same four ideas as for the plain RNN; only that a step now makes four products side by side (three for the GRU),
# so each sequence fills more of the vector registers. The kernels return the gates and the cell states too: the
# gradient needs them. Same numbers as the loops, forwards and backwards, sequences of different lengths included:

# %% [markdown] tags=["zh"]
# 想法与朴素 RNN 的快速内核相同；只是每一步要并排做四个乘积（GRU 是三个），向量寄存器填得更满。内核把各门和细胞状态也一并返
# 回，求梯度要用。与循环版本相比，前向、反向数值都相同（长短不一的序列也在内）：

# %%
rng = np.random.default_rng(12)
T, N, F_in, F_hid = 40, 7, 12, 33
sizes = ((T, N, F_in), (N, F_hid), (N, F_hid), (4 * F_hid, F_in), (4 * F_hid, F_hid), (4 * F_hid,), (4 * F_hid,))
x, h_0, c_0, W_ih, W_hh, *biases = (rng.standard_normal(size) / np.sqrt(size[-1]) for size in sizes)
lengths = rng.integers(0, T + 1, N)
g = [rng.standard_normal(shape) for shape in ((T, N, F_hid), (N, F_hid), (N, F_hid))]
made = []
for kernels in (reference_lstm, cpu):
    y, h_n, c_n, *saved = kernels.lstm_forward(x, h_0, c_0, W_ih, W_hh, None, *biases, lengths, False)
    back = kernels.lstm_backward_all(*g, x, h_0, c_0, W_ih, W_hh, None, lengths, False, y, *saved)
    made.append([y, h_n, c_n, *(gradient for gradient in back if gradient is not None)])
same = [np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(*made)]
print(f"{len(same)} arrays, outputs and gradients, equal to 9 digits:", all(same))
assert all(same) and len(same) == 10

# %% [markdown] tags=["en"]
# ## 6 Why the cell state carries the gradient
#
# In the plain RNN the way from $h_t$ back to $h_{t-1}$ leads through a matrix and a curve. In the LSTM there is a
# second way, straight along the cell state, and on it stands one number:
#
# $$ \frac{\partial c_t}{\partial c_{t-1}} = f_t \;+\; \text{what goes round through the gates}, \qquad
#    \left.\frac{\partial c_T}{\partial c_t}\right|_{\text{straight}} = \prod_{k=t+1}^{T} f_k $$
#
# No matrix, no curve: if the network wants to keep something it opens the gate, $f = 1$, and the gradient arrives
# whole. In the kernel that is one line, `grad_c[n, f_hid] *= f`:

# %% [markdown] tags=["zh"]
# ## 6 细胞状态为什么能把梯度带回去
#
# 在朴素的 RNN 里，从 $h_t$ 回到 $h_{t-1}$ 要穿过一个矩阵和一条曲线。LSTM 另有一条路，沿细胞状态直走，路上只有一个数：
#
# $$ \frac{\partial c_t}{\partial c_{t-1}} = f_t \;+\; \text{从门绕过去的部分}, \qquad
#    \left.\frac{\partial c_T}{\partial c_t}\right|_{\text{直走}} = \prod_{k=t+1}^{T} f_k $$
#
# 没有矩阵，没有曲线：网络想记住什么，就把门打开，$f = 1$，梯度完整到达。在内核里，这就是一行：`grad_c[n, f_hid] *= f`。

# %%
show_source(reference_lstm._lstm_backward)

# %% [markdown] tags=["en"]
# A fresh network has biases near 0, so $f \approx \sigma(0) = \tfrac12$: the memory is halved at each step (lesson 11
# saw that). The remedy is to **let the bias of the forget gate begin at 1 or more**. We measure the gradient that
# arrives at $c_t$, sixty steps, 64 units, for four biases. **Predict** the factor per step of each; the straight way
# gives $\sigma(0) = 0.50$, $\sigma(1) = 0.73$, $\sigma(2) = 0.88$, $\sigma(3) = 0.95$.

# %% [markdown] tags=["zh"]
# 刚初始化的网络，偏置都在 0 附近，于是 $f \approx \sigma(0) = \tfrac12$：记忆每走一步就减半（第 11 课见过）。补救的办法是
# **让遗忘门的偏置从 1 或更大的数起步**。下面量到达 $c_t$ 的梯度：六十步，64 个单元，四种偏置。**先猜**每步的因子各是多少；
# 直走的那条路给出 $\sigma(0) = 0.50$，$\sigma(1) = 0.73$，$\sigma(2) = 0.88$，$\sigma(3) = 0.95$。

# %%
guess, T, N, F_hid, norms = None, 60, 16, 64, {}
noise, g = mediml.tensor(rng.standard_normal((T, N, 8))), mediml.tensor(rng.standard_normal((N, F_hid)))
for name in ("RNN", 0, 1, 2, 3):
    mediml.manual_seed(12)
    cell = (nn.RNNCell if name == "RNN" else nn.LSTMCell)(8, F_hid).double()
    with mediml.no_grad():
        if name != "RNN":
            cell.bias_ih[F_hid : 2 * F_hid], cell.bias_hh[F_hid : 2 * F_hid] = float(name), 0.0
    h, c = mediml.zeros(N, F_hid, dtype=mediml.float64), [mediml.zeros(N, F_hid, dtype=mediml.float64, requires_grad=True)]
    for x_t in noise:
        h, after = (cell(x_t, c[-1]),) * 2 if name == "RNN" else cell(x_t, (h, c[-1]))
        after.retain_grad()
        c.append(after)
    (c[-1] * g).sum().backward()
    norms[name] = np.array([np.linalg.norm(state.grad.numpy(), axis=1).mean() for state in reversed(c)])

# %%
relative = {("RNN" if name == "RNN" else f"$b_f={name}$"): norm / norm[0] for name, norm in norms.items()}
alt = (
    "Gradient over the steps back, powers of ten: the RNN falls fastest, then bias 0, 1 and 2; 3 stays near 1.",
    "梯度随回退步数的变化（对数轴）：RNN 降得最快，其次是偏置 0、1、2；偏置 3 停在 1 附近。",
)
label = r"$\Vert\partial\mathcal{L}/\partial c_t\Vert\ /\ \Vert\partial\mathcal{L}/\partial c_T\Vert$"
show_curves(np.arange(T + 1), relative, alt, "$T-t$", label, size=(5.8, 3.4), logarithmic=True)
for name, norm in relative.items():
    print(f"{name:8s} factor per step {norm[-1] ** (1 / T):.2f}")
assert relative["RNN"][-1] < relative["$b_f=0$"][-1] < 1e-9 and relative["$b_f=3$"][-1] > 0.1

# %% [markdown] tags=["en"]
# The measured factors lie above $\sigma(b_f)$: what goes round through the gates comes on top. With $b_f = 3$ the
# factor even exceeds 1: an LSTM can make gradients *grow*, too, and clipping (lesson 11) stays in the training loop.
#
# Why not always 3? A network that keeps everything at the beginning has to learn to forget. One is the usual
# compromise (R. Jozefowicz et al., 2015, found it to be worth more than most changes of the architecture). PyTorch does
# not set it for you, and it has *two* biases that are added: set one of them.

# %% [markdown] tags=["zh"]
# 量得的因子都大于 $\sigma(b_f)$：从门绕过去的部分也来加了一份。$b_f = 3$ 时甚至超过 1：LSTM 同样可能让梯度**变大**，所以训
# 练循环里照样要裁剪（第 11 课）。
#
# 那为什么不都取 3？一开始什么都留的网络，还得学会忘。通常折中取 1（R. Jozefowicz 等 2015 年发现，它比结构上的大多数改动都管
# 用）。PyTorch 不会替你设；它有**两个**相加的偏置，只设其中一个。

# %% [markdown] tags=["en"]
# ## 7 One gate further: a bias in the wrong place
#
# The four blocks of a bias look alike. PyTorch's order is i, f, g, o; an ONNX file has i, o, f, c (c is our g). Whoever
# copies weights without sorting the blocks, or writes `[0:64]` for `[64:128]`, gets a network with fitting shapes and no
# error. **Predict:** the bias 3, set on each of the four gates in turn: with which does an input sixty steps back still
# reach the last state?

# %% [markdown] tags=["zh"]
# ## 7 错一个门：偏置放错了地方
#
# 偏置的四块，模样都一样。PyTorch 的次序是 i、f、g、o；ONNX 文件里是 i、o、f、c（c 就是这里的 g）。谁要是复制权重时没有把各块
# 重排，或者把 `[64:128]` 写成了 `[0:64]`，得到的网络形状全对，也不报错。**先猜**：把偏置 3 依次设在四个门上，哪一种情形下，
# 六十步之前的输入还够得着最后的状态？

# %%
guess, reach = None, {}
for gate, rows in {"i": slice(0, 64), "f": slice(64, 128), "g": slice(128, 192), "o": slice(192, 256)}.items():
    mediml.manual_seed(12)
    net, x = nn.LSTM(8, 64).double(), noise.clone().requires_grad_()
    with mediml.no_grad():
        net.bias_ih_l0[rows] = 3.0
    (net(x)[0][-1] * g).sum().backward()
    norm = np.linalg.norm(x.grad.numpy(), axis=2).mean(axis=1)
    reach[gate] = norm[0] / norm[-1]
    print(f"bias 3 on {gate}: the first input counts {'as much as' if reach[gate] > 0.1 else 'next to nothing against'} the last")
assert reach["f"] > 0.1 > 1e-5 > max(reach["i"], reach["g"], reach["o"])

# %% [markdown] tags=["en"]
# ## 8 The GRU
#
# K. Cho and colleagues (2014) came by with one state and two gates. The new state lies *between* the old one and a
# candidate:
#
# $$ r_t = \sigma(W_{ir}x_t + b_{ir} + W_{hr}h_{t-1} + b_{hr}), \qquad
#    z_t = \sigma(W_{iz}x_t + b_{iz} + W_{hz}h_{t-1} + b_{hz}) $$
#
# $$ n_t = \tanh\left(W_{in}x_t + b_{in} + r_t \odot (W_{hn}h_{t-1} + b_{hn})\right), \qquad
#    h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1} $$
#
# $r$ is the **reset gate** (how much of the old state the candidate sees), $z$ the **update gate** (how much of the
# old state *stays*: here 1 means keep, in the first publications it is the other way round). Blocks in the order r, z,
# n. Note where $b_{hn}$ stands: **inside** the bracket that $r$ multiplies, so that here, for once, the two biases
# are not interchangeable.
#
# By hand, $w_{in} = \ln 3 - \tfrac12$, $w_{hn} = 1$, $b_{hn} = 1$, $r = \tfrac12$ ($b_r = 0$), $z = \tfrac34$
# ($b_z = \ln 3$), all else 0; inputs 1, 0 as above:
#
# | $t$ | $n_t$ | $h_t = \tfrac14 n_t + \tfrac34 h_{t-1}$ |
# |---|---|---|
# | 1 | $\tanh(\ln 3 - \tfrac12 + \tfrac12(0 + 1)) = 0.8$ | 0.2 |
# | 2 | $\tanh(0 + \tfrac12(0.2 + 1)) = \tanh 0.6 = 0.5370$ | 0.1343 + 0.15 = 0.2843 |

# %% [markdown] tags=["zh"]
# ## 8 GRU
#
# K. Cho 等（2014）只用一个状态、两个门。新状态落在旧状态与候选值**之间**：
#
# $$ r_t = \sigma(W_{ir}x_t + b_{ir} + W_{hr}h_{t-1} + b_{hr}), \qquad
#    z_t = \sigma(W_{iz}x_t + b_{iz} + W_{hz}h_{t-1} + b_{hz}) $$
#
# $$ n_t = \tanh\left(W_{in}x_t + b_{in} + r_t \odot (W_{hn}h_{t-1} + b_{hn})\right), \qquad
#    h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1} $$
#
# $r$ 是**重置门**（候选值看得见多少旧状态），$z$ 是**更新门**（旧状态**留下**多少：这里取 1 是全留，最早的一些文献正好相
# 反）。各块次序为 r、z、n。注意 $b_{hn}$ 的位置：它在 $r$ 所乘的括号**里面**，所以唯独在这里，两个偏置不能互换。
#
# 手算：$w_{in} = \ln 3 - \tfrac12$，$w_{hn} = 1$，$b_{hn} = 1$，$r = \tfrac12$（$b_r = 0$），$z = \tfrac34$（$b_z = \ln 3$），
# 其余都是 0；输入与上面相同，为 1、0：
#
# | $t$ | $n_t$ | $h_t = \tfrac14 n_t + \tfrac34 h_{t-1}$ |
# |---|---|---|
# | 1 | $\tanh(\ln 3 - \tfrac12 + \tfrac12(0 + 1)) = 0.8$ | 0.2 |
# | 2 | $\tanh(0 + \tfrac12(0.2 + 1)) = \tanh 0.6 = 0.5370$ | 0.1343 + 0.15 = 0.2843 |

# %%
show_source(reference_gru._gru)

# %%
w_ih, w_hh = np.array([[0], [0], [l3 - 0.5]]), np.array([[0.0], [0], [1]])
b_ih, b_hh = np.array([0, l3, 0]), np.array([0.0, 0, 1])
steps = np.array([1.0, 0]).reshape(2, 1, 1)
h, _, _ = reference_gru.gru_forward(steps, start, w_ih, w_hh, b_ih, b_hh, None, False)
moved, _, _ = reference_gru.gru_forward(steps, start, w_ih, w_hh, b_ih + b_hh, 0 * b_hh, None, False)
print("h_1, h_2:", h.ravel().round(4), "  with the bias moved to b_ih:", moved.ravel().round(4))
assert np.allclose(h.ravel(), [0.2, 0.2843], atol=5e-5) and not np.allclose(h, moved, atol=0.01)

# %% [markdown] tags=["en"]
# What does it cost? The RNN has one block of weights, the GRU three, the LSTM four. For equal *numbers to learn*, not
# equal width, compare an LSTM with a wider GRU.

# %% [markdown] tags=["zh"]
# 代价是多少？权重，RNN 有一块，GRU 三块，LSTM 四块。要公平地比，应当让**可学的数**一样多，而不是宽度一样：让 LSTM 对一个
# 更宽的 GRU。

# %%
for layer in (nn.RNN, nn.GRU, nn.LSTM):
    count = sum(p.numel() for p in layer(50, 50).parameters())
    print(f"{layer.__name__:4s} 50 inputs, 50 units: {count:6d} numbers = {count // 5100} × (50·50 + 50·50 + 2·50)")
assert count == 4 * 5100

# %% [markdown] tags=["en"]
# ## 9 The adding problem
#
# Is it true, then, that an RNN cannot and an LSTM can? The **adding problem** (Hochreiter and Schmidhuber, 1997) gives a
# clear answer. A sequence of random numbers; two of them are marked, one in each half; at the end, say the sum of the
# two. Whoever ignores the sequence answers 1 and has the mean squared error $1/6 \approx 0.167$: **the baseline**.
#
# Thirty steps, 2000 sequences, twenty epochs, 32 units, the same optimiser and the same order for each network; for the
# LSTM $b_f = 1$. **Predict** the three errors on 1000 new sequences.

# %% [markdown] tags=["zh"]
# ## 9 加法问题
#
# RNN 真的不行，LSTM 真的行吗？**加法问题**（Hochreiter 与 Schmidhuber，1997）给出明白的回答。一串随机数，其中两个做了记号，
# 前半、后半各一个；到末尾，说出这两个数之和。不看序列的人就答 1，均方误差为 $1/6 \approx 0.167$：**这就是基线**。
#
# 三十步，2000 条序列，二十轮，32 个单元，三个网络用同样的优化器、同样的次序；LSTM 取 $b_f = 1$。**先猜**在 1000 条新序列上，
# 三者的误差各是多少。

# %%
guess, problem, error = None, adding(train=2000, val=1, test=1000, length=30, seed=12), {}
known = TensorDataset(mediml.tensor(problem.train.inputs), mediml.tensor(problem.train.targets))
for cell in ("rnn", "lstm", "gru"):
    mediml.manual_seed(12)
    net = RNN(input_size=2, hidden_size=32, num_layers=1, num_classes=1, cell=cell, embed=False)
    if cell == "lstm":
        net.rnn.bias_ih_l0.data[32:64] = 1.0
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    for x, target in (pair for _ in range(20) for pair in DataLoader(known, 50, shuffle=True)):
        optimizer.zero_grad()
        F.mse_loss(net(x)[:, 0], target).backward()
        clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    with mediml.no_grad():
        error[cell] = np.mean((net(mediml.tensor(problem.test.inputs))[:, 0].numpy() - problem.test.targets) ** 2)

# %%
for cell, value in error.items():
    print(f"{cell.upper():4s} {'no better than always answering 1' if value > 0.1 else 'less than a fifth of the baseline'}")
assert error["rnn"] > 0.1 and max(error["lstm"], error["gru"]) < problem.baseline / 5

# %% [markdown] tags=["en"]
# The RNN did not learn a thing in the time in which both others did. **A hundred steps** take longer than a lesson may:
# `mediml train rnn --task adding --cell lstm` was run once for it and reached a mean squared error of 0.00035 on its
# synthetic test split, where always answering 1 has 0.164. One run, one seed; it says that this LSTM *can*, not that
# every one will.

# %% [markdown] tags=["zh"]
# 另外两个学会的工夫，RNN 什么也没学到。**一百步**用的时间，一节课里放不下：为此运行过一次
# `mediml train rnn --task adding --cell lstm`，在合成的测试集上均方误差为 0.00035，而总答 1 的误差是 0.164。只是一次运行、一个
# 种子：它说明这个 LSTM **能**学会，不说明每一个都会。

