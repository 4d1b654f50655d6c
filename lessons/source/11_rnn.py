# %% [markdown] tags=["en"]
# # 11 · RNN: a network with a memory
#
# One sample of an ECG says next to nothing: 0.2 mV may belong to a P wave, to a T wave, or to the foot of the spike
# between them. What it means depends on what came **before**. So it is with a creatinine of 150 µmol/l (rising or
# falling?), with the words of a report, and with the slices of a volume. A **recurrent neural network** (RNN) reads one
# step after the other and carries along a **hidden state**: a few numbers, its memory of what it has read.
#
# **After this lesson you can** write Elman's network from its formula and compute it by hand, forwards and back through
# time; measure how fast a gradient dies or blows up on that way, and say why; keep it in bounds; train a classifier on
# sequences of different lengths so that padding does not change the diagnosis; judge a forecast against the baselines
# that a reviewer would ask for; and find the mistakes in a published RNN program.
#
# **Time:** 90 minutes. **You need:** lessons 05 (tanh), 08 (the tape) and 09 (training).

# %% [markdown] tags=["zh"]
# # 11 · 循环神经网络：带记忆的网络
#
# 心电图上单独一个采样点几乎什么也说明不了：0.2 mV 可能属于 P 波，可能属于 T 波，也可能在二者之间那个尖峰的脚下。它意味
# 着什么，取决于**之前**发生了什么。血肌酐 150 µmol/L（在升还是在降？）是如此，报告里的词、容积图像里的层面也是如此。
# **循环神经网络**（recurrent neural network，RNN）一步一步地读，随身带着一个**隐藏状态**：寥寥几个数，就是它对已读内容
# 的记忆。
#
# **学完本课，你能够**从公式写出 Elman 网络，并手算它的前向与随时间反向传播；量出梯度在这条路上消失或爆炸得有多快，并说
# 明原因；把梯度管住；在长短不一的序列上训练分类器，而且填充不会改变诊断；用审稿人会追问的基线来评判一个预报；还能从一段
# 已发表的 RNN 程序里找出错误。
#
# **用时**：90 分钟。**先修**：第 05 课（tanh）、第 08 课（记录带）、第 09 课（训练）。

# %%
import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.rnn import cpu, reference
from kernels.rnn.reference_steps import affine, spread
from mediml import nn, optim

# %%
from mediml.data.ecg import ecg_recording
from mediml.models.rnn import RNN
from mediml.nn.utils import clip_grad_norm_
from mediml.nn.utils.rnn import pack_padded_sequence
from mediml.plots import show_curves, show_numbers, show_source, show_unrolled
from mediml.utils.data import DataLoader, TensorDataset

# %% [markdown] tags=["en"]
# ## 1 A sequence
#
# The ECG below comes with `pydicom`: twelve leads, ten seconds, one patient. (The file says *sinus rhythm, normal
# ECG*.) We take lead II and average ten samples at a time, which leaves 100 per second.

# %% [markdown] tags=["zh"]
# ## 1 什么是序列
#
# 下面的心电图随 `pydicom` 而来：十二个导联，十秒钟，一位患者。（文件里写着“窦性心律，正常心电图”。）我们取 II 导联，每
# 十个采样点取平均，得到每秒 100 个点。

# %%
recording = ecg_recording()
print(len(recording.channels), "leads,", recording.seconds, "seconds,", recording.frequency_hz, "samples per second")
lead = recording.channel("Lead II").reshape(-1, 10).mean(axis=1).astype(np.float64)
seconds = np.arange(lead.size) / 100
alt = ("Ten seconds of lead II: ten beats with a tall spike each, the last on a moving ground.",
       "II 导联十秒：十次心搏，各有一个高尖峰，最后一次基线在移动。")  # fmt: skip
show_curves(seconds, {"II": lead}, alt, "$t$ / s", "mV", size=(9, 2.2))
assert lead.shape == (1000,) and 0.9 < lead.max() < 1.2

# %% [markdown] tags=["en"]
# **Predict before you run:** the thousand samples are shuffled. Which of these changes: mean, standard deviation,
# histogram, the largest step from one sample to the next?

# %% [markdown] tags=["zh"]
# **先猜，再运行**：把这一千个采样点打乱次序。均值、标准差、直方图、相邻两点之间最大的一步，哪一个会变？

# %%
guess = None
shuffled = np.random.default_rng(11).permutation(lead)
for name, signal in {"as recorded": lead, "shuffled": shuffled}.items():
    step = np.abs(np.diff(signal)).max()
    print(f"{name:12s} mean {signal.mean():.3f} mV, deviation {signal.std():.3f} mV, largest step {step:.2f} mV")
assert np.array_equal(np.sort(lead), np.sort(shuffled))

# %% [markdown] tags=["en"]
# All that counts values is blind to order, and here order is everything: shuffled, there is no heartbeat left. What a
# step is, and what it holds, differs from task to task; the arithmetic does not:
#
# | sequence | a step $t$ | the numbers $x_t$ | a question |
# |---|---|---|---|
# | ECG | every 10 ms | millivolts of the leads | what comes next? (section 12) |
# | record of a patient | a visit | codes of what was done or found | was that drug safe? (section 9) |
# | report | a word | a vector for the word | is the finding denied? (lesson 12) |
# | CT volume | a slice | features of the slice | where does the bleeding begin? (lesson 12) |

# %% [markdown] tags=["zh"]
# 凡是只数数值的办法，都看不见次序；而这里次序就是一切：次序打乱，这位患者就没有心跳了。一步是什么、一步里有什么，任务各
# 不相同；算法却是同一个：
#
# | 序列 | 一步 $t$ | 这一步的数 $x_t$ | 问题 |
# |---|---|---|---|
# | 心电图 | 每 10 ms | 各导联的毫伏值 | 接下来是什么？（第 12 节） |
# | 病历 | 一次就诊 | 所做、所见的代码 | 那种药用得安全吗？（第 9 节） |
# | 报告 | 一个词 | 这个词的向量 | 这一征象被否定了吗？（第 12 课） |
# | CT 容积 | 一个层面 | 层面的特征 | 出血从哪里开始？（第 12 课） |

# %% [markdown] tags=["en"]
# ## 2 The formula
#
# J. Elman's network (1990). The new state is made of the new input and the old state:
#
# $$ h_t = \tanh\left(W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh}\right), \qquad t = 1, \dots, T $$
#
# | symbol | meaning | shape | in the code |
# |---|---|---|---|
# | $T, N$ | steps; sequences in the batch | | `T`, `N` |
# | $F_{in}, F_{hid}$ | numbers per step; numbers in the state | | `input_size`, `hidden_size` |
# | $x_t$ | input at step $t$ | $N \times F_{in}$ | `x[t]`, of `x` with shape (T, N, F_in) |
# | $h_t$ | hidden state after step $t$; $h_0$ is given, or 0 | $N \times F_{hid}$ | `h` |
# | $W_{ih}$ | from input to state | $F_{hid} \times F_{in}$ | `weight_ih_l0` |
# | $W_{hh}$ | from state to state | $F_{hid} \times F_{hid}$ | `weight_hh_l0` |
# | $b_{ih}, b_{hh}$ | biases; one would do, PyTorch keeps two | $F_{hid}$ | `bias_ih_l0`, `bias_hh_l0` |
#
# Drawn as a loop it looks mysterious; **unrolled** in time it is a deep network like any other, with one layer per
# step. Two things are special: an input enters at every layer, and **all layers share the same weights**.

# %% [markdown] tags=["zh"]
# ## 2 公式
#
# 这是 J. Elman 的网络（1990）。新的状态由新的输入和旧的状态合成：
#
# $$ h_t = \tanh\left(W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh}\right), \qquad t = 1, \dots, T $$
#
# | 符号 | 含义 | 形状 | 代码中的名字 |
# |---|---|---|---|
# | $T, N$ | 步数；一批中的序列数 | | `T`、`N` |
# | $F_{in}, F_{hid}$ | 每步的数；状态里的数 | | `input_size`、`hidden_size` |
# | $x_t$ | 第 $t$ 步的输入 | $N \times F_{in}$ | `x[t]`，`x` 的形状为 (T, N, F_in) |
# | $h_t$ | 第 $t$ 步之后的隐藏状态；$h_0$ 由外部给定，或取 0 | $N \times F_{hid}$ | `h` |
# | $W_{ih}$ | 从输入到状态 | $F_{hid} \times F_{in}$ | `weight_ih_l0` |
# | $W_{hh}$ | 从状态到状态 | $F_{hid} \times F_{hid}$ | `weight_hh_l0` |
# | $b_{ih}, b_{hh}$ | 偏置；一个就够，PyTorch 留着两个 | $F_{hid}$ | `bias_ih_l0`、`bias_hh_l0` |
#
# 画成一个圈，显得神秘；沿时间**展开**，它就是一个普通的深层网络，一步一层。特别之处有二：每一层都有输入进来；
# **所有层共用同一组权重**。

# %%
alt = ("An RNN unrolled over four steps: from each input an arrow up to a state, from each state one to the next.",
       "展开成四步的循环神经网络：每个输入向上连到状态，每个状态连到下一个状态。")  # fmt: skip
