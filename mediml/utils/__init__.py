"""Helpers with torch.utils' names, and files that are written whole or not at all."""
