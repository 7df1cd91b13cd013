"""`--help` fits a person: what a command does, one example, and at most twelve options; `--help-all` shows the rest."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from afterword.cli.main import names, program
from afterword.commands import commands

OPTION = re.compile(r"^  (?:-\w, )?(--[\w-]+)", re.MULTILINE)
EACH = pytest.mark.parametrize("name", commands())


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(program, arguments, prog_name="afterword")
    assert done.exit_code == 0, done.output
    return done.output


def made(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    return command


@EACH
def test_help_shows_what_a_command_does_one_example_and_at_most_twelve_options(name: str) -> None:
    assert {*vars(made(name))["_first"]} <= {one.name for one in made(name).params}
    few, every = printed(name, "--help"), printed(name, "--help-all")
    known = {max(one.opts, key=len) for one in made(name).params if isinstance(one, click.Option) and not one.hidden}
    shown = OPTION.findall(few)
    assert 1 <= len(shown) <= 12
    assert {*shown} - {"--help"} <= known == {*OPTION.findall(every)} - {"--help"}
    assert ("--help-all" in few) == (len(known) + 1 > len(shown))
    assert len(few) <= len(every)
    [example] = re.findall(r"^Example:\n  afterword (.*)$", few, re.MULTILINE)
    assert shlex.split(example)[0] == name
    with made(name).make_context(name, shlex.split(example)[1:]) as context:  # raises for an unknown option
        assert context.params


def test_every_command_is_in_one_group() -> None:
    assert [*re.findall(r"^  ([a-z]+)  ", printed("--help"), re.MULTILINE)] == names()
    assert sum(one.group == "Start here" for one in commands().values()) <= 6