show_unrolled(4, alt, gradient=False)
assert len(alt) == 2

# %% [markdown] tags=["en"]
# Shared weights mean that the network can read sequences of any length. **Predict:** twelve leads, a state of 32
# numbers: how many weights and biases for ten steps? And for a thousand?

# %% [markdown] tags=["zh"]
# 共用权重，意味着网络能读任意长的序列。**先猜**：十二个导联，状态含 32 个数，读十步需要多少个权重和偏置？读一千步呢？

# %%
guess = None
mediml.manual_seed(11)
net = nn.RNN(input_size=12, hidden_size=32)
for T in (10, 1000):
    states, last = net(mediml.zeros(T, 1, 12))
    count = sum(p.numel() for p in net.parameters())
    print(f"T = {T:4d}: states {tuple(states.shape)}, last state {tuple(last.shape)}, {count} numbers to learn")
assert count == 32 * 12 + 32 * 32 + 2 * 32

# %% [markdown] tags=["en"]
# ## 3 By hand
#
# One number per step, one number of state, three steps; $w_{ih} = 1$, $w_{hh} = \tfrac12$, no biases, $h_0 = 0$. The
# inputs are chosen so that the curve comes out even: $\tanh(\ln 2) = \frac{2 - 1/2}{2 + 1/2} = 0.6$ and
# $\tanh(\ln 3) = \frac{3 - 1/3}{3 + 1/3} = 0.8$.
#
# | $t$ | $x_t$ | $a_t = x_t + \tfrac12 h_{t-1}$ | $h_t = \tanh a_t$ |
# |---|---|---|---|
# | 1 | $\ln 2$ | $\ln 2$ | 0.6 |
# | 2 | $\ln 3 - 0.3$ | $\ln 3 - 0.3 + 0.3 = \ln 3$ | 0.8 |
# | 3 | $\ln 2 - 0.4$ | $\ln 2 - 0.4 + 0.4 = \ln 2$ | 0.6 |

# %% [markdown] tags=["zh"]
# ## 3 手算
#
# 每步一个数，状态一个数，共三步；$w_{ih} = 1$，$w_{hh} = \tfrac12$，没有偏置，$h_0 = 0$。输入特意选得让曲线得出整齐的
# 数：$\tanh(\ln 2) = \frac{2 - 1/2}{2 + 1/2} = 0.6$，$\tanh(\ln 3) = \frac{3 - 1/3}{3 + 1/3} = 0.8$。
#
# | $t$ | $x_t$ | $a_t = x_t + \tfrac12 h_{t-1}$ | $h_t = \tanh a_t$ |
# |---|---|---|---|
# | 1 | $\ln 2$ | $\ln 2$ | 0.6 |
# | 2 | $\ln 3 - 0.3$ | $\ln 3 - 0.3 + 0.3 = \ln 3$ | 0.8 |
# | 3 | $\ln 2 - 0.4$ | $\ln 2 - 0.4 + 0.4 = \ln 2$ | 0.6 |

# %%
inputs = np.log([2, 3, 2]) - [0, 0.3, 0.4]
unit = nn.RNN(1, 1, bias=False).double()
unit.load_state_dict({"weight_ih_l0": mediml.tensor([[1.0]]), "weight_hh_l0": mediml.tensor([[0.5]])})
x = mediml.tensor(inputs.reshape(3, 1, 1), requires_grad=True)
states, last = unit(x)
print("h_1, h_2, h_3 =", states.detach().numpy().ravel().round(6))
assert np.allclose(states.detach().numpy().ravel(), [0.6, 0.8, 0.6])

# %% [markdown] tags=["en"]
# Now backwards. Let the loss be the last state itself, $\mathcal L = h_3$, so its gradient begins with 1. Two rules
# carry it back, one through the curve and one through the weight:
#
# $$ \delta_t = \frac{\partial \mathcal L}{\partial a_t} = (1 - h_t^2)\,\frac{\partial \mathcal L}{\partial h_t},
#    \qquad \frac{\partial \mathcal L}{\partial h_{t-1}} = w_{hh}\,\delta_t $$
#
# | $t$ | $\partial \mathcal L / \partial h_t$ | $1 - h_t^2$ | $\delta_t$ | share of $w_{hh}$: $\delta_t\, h_{t-1}$ |
# |---|---|---|---|---|
# | 3 | 1 | 0.64 | 0.64 | $0.64 \cdot 0.8 = 0.512$ |
# | 2 | $\tfrac12 \cdot 0.64 = 0.32$ | 0.36 | 0.1152 | $0.1152 \cdot 0.6 = 0.06912$ |
# | 1 | $\tfrac12 \cdot 0.1152 = 0.0576$ | 0.64 | 0.036864 | $0.036864 \cdot 0 = 0$ |
#
# The weight was used three times, so its gradient is the **sum** of three shares: 0.58112. This walk is called
# **back-propagation through time** (BPTT). Look at the second column: 1, 0.32, 0.0576. Two steps back, the last state
# hardly remembers the first. Section 7 makes a measurement of that.

# %% [markdown] tags=["zh"]
# 现在往回走。损失就取最后的状态 $\mathcal L = h_3$，于是梯度从 1 开始。往回带它的是两条规则，一条穿过曲线，一条穿过权
# 重：
#
# $$ \delta_t = \frac{\partial \mathcal L}{\partial a_t} = (1 - h_t^2)\,\frac{\partial \mathcal L}{\partial h_t},
#    \qquad \frac{\partial \mathcal L}{\partial h_{t-1}} = w_{hh}\,\delta_t $$
#
# | $t$ | $\partial \mathcal L / \partial h_t$ | $1 - h_t^2$ | $\delta_t$ | $w_{hh}$ 分得的一份：$\delta_t\, h_{t-1}$ |
# |---|---|---|---|---|
# | 3 | 1 | 0.64 | 0.64 | $0.64 \cdot 0.8 = 0.512$ |
# | 2 | $\tfrac12 \cdot 0.64 = 0.32$ | 0.36 | 0.1152 | $0.1152 \cdot 0.6 = 0.06912$ |
# | 1 | $\tfrac12 \cdot 0.1152 = 0.0576$ | 0.64 | 0.036864 | $0.036864 \cdot 0 = 0$ |
#
# 同一个权重用了三次，梯度就是三份之**和**：0.58112。这样往回走，叫作**随时间反向传播**（BPTT）。看第二列：1、0.32、
# 0.0576。往回两步，最后的状态就几乎不记得第一步了。第 7 节专门来量它。

# %%
last.sum().backward()
print("gradient of w_hh:", unit.weight_hh_l0.grad.numpy().round(6).item())
print("gradients of x:  ", x.grad.numpy().ravel().round(6), "= δ, since w_ih is 1")
assert np.isclose(unit.weight_hh_l0.grad.item(), 0.58112)
assert np.allclose(x.grad.numpy().ravel(), [0.036864, 0.1152, 0.64])

# %% [markdown] tags=["en"]
# ## 4 As loops
#
# The kernel reads many sequences, not all of the same length, and can read them backwards. Cover that with your hand,
# and what remains is the formula:

# %% [markdown] tags=["zh"]
# ## 4 写成循环
#
# 内核一次读许多条序列，它们可以长短不一，也可以倒着读。把这些先用手遮住，剩下的就是公式：

# %%
show_source(affine)
show_source(reference._elman)

# %% [markdown] tags=["en"]
# The loop over $t$ stands **outside**, and it cannot be otherwise: step 2 needs the result of step 1. A convolution may
# compute all its outputs at once; a recurrent network has to wait for itself. Keep this in mind for section 6.

# %% [markdown] tags=["zh"]
# 对 $t$ 的循环在**最外层**，而且只能如此：第 2 步要用第 1 步的结果。卷积可以把所有输出同时算出来，循环网络却得等自己。
# 读到第 6 节时请记起这一点。

# %%
h_0 = np.zeros((1, 1))
w_ih, w_hh = np.array([[1.0]]), np.array([[0.5]])
y, h_n = reference.rnn_tanh_forward(inputs.reshape(3, 1, 1), h_0, w_ih, w_hh, None, None, None, False)
print("the example by hand:", y.ravel().round(6))
assert np.allclose(y.ravel(), [0.6, 0.8, 0.6]) and np.allclose(h_n, 0.6)

# %% [markdown] tags=["en"]
# ## 5 Back through time
#
# With many units the numbers become vectors and the weight a matrix, which is transposed on the way back. Into each
# state flow two gradients: from the output at this step, $g_t$, and from the step after:
#
# $$ \frac{\partial \mathcal L}{\partial h_t} = g_t + W_{hh}^{\top}\,\delta_{t+1}, \qquad
#    \delta_t = \frac{\partial \mathcal L}{\partial h_t} \odot (1 - h_t \odot h_t) $$
#
# $$ \frac{\partial \mathcal L}{\partial W_{hh}} = \sum_t \delta_t\, h_{t-1}^{\top}, \quad
#    \frac{\partial \mathcal L}{\partial W_{ih}} = \sum_t \delta_t\, x_t^{\top}, \quad
#    \frac{\partial \mathcal L}{\partial b} = \sum_t \delta_t, \quad
#    \frac{\partial \mathcal L}{\partial x_t} = W_{ih}^{\top}\,\delta_t $$
#
# In the code: `grad_h` is the first, `grad_a` is $\delta_t$, and `spread` adds up the rest. In the drawing the dashed
# lines are the way of the gradient, thinner with each step.

