"""From an image file to a report: checks of the input, a model's score and what it is worth, what cannot be judged.

Everything here is for education, not for clinical use.
"""
