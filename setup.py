"""What pyproject.toml cannot say: packages are found, and the top-level folder datasets/ is one of them."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["kernels", "kernels.*", "mediml", "mediml.*"]), "mediml._datasets"],
    package_dir={"mediml._datasets": "datasets"},
)