# %% [markdown] tags=["zh"]
# ## 5 沿时间往回走
#
# 单元一多，数变成向量，权重变成矩阵，往回走时要转置。流进每个状态的梯度有两股：这一步的输出给的 $g_t$，以及后一步传来
# 的：
#
# $$ \frac{\partial \mathcal L}{\partial h_t} = g_t + W_{hh}^{\top}\,\delta_{t+1}, \qquad
#    \delta_t = \frac{\partial \mathcal L}{\partial h_t} \odot (1 - h_t \odot h_t) $$
#
# $$ \frac{\partial \mathcal L}{\partial W_{hh}} = \sum_t \delta_t\, h_{t-1}^{\top}, \quad
#    \frac{\partial \mathcal L}{\partial W_{ih}} = \sum_t \delta_t\, x_t^{\top}, \quad
#    \frac{\partial \mathcal L}{\partial b} = \sum_t \delta_t, \quad
#    \frac{\partial \mathcal L}{\partial x_t} = W_{ih}^{\top}\,\delta_t $$
#
# 代码里，`grad_h` 是第一个量，`grad_a` 就是 $\delta_t$，`spread` 把其余各项累加起来。图中的虚线是梯度的来路，一步比一步
# 细。

# %%
alt = ("The unrolled network; dashed, thinner and thinner, the gradient from the loss at the last step to the first.",
       "展开的循环网络；虚线是梯度，从最后一步的损失回到第一步，越来越细。")  # fmt: skip
show_unrolled(4, alt)
assert len(alt) == 2

# %%
show_source(spread)
show_source(reference._elman_backward)

# %% [markdown] tags=["en"]
# Checked as in lesson 08: take the output's inner product with a random $g$, move one argument a little along a random
# direction, and compare the change with what the gradient predicts. Every argument gets its turn.

# %% [markdown] tags=["zh"]
# 检验办法与第 08 课相同：输出与随机的 $g$ 作内积，让某个参数沿随机方向动一点，看实际的变化与梯度预言的是否一致。每个参
# 数都轮到一次。

# %%
rng = np.random.default_rng(11)
shapes = {"x": (5, 2, 3), "h_0": (2, 4), "W_ih": (4, 3), "W_hh": (4, 4), "b_ih": (4,), "b_hh": (4,)}
values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
y, h_n = reference.rnn_tanh_forward(*values.values(), None, False)
g, none = rng.standard_normal(y.shape), np.zeros_like(h_n)
x, h_0, w_ih, w_hh, *_ = values.values()
gradients = reference.rnn_tanh_backward_all(g, none, x, h_0, w_ih, w_hh, None, False, y)
for (name, value), gradient in zip(values.items(), gradients):
    d = 1e-6 * rng.standard_normal(value.shape)
    up, down = (reference.rnn_tanh_forward(*(values | {name: value + s * d}).values(), None, False) for s in (1, -1))
    measured, predicted = ((up[0] - down[0]) * g).sum(), 2 * (gradient * d).sum()
    print(f"{name:5s} measured = predicted: {np.isclose(measured, predicted, rtol=1e-6)}")
    assert np.isclose(measured, predicted, rtol=1e-6)

# %% [markdown] tags=["en"]
# The last two gradients are the same array: two biases that are only ever added cannot be told apart. PyTorch keeps
# both because the library for graphics cards that it calls (cuDNN) has both, and a file of weights must fit.

# %% [markdown] tags=["zh"]
# 最后两个梯度是同一组数：两个偏置永远只是相加，谁也分不清谁。PyTorch 两个都留着，是因为它所调用的显卡库（cuDNN）有两
# 个，权重文件必须对得上。

# %% [markdown] tags=["en"]
# ## 6 The fast kernel, and what changed

# %% [markdown] tags=["zh"]
# ## 6 快速内核：改了什么

# %%
print(cpu.__doc__)

# %% [markdown] tags=["en"]
# Steps cannot be shared out among threads, for each needs the one before; but sequences can. And only a part of the
# arithmetic really has to wait: $W_{ih}\,x_t$ contains no state, so it is one large matrix product for all steps, made
# beforehand. What remains in the loop is $W_{hh}\,h_{t-1}$, for eight sequences at a time. Same numbers, with and
# without that (sequences of different lengths included):

# %% [markdown] tags=["zh"]
# 各步不能分给几个线程，因为每一步都要等前一步；各条序列却可以。而且只有一部分计算真的要等：$W_{ih}\,x_t$ 里没有状态，可
# 以事先合成一个大的矩阵乘法，一次算完所有步。留在循环里的只有 $W_{hh}\,h_{t-1}$，每次算八条序列。数值与朴素版本相同（长
# 短不一的序列也在内）：

# %%
T, N, F_in, F_hid = 50, 7, 12, 33
sizes = ((T, N, F_in), (N, F_hid), (F_hid, F_in), (F_hid, F_hid), (F_hid,), (F_hid,))
x, h_0, *weights = (rng.standard_normal(size) / np.sqrt(size[-1]) for size in sizes)
lengths = rng.integers(0, T + 1, N)
naive = reference.rnn_tanh_forward(x, h_0, *weights, lengths, False)
fast = cpu.rnn_tanh_forward(x, h_0, *weights, lengths, False)
g = rng.standard_normal(naive[0].shape), rng.standard_normal(naive[1].shape)
back = [k.rnn_tanh_backward_all(*g, x, h_0, *weights[:2], lengths, False, naive[0]) for k in (reference, cpu)]
same = [np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip((*naive, *back[0]), (*fast, *back[1]))]
print(f"{len(same)} arrays, outputs and gradients, equal to 9 digits:", all(same))
assert all(same) and len(same) == 8

# %% [markdown] tags=["en"]
# ## 7 The gradient over time, measured
#
# From the last state back to $h_t$ the gradient passes $T - t$ times through the same two factors:
#
# $$ \frac{\partial h_T}{\partial h_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - h_k \odot h_k)\, W_{hh},
#    \qquad \left\lVert \frac{\partial \mathcal L}{\partial h_t} \right\rVert \le \sigma^{\,T-t}
#    \left\lVert \frac{\partial \mathcal L}{\partial h_T} \right\rVert $$
#
# with $\sigma$ the largest singular value of $W_{hh}$. A number smaller than 1 to a high power is 0; one that is larger
# is huge. To see it pure we take $W_{hh} = \rho\,Q$ with $Q$ a rotation, so that every singular value and the absolute
# value of every eigenvalue (the **spectral radius**) is $\rho$; small random inputs; 60 steps; 64 units. **Predict**
# for $\rho = 0.9$, $1$, $1.1$ and $2$: which of the four gradients die, which grow?

# %% [markdown] tags=["zh"]
# ## 7 梯度沿时间怎样变化：量一量
#
# 从最后的状态回到 $h_t$，梯度要把同样的两个因子穿过 $T - t$ 次：
#
# $$ \frac{\partial h_T}{\partial h_t} = \prod_{k=t+1}^{T} \operatorname{diag}(1 - h_k \odot h_k)\, W_{hh},
#    \qquad \left\lVert \frac{\partial \mathcal L}{\partial h_t} \right\rVert \le \sigma^{\,T-t}
#    \left\lVert \frac{\partial \mathcal L}{\partial h_T} \right\rVert $$
#
# 其中 $\sigma$ 是 $W_{hh}$ 的最大奇异值。小于 1 的数乘方多次，就是 0；大于 1 的，就大得惊人。为了看得纯粹，取
# $W_{hh} = \rho\,Q$，$Q$ 是一个旋转，于是所有奇异值、所有特征值的模（即**谱半径**）都等于 $\rho$；输入是小的随机数；60
# 步，64 个单元。**先猜**：$\rho = 0.9$、$1$、$1.1$、$2$，四个梯度里哪几个消失，哪几个增长？

# %%
T, N, F_hid = 60, 16, 64
Q = np.linalg.qr(rng.standard_normal((F_hid, F_hid)))[0]
noise, g = rng.standard_normal((T, N, F_hid)), mediml.tensor(rng.standard_normal((N, F_hid)))
cell = nn.RNNCell(F_hid, F_hid, bias=False).double()
norms = {}
for radius, loud in ((0.9, 0.1), (1.0, 0.1), (1.1, 0.1), (2.0, 0.1), (1.0, 0.5)):
    cell.load_state_dict({"weight_ih": mediml.eye(F_hid), "weight_hh": mediml.tensor(radius * Q)})
    states = [mediml.zeros(N, F_hid, dtype=mediml.float64, requires_grad=True)]
    for x_t in mediml.tensor(loud * noise):
        states.append(cell(x_t, states[-1]))
        states[-1].retain_grad()  # states are no leaves: without this their gradients are not kept
    (states[-1] * g).sum().backward()
    norms[radius, loud] = np.array([np.linalg.norm(h.grad.numpy(), axis=1).mean() for h in reversed(states)])

