# %% [markdown] tags=["en"]
# # 07 · CUDA kernels: ten thousand threads, and how they get along
#
# A CT scan has 300 slices of 512 × 512 pixels. To show it in a brain window, the same small formula is computed for 79
# million pixels, and no pixel needs the result of another. A processor works through them a few at a time; a graphics
# processor (GPU) starts a **thread** for each. What is new is not the formula but the company: who does which element,
# who may write where, and who has to wait for whom.
#
# **After this lesson you can** write a CUDA kernel and say which thread does what; find the five mistakes that
# beginners (and professionals) make, and know why a right result proves nothing; sum an array without a race; say how
# often a kernel reads memory, and make it read less; and run mediml's networks on a GPU.
#
# You need no GPU: the kernels run in Numba's **simulator**, in plain Python, and a **kernel doctor** watches every
# access. What a GPU adds is said in section 9. It is speed, and nothing else.
#
# **Time:** 80 minutes. **You need:** lessons 04 and 05.

# %% [markdown] tags=["zh"]
# # 07 · CUDA 内核：上万个线程如何相处
#
# 一次 CT 有 300 层，每层 512 × 512 像素。要用脑窗显示它，就得对 7900 万个像素算同一个小公式，而且每个像素都不需要别的像
# 素的结果。CPU 一次处理几个；图形处理器（GPU）则为每个像素启动一个**线程**。新东西不在公式里，而在线程之间：谁算哪个元
# 素，谁可以写哪里，谁必须等谁。
#
# **学完本课，你能够**写出一个 CUDA 内核，并说清每个线程做什么；找出初学者（以及行家）常犯的五种错误，并明白结果正确为什
# 么说明不了什么；不带竞争地对数组求和；说出一个内核读了多少次内存，并让它少读；在 GPU 上运行 mediml 的网络。
#
# 你不需要 GPU：内核在 Numba 的**模拟器**里用普通 Python 运行，**内核医生**盯着每一次访问。GPU 能多带来什么，第 9 节会
# 说：是速度，仅此而已。
#
# **用时**：80 分钟。**先修**：第 04、05 课。

# %% [markdown] tags=["en"]
# The simulator must be chosen before Numba is imported. On a machine with a GPU, leave this cell out, and everything
# below but the doctor runs on the GPU.

# %% [markdown] tags=["zh"]
# 模拟器必须在导入 Numba 之前选定。在有 GPU 的机器上去掉下面这一格，除内核医生之外的一切都会在 GPU 上运行。

# %%
import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

# %%
import numpy as np

import mediml
import mediml.nn.functional as F
from kernels.conv import cuda as conv
from kernels.conv import cuda_steps, reference
from kernels.gpu.transfer import TRANSFERS, to_device
from mediml import nn, optim
from mediml.data.catalog import packaged_file
from mediml.exercises import cuda_kernels as examples
from mediml.exercises import doctor
from mediml.imaging import read_image
from mediml.plots import show_images, show_numbers, show_source, show_threads

# %%
slice_hu = read_image(packaged_file("ct_slice")).values.astype(np.float32)
print("one slice:", slice_hu.shape, "pixels,", slice_hu.size, "threads")
assert slice_hu.shape == (512, 512)

# %% [markdown] tags=["en"]
# ## 1 Who am I? The one formula of CUDA
#
# A kernel is written for **one** thread. It is started many times at once, in **blocks** of equal size, and each copy
# finds out by its indices which element is its own:
#
# $$ i = b \cdot B + t $$
#
# | symbol | meaning | in the code |
# |---|---|---|
# | $b$ | index of the block | `cuda.blockIdx.x` |
# | $B$ | threads of a block | `cuda.blockDim.x` |
# | $t$ | index of the thread in its block | `cuda.threadIdx.x` |
# | $i$ | index in the whole grid, one for each thread | `cuda.grid(1)`, the same in one call |
#
# **By hand.** Ten pixels, blocks of four: three blocks are needed, for $\lceil 10/4 \rceil = 3$. Thread 1 of block 2
# has $i = 2 \cdot 4 + 1 = 9$, the last pixel. **Predict before you run:** how many threads have no pixel?

# %% [markdown] tags=["zh"]
# ## 1 我是谁？CUDA 唯一的公式
#
# 内核是为**一个**线程写的。它以大小相等的**线程块**为单位同时启动很多份，每一份靠编号弄清哪个元素归自己：
#
# $$ i = b \cdot B + t $$
#
# | 符号 | 含义 | 代码中的名字 |
# |---|---|---|
# | $b$ | 线程块的编号 | `cuda.blockIdx.x` |
# | $B$ | 每块的线程数 | `cuda.blockDim.x` |
# | $t$ | 线程在块内的编号 | `cuda.threadIdx.x` |
# | $i$ | 在整个网格中的编号，每个线程一个 | `cuda.grid(1)`，一次调用得到同样的数 |
#
# **手算。** 十个像素，每块四个线程：需要三块，因为 $\lceil 10/4 \rceil = 3$。第 2 块的 1 号线程有
# $i = 2 \cdot 4 + 1 = 9$，即最后一个像素。**先猜，再运行**：有几个线程没有像素可算？

