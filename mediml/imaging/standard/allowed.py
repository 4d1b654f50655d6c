"""What a de-identified DICOM file may still say: a closed list. Whatever is not here is left out.

Numbers are kept as numbers, codes only when they are terms of the standard, text never. Sequences are rebuilt by the
same list, item by item.

References
----------
DICOM PS3.15, annex E, names what must go; this list names what may stay, so that an attribute nobody thought of goes.
PS3.3, C.7 and C.8 for the terms.
"""

from mediml.imaging.standard.terms import (
    BODY_PARTS,
    COLOUR,
    GREY,
    IMAGE_TYPES,
    MODALITIES,
    MR_ACQUISITION_TYPES,
    PATIENT_POSITIONS,
    PET_UNITS,
    RESCALE_TYPES,
    SCANNING_SEQUENCES,
    SEQUENCE_VARIANTS,
    VIEW_POSITIONS,
)

__all__ = ["CODES", "DATES", "NUMBERS", "SEQUENCES", "TABLES", "UIDS"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Numeric attributes (VR DS, IS, US, SS, UL, SL, FL, FD, AT): pixels, geometry, display, acquisition.
NUMBERS = _words(
    # the pixels and their scale
    "Rows Columns SamplesPerPixel PlanarConfiguration BitsAllocated BitsStored HighBit PixelRepresentation "
    "NumberOfFrames PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept RescaleSlope "
    "WindowCenter WindowWidth LUTDescriptor PixelIntensityRelationshipSign LossyImageCompressionRatio "
    # where they lie
    "PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing PixelAspectRatio ImageOrientationPatient "
    "ImagePositionPatient SliceLocation SliceThickness SpacingBetweenSlices GantryDetectorTilt GridFrameOffsetVector "
    "DistanceSourceToDetector DistanceSourceToPatient EstimatedRadiographicMagnificationFactor "
    "RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0 RegionLocationMinY0 RegionLocationMaxX1 "
    "RegionLocationMaxY1 ReferencePixelX0 ReferencePixelY0 ReferencePixelPhysicalValueX ReferencePixelPhysicalValueY "
    "PhysicalUnitsXDirection PhysicalUnitsYDirection PhysicalDeltaX PhysicalDeltaY "
    # which of several
    "InstanceNumber SeriesNumber AcquisitionNumber EchoNumbers TemporalPositionIdentifier NumberOfTemporalPositions "
    "TemporalPositionIndex InStackPositionNumber DimensionIndexValues DimensionIndexPointer FunctionalGroupPointer "
    "FrameIncrementPointer FrameAcquisitionNumber FrameTime CineRate RecommendedDisplayFrameRate "
    # how they were made
    "KVP ExposureTime XRayTubeCurrent Exposure ExposureInuAs ExposureTimeInuS XRayTubeCurrentInuA FocalSpots CTDIvol "
    "ReconstructionDiameter DataCollectionDiameter RepetitionTime EchoTime EffectiveEchoTime InversionTime FlipAngle "
    "EchoTrainLength NumberOfAverages MagneticFieldStrength PixelBandwidth PercentSampling PercentPhaseFieldOfView "
    "AcquisitionMatrix DiffusionBValue DiffusionGradientOrientation DoseGridScaling UltrasoundColorDataPresent"
)

#: Code strings and the terms of each that may stay. Another term is left out.
CODES = {
    "Modality": MODALITIES,
    "PhotometricInterpretation": frozenset(GREY + COLOUR),
    "BodyPartExamined": BODY_PARTS,
    "ViewPosition": VIEW_POSITIONS,
    "Laterality": _words("L R"),
    "ImageLaterality": _words("L R U B"),
    "FrameLaterality": _words("L R U B"),
    "PatientSex": _words("M F O"),
    "PatientPosition": PATIENT_POSITIONS,
    "PatientOrientation": _words("L R A P H F LA LP LH LF RA RP RH RF AL AR AH AF PL PR PH PF HL HR HA HP FL FR FA FP"),
    "RescaleType": RESCALE_TYPES,
    "ModalityLUTType": RESCALE_TYPES,
    "VOILUTFunction": _words("LINEAR LINEAR_EXACT SIGMOID"),
    "PresentationLUTShape": _words("IDENTITY INVERSE"),
    "PresentationIntentType": frozenset(("FOR PRESENTATION", "FOR PROCESSING")),
    "PixelIntensityRelationship": _words("LIN LOG DISP"),
    "BurnedInAnnotation": _words("YES NO"),
    "LossyImageCompression": _words("00 01"),
    "LossyImageCompressionMethod": _words("ISO_10918_1 ISO_14495_1 ISO_15444_1 ISO_13818_2 ISO_14496_10 ISO_23008_2"),
    "ImageType": IMAGE_TYPES,
    "FrameType": IMAGE_TYPES,
    "MultienergyCTAcquisition": _words("YES NO"),  # of one, values without Rescale Type are not HU
    "ScanningSequence": SCANNING_SEQUENCES,
    "SequenceVariant": SEQUENCE_VARIANTS,
    "MRAcquisitionType": MR_ACQUISITION_TYPES,
    "VolumetricProperties": _words("VOLUME SAMPLED DISTORTED MIXED"),
    "VolumeBasedCalculationTechnique": _words("NONE MAX_IP MIN_IP MULTIPLANAR AVERAGE MIXED"),
    "PixelPresentation": _words("COLOR MONOCHROME MIXED TRUE_COLOR"),
    "ComplexImageComponent": _words("MAGNITUDE PHASE REAL IMAGINARY MIXED"),
    "AcquisitionContrast": _words(
        "T1 T2 T2_STAR PROTON_DENSITY DIFFUSION FLOW_ENCODED PERFUSION STIR FLUID_ATTENUATED"
    ),
    "ContentQualification": _words("PRODUCT RESEARCH SERVICE"),
    "Units": PET_UNITS,
    "DecayCorrection": _words("NONE START ADMIN"),
    "DoseUnits": _words("GY RELATIVE"),
    "DoseType": _words("PHYSICAL EFFECTIVE ERROR"),
    "DimensionOrganizationType": _words("3D 3D_TEMPORAL TILED_FULL TILED_SPARSE"),
}

#: Identifiers: replaced by a keyed hash. Those of the standard itself, such as SOP Class UID, stay.
UIDS = _words(
    "SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID DimensionOrganizationUID ConcatenationUID"
)

#: Dates: moved, by the same number of days for all of a patient.
DATES = _words("StudyDate SeriesDate AcquisitionDate ContentDate")

#: Tables of numbers in binary: as many entries as their descriptor says. Palettes are written with the pixels.
TABLES = _words("LUTData")

#: Sequences whose items are rebuilt.
SEQUENCES = _words(
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PixelMeasuresSequence PlanePositionSequence "
    "PlaneOrientationSequence PixelValueTransformationSequence FrameVOILUTSequence FrameContentSequence "
    "FrameAnatomySequence MRImageFrameTypeSequence CTImageFrameTypeSequence MRTimingAndRelatedParametersSequence "
    "MREchoSequence MRDiffusionSequence DiffusionGradientDirectionSequence ModalityLUTSequence VOILUTSequence "
    "SequenceOfUltrasoundRegions DimensionOrganizationSequence DimensionIndexSequence"
)
