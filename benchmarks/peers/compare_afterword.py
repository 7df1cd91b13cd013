"""Afterword, from a base or from nothing; or its n-gram model alone, which `train` counts before it learns."""

from compared import Task

import afterword

task = Task()
held_out = {"validation": task.paths[1], "on_progress": lambda progress: None}
if task.option == "ngram":
    model = afterword.train(task.paths[0], base="none", steps=1, hidden_size=8, **held_out).using("ngram")
else:
    model = afterword.train(task.paths[0], base=task.option, minutes=task.seconds / 60, **held_out)
task.ready()
more = {}
if task.option != "ngram":
    more = {"lstm": model.using("lstm").score(task.held_out).bits_per_character}
seeds = iter(range(1, 1000))
task.report(
    model.score(task.held_out).bits_per_character,
    lambda number: model.generate(max_tokens=number, seed=next(seeds)).text,
    **more,
)