# %%
guess = None  # threads without a pixel
show_threads((10,), (4,))
assert guess in (None, examples.blocks_for(10, 4) * 4 - 10)

# %%
show_source(examples.window_by_index)

# %% [markdown] tags=["en"]
# A launch names blocks and threads in brackets, then the arguments: `kernel[blocks, threads](x, y)`. A kernel returns
# nothing; it writes into an array that it is given. Here a row of 512 pixels through a head, in the brain window from 0
# to 80 HU, in 32 blocks of 16 threads:

# %% [markdown] tags=["zh"]
# 启动时，方括号里写块数和线程数，再写参数：`kernel[blocks, threads](x, y)`。内核没有返回值，它往给定的数组里写。下面取
# 穿过头部的一行 512 个像素，用 0 到 80 HU 的脑窗，32 块、每块 16 个线程：

# %%
row_hu = slice_hu[300]
grey = np.full(512, np.nan, np.float32)
low, high = np.float32(0), np.float32(80)
examples.window_by_index[examples.blocks_for(512, 16), 16](row_hu, grey, low, high)
expected = np.clip((row_hu - low) / (high - low), 0, 1)
print("largest deviation from NumPy:", float(np.abs(grey - expected).max()))
assert np.array_equal(grey, expected)

# %% [markdown] tags=["en"]
# An image has two axes, and so has a grid. **x is the fast axis**: `w, h = cuda.grid(2)` gives the column first. That
# is no whim: threads that are neighbours in x run together in a **warp** of 32, and when their addresses are neighbours
# as well, the memory answers all 32 in one go. Exchange the two, and it answers 32 times.

# %% [markdown] tags=["zh"]
# 图像有两个轴，网格也可以有两个轴。**x 是变化最快的轴**：`w, h = cuda.grid(2)` 先给列号。这不是随意的规定：x 方向上相邻
# 的 32 个线程组成一个**线程束**（warp）一起执行；如果它们访问的地址也相邻，内存一次就能答复全部 32 个。把两者对调，内存
# 就得答复 32 次。

# %%
show_threads((3, 10), (2, 4))
patch = np.ascontiguousarray(slice_hu[100:132, 160:200])
grey = np.full(patch.shape, np.nan, np.float32)
blocks = (examples.blocks_for(40, 8), examples.blocks_for(32, 4))
examples.window[blocks, (8, 4)](patch, grey, low, high)
assert np.array_equal(grey, np.clip((patch - low) / (high - low), 0, 1))

# %% [markdown] tags=["en"]
# ## 2 First mistake: beyond the end
#
# The `if` is the guard: the threads beyond the end must not touch anything. Without it, a GPU gives no error. The
# thread writes to whatever lies behind the array, another array perhaps, and the result looks right until one day it
# does not. The **kernel doctor** runs a kernel thread by thread, records every access, and tells:

# %% [markdown] tags=["zh"]
# ## 2 第一种错误：越界
#
# 那个 `if` 是守卫：越过末尾的线程什么也不许碰。少了它，GPU 并不报错；线程会写到数组后面的内存里，那里也许是另一个数组。
# 结果一直看着是对的，直到某一天不对。**内核医生**逐个线程运行内核，记下每次访问，然后告诉你：

# %%
ten = row_hu[130:140]
report = doctor.examine(examples.window_without_guard, 3, 4, ten, np.zeros(10, np.float32), low, high, outputs=["grey"])
print(report)
assert {f.kind for f in report.findings} == {"out_of_bounds_read", "out_of_bounds_write"}

# %%
report.show()
assert not report.ok

# %%
mended = doctor.examine(examples.window_by_index, 3, 4, ten, np.zeros(10, np.float32), low, high, outputs=["grey"])
print(mended)
assert mended.ok

# %% [markdown] tags=["en"]
# ## 3 Second mistake: two threads, one element
#
# Smoothing takes the mean of three neighbours. Written in place, a thread reads what its neighbour may already have
# overwritten. Which of the two comes first is decided anew at every run: a **race**. Here with two orders of the same
# threads, on eight numbers:

# %% [markdown] tags=["zh"]
# ## 3 第二种错误：两个线程，一个元素
#
# 平滑取相邻三个数的平均。若就地改写，线程读到的可能是邻居已经改过的值。谁先谁后，每次运行都可能不同：这就是**竞争**。下
# 面让同样的线程按两种次序运行：

# %%
show_source(examples.smooth_in_place)
x = np.array([0, 0, 9, 0, 0, 0, 9, 0], np.float32)
forth, back = x.copy(), x.copy()
for i in range(1, 7):
    forth[i] = (forth[i - 1] + forth[i] + forth[i + 1]) / 3
