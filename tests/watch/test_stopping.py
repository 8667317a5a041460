"""Interrupts as wishes: noted between steps, hard only when repeated later, and gone with the block."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mixturelab.watch.stopping import interrupts_as_wishes

HERE = Path(__file__).parent


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_is_noted_and_nothing_is_torn():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_as_wishes() as wish:
        assert not wish.made
        interrupt()
        assert wish.made
    assert signal.getsignal(signal.SIGINT) is before


def test_two_in_a_row_are_one_wish_and_one_much_later_is_hard():
    now = [0.0]
    with interrupts_as_wishes(clock=lambda: now[0]) as wish:
        interrupt()
        now[0] = 1.9
        interrupt()
        assert wish.made
        now[0] = 2.1
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_another_thread_s_block_changes_nothing():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with interrupts_as_wishes() as wish:
            seen.append((signal.getsignal(signal.SIGINT) is before, wish.made))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(True, False)]


def test_a_handler_that_somebody_set_meanwhile_stays():
    before = signal.getsignal(signal.SIGINT)

    def other(*_):
        pass

    try:
        with interrupts_as_wishes():
            signal.signal(signal.SIGINT, other)
        assert signal.getsignal(signal.SIGINT) is other
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_a_hundred_interrupts_at_random_moments_leave_whole_steps():
    """In a process of its own, which gets a hundred signals and prints what each has left."""
    made = subprocess.run(
        [sys.executable, HERE / "interrupted_loop.py", "100", "0"],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"PYTHONPATH": str(HERE.parent)},
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == ["100", "100"], made.stdout
