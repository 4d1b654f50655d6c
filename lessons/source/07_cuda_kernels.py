# %% [markdown] tags=["en"]
# # 07 · CUDA kernels: ten thousand threads, and how they get along
#
# A chest CT has 300 slices of 512 × 512 pixels. To show it in a lung window, the same small formula is computed for 79
# million pixels, and no pixel needs the result of another. A processor works through them a few at a time; a graphics
# processor (GPU) starts a **thread** for each. What is new is not the formula but the company: who does which element,
# who may write where, and who has to wait for whom.
#
# **After this lesson you can** write a CUDA kernel and say which thread does what; find the five mistakes that beginners
# (and professionals) make, and know why a right result proves nothing; sum an array without a race; say how often a
# kernel reads memory, and make it read less; and run mediml's networks on a GPU.
#
# You need no GPU: the kernels run in Numba's **simulator**, in plain Python, and a **kernel doctor** watches every
# access. What a GPU adds is said in section 9. It is speed, and nothing else.
#
# **Time:** 80 minutes. **You need:** lessons 04 and 05.

# %% [markdown] tags=["zh"]
# # 07 · CUDA 内核：上万个线程如何相处
#
# 一次胸部 CT 有 300 层，每层 512 × 512 像素。要用肺窗显示它，就得对 7900 万个像素算同一个小公式，而且每个像素都不需要别
# 的像素的结果。CPU 一次处理几个；图形处理器（GPU）则为每个像素启动一个**线程**。新东西不在公式里，而在线程之间：谁算哪个
# 元素，谁可以写哪里，谁必须等谁。
#
# **学完本课，你能够**写出一个 CUDA 内核，并说清每个线程做什么；找出初学者（以及行家）常犯的五种错误，并明白结果正确为什么
# 说明不了什么；不带竞争地对数组求和；说出一个内核读了多少次内存，并让它少读；在 GPU 上运行 mediml 的网络。
#
# 你不需要 GPU：内核在 Numba 的**模拟器**里用普通 Python 运行，**内核医生**盯着每一次访问。GPU 能多带来什么，第 9 节会说：
# 是速度，仅此而已。
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
from kernels.conv import reference
from kernels.gpu import convolution
from kernels.gpu.transfer import TRANSFERS
from mediml.data.catalog import packaged_file
from mediml.exercises import cuda_kernels as examples
from mediml.exercises import doctor
from mediml.imaging import read_image
from mediml.plots import show_images, show_numbers, show_source, show_threads

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
# **By hand.** Ten pixels, blocks of four: three blocks are needed, for $\lceil 10/4 \rceil = 3$. Thread 1 of block 2 has
# $i = 2 \cdot 4 + 1 = 9$, the last pixel. **Predict before you run:** how many threads have no pixel?

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
# **手算。** 十个像素，每块四个线程：需要三块，因为 $\lceil 10/4 \rceil = 3$。第 2 块的 1 号线程有 $i = 2 \cdot 4 + 1 = 9$，
# 即最后一个像素。**先猜，再运行**：有几个线程没有像素可算？

# %%
guess = None  # threads without a pixel
show_threads((10,), (4,))
assert guess in (None, examples.blocks_for(10, 4) * 4 - 10)

# %%
show_source(examples.window_by_index.py_func if hasattr(examples.window_by_index, "py_func") else examples.window_by_index)

# %% [markdown] tags=["en"]
# A launch names blocks and threads in brackets, then the arguments: `kernel[blocks, threads](…)`. A kernel returns
# nothing; it writes into an array that it is given. Here a row of 512 pixels through the chest, in the lung window from
# −1350 to 150 HU, in 32 blocks of 16 threads:

# %% [markdown] tags=["zh"]
# 启动时，方括号里写块数和线程数，再写参数：`kernel[blocks, threads](…)`。内核没有返回值，它往给定的数组里写。下面取穿过胸
# 部的一行 512 个像素，用 −1350 到 150 HU 的肺窗，32 块、每块 16 个线程：

