"""Anything in any order: tokens, cuts, slow readers, stops, restarts, on a real server; and nobody gets a wrong text.

The one thing to notice: there is one oracle for all of it, a list of the tokens that were written. Whatever happens,
what a reader has is a piece of that list without a gap; and in the end it has all of it, or a sentence why not.
"""

from hypothesis import settings as examples
from hypothesis.stateful import run_state_machine_as_test

from lab.relay import RST
from server.transports import TRANSPORTS
from tests.machine.machine import Machine, ran
from tests.machine.scene import POLLS


def test_every_rule_does_something_and_readers_of_every_transport_come_back() -> None:
    ran.clear()
    machine = Machine()
    try:
        machine.starts()
        answer = machine.scene.answers[-1]
        for name in TRANSPORTS:
            machine.joins(answer=answer, transport=name, cursor=0, resumes=True, relayed=True)
        readers = list(machine.scene.readers)
        machine.all_join(answer=machine.scene.answers[0], resumes=True)
        while not all(reader.came_back or reader.transport == "whole" for reader in readers):
            machine.is_cut(reader=readers[0], alone=False, seconds=0.01, calm=True)
            machine.writes(answer=answer, texts=["够", ""], one_by_one=True)
            machine.nobody_has_anything_wrong()
        machine.writes(answer=answer, texts=["够"] * 10, one_by_one=True)
        machine.slows_down(reader=readers[0])
        for each in machine.scene.answers:
            machine.writes_much(answer=each, text="钟", unasked=True)
        for reader in machine.scene.readers:
            machine.goes_on(reader=reader)
        machine.all_read()
        machine.nobody_has_anything_wrong()
        machine.will_be_cut_by_the_network(after=1, how=RST)
        machine.ends(answer=answer, breaks=True)
        machine.all_read()
        assert all(reader.over and reader.came_back for reader in readers)
        machine.nobody_has_anything_wrong()
        machine.is_forgotten(answer=answer)
        machine.comes_late(answer=answer, transport="sse")
        machine.starts()
        machine.is_stopped(answer=machine.scene.answers[-1], by_message=True)
        machine.starts()
        machine.joins(answer=machine.scene.answers[-1], transport="whole", cursor=0, resumes=False, relayed=False)
        machine.restarts()
        machine.nobody_has_anything_wrong()
        machine.leaves(reader=machine.scene.readers[-1])
        machine.nobody_has_anything_wrong()
    finally:
        machine.teardown()
    assert {each.function.__name__ for each in Machine.setup_state().rules} <= ran.keys()
    assert ran["told that the server stops"] == 1 + len(TRANSPORTS) - len(POLLS)


def test_whatever_happens_every_reader_has_the_exact_text_or_a_sentence_why_not() -> None:
    run_state_machine_as_test(Machine, settings=examples(max_examples=60, stateful_step_count=40, deadline=None))
