"""Where mediml and PyTorch part, each with its reason; everything else must agree.

An entry is a pattern of operators, a pattern of what is wrong with the call, and the reason.
"""

import re

_DTYPE = "(float16|float64|int64|int32|uint8|bool)"
_COMPOSED = "(pairwise_distance|cosine_.*|normalize|pdist|.*margin.*|.*_loss|kl_div|bilinear|matmul|hardtanh|binary.*)"
_NETWORK = "(gru|lstm|rnn_relu|rnn_tanh)"

#: PyTorch answers, mediml refuses.
REFUSED = [
    (".*", f".*: {_DTYPE}", "kernels compute float32 and float64 only, and dtypes are not mixed silently"),
    (".*", "(?!.*: ).*=.*", "an option of a type or size that is not documented, at which PyTorch happens not to look"),
    (".*", "target: a number", "a number is no tensor; PyTorch's composed losses happen not to look"),
    ("adaptive_.*pool.*", ".*: axis . of size 0", "the mean or the maximum of nothing"),
    ("max_unpool.*", "all: empty", "an input without channels is refused by every pooling alike"),
    ("nll_loss", "(input: axis . of size 0|all: empty)", "an input without classes"),
    ("(batch|instance)_norm", "input: axis 1 of size 0", "no channels, but parameters or statistics of some"),
    (
        _NETWORK,
        r"params\[.*\]: (axis too many|no axes|axis too few)",
        "a bias of another shape, which PyTorch broadcasts",
    ),
    (_NETWORK, "input: axis too few", "no batch, and states of a batch, which PyTorch broadcasts"),
    (_NETWORK, "(input|hx): axis . of size .", "states of a batch of another size, which PyTorch broadcasts"),
    (".*_cell", "b_.h: (axis too many|no axes|axis too few)", "a bias of another shape, which PyTorch broadcasts"),
    ("rnn_(tanh|relu)", "hx: axis too many", "a state of another shape, which PyTorch broadcasts"),
]

#: PyTorch refuses, mediml answers.
ANSWERED = [
    (
        "adaptive_.*",
        "(.*: axis . of size 0|output_size=0|all: empty)",
        "PyTorch's backward alone refuses an empty result",
    ),
    (
        _COMPOSED,
        f".*: {_DTYPE}",
        "composed of tensor operations, whose rule of promotion has an answer; PyTorch has no kernel",
    ),
    ("(cross_entropy|nll_loss)", "target: uint8", "PyTorch takes class indices in uint8, but not in every layout"),
    (
        "nll_loss",
        "target: (axis too many|one axis only)",
        "PyTorch takes (1,) for one sample in one code path and refuses it in another",
    ),
    ("pad", "(input: axis 0 of size 0|all: empty)", "no channels or no batch: nothing to pad"),
    ("pad", "input: axis . of size 0", "widened on one side and cropped on the other: PyTorch crops first"),
    ("interpolate", "input: axis 1 of size 0", "mode area: PyTorch's backward alone refuses an empty result"),
    ("pixel_(un)?shuffle", "(input: axis . of size 0|all: empty)", "PyTorch's backward alone refuses nothing at all"),
    ("cosine_similarity", "eps=(-1|nan)", "a lower bound that bounds nothing"),
    ("pdist", "p=nan", "the norm of no order is nan"),
    ("group_norm", "weight: None", "PyTorch's backward alone fails for a bias without a weight"),
    ("instance_norm", "input: axis 0 of size 0", "PyTorch looks at the first of no samples"),
    ("local_response_norm", "size=1099511627776", "PyTorch pads with as many channels of zeros"),
    ("(log_softmax|softmax|softmin)", "dtype=True", "NumPy reads True as a dtype's name"),
]

#: Both answer, and differ.
DIFFERENT = [
    ("lp_pool.*", ".*: (nan|NaN only)", "under norm 1 PyTorch's gradient of a NaN window is 0, ours that of the sum"),
    (
        "(conv.*|linear|bilinear|matmul)",
        ".*: (huge|inf|-inf|both infinities|nan)",
        "0 * inf in the padding, and the order of sums that overflow, depend on PyTorch's algorithm",
    ),
    ("conv_transpose.*", ".*: NaN only", "0 * NaN over the edge of the output depends on PyTorch's algorithm"),
    ("(.*_cell|lstm|gru|rnn_tanh|rnn_relu)", ".*: huge", "sums overflow: in float32 and in PyTorch's own order only"),
    (
        "(celu|elu|selu|hardswish|hardshrink|softshrink|hardtanh|relu6)",
        ".*: (nan|NaN only)",
        "the slope at NaN: PyTorch's own differs between its vector loop and the remainder",
    ),
    ("gelu", ".*: (inf|both infinities)", "gelu(inf) is inf; PyTorch's vector loop gives nan"),
    ("(hardshrink|hardtanh)", ".*=nan", "a threshold that is no number"),
    (
        "(pairwise_distance|triplet_margin.*|normalize|pdist)",
        "(.*: (nan|NaN only|inf|-inf|both infinities)|(p|eps)=.*)",
        "the slope of a norm at NaN, and of one whose order is beyond float32",
    ),
    (
        "(multi_margin_loss|binary_cross_entropy_with_logits|kl_div)",
        ".*: (nan|NaN only|inf|-inf|both infinities|tiny|zeros)",
        "0 * inf in a weight or a target; and PyTorch flushes what is too small for a normal number to 0",
    ),
    ("multi(label)?_margin_loss", "all: empty", "PyTorch returns memory that it has not written"),
    (
        "(batch|instance|group|layer|rms)_norm",
        ".*: (huge|inf|-inf|both infinities)",
        "PyTorch's float32 sums of squares overflow; where a weight is inf it adds the mean to the shift: inf - inf",
    ),
    ("local_response_norm", "beta=.*", "an infinite power: PyTorch's gradient is 0 * inf, ours 0"),
    ("softsign", ".*: uint8", "PyTorch lets 1 + 255 wrap to 0"),
    ("rrelu", "training=True", "random"),
    (_COMPOSED, f".*: {_DTYPE}", "the dtype of a mixture, or rounding to float16 after each step or after the last"),
    ("soft_margin_loss", "target: a place is .*", "PyTorch lets the negative of the smallest int64 wrap"),
]


def is_expected(entries, op, what):
    """Whether an entry covers the operator and what is wrong with its call."""
    return any(re.fullmatch(operators, op) and re.fullmatch(calls, what) for operators, calls, _ in entries)