# %%
row_hu = slice_hu[300]
grey = np.full(512, np.nan, np.float32)
low, high = np.float32(-1350), np.float32(150)
examples.window_by_index[examples.blocks_for(512, 16), 16](row_hu, grey, low, high)
expected = np.clip((row_hu - low) / (high - low), 0, 1)
print("largest deviation from NumPy:", float(np.abs(grey - expected).max()))
assert np.array_equal(grey, expected)

# %% [markdown] tags=["en"]
# An image has two axes, and so has a grid. **x is the fast axis**: `w, h = cuda.grid(2)` gives the column first. That is
# no whim: threads that are neighbours in x run together in a **warp** of 32, and when their addresses are neighbours as
# well, the memory answers all 32 in one go. Exchange the two, and it answers 32 times.

# %% [markdown] tags=["zh"]
# 图像有两个轴，网格也可以有两个轴。**x 是变化最快的轴**：`w, h = cuda.grid(2)` 先给列号。这不是随意的规定：x 方向上相邻的
# 32 个线程组成一个**线程束**（warp）一起执行；如果它们访问的地址也相邻，内存一次就能答复全部 32 个。把两者对调，内存就得答
# 复 32 次。

# %%
show_threads((5, 10), (2, 4))
patch = np.ascontiguousarray(slice_hu[250:300, 120:200])
grey = np.full(patch.shape, np.nan, np.float32)
blocks = (examples.blocks_for(80, 8), examples.blocks_for(50, 4))
examples.window[blocks, (8, 4)](patch, grey, low, high)
assert np.array_equal(grey, np.clip((patch - low) / (high - low), 0, 1))

# %% [markdown] tags=["en"]
# ## 2 First mistake: beyond the end
#
# The `if` is the guard: the threads beyond the end must not touch anything. Without it, a GPU gives no error. The thread
# writes to whatever lies behind the array, another array perhaps, and the result looks right until one day it does not.
# The **kernel doctor** runs a kernel thread by thread, records every access, and tells:

# %% [markdown] tags=["zh"]
# ## 2 第一种错误：越界
#
# 那个 `if` 是守卫：越过末尾的线程什么也不许碰。少了它，GPU 并不报错；线程会写到数组后面的内存里，那里也许是另一个数组。结
# 果一直看着是对的，直到某一天不对。**内核医生**逐个线程运行内核，记下每次访问，然后告诉你：

# %%
ten = row_hu[100:110]
report = doctor.examine(
    examples.window_without_guard, 3, 4, ten, np.zeros(10, np.float32), low, high, names=("image_hu", "grey", "low", "high"), outputs=("grey",)
)
print(report)
assert {f.kind for f in report.findings} == {"out of bounds"}

# %%
report.show()
assert not report.ok

# %%
mended = doctor.examine(
    examples.window_by_index, 3, 4, ten, np.zeros(10, np.float32), low, high, outputs=("grey",)
)
print(mended)
assert mended.ok

# %% [markdown] tags=["en"]
# ## 3 Second mistake: two threads, one element
#
# Smoothing takes the mean of three neighbours. Written in place, a thread reads what its neighbour may already have
# overwritten. Which of the two comes first is decided anew at every run: a **race**. Here with two orders of the same
# threads, on a row of the CT:

# %% [markdown] tags=["zh"]
# ## 3 第二种错误：两个线程，一个元素
#
# 平滑取相邻三个数的平均。若就地改写，线程读到的可能是邻居已经改过的值。谁先谁后，每次运行都可能不同：这就是**竞争**。下面
# 让同样的线程按两种次序运行：

# %%
show_source(examples.smooth_in_place.py_func if hasattr(examples.smooth_in_place, "py_func") else examples.smooth_in_place)
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
report = doctor.examine(examples.smooth_in_place, 2, 4, x)
print(report)
assert {f.kind for f in report.findings} == {"race"} and doctor.examine(
    examples.smooth, 2, 4, x, np.zeros(8, np.float32), outputs=("y",)
).ok
