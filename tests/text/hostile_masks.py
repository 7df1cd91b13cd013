"""Families of masks whose search takes long or whose tables grow large, each drawn from a generator."""

from __future__ import annotations

import random
from collections.abc import Callable

from afterword.text.patterns import GROUP, LARGEST, LONGEST

Draw = random.Random


def literal(draw: Draw, length: int = LONGEST) -> str:
    """Return a text with few distinct characters, which makes search tables largest."""
    unit = draw.choice(["a", "ab", "aab", "a" * draw.randint(2, 40) + "b", "é", "ſ", "ﬃ", "ß", "İ", "K", "𝟘"])
    return (unit * length)[:length]


def repeated(draw: Draw, parts: list[str], length: int = LONGEST - 30) -> str:
    """Return as many parts as fit into `length`: one of `parts` repeated, or each drawn."""
    drawn = [draw.choice(parts)] if draw.random() < 0.5 else parts
    found = ""
    while len(found) < length - max(map(len, drawn)):
        found += draw.choice(drawn)
    return found


def around_literals(draw: Draw) -> str:
    forms = [r"\w*{}", r"{}\d+", "({})", "(?:{})+", "^{}$", r"\b{}\b", "(?>{})", "(?={})a", "(?<={})a", "(?<!{})a+"]
    return draw.choice(forms).format(literal(draw, LONGEST // 2 - 10))


def folded(draw: Draw) -> str:
    flags = ["(?i)", "(?fi)", "(?ri)", "(?rfi)", "(?r)", "(?fiw)", "(?a)", "(?V1)", "(?V1fi)", "(?p)"]
    return draw.choice(flags) + literal(draw, LONGEST - 8)


def counted(draw: Draw) -> str:
    counts = [f"{{{draw.choice([9, 99, 9_999, 10**9])}}}", "{0,9}", "{0,999999999}", "{1,}", "{2}"]
    return repeated(draw, [one + count for one in ["a", "[ab]", ".", r"\w", "(?:ab|c)"] for count in counts])


def counted_once(draw: Draw) -> str:
    many = ["()" * 100, r"\R" * 100, r"\X" * 100, "(|)" * 70, "(a)" * 80, "|".join(draw.choices("abcdefgh", k=40))]
    body = draw.choice([*many, literal(draw, draw.randint(1, 250)), r"\w|[a-f]"])
    most = max(1, LARGEST // (len(body) + GROUP * (1 + body.count("(")) + 12) - 2)
    return f"(?:{body}){{{draw.choice([most, most, 10**9])}}}"


def huge(draw: Draw) -> str:
    forms = [
        "a{%d}",
        "(?:){%d}",
        "a{%d,}",
        "(?:ab){%d}",
        "(a*){%d}",
        "(?:a{%d}){9}",
        r"\b{%d}",
        "(?=a){%d}",
        "(a?){%d}",
    ]
    return draw.choice(forms) % draw.choice([10**4, 10**5, 10**6, 10**9, 2**32 - 2])


def nested(draw: Draw) -> str:
    depth = draw.randint(2, 14)
    repeat = draw.choice(["+", "*", "?", "{0,9}", "{2}", "+?", "*+", "{1,}", "{0,1}+"])
    return draw.choice(["(", "(?:", "(?>"]) * depth + draw.choice(["a", "ab", r"\w", "a|aa"]) + (")" + repeat) * depth


def wrapped(draw: Draw) -> str:
    forms = ["(%s)+", "(?:%s)*", "(%s|b)+", "(?:%s){2}", "(?=%s)a", "(?<=%s)a+", "(?>%s)", "(?:%s)?b", "(?i:%s)"]
    found = "a"
    while len(found) < LONGEST - 12 and draw.random() > 0.05:
        found = draw.choice(forms) % found
    return found


def deep(draw: Draw) -> str:
    kinds = ["(", "(?:", "(?=", "(?<!", "(?>", "(?i:", "(?|"]
    opening = draw.choice(kinds)
    depth = LONGEST // (len(opening) + 1) - 1
    return draw.choice([opening * depth + "a" + ")" * depth, "(?V1)" + "[" * 140 + "a" + "]" * 140]) + "+"


def sets(draw: Draw) -> str:
    places = [(0x100, 0x2FFF), (0x4E00, 0x9FFF), (0x10000, 0x1F000)]
    members = "".join(chr(draw.randint(*draw.choice(places))) for _ in range(LONGEST - 12))
    return draw.choice(["[{}]+", "[^{}]+", "(?i)[{}]+", "(?V1)[{}]+"]).format(members)


def set_operations(draw: Draw) -> str:
    found = r"\w"
    while len(found) < LONGEST - 40:
        other = draw.choice([r"\p{L}", "[a-z]", r"\p{Greek}", r"[^\d]", r"\N{SPACE}"])
        found = f"[{found}]{draw.choice(['--', '&&', '||', '~~'])}{other}"
    return f"(?V1)[{found}]+"


def properties(draw: Draw) -> str:
    kinds = [r"\p{L}", r"\P{Lu}", r"\p{IsGreek}", r"\X", r"\R", r"\p{script=Han}", r"\N{SPACE}", r"\m", r"\M", r"\b"]
    return repeated(draw, [kind + repeat for kind in kinds for repeat in ["", "*", "?"]]) + r"\w+"


def fuzzy(draw: Draw) -> str:
    body = draw.choice([literal(draw, draw.randint(3, 200)), r"\w+x", "a|b|cd", "".join(draw.choices("abc ", k=60))])
    errors = ["{e}", "{e<=3}", "{e<=30}", "{i,d}", "{2i+2d+1s<=9}", "{e<=5:[a-f]}", "{s<=9}"]
    return draw.choice(["", "(?b)", "(?e)", "(?fi)", "(?be)"]) + f"x(?:{body}){draw.choice(errors)}"


def often_fuzzy(draw: Draw) -> str:
    return draw.choice(["", "(?b)"]) + "a" + repeated(draw, ["(?:abc){e<=1}", r"(?:\d+){i<=2}", "(?:a|b){e}"])


def recursive(draw: Draw) -> str:
    whole = [r"\((?:[^()]|(?R))*\)", "(?:(?R)|a)", "a(?R)?b?", "(?:a(?R)?){2}", "(?P<x>a(?&x)*b?)+", "((?1)?a)+"]
    return draw.choice([*whole, "(a|b(?1)*c)+(?1)*", "(a|b)" + repeated(draw, ["(?1)", "(?1)*", "(?1)?", "(?R)?"])])


def references(draw: Draw) -> str:
    return draw.choice([r"(\w+)\W+", "(a*)+", "(.*)(.*)(.*)", "(a|b)*"]) + repeated(draw, [r"\1", r"\1*", r"\1?"]) + "a"


def behind(draw: Draw) -> str:
    return repeated(draw, ["(?<=a*)", r"(?<!\w+b)", "(?<=(a|b)*)", "(?<=.*x)", "(?<=^.*a.*b.*)"]) + "a"


def backtracking(draw: Draw) -> str:
    long = ["(?:a?){60}a{60}", "(?=(.*a){20}).b", "(.*?,){30}P", "(?:(?:a+)+)+!", ".*.*.*.*.*=", "(?:.*.*)*!"]
    return draw.choice(["(a|aa)+$", "(a*)*b", r"(\w+\s?)+$", "(x+x+)+y", "(a|a|a)+$", r"(?:\w|\d|_)+$", *long])


def stars(draw: Draw) -> str:
    return repeated(draw, [".*", ".*?", r"\w*", ".+?a", "[^b]*", ".*a", ".*(?:b|ab)"]) + "!"


def alternatives(draw: Draw) -> str:
    longest = draw.randint(1, 24)
    rising = ["a" * k + draw.choice("ab") for k in range(1, longest)]
    equal = ["".join(draw.choices("ab", k=longest)) for _ in range(LONGEST // (longest + 1))]
    return "|".join(draw.choice([rising, equal])) or "a"


def spaced(draw: Draw) -> str:
    return draw.choice(["(?x)", "(?ix)", "(?x:"]) + "a ( b # c\n )  { 9 9 9 }" * draw.randint(1, 5)


def controls(draw: Draw) -> str:
    verbs = ["a+(*SKIP)b|a", "(*PRUNE)a+", r"a(*F)|\w+", r"\Ka+", r"\Ga+", r"\w+\Kx*", r"\L<a>", r"(?i)\L<words>+"]
    return draw.choice([*verbs, repeated(draw, ["(a)?(?(1)b|c)", "(?(?=a)a|b+)"]) + "a"])


def groups(draw: Draw) -> str:
    return repeated(draw, ["(a)", "(a)?", "(a|b)*", "(?P<n>a)"]) + "a"


def nonsense(draw: Draw) -> str:
    some = [*"ab.()()|+*?^$[]\\", r"\w", r"\d", "(?:", "{2}", "{0,9}", "{e<=1}", "[ab]", r"\b", r"\1", "(?=", "(?R)"]
    return "".join(draw.choices(some, k=draw.randint(5, 100)))


FAMILIES: dict[str, Callable[[Draw], str]] = {
    family.__name__.replace("_", " "): family
    for family in (
        *(literal, around_literals, folded, counted, counted_once, huge, nested, wrapped, deep, sets, set_operations),
        *(properties, fuzzy, often_fuzzy, recursive, references, behind, backtracking, stars, alternatives, spaced),
        *(controls, groups, nonsense),
    )
}
