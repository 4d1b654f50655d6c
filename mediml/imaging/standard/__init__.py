"""What the DICOM standard says of attributes: their terms, what each kind of image must have, what names a patient."""
