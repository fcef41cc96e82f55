import io
import sys

from tfrecords_tools import notes


def terminal(monkeypatch):
    """Makes the error output a terminal and gives what is written there."""
    made = io.StringIO()
    monkeypatch.setattr(made, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_a_terminal_shows_the_newest_line_in_place(monkeypatch):
    shown = terminal(monkeypatch)
    notes.rewrite("1/2")
    notes.rewrite("2/2")
    notes.end_line()
    notes.say("done")
    assert shown.getvalue() == "\r\033[K1/2\r\033[K2/2\ndone\n"


def test_a_line_ends_before_another_kind_begins(monkeypatch):
    shown = terminal(monkeypatch)
    notes.rewrite("1/2")
    notes.say("a note")
    notes.say("another")
    notes.end_line(is_open=True)
    assert shown.getvalue() == "\r\033[K1/2\na note\nanother\n\n"


def test_elsewhere_lines_follow_each_other(capsys):
    notes.rewrite("1/2")
    notes.rewrite("2/2")
    notes.end_line()
    assert capsys.readouterr().err == "1/2\n2/2\n"


def test_bars_are_for_terminals_unless_they_are_asked_for(monkeypatch):
    shown = terminal(monkeypatch)
    assert not notes.bar(total=2, file=shown).disable
    notes.set_quiet(True)
    assert notes.bar(total=2, file=shown).disable and notes.bar(shown=True, total=2).disable
    notes.set_quiet(False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert notes.bar(total=2).disable and not notes.bar(shown=True, total=2).disable
