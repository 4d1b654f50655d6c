"""Data sets: the catalogue, readers, generated images, splits by patient, the loader, augmentation."""
