"""torch.nn's layers: a module per family of kernels, all to be had from `mediml.nn`."""

from mediml.nn.modules.activation import *  # noqa: F403
from mediml.nn.modules.batchnorm import *  # noqa: F403
from mediml.nn.modules.container import *  # noqa: F403
from mediml.nn.modules.conv import *  # noqa: F403
from mediml.nn.modules.conv_transpose import *  # noqa: F403
from mediml.nn.modules.distance import *  # noqa: F403
from mediml.nn.modules.distribution_loss import *  # noqa: F403
from mediml.nn.modules.dropout import *  # noqa: F403
from mediml.nn.modules.embedding import *  # noqa: F403
from mediml.nn.modules.flatten import *  # noqa: F403
from mediml.nn.modules.gan import *  # noqa: F403
from mediml.nn.modules.linear import *  # noqa: F403
from mediml.nn.modules.loss import *  # noqa: F403
from mediml.nn.modules.margin_loss import *  # noqa: F403
from mediml.nn.modules.module import *  # noqa: F403
from mediml.nn.modules.norm import *  # noqa: F403
from mediml.nn.modules.padding import *  # noqa: F403
from mediml.nn.modules.pooling import *  # noqa: F403
from mediml.nn.modules.rnn import *  # noqa: F403
from mediml.nn.modules.upsampling import *  # noqa: F403

__all__ = [  # noqa: F405
    "CELU", "ELU", "GELU", "GLU", "GRU", "LSTM", "RNN", "SELU", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AlphaDropout", "AvgPool1d",
    "AvgPool2d", "AvgPool3d", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d",
    "Bilinear", "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss", "DiscriminatorLoss", "Dropout", "Dropout1d",
    "Dropout2d", "Dropout3d", "Embedding", "FeatureAlphaDropout", "Flatten", "GRUCell", "GaussianNLLLoss",
    "GeneratorLoss", "GroupNorm", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeEmbeddingLoss",
    "HuberLoss", "Identity", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "KLDivLoss", "L1Loss",
    "LPPool1d", "LPPool2d", "LPPool3d", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear", "LocalResponseNorm",
    "LogSigmoid", "LogSoftmax", "MSELoss", "MarginRankingLoss", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Mish", "Module", "ModuleDict", "ModuleList",
    "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PReLU",
    "PairwiseDistance", "ParameterList", "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss", "RMSNorm", "RNNBase",
    "RNNCell", "RNNCellBase", "RReLU", "ReLU", "ReLU6", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
    "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss",
    "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    "Threshold", "TripletMarginLoss", "TripletMarginWithDistanceLoss", "Unflatten", "Upsample",
    "UpsamplingBilinear2d", "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip
