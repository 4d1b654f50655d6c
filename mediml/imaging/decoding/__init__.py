"""From the bytes of a DICOM file to stored values: which decoder does it, in which process, with which limits."""
