"""Encoders as other people's tools load them: folders of sentence-transformers, and ONNX.

Loads models through `evaluation`, whose vectors an export must give again.
"""
