"""torch.nn.functional's names and signatures over the kernels: a module per family, all to be had from here."""

from mediml.nn.arguments import checked as _checked
from mediml.nn.functional.activation import *  # noqa: F403
from mediml.nn.functional.adaptive_pooling import *  # noqa: F403
from mediml.nn.functional.batchnorm import *  # noqa: F403
from mediml.nn.functional.conv import *  # noqa: F403
from mediml.nn.functional.conv_transpose import *  # noqa: F403
from mediml.nn.functional.distance import *  # noqa: F403
from mediml.nn.functional.distribution_loss import *  # noqa: F403
from mediml.nn.functional.dropout import *  # noqa: F403
from mediml.nn.functional.embedding import *  # noqa: F403
from mediml.nn.functional.error_loss import *  # noqa: F403
from mediml.nn.functional.gan import *  # noqa: F403
from mediml.nn.functional.linear import *  # noqa: F403
from mediml.nn.functional.loss import *  # noqa: F403
from mediml.nn.functional.lp_pooling import *  # noqa: F403
from mediml.nn.functional.margin_loss import *  # noqa: F403
from mediml.nn.functional.norm import *  # noqa: F403
from mediml.nn.functional.pooling import *  # noqa: F403
from mediml.nn.functional.rnn import *  # noqa: F403
from mediml.nn.functional.softmax import *  # noqa: F403
from mediml.nn.functional.upsampling import *  # noqa: F403

__all__ = [  # noqa: F405
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "alpha_dropout", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu",
    "celu_", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "discriminator_loss", "dropout", "dropout1d",
    "dropout2d", "dropout3d", "elu", "elu_", "embedding", "feature_alpha_dropout", "gaussian_nll_loss", "gelu",
    "generator_loss", "glu", "group_norm", "gru", "gru_cell", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate",
    "kl_div", "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_", "linear", "local_response_norm", "log_softmax",
    "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d", "lstm", "lstm_cell", "margin_ranking_loss", "matmul",
    "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d", "mish", "mse_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss", "normalize",
    "one_hot", "pad", "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu",
    "relu", "relu6", "relu_", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "rrelu",
    "rrelu_", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_", "triplet_margin_loss",
    "triplet_margin_with_distance_loss", "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

globals().update({_name: _checked(globals()[_name]) for _name in __all__})