for i in range(6, 0, -1):
    back[i] = (back[i - 1] + back[i] + back[i + 1]) / 3
alt = ("Eight numbers, smoothed in place from left to right and from right to left: the two results differ.",
       "八个数，从左到右和从右到左就地平滑：两个结果不同。")  # fmt: skip
show_numbers({"$x$": x[None], r"$\rightarrow$": forth[None], r"$\leftarrow$": back[None]}, alt, digits=1)
assert not np.allclose(forth, back)

# %%
report = doctor.examine(examples.smooth_in_place, 1, 8, x)
print(report)
two_blocks = doctor.examine(examples.smooth_in_place, 2, 4, x)
mended = doctor.examine(examples.smooth, 2, 4, x, np.zeros(8, np.float32), outputs=["y"])
assert [f.kind for f in report.findings] == ["race"] and mended.ok
assert [f.kind for f in two_blocks.findings] == ["race_between_blocks"]

# %% [markdown] tags=["en"]
# The doctor does not wait for a wrong number. It asks of each pair of accesses: same element, different threads, at
# least one writes, and no barrier between? Then it is a race, whatever came out this time. Between **blocks** there is
# no barrier at all: their order is not defined, and on a large grid the second block may start when the first has long
# ended. The cure is the oldest one: write somewhere else. `smooth` reads `x` and writes `y`.
#
# A race of its own kind is **counting**. `counts[v] += 1` is three steps: read, add, write. Two threads that read the
# same 5 both write 6. The cure is an **atomic** addition, three steps that nothing comes between:

# %% [markdown] tags=["zh"]
# 医生并不等错误的数出现。它对每两次访问都问：同一个元素、不同的线程、至少一个在写、中间没有屏障？是，就是竞争，不管这次
# 结果如何。**线程块之间**根本没有屏障：先后次序没有规定，网格大时，第一块早已结束，第二块才开始。药方最古老：写到别处
# 去。`smooth` 读 `x`，写 `y`。
#
# **计数**是一种特殊的竞争。`counts[v] += 1` 其实是三步：读、加、写。两个线程都读到 5，就都写回 6。药方是**原子**加法：
# 三步合成一步，谁也插不进来：

# %%
tissue = np.digitize(row_hu[112:144], (-900, -200, 100)).astype(np.int64)  # air, its edge, soft tissue, bone
racing = doctor.examine(examples.count_values_racing, 2, 16, tissue, np.zeros(4, np.int64))
atomic = doctor.examine(examples.count_values, 2, 16, tissue, np.zeros(4, np.int64))
print("without atomics:", sorted({f.kind for f in racing.findings}))
print("with atomics:   ", sorted({f.kind for f in atomic.findings}), atomic.arrays["counts"].tolist())
assert not racing.ok and atomic.ok and np.array_equal(atomic.arrays["counts"], np.bincount(tissue, minlength=4))

# %% [markdown] tags=["en"]
# Counting whole numbers is the one place where this project uses atomics. For sums of floats they would be right within
# rounding, and yet no two runs would agree: floats do not add up to the same in every order.

# %% [markdown] tags=["zh"]
# 本项目只在数整数时使用原子操作。若用来对浮点数求和，结果在舍入误差内是对的，但每次运行都不一样：浮点数相加的结果与次序
# 有关。

# %%
rng = np.random.default_rng(7)
values = (slice_hu.reshape(-1)[::64] / 1000).astype(np.float32)
sums = {float(np.cumsum(rng.permutation(values), dtype=np.float32)[-1]) for _ in range(50)}
print(len(values), "numbers in 50 orders:", len(sums), "different sums")
assert len(sums) > 10 and max(sums) - min(sums) < 0.1

# %% [markdown] tags=["en"]
# A training that cannot be repeated cannot be debugged. So each gradient here is **gathered**: the thread that owns an
# element of the gradient walks over everything that contributes to it, in a fixed order, and writes once. The other
# way, **scattering** one's share to all who need it, would need an atomic addition for each.

# %% [markdown] tags=["zh"]
# 不能重复的训练无法排错。所以这里的每个梯度都用**收集**（gather）的办法：拥有梯度某个元素的线程，按固定次序走遍对它有贡
# 献的所有项，最后只写一次。反过来，把自己的份额**散发**（scatter）给每个需要它的元素，就得处处使用原子加法。

# %% [markdown] tags=["en"]
# ## 4 Third and fourth mistake: barriers
#
# The mean density of a tissue needs a sum over many pixels. One thread could add them all, while 511 others look on. A
# tree does better: at each step half as many threads add a partner's sum to their own, and after $\log_2 B$ steps one
# number is left. The numbers lie in **shared memory**, a small store that the threads of one block have in common.
# Between two steps everybody must have finished: `cuda.syncthreads()` is a **barrier** where all wait for the last.

