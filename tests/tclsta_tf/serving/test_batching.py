"""Batches: who shares a call, who gets which answer, and what one bad question does to the others."""

import asyncio
import time

import numpy as np
import pytest

from tclsta_tf.serving import batching, refusals


def ask_all(batcher, signature, questions):
    async def run():
        tasks = (batcher.ask(signature, {"x": x}, len(x)) for x in questions)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return answers

    return asyncio.run(run())


def question(value, rows=1):
    return np.full((rows, 2), value, np.int32)


def test_concurrent_questions_share_calls_and_get_their_own_answers(fake_signature):
    observed = []
    batcher = batching.Batcher(4, 0.2, 5, 1, lambda *call: observed.append(call[:2]))
    answers = ask_all(batcher, fake_signature.signature, [question(i, 1 + i % 2) for i in range(8)])
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer["y"], question(2 * i, 1 + i % 2))
    assert sum(fake_signature.calls) == 12 and max(fake_signature.calls) <= 4 and len(fake_signature.calls) < 8
    assert observed == [("serving_default", count) for count in fake_signature.calls]


def test_a_full_batch_does_not_wait(fake_signature):
    began = time.monotonic()
    ask_all(batching.Batcher(2, 10, 30, 1), fake_signature.signature, [question(1), question(2)])
    assert time.monotonic() - began < 5 and fake_signature.calls == [2]


def test_a_lonely_question_waits_no_longer_than_it_is_told(fake_signature):
    began = time.monotonic()
    ask_all(batching.Batcher(8, 0.3, 5, 1), fake_signature.signature, [question(1)])
    assert 0.25 < time.monotonic() - began < 3


def test_other_shapes_do_not_share_a_call(fake_signature):
    wide = np.ones((1, 3), np.int32)
    answers = ask_all(batching.Batcher(8, 0.1, 5, 2), fake_signature.signature, [question(1), wide, question(2)])
    assert sorted(fake_signature.calls) == [1, 2] and answers[1]["y"].shape == (1, 3)


def test_a_bad_question_fails_alone(fake_signature):
    answers = ask_all(batching.Batcher(4, 0.2, 5, 1), fake_signature.signature, [question(i) for i in (1, 13, 3)])
    assert answers[0]["y"][0, 0] == 2 and answers[2]["y"][0, 0] == 6
    assert isinstance(answers[1], refusals.Refusal) and answers[1].status == 400
    assert answers[1].line == "the model refuses the inputs: 13 brings bad luck"


def test_an_answer_that_takes_too_long_is_given_up(fake_signature):
    slow = fake_signature.signature
    object.__setattr__(slow, "call", lambda arrays: time.sleep(1) or {"y": arrays["x"]})
    answers = ask_all(batching.Batcher(1, 0, 0.2, 1), slow, [question(1), question(2)])
    assert [answer.status for answer in answers] == [504, 504]
    assert answers[0].grpc_code == "DEADLINE_EXCEEDED"


def test_defects_are_not_taken_for_bad_input(fake_signature):
    broken = fake_signature.signature
    object.__setattr__(broken, "call", lambda arrays: 1 / 0)
    (answer,) = ask_all(batching.Batcher(1, 0, 5, 1), broken, [question(1)])
    assert isinstance(answer, ZeroDivisionError)


def test_who_has_gone_is_not_worked_for(fake_signature):
    async def run():
        batcher = batching.Batcher(4, 0.3, 5, 1)
        gone = asyncio.create_task(batcher.ask(fake_signature.signature, {"x": question(1)}, 1))
        await asyncio.sleep(0.05)
        gone.cancel()
        answer = await batcher.ask(fake_signature.signature, {"x": question(2)}, 1)
        assert not batcher._groups  # shapes come from clients: none may stay
        return answer

    assert asyncio.run(run())["y"][0, 0] == 4
    assert fake_signature.calls == [1]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_questions_are_all_answered(fake_signature, threads):
    batcher = batching.Batcher(8, 0.001, 20, threads)
    answers = ask_all(batcher, fake_signature.signature, [question(i, 1 + i % 3) for i in range(14, 200)])
    assert [answer["y"][0, 0] for answer in answers] == [2 * i for i in range(14, 200)]
