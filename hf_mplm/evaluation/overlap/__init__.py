"""Sentences of test sets that occur in the text that a model is trained on.

Reads stores and corpora through `data`, and test sets as their tasks do.
"""