# %% [markdown] tags=["zh"]
# ## 4 第三、第四种错误：屏障
#
# 求组织的平均密度，要把许多像素加起来。让一个线程全加起来，别的线程就只能干看着。树形求和好得多：每一步让一半的线程把伙
# 伴的和加到自己的和上，$\log_2 B$ 步之后只剩一个数。这些数放在**共享内存**里，那是同一块内的线程共有的一小块存储。两步
# 之间，所有线程都必须完成上一步：`cuda.syncthreads()` 是**屏障**，大家在这里等最后一个到来。

# %%
show_source(examples.block_sum)
profile = row_hu[112:176]  # from the air to the brain
partial = np.zeros(4, np.float32)
report = doctor.examine(examples.block_sum, 4, 16, profile, partial, outputs=["partial"])
print("sums of the blocks:", report.arrays["partial"].tolist())
print("mean:", round(float(report.arrays["partial"].sum()) / profile.size, 1), "HU")
assert report.ok and np.isclose(report.arrays["partial"].sum(), profile.sum())

# %% [markdown] tags=["en"]
# **Predict before you run:** without the second barrier, which thread reads what another may not have written yet? And
# if the barrier stands inside the `if`, what do the threads without a partner do?

# %% [markdown] tags=["zh"]
# **先猜，再运行**：没有第二个屏障时，哪个线程会读到别的线程可能还没写好的数？如果屏障写在 `if` 里面，没有伙伴的线程会怎
# 样？

# %%
for kernel in (examples.block_sum_without_barrier, examples.block_sum_divergent):
    report = doctor.examine(kernel, 1, 16, profile[:16], np.zeros(1, np.float32), outputs=["partial"])
    print(report, "\n")
    assert not report.ok

# %% [markdown] tags=["en"]
# Without the barrier, the sum often comes out right all the same, on GPUs where the 32 threads of a warp go in step.
# That was even taught once. Since 2017 the threads of a warp may part company, and such programs broke. And a barrier
# that some threads never reach may stop the whole GPU, or let the others pass at the wrong time: the programming guide
# leaves it undefined.

# %% [markdown] tags=["zh"]
# 没有屏障，和也常常是对的：在有些 GPU 上，一个线程束的 32 个线程齐步走。这甚至曾写进教材。2017 年以后，线程束内的线程可
# 以各走各的，这样的程序就坏了。而有些线程永远走不到的屏障，可能让整个 GPU 停住，也可能让别的线程在错误的时刻通过：编程
# 指南对此不作规定。

# %% [markdown] tags=["en"]
# ## 5 Fifth mistake: reading what nobody wrote
#
# Shared memory is not empty at the start; it holds what the last block left. If one thread in the tree did not load its
# element, its partner would add rubbish. The doctor counts a read of memory that nobody has written as a mistake, even
# if a zero happens to be there. The same holds for an element of the output that no thread writes: it keeps an old
# value, and the picture looks almost right.

# %% [markdown] tags=["zh"]
# ## 5 第五种错误：读没有人写过的内存
#
# 共享内存一开始并不是空的，里面是上一个线程块留下的东西。树里若有一个线程没有装入自己的元素，伙伴就会加上一个垃圾值。读
# 没有人写过的内存，医生一律算作错误，哪怕那里恰好是零。输出中没有任何线程写过的元素也一样：它保留着旧值，图像看上去几乎
# 是对的。

# %%
short = doctor.examine(examples.window_by_index, 2, 4, ten, np.zeros(10, np.float32), low, high, outputs=["grey"])
print(short)
assert {f.kind for f in short.findings} == {"unwritten_output"}

# %% [markdown] tags=["en"]
# ## 6 Reading less: the tile
#
# A convolution of a row with $K$ weights: each of the $B$ threads of a block reads $K$ neighbours, $B K$ reads in all,
# and nearly every pixel is read $K$ times. But the block needs only $B + K - 1$ different ones. So its threads first
# load those into shared memory, once each; then wait at a barrier; then read from there, which is some twenty times as
# near. This is called a **tile**. In two dimensions the gain is larger still:
#
# $$ \text{reads per output:}\quad K^2 \;\longrightarrow\; \frac{(B + K - 1)^2}{B^2} $$

# %% [markdown] tags=["zh"]
# ## 6 少读一些：分块
#
# 一行与 $K$ 个权重做卷积：一块 $B$ 个线程，各读 $K$ 个邻居，共 $B K$ 次读取，几乎每个像素都被读了 $K$ 次。可是整块只用
# 到 $B + K - 1$ 个不同的像素。于是线程们先把它们装入共享内存，每个只读一次；在屏障处等齐；再从共享内存里读，那里要近二
# 十倍左右。这叫做**分块**（tile）。二维时收益更大：
#
# $$ \text{每个输出的读取次数：}\quad K^2 \;\longrightarrow\; \frac{(B + K - 1)^2}{B^2} $$