# %%
back = np.arange(T + 1)
relative = {key: norm / norm[0] for key, norm in norms.items()}
alt = (
    "Gradient norm over the steps back, powers of ten: radius 0.9 falls steadily, 1 falls, 1.1 stays, 2 climbs.",
    "梯度范数随回退步数的变化（对数轴）：谱半径 0.9 一路下降，1 也下降，1.1 大致持平，2 上升。",
)
curves = {rf"$\rho={radius}$": relative[radius, 0.1] for radius in (0.9, 1.0, 1.1, 2.0)}
label = r"$\Vert\partial\mathcal{L}/\partial h_t\Vert\ /\ \Vert\partial\mathcal{L}/\partial h_T\Vert$"
show_curves(back, curves, alt, "$T-t$", label, size=(5.6, 3.4), logarithmic=True)
print({radius: f"{relative[radius, 0.1][-1]:.0e}" for radius in (0.9, 1.0, 1.1, 2.0)}, "after 60 steps")
assert (relative[0.9, 0.1] <= 0.9**back * 1.001).all() and relative[2.0, 0.1][-1] > 1e3

# %% [markdown] tags=["en"]
# Two surprises. At $\rho = 1$, where the bound promises nothing lost, the gradient **vanishes** all the same: the other
# factor, $1 - h^2$, is below 1 as soon as the state is not 0. And at $\rho = 2$ it grows by far less than
# $2^{60} \approx 10^{18}$: large states saturate, $1 - h^2$ becomes small and brakes. One value of $\rho$ that keeps
# the balance does not exist, since it depends on the data. Louder inputs, same weights:

# %% [markdown] tags=["zh"]
# 有两处出人意料。$\rho = 1$ 时，上界说可以一点不丢，梯度却照样**消失**：只要状态不是 0，另一个因子 $1 - h^2$ 就小于 1。
# 而 $\rho = 2$ 时，增长远不到 $2^{60} \approx 10^{18}$：状态一大就饱和，$1 - h^2$ 变小，踩住了刹车。能保持平衡的固定的
# $\rho$ 并不存在，因为它还取决于数据。权重不变，输入大一些：

# %%
for loud in (0.1, 0.5):
    print(f"ρ = 1, inputs of size {loud}: {relative[1.0, loud][-1]:.0e} of the gradient after 60 steps")
assert relative[1.0, 0.5][-1] < 1e-4 * relative[1.0, 0.1][-1]

# %% [markdown] tags=["en"]
# What does this mean for learning? If $\partial \mathcal L/\partial h_t$ is a millionth, then so is everything that
# step $t$ contributes to the gradient of the weights. The network *could* store what it saw sixty steps ago, but it
# never hears that it should: what lies near drowns what lies far. This is the **vanishing gradient**; the opposite is
# the **exploding gradient**, and section 8 tames it.
#
# **A look ahead.** Lesson 12 builds a network with a second state that is passed on by *addition*, under the control of
# gates: the LSTM. We measure how strongly the input at step $t$ moves the last state, for networks with the random
# weights with which PyTorch lets them begin. **Predict:** is the LSTM better?

# %% [markdown] tags=["zh"]
# 这对学习意味着什么？若 $\partial \mathcal L/\partial h_t$ 只剩百万分之一，那么第 $t$ 步对权重梯度的贡献也只剩百万分之
# 一。网络**本可以**记住六十步之前所见，却从来没有人告诉它该记：近处的声音，盖过了远处的。这就是**梯度消失**；反过来是
# **梯度爆炸**，第 8 节来制服它。
#
# **先看一眼后面的内容。** 第 12 课要造一个网络，它有第二个状态，靠**加法**往下传，由门来控制：LSTM。我们来量第 $t$ 步的
# 输入对最后的状态有多大影响，各网络用 PyTorch 默认的随机初值。**先猜**：LSTM 更好吗？

# %%
mediml.manual_seed(11)
nets = {"RNN": nn.RNN(8, 64), "LSTM": nn.LSTM(8, 64), "LSTM, $b_f=3$": nn.LSTM(8, 64)}
with mediml.no_grad():
    nets["LSTM, $b_f=3$"].bias_ih_l0[64:128] = 3.0  # the rows of the forget gate
reach = {}
for name, net in nets.items():
    x = mediml.tensor(noise[..., :8], requires_grad=True)
    y, _ = net.double()(x)
    (y[-1] * g).sum().backward()
    norm = np.linalg.norm(x.grad.numpy(), axis=2).mean(axis=1)[::-1]
    reach[name] = norm / norm[0]
radius = np.abs(np.linalg.eigvals(nets["RNN"].weight_hh_l0.detach().numpy())).max()
print(f"spectral radius of the fresh RNN: {radius:.1f}")

# %%
alt = (
    "Reach of the input over the steps back: RNN and fresh LSTM both fall below 1e-10; the third stays near 1.",
    "输入的影响随回退步数的变化：RNN 与默认初值的 LSTM 都降到 10 的负 10 次方以下，第三条停在 1 附近。",
)
label = r"$\Vert\partial\mathcal{L}/\partial x_t\Vert\ /\ \Vert\partial\mathcal{L}/\partial x_T\Vert$"
show_curves(back[:T], reach, alt, "$T-t$", label, size=(5.6, 3.4), logarithmic=True)
assert reach["RNN"][-1] < 1e-10 and reach["LSTM"][-1] < 1e-10 and reach["LSTM, $b_f=3$"][-1] > 1e-2

# %% [markdown] tags=["en"]
# Not as it comes (nor is the plain one any better: PyTorch draws weights between $\pm 1/\sqrt{F_{hid}}$, which makes
# $\rho$ about 0.6). The LSTM's forget gate begins half open and halves what is remembered at every step, as if nothing
# had been gained. Only with the gate's bias set to 3 (open to 95 %) does the gradient reach back sixty steps. An
# architecture makes remembering *possible*; the weights must do it. More in lesson 12.

# %% [markdown] tags=["zh"]
# 默认初值下并不（朴素的 RNN 也一样：PyTorch 在 $\pm 1/\sqrt{F_{hid}}$ 之间取权重，$\rho$ 约为 0.6）：LSTM 的遗忘门起初
# 半开，每走一步，记忆就减半，等于什么也没赚到。把这个门的偏置设为 3（打开 95 %），梯度才能回到六十步之前。结构只是让记
# 住成为**可能**，真正去记的是权重。详见第 12 课。

# %% [markdown] tags=["en"]
# ## 8 When it explodes: clipping and truncation
#
# One unit, input always 0.3, start at $h_0 = -1$, fifty steps, target 0.5. The loss as a function of the single weight
# $w_{hh}$ has a **cliff**: below 1.6 the state climbs out of the negative in time, above it stays there for ever. (The
# cell runs 601 such units at once: a network whose matrix is diagonal.)

# %% [markdown] tags=["zh"]
# ## 8 梯度爆炸时：裁剪与截断
#
# 一个单元，输入恒为 0.3，从 $h_0 = -1$ 出发，走五十步，目标 0.5。把损失看作唯一的权重 $w_{hh}$ 的函数，它有一道**悬
# 崖**：小于 1.6，状态来得及从负数里爬出来；再大，就永远留在那里。（下面的单元同时跑 601 个这样的网络：一个矩阵为对角阵
# 的网络。）

# %%
w = np.linspace(0, 3, 601)
units = nn.RNN(1, 601, bias=False).double()
units.load_state_dict({"weight_ih_l0": mediml.ones(601, 1), "weight_hh_l0": mediml.tensor(np.diag(w))})
x, h_0 = mediml.full((50, 1, 1), 0.3, dtype=mediml.float64), mediml.full((1, 1, 601), -1.0, dtype=mediml.float64)
loss = (units(x, h_0)[1] - 0.5) ** 2
loss.sum().backward()
slope = np.diag(units.weight_hh_l0.grad.numpy())
cliff = int(np.abs(slope).argmax())
alt = (
    "Loss over the weight: low up to 1.6, then a vertical wall.",
    "损失随权重的变化：到 1.6 为止很低，随后一堵直立的墙。",
)
show_curves(w, {"": loss.detach().numpy().ravel()}, alt, "$w_{hh}$", r"$\mathcal{L}$", marks=[w[cliff]])
print(f"slope at w = {w[cliff]:.3f}: {slope[cliff]:.0f}; half of all slopes are below {np.median(np.abs(slope)):.2f}")
assert 1.6 < w[cliff] < 1.7 and slope[cliff] > 100

# %% [markdown] tags=["en"]
# A step against a gradient of several hundred throws the weight off the map, however good the direction was.
# **Clipping** (R. Pascanu et al., 2013) keeps the direction and shortens the step: if the norm of *all* gradients
# together exceeds a limit $c$, multiply them by $c$ over that norm:
#
# $$ g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right), \qquad
#    \lVert g \rVert = \sqrt{\textstyle\sum_{p} \lVert g_p \rVert^2} $$

# %% [markdown] tags=["zh"]
# 梯度有好几百，迎着它走一步，方向再对，权重也会被甩到天边。**梯度裁剪**（R. Pascanu 等，2013）保持方向，缩短步长：如果
# **全部**梯度合起来的范数超过界限 $c$，就都乘以 $c$ 与范数之比：
#
# $$ g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right), \qquad
#    \lVert g \rVert = \sqrt{\textstyle\sum_{p} \lVert g_p \rVert^2} $$

