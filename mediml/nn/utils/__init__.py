"""torch.nn.utils: what is done to parameters and sequences beside the layers; a module per subject."""

__all__: list[str] = []
