"""The operators that `mediml bench ops` times, on the shapes of the lessons, in float32."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mediml

__all__ = ["OPERATORS", "Operator"]


@dataclass(frozen=True)
class Operator:
    """One call of a function of ``nn.functional``: its forward pass, or the gradient of one argument.

    Parameters
    ----------
    op : str
    shapes : mapping of str to shape
        Float arguments.
    options : mapping
        The other arguments.
    gradient : str, optional
        The argument whose gradient is timed; None: the forward pass.
    classes : int
        If not 0, the argument ``target`` holds whole numbers below it.
    """

    op: str
    shapes: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient: str | None = None
    classes: int = 0

    @property
    def direction(self) -> str:
        """``"forward"``, ``"backward_x"`` or ``"backward_weight"``."""
        names = {None: "forward", "input": "backward_x"}
        return names.get(self.gradient, f"backward_{self.gradient}")

    @property
    def name(self) -> str:
        """What a row of the table is called."""
        shapes = " ".join("x".join(map(str, shape)) for key, shape in self.shapes.items() if key != "bias")
        options = "".join(f" {key}={value}" for key, value in self.options.items() if key != "padding")
        return f"{self.op} {self.direction} {shapes}{options}"

    def prepare(self, device: str = "cpu") -> tuple[Callable[[], Any], Callable[[], Any]]:
        """The call to ours and the call to PyTorch's, on the same numbers."""
        import torch

        generator = np.random.default_rng(0)
        arrays: dict[str, NDArray[Any]] = {
            key: generator.standard_normal(shape).astype(np.float32) for key, shape in self.shapes.items()
        }
        if self.classes:
            batch = next(iter(self.shapes.values()))[0]
            arrays["target"] = generator.integers(0, self.classes, batch)
        calls = []
        for library, convert in ((mediml, mediml.tensor), (torch, torch.tensor)):
            tensors = {key: convert(array).to(device) for key, array in arrays.items()}
            calls.append(self._call(library, tensors))
        return calls[0], calls[1]

    def _call(self, library: Any, tensors: dict[str, Any]) -> Callable[[], Any]:
        function = getattr(library.nn.functional, self.op)
        if self.gradient is None:

            def forward() -> Any:
                with library.no_grad():
                    return function(**tensors, **self.options)

            return forward
        wanted = tensors[self.gradient].requires_grad_(True)
        output = function(**tensors, **self.options)
        cotangent = library.ones_like(output)
        return lambda: library.autograd.grad(output, wanted, cotangent, retain_graph=True)


def _convolutions() -> list[Operator]:
    """(N, C_in, H, C_out, K, stride): the lessons' layers, those of the DCGAN with stride 2, those of the U-Net."""
    geometries = [
        (64, 3, 32, 32, 3, 1), (64, 32, 16, 64, 3, 1), (32, 1, 28, 32, 3, 1), (32, 32, 14, 64, 3, 1),
        (8, 64, 64, 64, 3, 1), (1, 16, 256, 16, 3, 1), (8, 1, 256, 16, 3, 1), (64, 16, 28, 32, 3, 1),
        (16, 32, 32, 32, 5, 1), (64, 64, 8, 128, 3, 1), (32, 64, 7, 64, 1, 1),
        (64, 3, 32, 64, 4, 2), (64, 64, 16, 128, 4, 2), (64, 128, 8, 256, 4, 2),
        (8, 16, 64, 16, 3, 1), (8, 32, 32, 32, 3, 1), (8, 64, 16, 64, 3, 1), (8, 128, 8, 128, 3, 1),
    ]  # fmt: skip
    operators = []
    for N, C_in, H, C_out, K, stride in geometries:  # noqa: N806 - the symbols of the formula
        shapes = {"input": (N, C_in, H, H), "weight": (C_out, C_in, K, K), "bias": (C_out,)}
        options = {"stride": stride, "padding": (K - 1) // 2}
        operators += [Operator("conv2d", shapes, options, gradient) for gradient in (None, "input", "weight")]
    return operators


def _both(op: str, shapes: Mapping[str, tuple[int, ...]], classes: int = 0, **options: Any) -> list[Operator]:
    """Forward, and the gradient of ``input``."""
    return [Operator(op, shapes, options, gradient, classes) for gradient in (None, "input")]


def _linears() -> list[Operator]:
    operators = []
    for batch, features, outputs in ((64, 4096, 128), (64, 3136, 128), (64, 128, 10)):
        shapes = {"input": (batch, features), "weight": (outputs, features), "bias": (outputs,)}
        operators += [Operator("linear", shapes, {}, gradient) for gradient in (None, "input", "weight")]
    return operators


OPERATORS = [
    *_convolutions(),
    *_both("max_pool2d", {"input": (64, 32, 32, 32)}, kernel_size=2),
    *_both("max_pool2d", {"input": (64, 64, 14, 14)}, kernel_size=2),
    *_both("avg_pool2d", {"input": (64, 32, 32, 32)}, kernel_size=2),
    *_both("adaptive_avg_pool2d", {"input": (64, 64, 8, 8)}, output_size=1),
    *_linears(),
    *(
        operator
        for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "logsigmoid", "tanh")
        for operator in _both(name, {"input": (64, 32, 32, 32)})
    ),
    *_both("softmax", {"input": (64, 10)}, dim=1),
    *_both("log_softmax", {"input": (4096, 128)}, dim=1),
    *_both("cross_entropy", {"input": (64, 10)}, classes=10),
    *_both("cross_entropy", {"input": (4096, 128)}, classes=128),
    *_both("binary_cross_entropy_with_logits", {"input": (16, 1, 64, 64), "target": (16, 1, 64, 64)}),
    *_both("mse_loss", {"input": (16, 1, 64, 64), "target": (16, 1, 64, 64)}),
    *_both("smooth_l1_loss", {"input": (16, 1, 64, 64), "target": (16, 1, 64, 64)}),
]