# %%
show_source(examples.convolve_row, examples.convolve_row_tiled)

# %%
K, B = 5, examples.TILE
weight, pixels = np.full(K, 1 / K, np.float32), row_hu[100 : 100 + 2 * B + K - 1]
for kernel in (examples.convolve_row, examples.convolve_row_tiled):
    report = doctor.examine(kernel, 2, B, pixels, weight, np.zeros(2 * B, np.float32), outputs=["y"])
    print(f"{kernel.__name__:20} reads x {report.reads['x']} times, {report.reads['x'] / (2 * B):.2f} for each output")
    assert report.ok and np.allclose(report.arrays["y"], np.convolve(pixels, weight, "valid"), rtol=1e-5)
assert report.reads["x"] == 2 * (B + K - 1)

# %% [markdown] tags=["en"]
# The counts are those of the formula: $K = 5$, and $(16 + 4)/16 = 1.25$. A matrix product gains in the same way, and a
# convolution of many channels *is* a matrix product. How the reads per output fall with the size of the tile:

# %% [markdown] tags=["zh"]
# 数出来的与公式一致：$K = 5$，以及 $(16 + 4)/16 = 1.25$。矩阵乘法也这样获益，而多通道的卷积**就是**矩阵乘法。每个输出的
# 读取次数随块的大小下降：

# %%
tiles = np.array([4, 8, 16, 32])
table = {f"$K={k}$": ((tiles + k - 1) / tiles) ** 2 for k in (3, 5, 7)}
alt = ("Reads per output with tiles of 4, 8, 16 and 32: for a 7 by 7 kernel from 6.2 down to 1.4 instead of 49.",
       "块边长为 4、8、16、32 时每个输出的读取次数：7×7 的核从 6.2 降到 1.4，不分块则是 49。")  # fmt: skip
show_numbers({"$B$": tiles[:, None], **{name: reads[:, None] for name, reads in table.items()}}, alt, digits=2)
assert table["$K=7$"][-1] < 1.5

# %% [markdown] tags=["en"]
# ## 7 The real thing: convolution in two steps
#
# The convolution of lesson 04 on the GPU. First as formula: the loops over the output are gone, since a thread *is* an
# element of the output; what is left is the sum. Compare it with `reference.py`, line by line:

# %% [markdown] tags=["zh"]
# ## 7 来真的：分两步写卷积
#
# 第 04 课的卷积在 GPU 上怎样写？先照公式来：对输出的循环不见了，因为一个线程**就是**输出的一个元素；剩下的只有求和。请
# 与 `reference.py` 逐行对照：

# %%
show_source(cuda_steps._direct)

# %% [markdown] tags=["en"]
# Then with tiles. Seen as a product of matrices, each row holds the weights of one output channel, each column the
# pixels that the taps meet for one output. The matrix of pixels is never written down; the thread that brings an
# element of it into the tile works out where it lies in the picture:

# %% [markdown] tags=["zh"]
# 再用分块来写。把卷积看成矩阵乘法：左边每一行是一个输出通道的权重，右边每一列是某个输出所对准的那些像素。像素矩阵并不真
# 的写出来；把其中一个元素搬进块里的线程，自己算出它在图像中的位置：

# %%
show_source(cuda_steps._tiled)

# %%
small = patch[:12, :14][None, None] / 1000
kernels_3x3 = np.stack([np.eye(3), np.full((3, 3), 1 / 9)])[:, None].astype(np.float32)
geometry = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
expected = reference.conv2d_forward(small, kernels_3x3, None, **geometry)
for step in (cuda_steps.conv2d_forward_direct, cuda_steps.conv2d_forward_tiled, conv.conv2d_forward):
    y = step(to_device(small), to_device(kernels_3x3), None, **geometry).get()
    print(f"{step.__name__:22} agrees: {np.abs(y - expected).max() < 1e-6}")
    assert np.allclose(y, expected, atol=1e-6)

# %% [markdown] tags=["en"]
# What runs in a network, `cuda.conv2d_forward`, goes a step further: each thread owns up to 64 outputs and keeps them
# in registers, the nearest memory of all, and fetches the next tiles while it adds up the present ones. And what does
# the doctor say of the two above?

# %% [markdown] tags=["zh"]
# 网络里真正运行的 `cuda.conv2d_forward` 又进了一步：每个线程拥有多达 64 个输出，放在最近的存储即寄存器里；一边累加当前
# 的块，一边取下一块。那么医生对上面两个内核怎么说？

