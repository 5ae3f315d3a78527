from __future__ import annotations


__all__ = ["edit_distance"]


def edit_distance(first: str, second: str) -> int:
    """Counts the edits between two strings: insertions, deletions, substitutions, and swaps of neighbours as one.

    The distance is optimal string alignment: no part of a string is edited twice.

    Args:
        first (`str`): One string.
        second (`str`): The other.

    Returns:
        `int`: The distance.
    """
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        before, last, row = row, before, [i]
        for j, b in enumerate(second, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if last and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