# %%
for limit in (None, 1.0):
    unit.load_state_dict({"weight_ih_l0": mediml.tensor([[1.0]]), "weight_hh_l0": mediml.tensor([[float(w[cliff])]])})
    optimizer = optim.SGD([unit.weight_hh_l0], lr=0.1)
    optimizer.zero_grad()
    ((unit(x, h_0[..., :1])[1] - 0.5) ** 2).sum().backward()
    norm = clip_grad_norm_([unit.weight_hh_l0], np.inf if limit is None else limit).item()
    optimizer.step()
    after = ((unit(x, h_0[..., :1])[1] - 0.5) ** 2).item()
    print(
        f"limit {limit}: norm before {norm:.0f}, weight after the step {unit.weight_hh_l0.item():.2f}, loss {after:.2f}"
    )
assert after < 0.25

# %% [markdown] tags=["en"]
# The function returns the norm *before* clipping: write it down at each step; a run whose norm is clipped every time
# has another problem. And clipping is no cure for vanishing: nothing times anything is nothing.
#
# **Truncation.** A monitor records for days. BPTT over a million steps would have to keep a million states. One cuts
# instead: run $k$ steps, go back, and start the next $k$ from the last state **detached** from the tape. The state is
# handed on, the gradient is not. **Predict:** sixty steps cut into three pieces of twenty; the loss is at the very end.
# At how many steps does the input receive a gradient?

# %% [markdown] tags=["zh"]
# 函数返回的是裁剪**之前**的范数：每一步都记下来；如果次次都在裁，毛病就在别处。另外，裁剪治不了梯度消失：零乘什么都是
# 零。
#
# **截断。** 监护仪一记就是几天。对一百万步做 BPTT，就得存一百万个状态。于是把它切开：走 $k$ 步，往回走一次，再从最后的
# 状态出发走下一个 $k$ 步，但这个状态要先从记录带上**摘下来**（`detach`）。状态传下去，梯度不传。**先猜**：六十步切成三
# 段，每段二十步，损失在最末尾，有多少步的输入能得到梯度？

# %%
guess = None
mediml.manual_seed(11)
net, x = nn.RNN(8, 64).double(), mediml.tensor(noise[..., :8], requires_grad=True)
received = {}
for cut in (60, 20):
    x.grad, state = None, mediml.zeros(1, N, 64, dtype=mediml.float64)
    for start in range(0, T, cut):
        y, state = net(x[start : start + cut], state.detach())
    (y[-1] * g).sum().backward()
    received[cut] = np.linalg.norm(x.grad.numpy(), axis=2).mean(axis=1)
    print(f"pieces of {cut}: {np.count_nonzero(received[cut])} of {T} steps receive a gradient")
assert np.allclose(received[60][40:], received[20][40:]) and not received[20][:40].any()

# %% [markdown] tags=["en"]
# For the steps inside the last piece nothing changed. For those before there is exactly nothing, not even rounding:
# what lies further back than $k$ can be *used* if the state happens to carry it, but not *learned*.

# %% [markdown] tags=["zh"]
# 最后一段之内，梯度不变；再往前，则分毫没有，连舍入误差也没有：比 $k$ 步更早的东西，状态若碰巧带着，还能**用**；要
# **学**，却学不到。

# %% [markdown] tags=["en"]
# ## 9 A classifier, and three kinds of labels
#
# A recurrent classifier is printed in many introductions: ten symbols, each a learned vector of 50 numbers
# (**embedding**); two recurrent layers; the last state; two scores. Its training data are random numbers *without any
# labels*, although the loop asks for labels. Here is the network, mended:

# %% [markdown] tags=["zh"]
# ## 9 一个分类器，三种标签
#
# 许多入门文章都印着这样一个循环分类器：十个符号，每个对应一个学得的 50 维向量（**词嵌入**）；两个循环层；取最后的状态；
# 输出两个得分。它的训练数据是随机数，**根本没有标签**，训练循环却向它要标签。改正之后的网络如下：

# %%
show_source(RNN.features, RNN.forward)

# %% [markdown] tags=["en"]
# To give it something to learn, read the ten symbols as codes of events in a patient's record, ten events each, in
# order. Code 7: *an allergic reaction to contrast agent was noted*. Code 3: *contrast agent was given*. **Alarm**
# (class 1) if contrast agent was given **after** a reaction. The records are random, the rule is known: nothing medical
# can be concluded, but whether the network has found the rule can be checked exactly.

# %% [markdown] tags=["zh"]
# 要让它有东西可学，不妨把十个符号看作病历中事件的代码，每份病历按先后记十件事。代码 7：**记录了对造影剂的过敏反应**。代
# 码 3：**用了造影剂**。若在过敏**之后**又用了造影剂，就该**报警**（第 1 类）。病历是随机生成的，规则是已知的：医学上得
# 不出任何结论，但网络有没有找到规则，可以精确检验。

# %%
rng = np.random.default_rng(11)
records = rng.integers(0, 10, (3000, 10))
reaction, contrast = records == 7, records == 3
first_reaction = np.where(reaction.any(axis=1), reaction.argmax(axis=1), 10)
last_contrast = np.where(contrast.any(axis=1), 9 - contrast[:, ::-1].argmax(axis=1), -1)
alarm = (first_reaction < last_contrast).astype(np.int64)
both = reaction.any(axis=1) & contrast.any(axis=1)
for i in (*np.flatnonzero(alarm)[:3], *np.flatnonzero(both & (alarm == 0))[:3]):
    print(*records[i], " alarm" if alarm[i] else "")
assert not alarm[~both].any() and alarm[both].any()

# %% [markdown] tags=["en"]
# **First the baselines**, on the last thousand records. Never alarm; alarm if both codes occur *anywhere* (the best
# that one can do without looking at the order).

# %% [markdown] tags=["zh"]
# **先定基线**，用最后一千份病历。其一，从不报警；其二，两个代码**都出现过**就报警（不看次序，最好也只能如此）。

# %%
test = slice(2000, 3000)
print(f"never:              {np.mean(alarm[test] == 0):.1%} right")
print(f"both codes present: {np.mean(alarm[test] == both[test]):.1%} right")
assert np.mean(alarm[test] == both[test]) < 0.9

# %% [markdown] tags=["en"]
# Besides the rule, two other kinds of labels for the same records: **parity** (is the sum of the ten codes odd?), a
# rule that every single symbol can turn over; and a **coin**, labels without any rule, as the printed program would
# have had if somebody had simply added random ones. The same network, the same thirty epochs for each. **Predict** for
# each the accuracy on the 2000 training records, and on the 1000 others.

# %% [markdown] tags=["zh"]
# 同样的病历，除上面的规则外，再配两种标签：**奇偶**（十个代码之和是奇数吗？），任何一个符号变一变，答案就翻过来；**抛硬
# 币**，没有任何规则的标签——那段程序若有人随手补上随机标签，就是这样。同一个网络，各训练三十轮。**先猜**：三种情形下，
# 2000 份训练病历上的准确率各是多少？另外 1000 份上呢？

# %%
labels = {"order": alarm, "parity": records.sum(axis=1) % 2, "coin": rng.integers(0, 2, 3000)}
models = {}
for name, c in labels.items():
    mediml.manual_seed(0)
    models[name] = RNN(input_size=10, hidden_size=50, num_layers=2, num_classes=2)
    optimizer = optim.Adam(models[name].parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(mediml.tensor(records[:2000]), mediml.tensor(c[:2000])), 32, shuffle=True)
    for _ in range(30):
        for x, target in loader:
            loss = F.cross_entropy(models[name](x), target)
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(models[name].parameters(), 1.0)
            optimizer.step()

# %%
# NBVAL_IGNORE_OUTPUT
right = {}
for name, c in labels.items():
    with mediml.no_grad():
        answers = models[name].eval()(mediml.tensor(records)).argmax(1).numpy()
    right[name] = np.mean(answers[:2000] == c[:2000]), np.mean(answers[test] == c[test])
    print(f"{name:7s} training {right[name][0]:6.1%}   others {right[name][1]:6.1%}")
assert sum(p.numel() for p in models["coin"].parameters()) == 10_802
assert right["order"][1] > 0.97 and max(right["parity"][1], right["coin"][1]) < 0.56 < 0.9 < right["coin"][0]

# %% [markdown] tags=["en"]
# Three times nearly all of the training records are right; only once was something learned. The network has 10 802
# numbers and can learn 2000 answers **by heart**, a coin's as well as a rule's. Parity, too, it only memorised: among
# the $10^{10}$ possible records, 2000 were not enough to find it. Training accuracy tells these cases apart as little
# as the falling loss does; the other thousand do so at a glance.

# %% [markdown] tags=["zh"]
# 三种情形，训练病历几乎全对；真正学到东西的，只有一次。网络有 10 802 个数，足以把 2000 个答案**背下来**，规则的答案能
# 背，硬币的也能背。奇偶同样只是背了：可能的病历有 $10^{10}$ 份，2000 份不足以发现规律。三种情形，看训练准确率分不清，看
# 损失下降也分不清；看另外那一千份，一目了然。