# %%
x, w, y = small, kernels_3x3, np.zeros_like(expected)
sizes = (1, 1, 1, 1, 1, 1, 2)  # stride, padding, dilation, channels of a group
grids = {"_direct": ((-(-y.size // 16),), (16,)), "_tiled": ((-(-168 // 4), 1, 1), (4, 4))}
for name, (blocks, threads) in grids.items():
    kernel = getattr(cuda_steps, name)
    report = doctor.examine(kernel, blocks, threads, x, w, np.zeros(2, np.float32), y, *sizes, outputs=["y"])
    print(f"{name:8} {len(report.findings)} findings, {report.reads['x'] / y.size:.1f} reads of x for each output")
    assert report.ok

# %% [markdown] tags=["en"]
# Nothing, and half the reads: in a block of the tiled kernel the two output channels share each pixel. With 64 channels
# and tiles of 16 it would be a sixteenth.
#
# **The gradient** for the input: which outputs have read pixel $i$? In one dimension with stride $s$ and padding $p$
# those with $o\,s - p + k = i$ for some tap $k$. The thread that owns pixel $i$ goes through the taps and asks for each
# whether such an $o$ exists: it *gathers*. The CPU's reference does the same sum the other way round.

# %% [markdown] tags=["zh"]
# 没有问题，读取次数减半：分块的内核里，一块中的两个输出通道共用每个像素。若有 64 个通道、块边长 16，就只读十六分之一。
#
# **对输入的梯度**：哪些输出读过像素 $i$？一维、步幅 $s$、填充 $p$ 时，就是对某个 $k$ 满足 $o\,s - p + k = i$ 的那些
# $o$。拥有像素 $i$ 的线程走遍所有 $k$，逐个问这样的 $o$ 是否存在：这就是**收集**。CPU 上的参考实现求同一个和，只是方向
# 相反。

# %%
grad_y = rng.standard_normal(expected.shape).astype(np.float32)
twice = [conv.conv2d_backward_x(to_device(grad_y), to_device(kernels_3x3), small.shape, **geometry).get() for _ in "ab"]
expected_x = reference.conv2d_backward_x(grad_y, kernels_3x3, small.shape, **geometry)
print("agrees:", np.allclose(twice[0], expected_x, atol=1e-5), " same bits twice:", np.array_equal(*twice))
assert np.allclose(twice[0], expected_x, atol=1e-5) and np.array_equal(*twice)

# %% [markdown] tags=["en"]
# ## 8 A network on the device
#
# `.to("cuda")` moves a tensor or a model; from there on every operation runs as CUDA kernels, the tape of lesson 08
# included, and `.cpu()` brings a result back. Nothing is copied in between behind your back: that would cost more than
# the computation. Edges of a CT slice, computed on the device, and one training step of a small network with the copies
# counted:

# %% [markdown] tags=["zh"]
# ## 8 设备上的网络
#
# `.to("cuda")` 移动张量或模型；此后每个运算都由 CUDA 内核完成，第 08 课的记录带也不例外；`.cpu()` 把结果取回来。中间没
# 有任何背着你的拷贝，那比计算本身还贵。下面在设备上求一幅 CT 切片的边缘，再数一数一个小网络训练一步要拷贝几次：

# %%
sobel = mediml.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]], [[[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]]])
head = np.clip(slice_hu[96:448:8, 120:424:8], -1000, 400)
x = mediml.tensor(head[None, None] / 1400)
edges = F.conv2d(x.to("cuda"), sobel.to("cuda"))
strength = (edges * edges).sum(1).sqrt().cpu().numpy()[0]
on_cpu = F.conv2d(x, sobel)
alt = ("A coarse slice through a head and the strength of its edges, by CUDA kernels: skin and skull stand out.",
       "头部 CT 的一幅粗略切片，以及由 CUDA 内核算出的边缘强度：皮肤和颅骨的轮廓清晰可见。")  # fmt: skip
show_images({"HU": head, r"$|\nabla|$": strength}, alt)
assert np.allclose(edges.cpu().numpy(), on_cpu.numpy(), atol=1e-5)

# %%
mediml.manual_seed(7)
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 6 * 6, 2)).to("cuda")
optimizer = optim.Adam(model.parameters(), lr=0.01)
images, labels = mediml.randn(4, 1, 8, 8), mediml.tensor([0, 1, 0, 1])
for step in range(3):
    before = (TRANSFERS.to_device, TRANSFERS.to_host)
    loss = F.cross_entropy(model(images.to("cuda")), labels.to("cuda"))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    copies = (TRANSFERS.to_device - before[0], TRANSFERS.to_host - before[1])
    print(f"step {step}: {copies[0]} copies to the device, {copies[1]} back")
assert copies == (2, 0)

# %% [markdown] tags=["en"]
# Two copies to the device in each step, images and labels, and none back: even the loss stays there until somebody asks
# for `loss.item()`. Asking has a price, for the processor must then wait for all that it has queued.

# %% [markdown] tags=["zh"]
# 每一步有两次拷贝到设备：图像和标签；取回的一次也没有。连损失值也留在设备上，直到有人调用 `loss.item()`。而询问是有代价
# 的：CPU 得等排在前面的工作全部做完。

