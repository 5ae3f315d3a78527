"""What linguistics says of vectors and clusters: families, scripts, places, grammar, sounds and words, beside chance.

Imports `sprachbund.vectors` and `sprachbund.clusters`.
"""
