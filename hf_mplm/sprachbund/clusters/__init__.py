"""Clusters of languages: trees and where they are cut, pivots, controls, and how far two divisions agree.

Imports `sprachbund.vectors`.
"""
