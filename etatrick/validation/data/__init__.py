"""Data sets: those that ship with scikit-learn, and MNIST from IDX files or a checked download."""

from etatrick.validation.data.embedded import breast_cancer, diabetes, digits, wine
from etatrick.validation.data.mnist_files import idx_folder, mnist
from etatrick.validation.data.split import Split

__all__ = ["Split", "breast_cancer", "diabetes", "digits", "idx_folder", "mnist", "wine"]
