"""Vectors of languages: the sentences they are made of, how these are encoded, and what is kept of them.

Imports nothing else of the room.
"""
