"""Write tunes.txt, 600 invented tunes in ABC, one per line, and reel.txt and jig.txt, rules for their bars."""

import random
import re
from fractions import Fraction

UNITS = {"[M:C|]": 8, "[M:6/8]": 6}  # eighth notes per bar
RHYTHMS = {"[M:C|]": ["1111", "211", "22", "31"], "[M:6/8]": ["111", "111", "21", "3"]}  # of half a bar
NOTE = r"(?:[_^=]|)[A-Ga-g](?:[,']|)"
LENGTHS = re.compile(r"(\(3)|[_^=]?[A-Ga-gz][,']?(\d*)(/?)([<>]?)| |(?P<other>.)")


def units(bar):
    """Return the length of a bar in eighths; None if it is not notes."""
    length, threes = Fraction(0), 0
    for found in LENGTHS.finditer(bar):
        if found["other"]:
            return None
        if found[1]:
            threes = 3
        elif found[0] != " ":
            length += Fraction(int(found[2] or 1), 2 if found[3] else 1) * (Fraction(2, 3) if threes else 1)
            threes = max(0, threes - 1)
    return length


def is_whole(tune, least=4):
    """Return whether all bars are whole. The first and the last one of a part may be shorter."""
    meter, wanted = next(((meter, count) for meter, count in UNITS.items() if tune.startswith(meter)), (None, 0))
    body = tune.partition("[K:")[2].partition("]")[2]
    if meter is None or not body.endswith(("||", ":|")):
        return False
    for part in re.split(r"\|\||:\|", body)[:-1]:
        lengths = [units(bar) for bar in part.split("|")]
        if None in lengths or len(lengths) < least or max(lengths) > wanted or set(lengths[1:-1]) != {wanted}:
            return False
    return True


def rule(meter):
    """Return a regular expression of tunes whose bars are whole: its notes fill halves of bars, or whole ones."""
    n = NOTE
    one = f"{n}(?:|/{n}/)"
    two = rf"(?:{n}2|{one}{one}|{n}[<>]{n}|\(3{n}{n}{n})"
    three = f"(?:{n}3|{n}2{one}|{one}{n}2|{one}{one}{one}|{n}[<>]{n}{one})"
    four = f"(?:{n}4|{n}3{one}|{one}{n}3|{one}{n}2{one}|{two}{two})"
    if UNITS[meter] == 8:
        bar, last = f"(?:{four} {four}|{n}8|{n}6{two}|{two}{n}6|{two}{n}4{two})", f"{four}(?: (?:{two}|{three})|)"
    else:
        bar, last = f"(?:{three} {three}|{n}6|{n}4{two}|{two}{n}4)", f"{three}(?: (?:{two}|{one})|)"
    return rf"(?:(?:(?:{two}|{one})\||){bar}(?:\|{bar}){{3,}}(?:\|{last}|)(?:\|\||:\|))+"


def tune(draw):
    """Return a tune of two parts of four bars, the last of which ends on the key's note."""
    meter = draw.choice(list(UNITS))
    scale, place = "DEFGABcdefga", draw.randrange(3, 9)
    parts = []
    for end in (4, 3):  # the places of A and G
        bars = []
        for _ in range(4):
            halves = []
            for _ in range(2):
                half = ""
                for length in draw.choice(RHYTHMS[meter]):
                    place = min(11, max(0, place + draw.choice([-2, -1, -1, 0, 1, 1, 2])))
                    half += scale[place] + length.replace("1", "")
                halves.append(half)
            bars.append(" ".join(halves))
        parts.append("|".join([*bars[:3], scale[end] + str(UNITS[meter])]))
    return f"{meter}[K:G]" + ":|".join(parts) + ":|"


if __name__ == "__main__":
    draw = random.Random(1)
    with open("tunes.txt", "w") as file:
        file.write("".join(tune(draw) + "\n" for _ in range(600)))
    for name, meter in (("reel.txt", "[M:C|]"), ("jig.txt", "[M:6/8]")):
        with open(name, "w") as file:
            file.write(rule(meter))
