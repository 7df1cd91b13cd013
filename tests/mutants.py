"""Change one place of the code at a time, and see whether a test notices.

    python -m tests.mutants draw --seed 62 --number 300   draw changes of the code in ROOMS into tests/mutants.jsonl
    python -m tests.mutants run                           make each of them, and append the counts to the results
    python -m tests.mutants run --only 7,30-35            make these; append nothing
    python -m tests.mutants run --only 7 --seconds 60     and give up later

A change is kept by its function and its code, so that it can be made again after both have moved. If the function no
longer has that code, the change is gone. Each is made in a copy of the files that git knows, where tests that reach the
place run until one fails: the one that noticed it last time, which is kept too, and then the cheapest. Which test
reaches what is found by a run of TESTS if src/ or tests/ have changed, and kept in .cache/mutants.json; a test that
fails in it is not used. At the end, all tests that noticed a change must pass together without one.
"""

from __future__ import annotations

import argparse
import ast
import ctypes
import datetime
import gc
import hashlib
import importlib
import json
import mmap
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from afterword.commands import WINGS
from tests.everywhere import TOP, copy_files

HOUSE = Path("src/afterword")
KEEPING = tuple(f"wings/{name}" for name, wing in WINGS.items() if wing.attached or wing.elsewhere)  # what people keep
ROOMS = ("storage.py", "records.py", "runs", "model/folder", "generation/sampling.py", *KEEPING)
TESTS = [f"tests/{room}" for room in ("runs", "model", *KEEPING, "generation", "operations", "test_records.py")]
TESTS += [f"tests/{name}.py" for name in ("test_storage", "test_language_model")]
TESTS += [f"tests/cli/test_{name}.py" for name in ("generate", "info")]
TESTS += ["tests/hostile/test_folders.py", "tests/hostile/test_found.py"]
LIBRARIES = ("torch", "hypothesis", "safetensors.numpy", "rich.progress", "click", "regex", "msgspec", "onnxruntime")
QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # LIBRARIES are imported before pytest starts
PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h
FIRST = 3  # files whose tests are tried before any other is imported: those with the most of them
KEPT, MAP = TOP / "tests" / "mutants.jsonl", TOP / ".cache" / "mutants.json"
RESULTS = TOP / "benchmarks" / "results" / "mutants.jsonl"


class Mutant(NamedTuple):
    """A change of the code. Of equal ones in a function, it is the one with the number `occurrence`, from 0."""

    file: str
    """Where the function was, in src/afterword/. It is looked for there first."""
    function: str
    kind: str
    original: str
    replacement: str
    occurrence: int = 0
    noticed: str = ""
    """The test that noticed it, the last time that one did."""


# --- what can be changed ---------------------------------------------------------------------------------------------

PAIRS: list[tuple[type, type]] = [(ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot)]
PAIRS += [(ast.In, ast.NotIn), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitAnd, ast.BitOr), (ast.And, ast.Or)]
OTHER: dict[type, type] = dict(PAIRS) | {b: a for a, b in PAIRS} | {ast.FloorDiv: ast.Mult, ast.Mod: ast.Add}
ASKED = ("isinstance", "getattr", "hasattr", "setattr", "max", "min", "cast")  # whose arguments nobody swaps
WINDOWS = "sys.platform == 'win32'"
Place = tuple[ast.AST, str, str, str]  # the node that is replaced, the kind of change, and the code before and after
Places = dict[int, tuple[Path, ast.Module, ast.AST]]  # of each change by its number: a file, what that contains, a node


