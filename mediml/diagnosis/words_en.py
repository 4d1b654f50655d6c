"""The report's sentences in English. The same keys and the same names in braces as in every other language."""

WORDS = {
    "html_lang": "en",
    "notice": "Education, not for clinical use",
    "notice_long": "Education, not for clinical use. This is not a medical device; no one may be treated, or not "
    "treated, "
    "because of this page.",
    "title": "Chest radiograph: report of a teaching model",
    "index_title": "Reports of a teaching model",
    "input_number": "Input {number}",
    "class_normal": "normal",
    "class_pneumonia": "pneumonia",
    # Outcome
    "judged": "Judged",
    "not_judged": "Not judged",
    "not_read": "Not read",
    "judged_lead": "The input passed the checks below, so the model's score may be read as its calibration says.",
    "not_judged_lead": "The model was made for something else than this input. It gives no score here, for these "
    "reasons:",
    "not_read_lead": "The file could not be read as an image, for this reason:",
    "score_label": "Model score for “{positive}”",
    "score_above": "at or above the operating point of {threshold}",
    "score_below": "below the operating point of {threshold}",
    "score_is": "A score is what a program computed from {pixels} grey values. It is not a diagnosis and not a "
    "finding.",
    "score_bin": "Of the {count} images of {split} whose score came nearest to this one, {share} % had the label "
    "“{positive}” (95 % interval {low} to {high} %).",
    # Sections
    "section_figures": "The image, and what the model gets of it",
    "section_checks": "Checks of the input",
    "section_meaning": "What a score of this model is worth",
    "section_failures": "Known ways to fail",
    "section_study": "For study: the number that was withheld",
    "section_pixels": "What was done to the pixels",
    "section_model": "The model",
    "section_reader": "Decision of a human reader",
    # Figures
    "figure_image": "The image as it is meant to be seen. The frame is what the model gets: the largest square at the "
    "centre, as in the training data.",
    "figure_image_alt": "The radiograph with a square frame",
    "figure_input": "What the model gets: the framed square, averaged to {size} × {size} pixels. What cannot be seen "
    "here cannot count.",
    "figure_input_alt": "The same picture as {size} by {size} grey squares",
    "figure_maps": "The {count} maps of the first layer: orange where a filter responds, purple where it responds "
    "negatively. They show what the layer computes, not why the model decides.",
    "figure_maps_alt": "{count} small maps of filter responses",
    "figure_score": "Horizontal: model score, from 0 to 1. Vertical: share of images with “{positive}” among those of "
    "about that score, with its 95 % interval, in {split}. On the diagonal the score would be a probability. Dashed: "
    "the "
    "operating point. {marker}",
    "figure_score_alt": "Diagram of model score against observed share",
    "figure_score_marker": "Filled triangle: this input.",
    "figure_score_no_marker": "This input is not in the diagram, because it was not judged.",
    "no_figures": "No figure is shown: {reason}",
    "no_figures_text": "the file says that text is burnt into its pixels, and such text often names a person.",
    "no_figures_colour": "the picture is in colour, and what it shows is not known.",
    # Table heads
    "head_check": "Check",
    "head_result": "Result",
    "head_found": "What was found",
    "level_pass": "passed",
    "level_caution": "note",
    "level_stop": "stops",
    # Check names
    "check_colour": "Grey image",
    "check_modality": "Modality",
    "check_body_part": "Body part",
    "check_view": "View",
    "check_orientation": "Orientation",
    "check_age": "Age",
    "check_polarity": "Polarity",
    "check_size": "Size",
    "check_compression": "Compression",
    "check_burned_in": "Text in the pixels",
    "check_contrast": "Contrast",
    "check_familiarity": "Likeness to the training data",
    # Check results
    "grey": "One grey channel.",
    "coloured": "A colour picture. A radiograph is grey; this model does not judge photographs.",
    "radiograph": "{modality}, a projection radiograph.",
    "picture_modality": "A picture file does not say what machine made it. Whoever hands it in vouches that it is a "
    "radiograph.",
    "no_modality": "The file names no modality that is known, so it is not known to be a radiograph.",
    "wrong_modality": "{modality} is not projection radiography; the model knows nothing else.",
    "chest": "The file says chest.",
    "no_body_part": "The file does not say which part of the body is shown.",
    "wrong_body_part": "The file says {part}, and the model knows chests only.",
    "other_body_part": "The file names another body part than the chest.",
    "frontal": "{view}, a frontal view.",
    "no_view": "The file does not say from which side the image was taken.",
    "not_frontal": "The file says {view}, and the model knows frontal views only.",
    "upright": "Columns run to the patient's left and rows to the feet, as a film hangs.",
    "no_orientation": "The file does not say how the body lies in the image.",
    "turned": "The file says that rows and columns run to {orientation}, not to L/F: the image lies otherwise than the "
    "training images.",
    "age_inside": "Within the age of the training data, one to five years.",
    "age_above": "Older than the training data: the model was made from children of one to five years. At other ages "
    "lungs, heart and diseases look different, and nobody has measured what its score is worth.",
    "age_below": "Younger than the training data: the model was made from children of one to five years.",
    "no_age": "The file does not say the age; the model was made from children of one to five years.",
    "polarity_inverted": "Low values are white in this file (MONOCHROME1); shown accordingly.",
    "polarity_plain": "High values are white in this file.",
    "polarity_unsaid": "A picture file cannot say whether bone is meant to be white.",
    "polarity_unclear": "The file contradicts itself about what is white, and a negative would be judged wrongly.",
    "large_enough": "{rows} × {columns} pixels; the square keeps {kept} % of the picture.",
    "small": "Only {rows} × {columns} pixels; the training images came from larger ones.",
    "too_small": "Only {rows} × {columns} pixels, fewer than the model takes.",
    "too_long": "{rows} × {columns} pixels: a square would keep only {kept} % of the picture.",
    "lossy": "The image went through lossy compression once; its effect on the score was not measured.",
    "no_loss_said": "The file says nothing of lossy compression.",
    "no_text": "The file says that no text is burnt in.",
    "text_inside": "The file says that text is burnt into the pixels; it may identify a person, and the model would "
    "take "
    "it for anatomy.",
    "text_unsaid": "The file does not say whether text is burnt in. Look before you pass this report on.",
    "contrast": "Deviation of grey {deviation}; {clipped} % of the pixels are pure black or white.",
    "part_clipped": "{clipped} % of the pixels are pure black or white: the window cuts off part of the picture.",
    "clipped": "{clipped} % of the pixels are pure black or white: too little is left to judge.",
    "flat": "Almost no contrast (deviation of grey {deviation}).",
    "familiar": "Distance {score:.2f}, where 1 is the limit that one in a hundred of the validation images exceeds.",
    "unfamiliar_structure": "Distance {score:.2f}, above the limit of 1: the arrangement of light and dark is not "
    "that of "
    "the training images.",
    "unfamiliar_detail": "Distance {score:.2f}, above the limit of 1: the picture has detail that the training "
    "images do "
    "not have.",
    "unfamiliar_exposure": "Distance {score:.2f}, above the limit of 1: brightness, contrast or grain are not those "
    "of the "
    "training images.",
    "unfamiliar_upright": "Distance {score:.2f}, above the limit of 1: it does not look like an upright chest with "
    "white "
    "bone; it may be turned, inverted or something else.",
    # Meaning
    "meaning_calibration": "Calibration, on {split}: expected calibration error {ece}, Brier score {brier}. "
    "{temperature}",
    "meaning_temperature": "The logits were divided by {temperature}, a number fitted on validation data.",
    "meaning_setting": "The figures hold for images like those of the data set: children of one hospital, "
    "{prevalence} % "
    "of them with the label “{positive}”. Anywhere else they are unknown.",
    "meaning_point": "The operating point {threshold} was chosen on validation data, before the test data were "
    "looked at.",
    "head_figure": "Figure, on {split}",
    "head_value": "Value",
    "head_interval": "95 % interval",
    "metric_auc": "Area under the ROC curve",
    "metric_accuracy": "Accuracy",
    "metric_sensitivity": "Sensitivity at the operating point",
    "metric_specificity": "Specificity at the operating point",
    "meaning_prevalence": "How often a score at or above the operating point would be right depends on how common "
    "“{positive}” is among those examined:",
    "head_prevalence": "If so many have it",
    "head_ppv": "right when at or above",
    "head_npv": "right when below",
    "split_test": "the test split",
    "split_validation": "the validation split",
    # Failures
    "failure_other": "It knows two words. Anything that is neither of them, such as a nodule, fluid, a collapsed "
    "lung or a broken "
    "rib, is pressed into one of them.",
    "failure_resolution": "At {size} × {size} pixels a pixel is nearly a centimetre wide; whatever is smaller is "
    "invisible to it.",
    "failure_age": "Adults: it has never seen one, and the check of likeness does not notice age.",
    "failure_mirror": "A mirrored chest: four of five pass the check of likeness.",
    "failure_shortcut": "Habits of one hospital (exposure, collimation, who is X-rayed lying down) may count as much "
    "as the lungs.",
    "failure_labels": "Its labels are readings of the same images, not laboratory results.",
    # Study
    "study_lead": "The network can be run on any {size} × {size} numbers. On this input it computes {score}. That "
    "number has no "
    "known meaning: nothing measured about this model holds for such an input. It stands here so that you can see "
    "how sure a network sounds where it should be silent.",
    # Model
    "model_name": "Name",
    "model_architecture": "Architecture",
    "model_weights": "SHA-256 of the weights",
    "model_data": "Training data",
    "model_seed": "Seed",
    "model_licence": "Licence of the data",
    "model_software": "Software",
    "model_limits": "Limits stated by its makers",
    # Input facts
    "fact_format": "Format",
    "fact_shape": "Pixels",
    "fact_spacing": "Spacing of the pixels",
    "fact_spacing_value": "{row:.3f} mm between rows, {column:.3f} mm between columns ({place})",
    "fact_spacing_unknown": "unknown",
    "fact_units": "Unit of the values",
    "place_patient": "in the patient",
    "place_detector": "at the detector",
    "fact_sha256": "SHA-256 of the file",
    "units_arbitrary": "arbitrary",
    # Reader
    "reader_lead": "To be filled in by hand. The report is not complete without it, and this page does not decide "
    "anything.",
    "reader_finding": "Own finding, made before looking at the score",
    "reader_agrees": "Score agrees with own finding (yes / no / not applicable)",
    "reader_comment": "Comment",
    "reader_name": "Name, date",
    "made_by": "Made by mediml {version} on {date}.",
    "back": "All inputs",
    # Index
    "index_lead": "{count} files, in the order of their names. File names are left out because they often name a "
    "person.",
    "head_input": "Input",
    "head_outcome": "Outcome",
    "head_reason": "Score or reason",
    "head_sha256": "SHA-256 begins with",
}
