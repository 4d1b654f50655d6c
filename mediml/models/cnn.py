"""The article's convolutional network, for any image size, channel count and number of classes.

Two times convolution, ReLU and pooling, then two fully connected layers. What the article's program had wrong is
mended: the flattened size is computed from the image size and not assumed, and the imports are complete.
"""

import mediml.nn.functional as F
from mediml import Tensor, nn


class CNN(nn.Module):
    """Classifier of small images: conv 32 - pool - conv 64 - pool - linear 128 - linear `num_classes`.

    Parameters
    ----------
    in_channels : int
        1 for a grey image, 3 for a colour image.
    num_classes : int
        Number of scores per image.
    image_size : int or tuple of two int
        Height and width in pixels, at least 4 each: every pooling halves them.
    dropout : float
        Probability that one of the 128 features in front of the last layer is set to zero during training.

    Shapes: (N, in_channels, H, W) in, (N, num_classes) out. The outputs are logits; cross entropy expects them so.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int | tuple[int, int] = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if height < 4 or width < 4:
            raise ValueError(f"CNN: image_size expects at least 4 x 4 pixels, got {height} x {width}")
        self.conv1 = nn.Conv2d(in_channels, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(64 * (height // 4) * (width // 4), 128)
        self.fc2 = nn.Linear(128, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """What the image was turned into before the last layer: 128 numbers that are not negative."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return F.relu(self.fc1(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.dropout(self.features(x)))
