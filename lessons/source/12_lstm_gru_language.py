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

