"""Laws of speakers: where speeches are found, and who is told apart."""

from __future__ import annotations

import pytest

from afterword.scoring.speakers import Speakers, speeches

LINES = {"ANNA": "We went to the hill, and the wind was cold.", "BEN": "Buy my pens; a free pack today!"}


def play(sign: str, times: int = 60) -> str:
    """Return a play of two who take turns and say the same kind of thing, with the `sign` that ends their names."""
    return "".join(f"{name}{sign}{line} {k}\n\n" for k in range(times) for name, line in LINES.items())


@pytest.mark.parametrize("sign", [":\n", ".\n", ": ", ". "])
def test_speeches_are_from_a_name_to_the_next_name_or_blank_line(sign: str) -> None:
    found = speeches(play(sign, 3) + f"[Enter Carl.]\nCARL{sign}Once only.")
    assert found == [(name, f"{line} {k}") for k in range(3) for name, line in LINES.items()]
    assert speeches(play(sign, 3).replace("\n\n", "\n")) == found


def test_speakers_who_differ_are_told_apart() -> None:
    one = Speakers(play(": "))
    assert one.errors.tolist() == [[60, 0], [0, 60]]
    assert one.are_told_apart
    assert one.says == "of 120 speeches, 120 sound like their speaker, by chance 60 would, and 60 are by ANNA"
    assert one.heard(["Buy a pack!", "The wind."]) == [(None, "BEN"), (None, "ANNA")]
    heard = one.heard(["BEN: The cold hill.", "[Enter Carl]", "Yes: the wind."])
    assert heard == [("BEN", "ANNA"), (None, None), (None, None)]


def test_speakers_who_say_the_same_are_not() -> None:
    one = Speakers("".join(f"{name}: We went to the hill.\n\n" for _ in range(60) for name in LINES))
    assert not one.are_told_apart
    assert one.says.endswith("the speakers sound alike")
    assert one.heard(["BEN: The cold hill.", "The wind."]) == [("BEN", None), (None, None)]


def test_the_two_who_are_taken_for_each_other_most_speak_alike() -> None:
    alike = "".join(f"CARL: {line} {k}\n\n" for k, line in enumerate([LINES["ANNA"]] * 60))
    assert Speakers(play(": ") + alike).says.endswith("ANNA and CARL speak most alike")


@pytest.mark.parametrize("text", ["", "ANNA: Hello.\n\nBEN: Hello.\n\n", "He left. " * 900 + "\n\n" + play(": ", 12)])
def test_other_texts_have_none(text: str) -> None:
    one = Speakers(text)
    assert (one.says, one.heads(play(": "))) == ("", [])
    assert one.heard(["ANNA: The wind."]) == [(None, None)]


def test_a_speakers_name_begins_a_paragraph() -> None:
    text = "Scene.\nANNA: Hello.\nBEN: Hello.\n"
    assert [text[place:].split(":")[0] for place in Speakers(play(": ")).heads(text)] == ["ANNA", "BEN"]