def functions(tree: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and node.name != "__repr__":
            yield inside + node.name, node


def walk(node: ast.AST, above: tuple[ast.AST, ...] = ()) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Yield what runs here, in order, each node with those around it: no messages, type hints or code for Windows."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.pattern, ast.arguments)):
        return
    yield node, above
    is_other = isinstance(node, ast.If) and ast.unparse(node.test) == WINDOWS
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list") and not (is_other and name == "body"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, (*above, node))


def changes(node: ast.AST) -> Iterator[tuple[str, str, Any]]:
    """Yield each change of a node: its kind, a field, and what that is instead."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield "comparison", "ops", [*ops[:at], OTHER[type(op)](), *ops[at + 1 :]]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in OTHER:
            is_path = isinstance(op, ast.Div) and ast.unparse(right).isupper()  # as in self.path / RECORD
            if not is_path and not any(isinstance(getattr(one, "value", 0), str) for one in (left, right)):
                yield "arithmetic", "op", OTHER[type(op)]()
        case ast.AugAssign(op=op) if type(op) in OTHER:
            yield "arithmetic", "op", OTHER[type(op)]()
        case ast.BoolOp(op=op):
            yield "logic", "op", OTHER[type(op)]()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "logic", "operand", ast.UnaryOp(ast.Not(), operand)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)):
                yield "logic", "test", ast.UnaryOp(ast.Not(), test)
        case ast.Constant(value=bool(value)):
            yield "constant", "value", not value
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", "value", 0 if value == 1 else value + 1
        case ast.Call(func=called, args=[first, second, *others]) if ast.unparse(called) not in ASKED:
            if type(first) is type(second) is not ast.Starred and ast.dump(first) != ast.dump(second):
                yield "arguments", "args", [second, first, *others]
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant) or value.value is not None:
            yield "return", "value", ast.Constant(None)


def places(function: ast.FunctionDef) -> Iterator[Place]:
    """Yield what can be changed in a function, in order. A number is changed together with the expression around it."""
    hint = "" if function.returns is None else ast.unparse(function.returns)
    for node, above in walk(function):
        match node:
            case ast.Expr(value=ast.Call()) | ast.Assign(targets=[ast.Attribute()]):
                yield node, "removal", ast.unparse(node), "pass"
            case ast.Break() | ast.Continue():
                yield node, "loop", *(("break", "continue") if isinstance(node, ast.Break) else ("continue", "break"))
        spot = next(one for one in reversed(above) if _stands_alone(one)) if isinstance(node, ast.Constant) else node
        part = "test" if isinstance(spot, (ast.If, ast.While)) else ""  # of a block, only this is replaced
        whole = getattr(spot, part, spot)
        is_block = isinstance(spot, ast.stmt) and hasattr(spot, "body") and not (part and spot is node)
        if is_block or any(isinstance(one, ast.JoinedStr) for one in ast.walk(whole)):
            continue
        for kind, field, value in changes(node):
            if kind == "return" and ("None" in hint or any(isinstance(one, ast.FunctionDef) for one in above[1:])):
                continue
            before, original = getattr(node, field), ast.unparse(whole)
            setattr(node, field, value)
            replacement = ast.unparse(getattr(spot, part, spot))
            setattr(node, field, before)
            yield whole, kind, original, replacement


def _stands_alone(node: ast.AST) -> bool:
    """Return whether the code of a node is an expression to read, or a statement."""
    is_read = isinstance(getattr(node, "ctx", None), (ast.Load, type(None)))
    return isinstance(node, (ast.stmt, ast.expr)) and is_read and not isinstance(node, (ast.Slice, ast.Starred))


def candidates(file: str, tree: ast.Module, names: set[str] | None = None) -> Iterator[tuple[Mutant, ast.AST]]:
    """Yield each change of the functions in a file that have these names, or of all, and the node that it replaces."""
    seen = Counter[Mutant]()
    for name, function in functions(tree):
        for node, kind, before, after in places(function) if names is None or name in names else ():
            mutant = Mutant(file, name, kind, before, after)
            yield mutant._replace(occurrence=seen[mutant]), node
            seen[mutant] += 1


def draw(seed: int, number: int) -> list[Mutant]:
    every: list[Mutant] = []
    for room in ROOMS:
        for path in sorted((TOP / HOUSE / room).rglob("*.py")) or [TOP / HOUSE / room]:
            file = path.relative_to(TOP / HOUSE).as_posix()
            every += [mutant for mutant, _ in candidates(file, ast.parse(path.read_text(encoding="utf-8")))]
    return sorted(random.Random(seed).sample(every, number), key=every.index)


def found(mutants: Sequence[Mutant]) -> Places:
    """Return where each change can be made."""
    here: dict[tuple[Any, ...], dict[str, tuple[Path, ast.Module, ast.AST]]] = defaultdict(dict)
    for path in sorted((TOP / HOUSE).rglob("*.py")):
        file, tree = path.relative_to(TOP / HOUSE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))
        for mutant, node in candidates(file, tree, {one.function for one in mutants}):
            here[mutant[1:6]][file] = path, tree, node
    each = ((number, one.file, here.get(one[1:6])) for number, one in enumerate(mutants))
    return {number: at.get(file) or next(iter(at.values())) for number, file, at in each if at}


def changed(source: str, node: Any, replacement: str) -> str:
    """Return `source` with `replacement` in place of a node."""
    content = source.encode()
    starts = [0, *accumulate(map(len, content.splitlines(keepends=True)))]
    begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
    new = replacement if isinstance(node, ast.stmt) else f"({replacement})"
    return (content[:begin] + new.encode() + content[end:]).decode()


# --- which tests reach it --------------------------------------------------------------------------------------------

REACHED = """import mmap
with open({file!r}, "r+b") as file:
    SEEN = mmap.mmap(file.fileno(), 0)  # which all processes that a test starts share
def reached(*numbers):
    for number in numbers:
        SEEN[number] = 1
"""


class Marking(ast.NodeTransformer):
    """Marks the numbers of the changes that begin at a node whenever it runs."""

    def __init__(self, numbers: dict[ast.AST, list[int]]) -> None:
        self._numbers = numbers

    def visit(self, node: ast.AST) -> ast.AST:
        numbers = self._numbers.get(node)
        marked = self.generic_visit(node)
        if numbers:
            call = ast.parse(f"__import__('reached').reached(*{numbers})", mode="eval").body
            if isinstance(marked, ast.stmt):
                return ast.If(ast.UnaryOp(ast.Not(), call), [marked], [])
            return ast.BoolOp(ast.Or(), [call, marked])  # type: ignore[list-item]
        return marked


class Reaching:
    """Notes which test reaches which change, how long it takes, and which fail. A plugin of pytest.

    What a fixture for several tests reaches is reached by all of these.
    """

    def __init__(self, seen: Path) -> None:
        with open(seen, "r+b") as file:
            self._seen = mmap.mmap(file.fileno(), 0)
        self._reached, self._fixtures = defaultdict[str, set[int]](set), defaultdict[tuple[str, str], set[int]](set)
        self._seconds, self._failed, self._now = defaultdict[str, float](float), set[str](), ""
        self._asked: dict[str, Sequence[str]] = {}

    def _take(self) -> set[int]:
        taken = {number for number, byte in enumerate(self._seen[:]) if byte}
        self._seen[:] = bytes(len(self._seen))
        return taken

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Function) -> Generator[None, Any, Any]:
        self._reached[self._now] |= self._take()
        self._now, self._asked[item.nodeid] = item.nodeid, item.fixturenames
        done = yield
        self._reached[self._now] |= self._take()
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        self._reached[self._now] |= self._take()
        try:
            return (yield)
        finally:
            self._fixtures[fixturedef.baseid, fixturedef.argname] |= self._take()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def answer(self) -> dict[str, Any]:
        passed = self._asked.keys() - self._failed
        for test in passed:
            shared = [at for (base, name), at in self._fixtures.items() if name in self._asked[test] and base in test]
            self._reached[test].update(*shared)
        return {
            "seconds": {test: self._seconds[test] for test in passed},
            "reached": {test: sorted(self._reached[test]) for test in passed},
            "failed": sorted(self._failed),
        }


def which_tests(mutants: Sequence[Mutant], places: Places) -> dict[str, Any]:
    """Return each test's seconds and the numbers of the changes that it reaches, from the cache if nothing changed."""
    sources = sorted(path for room in ("src", "tests") for path in (TOP / room).rglob("*.py"))
    contents = [path.read_bytes() for path in sources if path != Path(__file__).resolve()]
    key = hashlib.sha256(b"".join([repr([one[:6] for one in mutants]).encode(), *contents])).hexdigest()
    if MAP.exists() and (known := json.loads(MAP.read_text(encoding="utf-8")))["key"] == key:
        return dict(known)
    print("finding which tests reach which change", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copy, seen = Copy(Path(folder)), Path(folder, "seen")
        seen.write_bytes(bytes(len(mutants)))
        copy.place(TOP / "src" / "reached.py").write_text(REACHED.format(file=str(seen)))
        numbers = defaultdict[ast.AST, list[int]](list)
        for number, (_, _, node) in places.items():
            numbers[node].append(number)
        for path, tree in {path: tree for path, tree, _ in places.values()}.items():
            marked = ast.unparse(Marking(numbers).visit(tree))
            copy.place(path).write_text(marked, encoding="utf-8")
        answer = copy.run(Reaching(seen), TESTS, 3600)
    for test in answer["failed"]:
        print(f"fails without a change, and is not used: {test}")
    MAP.parent.mkdir(exist_ok=True)
    MAP.write_text(json.dumps({"key": key, **answer}), encoding="utf-8")
    return answer


def chosen(number: int, mutant: Mutant, known: dict[str, Any], seconds: float) -> list[list[str]]:
    """Return the cheapest tests that reach a change, for so many seconds in all, in groups to run one after the other:
    the test that noticed it last time, those of a few files, and the others."""
    reach = sorted((known["seconds"][test], test) for test, numbers in known["reached"].items() if number in numbers)
    ends = accumulate(cost for cost, _ in reach)
    tests = [test for (cost, test), end in zip(reach, ends, strict=True) if end - cost <= seconds]
    first = [file for file, _ in Counter(map(file_of, tests)).most_common(FIRST)]
    few, others = ([test for test in tests if (file_of(test) in first) is is_first] for is_first in (True, False))
    return [*filter(None, ([mutant.noticed] if mutant.noticed in known["seconds"] else [], few, others))]


def file_of(test: str) -> str:
    return test.partition("::")[0]


# --- trying them -----------------------------------------------------------------------------------------------------


class Noticing:
    """Runs only some tests, and keeps the names of those that fail. A plugin of pytest."""

    def __init__(self, tests: Iterable[str]) -> None:
        self._tests, self._failed = set(tests), dict[str, None]()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = None

    pytest_runtest_logreport: Any = pytest_collectreport

    def answer(self) -> dict[str, Any]:
        return {"failed": [*self._failed]}


def end_children() -> None:
    """Kill what a child left behind in sessions of its own, which may run for ever: they are now this one's."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while left := children.read_text().split():
        for each in map(int, left):
            os.kill(each, signal.SIGKILL)
            os.waitpid(each, 0)


class Copy:
    """A copy of the project, in which children of this process run tests."""

    def __init__(self, folder: Path) -> None:
        self._project, self._folder = folder / "project", folder
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        copy_files(self._project)

    def place(self, path: Path) -> Path:
        return self._project / path.relative_to(TOP)

    def run(self, plugin: Reaching | Noticing, tests: Sequence[str], seconds: float, *options: str) -> dict[str, Any]:
        """Run `tests` in a child, for so many seconds at most, and return the plugin's answer; nothing if it dies."""
        answer = self._folder / "answer"
        answer.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            try:
                self._enter()
                temporary = f"--basetemp={self._folder / 'tmp'}"
                options = (*QUIETLY, "-p", "no:cacheprovider", "-n", "0", "--timeout", "200", temporary, *options)
                status = pytest.main([*options, *tests], plugins=[plugin])
                answer.write_text(json.dumps(plugin.answer() | {"passed": status == pytest.ExitCode.OK}))
            finally:
                os._exit(0)  # without what this process would do at its end
        with open(os.pidfd_open(child), "rb", buffering=0) as ended:
            if not select.select([ended], [], [], seconds)[0]:
                os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        end_children()
        return dict(json.loads(answer.read_text())) if answer.exists() else {}

    def _enter(self) -> None:
        """Make this process one that was started in the copy, and has imported nothing of the project."""
        os.setsid()
        with open(self._folder / "log", "wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(self._project)
        own = [str(self._project / "src"), str(self._project)]
        sys.path[:] = own + [path for path in sys.path if Path(path).resolve() not in (TOP, TOP / "src")]
        os.environ["PYTHONPATH"] = os.pathsep.join(own)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("afterword", "tests", "__main__")]:
            del sys.modules[name]
        sys.modules["__main__"] = ModuleType("__main__")


def who_notices(copy: Copy, path: Path, node: ast.AST, replacement: str, tests: list[list[str]], seconds: float) -> str:
    """Make a change in a copy, and return the first of these tests that fails, if any does."""
    place, now = copy.place(path), time.time_ns()
    facts = place.stat()
    try:
        place.write_text(changed(path.read_text(encoding="utf-8"), node, replacement), encoding="utf-8")
        os.utime(place, (now // 10**9, now % 10**9))  # unlike that of any other, so that Python compiles the file again
        for some in tests:
            answer = copy.run(Noticing(some), [*dict.fromkeys(map(file_of, some))], 300 + 5 * seconds, "-x")
            if not answer.get("passed"):
                return str((answer.get("failed") or ["a crash"])[0])
        return ""
    finally:
        shutil.copyfile(path, place)
        os.utime(place, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def run(only: Sequence[int] | None, seconds: float) -> None:
    began, mutants = time.monotonic(), kept()
    places = found(mutants)
    known = which_tests(mutants, places)
    noticed, numbers = dict[int, str](), range(len(mutants)) if only is None else only
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for number in numbers:
            verdict, mutant = "gone", mutants[number]
            if number in places:
                path, _, node = places[number]
                tests = chosen(number, mutant, known, seconds)
                noticed[number] = by = who_notices(copy, path, node, mutant.replacement, tests, seconds)
                verdict = f"caught by {by}" if by else "alive" if tests else "alive, and no test reaches it"
            change = f"{mutant.file} {mutant.function}: {mutant.original} → {mutant.replacement}"
            print(f"{number} {verdict}: {change}", flush=True)
        names = sorted({*noticed.values()} & known["seconds"].keys())
        answer = copy.run(Noticing(names), sorted({*map(file_of, names)}), 3600) if names else {}
    if wrong := answer.get("failed"):
        sys.exit(f"they fail together without a change, and have noticed nothing: {', '.join(wrong)}")
    keep(one._replace(noticed=noticed.get(number) or one.noticed) for number, one in enumerate(kept()))
    alive, gone = [[n for n in numbers if noticed.get(n) == now] for now in ("", None)]
    caught, minutes = len(numbers) - len(alive) - len(gone), (time.monotonic() - began) / 60
    print(f"{len(numbers)} changes in {minutes:.0f} minutes: {caught} caught, {len(alive)} alive, {len(gone)} gone")
    if only is None:
        keep_result(minutes=round(minutes, 1), caught=caught, alive=alive, gone=gone)


def keep_result(**result: Any) -> None:
    """Append a result, and print which changes are alive that were not before."""
    earlier = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    if earlier and (new := sorted({*result["alive"]} - {*earlier[-1]["alive"]})):
        print(f"not alive at {earlier[-1]['commit']}: {', '.join(map(str, new))}")
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], capture_output=True, text=True)
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps({"commit": commit.stdout.strip(), "date": str(datetime.date.today()), **result}) + "\n")


def kept() -> list[Mutant]:
    return [Mutant(**json.loads(line)) for line in KEPT.read_text(encoding="utf-8").splitlines()]


def keep(mutants: Iterable[Mutant]) -> None:
    KEPT.write_text("".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in mutants), "utf-8")


def each_number(text: str) -> list[int]:
    """Return the numbers in a list such as 7,30-35."""
    ranges = [part.partition("-") for part in text.split(",")]
    return [number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw changes into tests/mutants.jsonl")
    drawing.add_argument("--seed", type=int, default=62)
    drawing.add_argument("--number", type=int, default=300)
    running = commands.add_parser("run", help="make the changes, and see which of them the tests notice")
    running.add_argument("--only", type=each_number, metavar="N,N-N", help="the numbers of some changes, from 0")
    running.add_argument("--seconds", type=float, default=10.0, help="the most that the tests for a change may take")
    asked = parser.parse_args()
    if asked.command == "draw":
        return keep(draw(asked.seed, asked.number))
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    for name in LIBRARIES:  # so that no child does it
        importlib.import_module(name)
    gc.freeze()
    run(asked.only, asked.seconds)


if __name__ == "__main__":
    main()