# %% [markdown] tags=["en"]
# ## 9 What a GPU adds
#
# Nothing in this lesson needed a GPU, and nothing here was faster than NumPy: a simulator teaches order, not speed. A
# GPU adds two things, and takes a toll:
#
# * **Bandwidth.** Windowing reads 4 bytes and writes 4 for each pixel and computes next to nothing: its time is that of
#   the memory. By their data sheets, an H200 moves 4800 GB/s, a two-channel desktop memory some 80.
# * **Arithmetic.** An inner product reuses what it has read, if tiles let it. There the many thousand adders count.
# * **The toll.** A launch costs some microseconds, whatever it does; a copy over PCIe 4.0 runs at 32 GB/s at best. So
#   small networks, and single operations on data that lies on the host, can be slower on a GPU.

# %% [markdown] tags=["zh"]
# ## 9 GPU 能多带来什么
#
# 本课没有一处非 GPU 不可，也没有一处比 NumPy 快：模拟器教的是次序，不是速度。GPU 带来两样东西，也收一笔过路费：
#
# * **带宽。** 加窗时每个像素读 4 字节、写 4 字节，几乎不用算：所花的时间就是访存的时间。按产品手册，H200 每秒搬运 4800
#   GB，双通道的台式机内存约 80 GB。
# * **算力。** 内积可以反复使用读进来的数，只要分块得当。这时成千上万个加法器才派上用场。
# * **过路费。** 一次启动要几微秒，不管做什么；PCIe 4.0 的拷贝最快每秒 32 GB。所以小网络，以及数据在主机上的单个运算，放
#   到 GPU 上反而可能更慢。

# %%
scan_bytes = 300 * 512 * 512 * 4
for name, gigabytes_per_second in {"H200": 4800, "desktop CPU": 80, "copy over PCIe 4.0": 32}.items():
    passes = 1 if "copy" in name else 2  # read once and write once; a copy crosses the bus once
    print(f"{name:20} at least {passes * scan_bytes / gigabytes_per_second / 1e6:6.2f} ms for a CT of 300 slices")
assert scan_bytes == 314_572_800

# %% [markdown] tags=["en"]
# These are bounds from data sheets, not measurements. On a machine with a GPU: `pip install -e ".[cuda]"`, then
# `mediml doctor` says what is there and what is missing, `mediml verify --device cuda` compares every operator with
# PyTorch, and `mediml bench steps --device cuda` measures. Without one, `mediml verify --ptx` still proves that every
# kernel compiles for three generations of GPUs.
#
# ## 10 Limits
#
# * The simulator knows no types: a float32 kernel that computes in float64, 32 to 64 times slower on most GPUs, looks
#   the same here. Only compiling shows it.
# * The doctor sees the accesses of **one** run, with these sizes. A mistake that needs other sizes needs another run:
#   choose sizes that no block divides.
# * Two kernels that run at once on different streams, and warp instructions, are beyond it.
# * Right and fast on one GPU is right on every GPU, but fast on that one.

# %% [markdown] tags=["zh"]
# 以上是由产品手册推出的下限，不是测量。在有 GPU 的机器上：`pip install -e ".[cuda]"`，然后 `mediml doctor` 会说明有什
# 么、缺什么；`mediml verify --device cuda` 把每个算子与 PyTorch 对照；`mediml bench steps --device cuda` 测速。没有 GPU
# 时，`mediml verify --ptx` 仍能证明每个内核都可以为三代 GPU 编译。
#
# ## 10 局限
#
# * 模拟器不管类型：本该用 float32 的内核若在用 float64 计算，在多数 GPU 上会慢 32 到 64 倍，在这里却看不出来。只有编译
#   才能发现。
# * 医生看到的是**一次**运行、这一组大小下的访问。换一组大小才会出现的错误，要另跑一次才能发现：请选任何块都除不尽的大
#   小。
# * 在不同流上同时运行的两个内核，以及线程束指令，都在它的能力之外。
# * 在一种 GPU 上又对又快的程序，在每种 GPU 上都对，但只在那一种上快。

# %% [markdown] tags=["en"]
# ## Exercises
#
# 1. An image of 100 × 70 pixels, blocks of 16 × 16 threads: how many blocks, and how many threads without a pixel?
# 2. A convolution 3 × 3 with tiles of 16 × 16 outputs: how many global reads of the picture does one block make?
# 3. `smooth` on 8 elements, in blocks of 4: how often is `x` read in all? Count, then ask the doctor.

# %% [markdown] tags=["zh"]
# ## 练习
#
# 1. 图像 100 × 70 像素，每块 16 × 16 个线程：需要几块？有多少线程没有像素？
# 2. 3 × 3 卷积，每块算 16 × 16 个输出：一块要从全局内存读图像多少次？
# 3. 对 8 个元素做 `smooth`，每块 4 个线程：`x` 一共被读多少次？先数，再问医生。