# %% [markdown] tags=["en"]
# ## 10 Padding must not change the answer
#
# Records have different lengths, a batch has one: short sequences are filled up, usually with 0. The printed program
# takes `out[:, -1, :]`, the state at the **last column**, which for a short record is the state after its padding. And
# 0 is a code like any other. The trained network gets the test records with more and more zeros behind them, as they
# would stand in a batch with a longer neighbour. **Predict:** what happens to its **sensitivity**, the fraction of
# alarms that it finds?

# %% [markdown] tags=["zh"]
# ## 10 填充不该改变答案
#
# 病历有长有短，一批却只有一个长度：短的要在后面填满，通常填 0。那段程序取 `out[:, -1, :]`，即**最后一列**的状态；对短病
# 历来说，那是读完填充之后的状态。何况 0 也是一个普通的代码。现在把测试病历后面添上越来越多的 0 交给训练好的网络，就像同
# 一批里有个更长的邻居那样。**先猜**：它的**灵敏度**（该报的警里报出的比例）会怎样？

# %%
# NBVAL_IGNORE_OUTPUT
alarms = records[test][alarm[test] == 1]
ten = np.full(len(alarms), 10)
added = np.arange(0, 41, 2)
found = {"[:, -1]": [], "lengths": []}
for zeros in added:
    padded = mediml.tensor(np.pad(alarms, ((0, 0), (0, zeros))))
    with mediml.no_grad():
        for name, answer in (("[:, -1]", models["order"](padded)), ("lengths", models["order"](padded, ten))):
            found[name].append(answer.argmax(1).numpy().mean())
print({int(zeros): f"{share:.0%}" for zeros, share in zip(added[::5], found["[:, -1]"][::5])})
assert found["[:, -1]"][-1] < 0.5 < 0.97 < min(found["lengths"]) and len(set(found["lengths"])) == 1

# %%
alt = (
    "Fraction of alarms found over the number of zeros behind a record: last column falls to 0, with lengths stays.",
    "报出的比例随病历后面零的个数的变化：取最后一列的降到 0，用长度的不变。",
)
show_curves(added, found, alt, "$T_{pad}$", r"$\Pr(\hat{c}=1 \mid c=1)$")
assert len(found["lengths"]) == len(added)

# %% [markdown] tags=["en"]
# Twenty zeros, and **every** alarm is lost. (Of four seeds that we tried three ended so, the fourth lost a third.) A
# record does not become harmless because a *different* patient in the same batch has a longer one. No error, no
# warning: the answers are just wrong, and on a test set where all lengths are equal nobody would notice.
#
# The cure is to tell the network where each sequence ends. `pack_padded_sequence` sorts the sequences by length and
# puts step 1 of all behind each other, then step 2 of all that have one, and so on. Below, four records of lengths 4,
# 3, 3 and 1: on the left padded (each row a record), in the middle the packed data, on the right how many sequences are
# still running at each step (`batch_sizes`).

# %% [markdown] tags=["zh"]
# 添上二十个 0，**所有**警报都丢了。（我们试了四个种子，三个如此，另一个丢了三分之一。）一份病历，不会因为同一批里**别
# 的**患者病历更长，就变得没有危险。不报错，也不警告，答案就是错了；如果测试集里所有序列一样长，谁也发现不了。
#
# 办法是告诉网络每条序列到哪里为止。`pack_padded_sequence` 把序列按长度排好，先放所有序列的第 1 步，再放还有第 2 步的那
# 些序列的第 2 步，依此类推。下面是长为 4、3、3、1 的四份病历：左边是填充后的样子（一行一份），中间是打包后的数据，右边
# 是每一步还有几条序列在走（`batch_sizes`）。

# %%
padded = np.array([[7, 2, 3, 1], [5, 3, 7, 0], [1, 7, 3, 0], [6, 0, 0, 0]])
packed = pack_padded_sequence(mediml.tensor(padded), [4, 3, 3, 1], batch_first=True)
alt = (
    "Four padded records, and the packed form: the columns without padding one after the other; sizes 4, 3, 3, 1.",
    "四份填充过的病历，以及打包后的样子：各列去掉填充，首尾相接；每步的条数为 4、3、3、1。",
)
panels = {"$x$": padded, "data": packed.data.numpy()[None], "batch_sizes": packed.batch_sizes.numpy()[None]}
show_numbers(panels, alt)
assert packed.data.numpy().tolist() == [7, 5, 1, 6, 2, 3, 7, 3, 7, 3, 1]

# %% [markdown] tags=["en"]
# ## 11 Layers, directions, axes
#
# **Layers.** The states of the first layer are the inputs of the second. **Directions.** In a **bidirectional** network
# a second one reads from the end to the beginning, and the states of both stand side by side: for a finished recording
# that is allowed, for a monitor that should warn *now* it is not, since it needs the future.
#
# | | `output` | `h_n` |
# |---|---|---|
# | one layer, one direction | (T, N, F_hid) | (1, N, F_hid) |
# | two layers, both directions | (T, N, 2 · F_hid), of the last layer | (4, N, F_hid): layer 1 forth, back, layer 2 … |
#
# **Predict:** in a bidirectional network, how many steps has the backward half of `output[-1]`, the last one, read?

# %% [markdown] tags=["zh"]
# ## 11 层、方向、轴
#
# **层。** 第一层的状态就是第二层的输入。**方向。** 另有一个网络从末尾读到开头，两者的状态并排放在一起：对已经录完的数据
# 可以这样做；要**此刻**报警的监护仪就不行，因为它需要未来。
#
# | | `output` | `h_n` |
# |---|---|---|
# | 一层，单向 | (T, N, F_hid) | (1, N, F_hid) |
# | 两层，双向 | (T, N, 2 · F_hid)，属于最后一层 | (4, N, F_hid)：第 1 层正向、反向，第 2 层…… |
#
# **先猜**：在双向网络里，最后的 `output[-1]` 的反向那一半，读过了几步？

# %%
guess = None
net, plain = nn.RNN(3, 4, bidirectional=True).double(), nn.RNN(3, 4).double()
reverse = {name.removesuffix("_reverse"): v for name, v in net.state_dict().items() if name.endswith("_reverse")}
plain.load_state_dict(reverse)
x = mediml.tensor(rng.standard_normal((6, 2, 3)))
with mediml.no_grad():
    output, h_n = net(x)
    turned = plain(x.flip(0))[0].flip(0)
    alone = plain(x[-1:])[0]
print("backward half = a plain RNN on the reversed sequence:", np.allclose(output[..., 4:].numpy(), turned.numpy()))
print("backward half of output[-1] = after one step only:   ", np.allclose(output[-1, :, 4:].numpy(), alone[0].numpy()))
assert np.allclose(output[0, :, 4:].numpy(), h_n[1].numpy())

# %% [markdown] tags=["en"]
# One! Whoever takes `output[-1]` (or `out[:, -1]`) from a bidirectional network gets a backward half that has seen a
# single step. Its summary of the whole sequence stands at `output[0]`, and both halves stand in `h_n`.
#
# **Axes.** By default the first axis is **time**, not the patient; `batch_first=True` changes that. Confuse them, and
# nothing fails, for the shapes fit. NaN as a dye (lesson 05) shows what happens. Five patients, ten steps; the fourth
# patient's first value is NaN. **Predict:** whose results become NaN?

# %% [markdown] tags=["zh"]
# 一步！谁要是从双向网络里取 `output[-1]`（或 `out[:, -1]`），得到的反向那一半只看过一步。它对整条序列的总结在
# `output[0]`；两半齐全的，在 `h_n` 里。
#
# **轴。** 默认情况下，第一个轴是**时间**，不是患者；`batch_first=True` 才把它换过来。弄混了也不会报错，因为形状对得上。
# 用 NaN 当染料（第 05 课）看看会发生什么。五位患者，十步；第四位患者的第一个数是 NaN。**先猜**：谁的结果会变成 NaN？

# %%
guess = None
patients = rng.standard_normal((5, 10, 3))  # patient, step, feature
patients[3, 0, 0] = np.nan
for batch_first in (True, False):
    y, _ = nn.RNN(3, 4, batch_first=batch_first).double()(mediml.tensor(patients))
    ill = np.isnan(y.detach().numpy()).any(axis=(1, 2))
    print(f"batch_first={batch_first!s:5}: NaN in the results of patients {(np.flatnonzero(ill) + 1).tolist()}")
assert ill.tolist() == [False, False, False, True, True]

# %% [markdown] tags=["en"]
# With the wrong setting the network reads *from patient to patient*: the fifth patient's result depends on the
# fourth's. In a hospital that is not a bug in a shape, it is a mix-up of patients.

# %% [markdown] tags=["zh"]
# 设置错了，网络就**从一位患者读到下一位患者**：第五位的结果依赖于第四位。放在医院里，这不是形状上的小毛病，是张冠李戴。

# %% [markdown] tags=["en"]
# ## 12 Forecast of an ECG
#
# Back to lead II. The task: from all samples up to now, say the value **20 ms ahead** (two samples). The first six
# seconds train, the next two serve for choices, the last two are looked at once. First the baselines, each of which a
# reviewer would ask for:
#
# * **persistence**: it stays as it is;
# * **one beat ago**: the value of 0.99 s earlier, the lag that fits the training part best;
# * **linear**: a weighted sum of the last 1.2 s, which includes the beat before (ridge regression).

