from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_mplm.evaluation.files.squad import Question
from hf_mplm.evaluation.kinds.spans import Spans, best_spans, best_text, question_windows, target_span
from tests.fixtures import corpus_lines


def questions():
    """A question about each passage, whose answer is one of its words."""
    found = []
    for number, (code, line) in enumerate(corpus_lines()):
        words = line.split()
        position = number % len(words)
        answer, start = words[position], sum(len(word) + 1 for word in words[:position])
        assert line[start : start + len(answer)] == answer
        found.append(Question(str(number), f"{code}: what?", line, [answer], [start], code, ""))
    return found


def windows(tokenizer, examples, max_length=40, stride=8):
    return list(question_windows(examples, tokenizer, max_length, stride))


def test_windows_cover_the_passage_and_overlap(tiny_tokenizer):
    examples = questions()
    rows = windows(tiny_tokenizer, examples)
    assert len(rows) > len(examples)
    for index, example in enumerate(examples):
        own = [row for row in rows if row["example"] == index]
        expected = tiny_tokenizer(example.context, add_special_tokens=False)["input_ids"]
        seen: list[int] = []
        for row in own:
            assert len(row["input_ids"]) <= 40
            passage = row["input_ids"][row["first"] : row["first"] + len(row["offsets"])].tolist()
            # A window repeats the last tokens of the one before it.
            seen += passage if not seen else passage[8:]
            if row is not own[0]:
                assert passage[:8] == seen[-len(passage) :][:8] or len(passage) <= 8
        assert seen == expected


def test_a_long_question_leaves_half_of_the_window(tiny_tokenizer):
    long = Question("0", "why " * 200, "because it is so " * 20, ["so"], [14], "", "")
    rows = windows(tiny_tokenizer, [long])
    assert all(row["first"] <= 22 for row in rows) and len(rows) > 1
    with pytest.raises(ValueError, match="leaves no room for a question and a passage"):
        windows(tiny_tokenizer, [long], max_length=5)


def test_answers_are_found_again(tiny_tokenizer):
    """In some window the target tokens give back the answer, letter for letter."""
    # In scripts without spaces a "word" can be longer than what two windows share.
    examples = [example for example in questions() if len(example.answers[0]) <= 8]
    assert len({example.article for example in examples}) > 8
    rows = windows(tiny_tokenizer, examples, max_length=50, stride=12)
    exact = 0
    for index, example in enumerate(examples):
        texts = []
        for row in (row for row in rows if row["example"] == index):
            start, end = target_span(row, example)
            if (start, end) != (0, 0):
                begin, stop = row["offsets"][start - row["first"], 0], row["offsets"][end - row["first"], 1]
                texts.append(example.context[begin:stop].strip())
        assert all(example.answers[0] in text for text in texts)
        exact += example.answers[0] in texts
    assert exact == len(examples)


def test_a_window_without_the_whole_answer_points_at_its_first_token(tiny_tokenizer):
    context = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    answer = Question("0", "what?", context, ["fifteen"], [context.index("fifteen")], "", "")
    rows = windows(tiny_tokenizer, [answer], max_length=30, stride=4)
    spans = [target_span(row, answer) for row in rows]
    assert len(rows) > 1 and spans[0] == (0, 0) and spans[-1] != (0, 0)


def test_offsets_count_letters_beyond_the_basic_plane(tiny_tokenizer):
    context = "𝔘𝔫𝔦 😀 answer \u00a0 here"
    example = Question("0", "what?", context, ["answer"], [context.index("answer")], "", "")
    (row,) = windows(tiny_tokenizer, [example])
    start, end = target_span(row, example)
    begin, stop = row["offsets"][start - row["first"], 0], row["offsets"][end - row["first"], 1]
    assert context[begin:stop].strip() == "answer"


@pytest.mark.parametrize("max_length", [1, 3, 50])
def test_spans_equal_brute_force(max_length):
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(4, 17, generator=generator), torch.randn(4, 17, generator=generator)
    allowed = torch.zeros(4, 17, dtype=torch.bool)
    for window, (first, stop) in enumerate(((3, 12), (0, 17), (5, 6), (2, 2))):
        allowed[window, first:stop] = True
    found = best_spans(start, end, allowed, max_length=max_length, number=7)
    for window in range(4):
        brute = sorted(
            (
                (float(start[window, i] + end[window, j]), i, j)
                for i in range(17)
                for j in range(i, min(i + max_length, 17))
                if allowed[window, i] and allowed[window, j]
            ),
            reverse=True,
        )[:7]
        spans = found[window]
        assert [(i, j) for _, i, j in brute] == list(zip(spans.starts.tolist(), spans.ends.tolist()))
        np.testing.assert_allclose(spans.scores, [score for score, _, _ in brute], rtol=1e-6)


def spans(*triples):
    scores, starts, ends = zip(*triples)
    return Spans(np.array(scores, np.float32), np.array(starts), np.array(ends))


def test_the_best_span_of_all_windows_that_is_not_blank():
    question = Question("0", "?", "ab  cd", ["cd"], [4], "", "")
    rows = [
        {"first": 2, "offsets": np.array([[0, 2], [2, 3]])},
        {"first": 3, "offsets": np.array([[3, 4], [4, 6]])},
    ]
    assert best_text(question, rows, [spans((1.0, 2, 2), (5.0, 3, 3)), spans((2.0, 4, 4), (4.0, 3, 3))]) == "cd"
    assert best_text(question, rows, [spans((3.0, 2, 2)), spans((2.0, 4, 4))]) == "ab"
    assert best_text(question, rows[:1], [spans((5.0, 3, 3))]) == ""