# %%
blocks_needed, idle = None, None  # exercise 1: two numbers
assert blocks_needed in (None, 35) and idle in (None, 35 * 256 - 7000), "⌈100/16⌉ · ⌈70/16⌉ blocks of 256 threads"

# %%
reads_of_a_block = None  # exercise 2: a number
assert reads_of_a_block in (None, 18 * 18), "(16 + 3 − 1)², each pixel once"

# %%
reads_of_smooth = None  # exercise 3: a number
told = doctor.examine(examples.smooth, 2, 4, np.zeros(8, np.float32), np.zeros(8, np.float32), outputs=["y"])
assert reads_of_smooth in (None, told.reads["x"]), "six threads read three, the two at the ends read one"

# %% [markdown] tags=["en"]
# ## Summary
#
# * One thread, one element: $i = bB + t$, and a guard for the threads beyond the end.
# * x is the fast axis, so that neighbouring threads read neighbouring addresses.
# * Never may one thread write what another touches, unless a barrier lies between; across blocks there is none.
# * Every thread of a block must come to every barrier.
# * Shared memory lets a block read each element once: $K^2$ reads per output become little more than one.
# * Gather, do not scatter: each sum in a fixed order, the same bits at every run.
#
# ## To think about
#
# 1. A kernel gives the right histogram for a thousand images. What would convince you that it has no race?
# 2. Max pooling sends each gradient to one pixel. With overlapping windows a pixel may win several. How can a thread
#    gather them, if all it has is the list of winners?
# 3. Which steps of reading a CT, from the file to the screen, are worth a GPU, if the copy counts?
#
# ## Sources
#
# * NVIDIA, *CUDA C++ Programming Guide*: thread hierarchy, `__syncthreads`, independent thread scheduling; and *CUDA
#   C++ Best Practices Guide*: coalesced access.
# * M. Harris, *Optimizing parallel reduction in CUDA* (NVIDIA, 2007): the tree of section 4, step by step.
# * V. Volkov, *Better performance at lower occupancy* (GTC 2010): sums in registers, as in the fast kernel.
# * Image: `ct_slice` of the [catalogue](../../datasets/cards/pydicom_samples.md). Code:
#   [`kernels/gpu/`](../../kernels/gpu/__init__.py), [`kernels/conv/cuda_steps.py`](../../kernels/conv/cuda_steps.py),
#   [`mediml/exercises/cuda_kernels.py`](../../mediml/exercises/cuda_kernels.py),
#   [`mediml/exercises/doctor.py`](../../mediml/exercises/doctor.py). Terms: [glossary](../glossary.md).
#
# *For education, not for clinical use.* Next: [08 · Automatic differentiation](08_autograd.ipynb).

# %% [markdown] tags=["zh"]
# ## 小结
#
# * 一个线程，一个元素：$i = bB + t$，再给越过末尾的线程一个守卫。
# * x 是变化最快的轴：相邻线程读相邻地址。
# * 一个线程写的地方，别的线程不得碰，除非中间隔着屏障；线程块之间没有屏障。
# * 块内每个线程都必须走到每一个屏障。
# * 共享内存让一块只读每个元素一次：每个输出 $K^2$ 次读取变成一次多一点。
# * 收集，不要散发：每个和按固定次序求，每次运行结果逐位相同。
#
# ## 思考题
#
# 1. 一个内核对一千幅图像都给出正确的直方图。要怎样你才相信它没有竞争？
# 2. 最大池化把每个梯度送给一个像素。窗口重叠时，一个像素可能胜出好几次。线程手里只有胜出者的名单，该怎样收集？
# 3. 从读 CT 文件到显示在屏幕上，如果拷贝也算时间，哪几步值得用 GPU？
#
# ## 资料
#
# * NVIDIA, *CUDA C++ Programming Guide*：线程层次、`__syncthreads`、独立线程调度；*CUDA C++ Best Practices Guide*：合并
#   访问。
# * M. Harris, *Optimizing parallel reduction in CUDA* (NVIDIA, 2007)：第 4 节的树形求和，一步一步讲。
# * V. Volkov, *Better performance at lower occupancy* (GTC 2010)：把和放在寄存器里，快速内核即如此。
# * 图像：[目录](../../datasets/cards/pydicom_samples.md)中的 `ct_slice`。代码：
#   [`kernels/gpu/`](../../kernels/gpu/__init__.py)，[`kernels/conv/cuda_steps.py`](../../kernels/conv/cuda_steps.py)，
#   [`mediml/exercises/cuda_kernels.py`](../../mediml/exercises/cuda_kernels.py)，
#   [`mediml/exercises/doctor.py`](../../mediml/exercises/doctor.py)。术语：[术语表](../glossary.md)。
#
# *仅供学习，不可用于临床。* 下一课：[08 · 自动微分](08_autograd.ipynb)。