# %% [markdown] tags=["zh"]
# ## 12 预报心电图
#
# 回到 II 导联。任务：根据到此刻为止的全部采样，说出 **20 ms 之后**（两个采样点之后）的值。前六秒用来训练，随后两秒用来
# 做选择，最后两秒只看一次。先立基线，每一条都是审稿人会追问的：
#
# * **持续**：保持现值不变；
# * **上一搏**：0.99 s 之前的值（在训练部分最合适的延迟）；
# * **线性**：过去 1.2 s 的加权和，已包含上一次心搏（岭回归）。

# %%
ahead, lags = 2, 120
z = (lead - lead[:600].mean()) / lead[:600].std()
parts = {"train": np.arange(150, 600), "choice": np.arange(600, 800), "test": np.arange(800, 1000)}
past = np.stack([np.r_[np.zeros(ahead + k), z[: 1000 - ahead - k]] for k in range(lags)] + [np.ones(1000)], axis=1)
known = past[parts["train"]]
ridge = np.linalg.solve(known.T @ known + np.eye(lags + 1), known.T @ z[parts["train"]])
forecasts = {"persistence": past[:, 0], "one beat ago": past[:, 99 - ahead], "linear": past @ ridge}
uv = 1000 * lead[:600].std()  # µV per unit of z
errors = {name: {p: uv * np.sqrt(np.mean((f - z)[i] ** 2)) for p, i in parts.items()} for name, f in forecasts.items()}
for name in forecasts:
    print(f"{name:13s} root mean square error, seconds 6 to 8: {errors[name]['choice']:4.0f} µV")
assert errors["linear"]["choice"] < errors["one beat ago"]["choice"] < errors["persistence"]["choice"]

# %% [markdown] tags=["en"]
# Now an RNN with 32 units, which sees one sample at a time. It is trained on windows of 1.5 s (truncated BPTT), and the
# first quarter of each window only warms up its state and is not counted.

# %% [markdown] tags=["zh"]
# 现在轮到 32 个单元的 RNN，它一次只看一个采样点。训练用 1.5 s 的窗口（截断的 BPTT），每个窗口的前四分之一只用来给状态预
# 热，不计入损失。

# %%
mediml.manual_seed(11)
rnn, head = nn.RNN(1, 32), nn.Linear(32, 1)
parameters = [*rnn.parameters(), *head.parameters()]
optimizer, signal = optim.Adam(parameters, lr=5e-3), z.astype(np.float32)
for _ in range(400):
    windows = rng.integers(0, 600 - 150 - ahead, (1, 16)) + np.arange(150)[:, None]  # (T, N)
    x, target = mediml.tensor(signal[windows][..., None]), mediml.tensor(signal[windows + ahead])
    loss = ((head(rnn(x)[0])[..., 0] - target)[38:] ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    clip_grad_norm_(parameters, 1.0)
    optimizer.step()

# %%
# NBVAL_IGNORE_OUTPUT
with mediml.no_grad():
    said = head(rnn(mediml.tensor(signal[:, None, None]))[0])[:, 0, 0].numpy()
forecasts["RNN"] = np.r_[np.zeros(ahead), said[:-ahead]]
errors["RNN"] = {p: uv * np.sqrt(np.mean((forecasts["RNN"] - z)[i] ** 2)) for p, i in parts.items()}
print(f"RNN: {errors['RNN']['choice']:.0f} µV; linear: {errors['linear']['choice']:.0f} µV (seconds 6 to 8)")
assert errors["RNN"]["choice"] < 0.6 * errors["linear"]["choice"]

# %%
shown = slice(600, 800)
alt = (
    "Seconds 6 to 8: the forecast of the RNN lies on the ECG, spikes included; the linear spikes are late or early.",
    "第 6 到 8 秒：RNN 的预报与心电图重合，连尖峰也对；线性预报的尖峰不是迟了就是早了。",
)
curves = {"ECG": lead[shown]} | {
    n: forecasts[n][shown] * lead[:600].std() + lead[:600].mean() for n in ("RNN", "linear")
}
show_curves(seconds[shown], curves, alt, "$t$ / s", "mV", size=(8, 2.8))
assert np.abs(curves["RNN"] - curves["ECG"]).max() < np.abs(curves["linear"] - curves["ECG"]).max()

# %% [markdown] tags=["en"]
# The P wave announces the spike 0.16 s before; a state can hold that, a weighted sum of samples hardly. A fine result
# to stop at, and many publications do. **Predict** the errors on the last two seconds; look at the figure of section 1
# before you write your guess.

# %% [markdown] tags=["zh"]
# P 波提前 0.16 s 预告了尖峰；状态记得住这一点，采样点的加权和却很难。到此为止，是个漂亮的结果，许多论文也就到此为止。
# **先猜**最后两秒上的误差；写下答案之前，先看一眼第 1 节的图。

# %%
# NBVAL_IGNORE_OUTPUT
guess = None
for name, error in errors.items():
    train, choice, final = (round(error[part]) for part in parts)
    print(f"{name:13s} training {train:3d} µV   seconds 6 to 8 {choice:3d}   8 to 10 {final:3d}")
assert errors["RNN"]["test"] > 2 * errors["RNN"]["choice"]

# %%
shown = slice(800, 1000)
alt = (
    "Seconds 8 to 10: the RNN follows the first beat; where the ground begins to move it goes astray.",
    "第 8 到 10 秒：RNN 跟上了第一次心搏；基线一移动，它就走偏了。",
)
curves = {"ECG": lead[shown], "RNN": forecasts["RNN"][shown] * lead[:600].std() + lead[:600].mean()}
show_curves(seconds[shown], curves, alt, "$t$ / s", "mV", size=(8, 2.8))
assert np.abs(curves["RNN"] - curves["ECG"])[100:].max() > 0.3

# %% [markdown] tags=["en"]
# After the last spike the ground wanders off (a movement, a breath: the file does not say), and the network sees spikes
# where there are none. Its error is several times as large as before, and nothing in its output says so. One patient,
# one recording, ten beats: the advantage was real *within* what was seen, and six seconds of training do not buy more.
# Nothing about arrhythmia, other hearts or other devices follows from this, in either direction.

# %% [markdown] tags=["zh"]
# 最后一个尖峰之后，基线漂移（动了一下？吸了口气？文件没有说），网络在没有尖峰的地方看出了尖峰。误差是先前的好几倍，而它
# 的输出里丝毫没有提示。一位患者，一段记录，十次心搏：优势是真的，但只在**见过的**范围之内；六秒钟的训练，换不来更多。由
# 此推不出任何关于心律失常、别的心脏、别的设备的结论，好的坏的都推不出。

# %% [markdown] tags=["en"]
# ## 13 What was wrong with the program
#
# The RNN program that is printed in so many introductions makes its loader from a bare table of random symbols and then
# asks each batch for `inputs, labels`. With its batches of five, Python stops. **Predict:** and with batches of two?

# %% [markdown] tags=["zh"]
# ## 13 那段程序错在哪里
#
# 那段被许多入门文章转抄的 RNN 程序，用一张光秃秃的随机符号表做数据加载器，循环里却向每一批要 `inputs, labels`。它每批取
# 五条，Python 当场停下。**先猜**：若每批取两条呢？

# %%
guess = None
table = mediml.tensor(records[:100])
for size in (5, 2):
    try:
        inputs, answers = next(iter(DataLoader(table, batch_size=size)))
        print(f"batches of {size}: no complaint; the labels of the first record:", answers.tolist())
    except ValueError as error:
        print(f"batches of {size}: {error}")
assert answers.tolist() == records[1].tolist()

# %% [markdown] tags=["en"]
# The second patient's record has become the first one's labels. Read as a reviewer, the program has these faults:
#
# | fault | consequence | mended |
# |---|---|---|
# | loader without labels | crash, or a record taken for labels | `TensorDataset` with both (section 9) |
# | random data without a rule | nothing to learn; training accuracy is memory | known rule, other test records |
# | test data without labels either | accuracy of nothing | a test part with answers, beside two baselines |
# | `out[:, -1, :]` without lengths | short records read with padding, alarms lost | `lengths`, packed (section 10) |
# | no symbol reserved for padding | 0 is code 0 | lengths decide; or `padding_idx` |
# | no clipping | one cliff ruins all | `clip_grad_norm_`, its norm watched (section 8) |
# | "the loss compares hidden states with labels" | it compares **scores** | `fc`, cross entropy |
# | "back-propagation updates the weights" | two things confused, no sum over time | BPTT adds shares, `step()` moves |
# | "RNNs transmit and accumulate information" | said, not measured | measured: gone after some ten steps (section 7) |
# | no seed, no validation part, no `eval()` | cannot be repeated, nor chosen honestly | as in lesson 09 |

# %% [markdown] tags=["zh"]
# 第二位患者的病历，成了第一位患者的标签。以审稿人的眼光来读，这段程序有下列毛病：
#
# | 毛病 | 后果 | 本课的做法 |
# |---|---|---|
# | 数据加载器里没有标签 | 崩溃，或者把病历当成标签 | 病历与标签组成 `TensorDataset`（第 9 节） |
# | 数据是随机的，没有规则 | 学不到任何东西；训练准确率全是死记 | 规则已知，用另外的病历测试 |
# | 测试数据同样没有标签 | 准确率无从谈起 | 测试集有答案，旁边摆着两条基线 |
# | 取 `out[:, -1, :]`，不管长度 | 短病历连填充一起读，漏报 | 给出 `lengths`，打包（第 10 节） |
# | 没有给填充留专用符号 | 填充的 0 就是代码 0 | 由长度决定；或用 `padding_idx` |
# | 没有梯度裁剪 | 一道悬崖就毁掉一次训练 | `clip_grad_norm_`，并盯着范数（第 8 节） |
# | 说“损失把隐藏状态与标签作比较” | 比较的是**得分**，由状态经线性层算出 | 先 `fc`，再交叉熵 |
# | 说“反向传播更新权重” | 两件事混为一谈，也没说要沿时间求和 | BPTT 累加各份，`step()` 才移动（第 3、5 节） |
# | 说“RNN 能传递并累积信息” | 只是说说，从没量过 | 量过：十来步之后就没了（第 7 节） |
# | 没有种子、没有验证集、没有 `eval()` | 无法重复，也无法诚实地做选择 | 同第 09 课 |

# %% [markdown] tags=["en"]
# ## 14 Limits
#
# * The plain RNN forgets within some ten steps at its usual beginning, and training hardly reaches beyond. Lesson 12
#   shows a task over a hundred steps that it does not learn, and two networks that do.
# * A step is a step: the formula does not know whether a day or a year lies between two visits.
# * It reads one step after the other and cannot be spread over time as a convolution is over space.
# * The records here are made up and the ECG is one recording. What was measured are properties of a method.

# %% [markdown] tags=["zh"]
# ## 14 局限
#
# * 朴素的 RNN 在通常的初值下，十来步就忘光了，训练也很难够到更远。第 12 课有一个跨一百步的任务，它学不会，另外两种网络
#   学得会。
# * 一步就是一步：公式不知道两次就诊之间隔了一天还是一年。
# * 它只能一步一步地读，不能像卷积在空间上那样，在时间上同时铺开。
# * 这里的病历是编的，心电图只有一段。量出来的是方法的性质。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. In the example by hand, let the loss be $h_2$ instead of $h_3$. What is the gradient of $w_{hh}$?
# 2. How many numbers has `nn.RNN(10, 50, num_layers=2, bidirectional=True)`? (The second layer reads both directions of
#    the first.)
# 3. By which factor per step may a gradient shrink so that a thousandth is left after 100 steps (three decimals)?
# 4. Write the network with NumPy alone: the states, shape (T, F_hid), for `series` with the weights below, from
#    $h_0 = 0$, without biases.

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 在手算的例子里，损失改取 $h_2$ 而不是 $h_3$，$w_{hh}$ 的梯度是多少？
# 2. `nn.RNN(10, 50, num_layers=2, bidirectional=True)` 有多少个数要学？（第二层读第一层的两个方向。）
# 3. 要使梯度在 100 步之后还剩千分之一，每步至多缩小到几倍（保留三位小数）？
# 4. 只用 NumPy 写出这个网络：对 `series`，用下面的权重，从 $h_0 = 0$ 出发，不要偏置，求各步的状态，形状为 (T, F_hid)。

# %%
gradient = None  # exercise 1
assert gradient is None or abs(gradient - 0.216) < 1e-6, "δ_2 = 1 − 0.8² = 0.36, times h_1; the share of step 1 is 0"

# %%
numbers = None  # exercise 2
assert numbers in (None, 21_400), "each direction: 50·10 + 50·50 + 100, then 50·100 + 50·50 + 100"

# %%
factor = None  # exercise 3
assert factor is None or abs(factor - 0.933) < 6e-4, "the hundredth root of 1/1000"

# %%
series, W_ih, W_hh = rng.standard_normal((8, 3)), rng.standard_normal((4, 3)), rng.standard_normal((4, 4))
mine = None  # exercise 4: an array of shape (8, 4)
if mine is not None:
    right, _ = reference.rnn_tanh_forward(series[:, None], np.zeros((1, 4)), W_ih, W_hh, None, None, None, False)
    assert np.allclose(mine, right[:, 0]), "h = np.tanh(W_ih @ x_t + W_hh @ h), with the new h in the next step"

# %% [markdown] tags=["en"]
# ## Summary
#
# * $h_t = \tanh(W_{ih}x_t + b_{ih} + W_{hh}h_{t-1} + b_{hh})$: one set of weights, used at every step.
# * BPTT: the gradient of a weight is the sum of its shares over the steps; the gradient of the state passes a factor
#   $W_{hh}^{\top}\operatorname{diag}(1-h^2)$ per step.
# * Below 1 these factors make it vanish, above they make it explode; tanh pulls towards vanishing. Clip what explodes;
#   nothing of the kind helps what vanishes.
# * Truncation hands on the state and not the gradient.
# * Lengths belong to the data: padding must not change an answer. Which axis is time must be said.
# * Training accuracy cannot tell a rule from a coin. A forecast is worth what it gains over persistence, the beat
#   before and a straight sum, on data of another kind too.
#
# ## To think about
#
# 1. A monitor should warn within a second. Which of last state, mean over time and both directions can it use?
# 2. Visits come after days or years. Where would you put the time between them into the formula?
# 3. To save padding you form batches of records of similar length. The ill have long records. What does that do to the
#    batches, and how would you notice?
#
# ## Sources
#
# * J. L. Elman, *Finding structure in time*, Cognitive Science 14 (1990), 179–211.
# * P. J. Werbos, *Backpropagation through time: what it does and how to do it*, Proc. IEEE 78 (1990), 1550–1560.
# * R. J. Williams, J. Peng, *An efficient gradient-based algorithm for on-line training of recurrent network
#   trajectories*, Neural Computation 2 (1990), 490–501, for truncation.
# * Y. Bengio, P. Simard, P. Frasconi, *Learning long-term dependencies with gradient descent is difficult*, IEEE
#   Trans. Neural Networks 5 (1994), 157–166.
# * R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013, for
#   sections 7 and 8.
# * ECG: `ecg_12_leads` of the [catalogue](../../datasets/cards/pydicom_samples.md), read by
#   [`mediml/imaging/waveform.py`](../../mediml/imaging/waveform.py). Code:
#   [`kernels/rnn/`](../../kernels/rnn/__init__.py), [`kernels/rnn/reference.py`](../../kernels/rnn/reference.py),
#   layers [`mediml/nn/modules/rnn.py`](../../mediml/nn/modules/rnn.py), classifier
#   [`mediml/models/rnn.py`](../../mediml/models/rnn.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.*

# %% [markdown] tags=["zh"]
# ## 小结
#
# * $h_t = \tanh(W_{ih}x_t + b_{ih} + W_{hh}h_{t-1} + b_{hh})$：一组权重，步步都用。
# * BPTT：权重的梯度是各步所得之和；状态的梯度每走一步，乘一个因子 $W_{hh}^{\top}\operatorname{diag}(1-h^2)$。
# * 因子小于 1，梯度消失；大于 1，梯度爆炸；tanh 总把它往消失那边拉。爆炸的可以裁剪；消失的，这一类办法都帮不上忙。
# * 截断：状态传下去，梯度不传。
# * 长度是数据的一部分：填充不该改变答案。哪个轴是时间，必须说清楚。
# * 单凭训练准确率，分不清规则和硬币。预报值不值钱，要看它比“持续”“上一搏”和直线加权和强多少，还要换一种数据再看。
#
# ## 思考题
#
# 1. 监护仪应当在一秒之内报警。最后的状态、沿时间取平均、双向，三者之中它能用哪些？
# 2. 两次就诊之间隔几天或几年。这段时间应当放进公式的什么地方？
# 3. 为了少填充，你把长度相近的病历编成一批。而病重的人病历长。这样一来各批会怎样？你怎样才能发现？
#
# ## 资料
#
# * J. L. Elman, *Finding structure in time*, Cognitive Science 14 (1990), 179–211。
# * P. J. Werbos, *Backpropagation through time: what it does and how to do it*, Proc. IEEE 78 (1990), 1550–1560。
# * R. J. Williams, J. Peng, *An efficient gradient-based algorithm for on-line training of recurrent network
#   trajectories*, Neural Computation 2 (1990), 490–501（截断）。
# * Y. Bengio, P. Simard, P. Frasconi, *Learning long-term dependencies with gradient descent is difficult*, IEEE
#   Trans. Neural Networks 5 (1994), 157–166。
# * R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013（第 7、8
#   节）。
# * 心电图：[目录](../../datasets/cards/pydicom_samples.md)中的 `ecg_12_leads`，由
#   [`mediml/imaging/waveform.py`](../../mediml/imaging/waveform.py) 读取。代码：
#   [`kernels/rnn/`](../../kernels/rnn/__init__.py)、[`kernels/rnn/reference.py`](../../kernels/rnn/reference.py)，
#   网络层 [`mediml/nn/modules/rnn.py`](../../mediml/nn/modules/rnn.py)，分类器
#   [`mediml/models/rnn.py`](../../mediml/models/rnn.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。*
