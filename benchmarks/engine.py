"""How fast a network steps, writes and scores: NumPy, the engine fast, and what others make of the same sizes.

    python -m benchmarks.engine steps               one stream and 256 lanes: the network alone, a step at a time
    python -m benchmarks.engine loop                one stream of 2×300 units beside a loop over torch.nn.LSTM
    python -m benchmarks.engine streams TEXT        one stream with the n-gram of TEXT, sampling included
    python -m benchmarks.engine streams RUN…        the same of models that were trained
    python -m benchmarks.engine busy                one stream of english while other processes compute
    python -m benchmarks.engine batch TEXT          256 lanes of 1×512 units, n-gram and sampling included
    python -m benchmarks.engine bits MODEL… --text TEXT     what one-byte weights cost, in bits per character
    python -m benchmarks.engine differ MODEL        how many of 1,000 texts another engine, or a batch, writes otherwise

Alone on the machine. Weights are random where a speed is measured, except a RUN's. Random ones write what occurs in no
text, so an n-gram has to look up every context; a trained model returns to what it knows. Every way runs in a process
of its own, because the threads of one library wait for work by spinning and take the processor from another. The ways
take turns, and a figure is the median of its turns. "products" are NumPy's bare products of a vector, or of 256,
with the same weights.

`loop` has two targets: 7,000 characters per second, and 15 times a loop that calls nn.LSTM once per character, as torch
comes (the faster of one thread and all). Arithmetic is not what makes that loop slow: its oneDNN kernel repacks the
weights at every call, into memory that glibc fetches from the system anew each time (some 600 page faults a step). Two
things make it faster and are measured too, so that nobody takes the ratio for more than it is: a block of memory freed
before, after which glibc keeps what it has; and oneDNN switched off.
"""

from __future__ import annotations

import os
import statistics
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from afterword.generation.continuation import Continuation, Policy
from afterword.generation.parallel import LANES_PER_BATCH
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import load
from afterword.model.folder.saved import SavedModel, load_model, model_folder
from afterword.model.network.config import Config
from afterword.model.network.engines import EngineName, runtime
from afterword.model.network.network import Network
from afterword.model.threads import PRODUCTS
from benchmarks.classic import keras_python
from benchmarks.commands import PLACE, as_written, machine
from benchmarks.random_models import random_model, random_weights
from benchmarks.turns import answer, take_turns

TURNS, WARM_UP, SECONDS = 9, 0.05, 0.15  # of a turn
ROWS, EMBEDDING = 66, 64
SIZES = ["1x384", "1x512", "2x300", "2x512", "1x1024"]
ENGINES: list[EngineName] = ["numpy", "fast"]
OTHERS = ["products", "onnx float32", "torch float32", "torch bfloat16"]
LOOP_TOKENS, TORCH_TOKENS = 2000, 50
OURS = "NumPy stream"
AS_IT_COMES = ["nn.LSTM, 1 thread", "nn.LSTM, all threads"]
HELPED = ["nn.LSTM, 1 thread, 8 MiB freed before", "nn.LSTM, 1 thread, oneDNN off"]
SPEED, RATIO = 7000, 15  # targets of `loop`
STREAMS = {"both": ("both", "numpy"), "lstm": ("lstm", "numpy"), "fast": ("both", "fast")}
TOKENS = 100  # of each lane

Step = Callable[[], object]


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Microseconds a step of the network alone.")
@click.option("--size", "sizes", multiple=True, default=SIZES)
@click.option("--lanes", "lanes", multiple=True, type=int, default=(1, LANES_PER_BATCH))
@click.option("--turns", default=TURNS)
@click.option("--keras", is_flag=True, help="beside Keras' predict too, of one lane, in an environment of its own")
def steps(sizes: tuple[str, ...], lanes: tuple[int, ...], turns: int, keras: bool) -> None:
    heading()
    for many in lanes:
        others = [*OTHERS, *(["keras predict"] if keras and many == 1 else [])]
        click.echo(f"microseconds a step, {many} lane{'s' if many > 1 else ''}")
        click.echo(f"  {'':8}" + "".join(f"{way:>16}" for way in ENGINES + others) + f"{'fast is':>10}")
        for size in sizes:
            ways = {way: child("step", way, size, many) for way in ENGINES + OTHERS}
            if len(others) > len(OTHERS):
                ways["keras predict"] = keras_step(size)
            found = take_turns(ways, turns)
            medians = {way: statistics.median(times) * 1e6 for way, times in found.items()}
            ratio = statistics.median(n / f for n, f in zip(found["numpy"], found["fast"], strict=True))
            click.echo(f"  {size:8}" + "".join(f"{figure:16,.1f}" for figure in medians.values()) + f"{ratio:8.2f} x")


@main.command(help="Characters per second of one stream of 2×300 units, and of a loop that calls nn.LSTM.")
@click.option("--turns", default=TURNS)
def loop(turns: int) -> None:
    heading()
    found = take_turns({name: child("loop", name) for name in (OURS, *AS_IT_COMES, *HELPED)}, turns)
    speeds = {name: statistics.median(each) for name, each in found.items()}
    click.echo(f"  {'':40} {'characters/s':>12} {'NumPy is':>10}")
    for name, speed in speeds.items():
        click.echo(f"  {name:40} {speed:12,.0f} {speeds[OURS] / speed:8.1f} x")
    ratio = speeds[OURS] / max(speeds[name] for name in AS_IT_COMES)
    met = speeds[OURS] >= SPEED and ratio >= RATIO
    click.echo(
        f"targets: {SPEED:,} per second: {speeds[OURS]:,.0f}; {RATIO} x nn.LSTM as it comes: {ratio:.1f}", nl=False
    )
    click.echo(f"; {'met' if met else 'MISSED'}")


@main.command(help="Characters per second of one stream, and what they are of NumPy's with LSTM and n-gram.")
@click.argument("given", metavar="TEXT|RUN…", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--size", "sizes", multiple=True, default=SIZES, help="with the n-gram of TEXT")
@click.option("--turns", default=TURNS)
def streams(given: tuple[str, ...], sizes: tuple[str, ...], turns: int) -> None:
    heading()
    click.echo(f"  {'':8}{'NumPy':>12}{'LSTM alone':>12}{'both is':>10}{'fast':>12}{'fast is':>10}")
    each = [(one, size) for one in given for size in (["run"] if Path(one).is_dir() else sizes)]
    for path, size in each:
        median, share, ratio = stream_figures(path, size, turns)
        size = load_model(model_folder(Path(path))).config.network if size == "run" else size
        click.echo(f"  {size:8}{median['both']:12,.0f}{median['lstm']:12,.0f}{share:8.2f} x", nl=False)
        click.echo(f"{median['fast']:12,.0f}{ratio:8.2f} x")


@main.command(help="Tokens per second of 256 lanes, and what they are of NumPy's bare steps.")
@click.argument("text", type=click.Path(exists=True, dir_okay=False))
@click.option("--size", default="1x512", show_default=True)
@click.option("--top-k", default=0, show_default=True)
@click.option("--turns", default=TURNS)
def batch(text: str, size: str, top_k: int, turns: int) -> None:
    heading()
    for engine, (speed, share, ratio) in batch_figures(text, size, top_k, turns).items():
        click.echo(f"{engine}: {speed:,.0f} tokens per second, {share:.2f} of NumPy's bare steps, {ratio:.2f} of NumPy")


@main.command(help="Characters per second of one stream of english while other processes compute.")
@click.argument("processes", default=4)
@click.option("--turns", default=TURNS)
def busy(processes: int, turns: int) -> None:
    heading()
    stream = child("stream", "both", "run", "english")
    one_thread = ["/usr/bin/env", "OPENBLAS_NUM_THREADS=1", sys.executable, *stream]
    ways = {"NumPy, one thread": one_thread, "NumPy": stream, "fast": child("stream", "fast", "run", "english")}
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        found = take_turns({**ways, "exported, in node": child("exported", "english")}, turns)
        shares = take_turns({"share": child("alternating", "english")}, turns)["share"]
    finally:
        for other in others:
            other.kill()
    click.echo(f"{processes} other processes")
    for way, speeds in found.items():
        ratio = ratio_of(speeds, found["NumPy, one thread"])
        click.echo(f"  {way:20} {statistics.median(speeds):8,.0f} characters/s  {ratio:5.2f} of one thread")
    click.echo(f"  NumPy and one thread in turn, in one process: {statistics.median(shares):.2f} of one thread")


def stream_figures(path: str, size: str, turns: int) -> tuple[dict[str, float], float, float]:
    """Return each way's characters per second, NumPy's share of its LSTM alone, and how fast the engine fast is."""
    found = take_turns({way: child("stream", way, size, path) for way in STREAMS}, turns)
    median = {way: statistics.median(speeds) for way, speeds in found.items()}
    return median, ratio_of(found["both"], found["lstm"]), ratio_of(found["fast"], found["both"])


def batch_figures(text: str, size: str, top_k: int, turns: int) -> dict[str, tuple[float, float, float]]:
    """Return for each engine its tokens per second, their share of NumPy's bare steps, and how fast it is."""
    ways: dict[str, list[str]] = {engine: child("lanes", engine, size, text, top_k) for engine in ENGINES}
    found = take_turns({**ways, "bare": child("step", "numpy", size, LANES_PER_BATCH)}, turns)
    bare = [LANES_PER_BATCH / seconds for seconds in found["bare"]]
    return {
        engine: (
            statistics.median(found[engine]),
            ratio_of(found[engine], bare),
            ratio_of(found[engine], found["numpy"]),
        )
        for engine in ENGINES
    }


@main.command(help="Bits per character that the engine fast loses on TEXT, network alone and with the n-gram.")
@click.argument("models", nargs=-1, required=True)
@click.option("--text", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--characters", default=100_000, show_default=True)
def bits(models: tuple[str, ...], text: Path, characters: int) -> None:
    read = text.read_text(encoding="utf-8")[:characters]
    for path in models:
        for using in ("lstm", "both"):
            costs = {engine: load(path, using, engine).score(read).bits_per_character for engine in ENGINES}
            lost = costs["fast"] - costs["numpy"]
            click.echo(f"{path}, {using}: {costs['numpy']:.4f} bits per character, fast {lost:+.4f}")


@main.command(help="How many of 1,000 texts differ by engine, and by whether they are written alone or side by side.")
@click.argument("model")
@click.option("--num", default=1000, show_default=True)
@click.option("--max-tokens", default=200, show_default=True)
def differ(model: str, num: int, max_tokens: int) -> None:
    texts: dict[tuple[str, str], list[str]] = {}
    for engine in ENGINES:
        loaded = load(model, engine=engine)
        together = loaded.samples(num=num, seed=0, max_tokens=max_tokens, temperature=1)
        texts[engine, "side by side"] = [sample.text for sample in together]
        alone = (loaded.generate(seed=seed, max_tokens=max_tokens, temperature=1) for seed in range(num))
        texts[engine, "alone"] = [sample.text for sample in alone]
    pairs = [((engine, "alone"), (engine, "side by side")) for engine in ENGINES]
    pairs += [(("numpy", how), ("fast", how)) for how in ("alone", "side by side")]
    for one, other in pairs:
        apart = sum(a != b for a, b in zip(texts[one], texts[other], strict=True))
        click.echo(f"{' '.join(one)}, {' '.join(other)}: {apart} of {num:,} texts of {max_tokens} tokens differ")


@main.group(hidden=True, help="The child processes.")
def way() -> None:
    pass


@way.command()
@click.argument("kind")
@click.argument("size")
@click.argument("lanes", type=int)
def step(kind: str, size: str, lanes: int) -> None:
    config = config_of(size)
    makers = {"products": products, "onnx float32": onnx_float}
    if kind in ENGINES:
        work = network_step(config, lanes, kind)
    elif kind in makers:
        work = makers[kind](config, lanes)
    else:
        work = torch_step(config, lanes, kind.removeprefix("torch "))

    def seconds(turn: int) -> float:
        seconds_of(work, WARM_UP)  # threads that sleep since the last turn have to be woken
        return seconds_of(work, SECONDS)

    answer(seconds)


@way.command("loop")
@click.argument("name")
def loop_way(name: str) -> None:
    answer(speed_of(written_stream(loop_model()) if name == OURS else torch_loop(name)))


@way.command()
@click.argument("name")
@click.argument("size")
@click.argument("path")
def stream(name: str, size: str, path: str) -> None:
    using, engine = STREAMS[name]
    model = load(path).saved if size == "run" else model_of(size, path)
    answer(speed_of(written_stream(model, using, engine)))


@way.command()
@click.argument("path")
def alternating(path: str) -> None:
    """Answer the speed as it comes over that of one thread, in one process: where its weights lie, it reads both."""
    model = load(path).saved
    network = model.predictor()
    writer = Writer(model, network, Sampling(max_tokens=LOOP_TOKENS))
    speed = speed_of(lambda seed: sum(len(piece.text) for piece in writer.stream("\n", seed)))

    def share(turn: int) -> float:
        network._product.is_adaptive = False
        with PRODUCTS.limited():
            alone = speed(turn)
        network._product.is_adaptive = True
        return speed(turn) / alone

    answer(share)


@way.command()
@click.argument("path")
def exported(path: str) -> None:
    from afterword.wings.export.browser import PageSettings, pack  # a wing, which may be off
    from benchmarks.export import node

    module = pack(load(path).saved, PageSettings())[0].script()
    script = f"""const model = await load(), began = performance.now();
        const {{ text }} = await model.generate({{ maxTokens: {LOOP_TOKENS}, seed: 1 }});
        console.log(text.length / (performance.now() - began) * 1000);"""
    answer(lambda turn: float(node(module, script)[0]))


@way.command()
@click.argument("engine")
@click.argument("size")
@click.argument("text")
@click.argument("top_k", type=int)
def lanes(engine: str, size: str, text: str, top_k: int) -> None:
    model = model_of(size, text)
    writer = Writer(model, model.predictor(engine=engine), Sampling(max_tokens=TOKENS, top_k=top_k))
    reading = read_prompt(model, writer.network, "\n")

    def write(turn: int) -> int:
        return sum(sample.tokens for sample in writer.samples([reading], LANES_PER_BATCH, turn * LANES_PER_BATCH))

    answer(speed_of(write))


def speed_of(write: Callable[[int], int]) -> Callable[[int], float]:
    """Return a function of the turn: the tokens per second that `write`, which is warmed up first, writes in it."""
    write(0)

    def speed(turn: int) -> float:
        began = time.perf_counter()
        tokens = write(turn)
        return tokens / (time.perf_counter() - began)

    return speed


def written_stream(model: SavedModel, using: str = "both", engine: str = "numpy") -> Callable[[int], int]:
    """Return a function of the seed that writes as `afterword generate` does; it returns the number of characters."""
    writer = Writer(model, model.predictor(using, engine=engine), Sampling(max_tokens=LOOP_TOKENS))
    return lambda seed: sum(len(piece.text) for piece in writer.stream("\n", seed))


def torch_loop(name: str) -> Callable[[int], int]:
    """The same network and the same draw, with one call of nn.LSTM per character."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1 if "all threads" in name else 1)
    torch.backends.mkldnn.enabled = "oneDNN off" not in name  # type: ignore[assignment]
    model = loop_model()
    config = model.config
    embedding = torch.nn.Embedding(config.vocabulary_size, config.embedding_size)
    lstm = torch.nn.LSTM(config.embedding_size, config.hidden_size, config.num_layers)
    output = torch.nn.Linear(config.hidden_size, config.vocabulary_size)
    if "freed before" in name:
        torch.ones(2 * 2**20)  # 8 MiB; above 32 MiB glibc learns nothing
    policy = Policy(model, Sampling())

    @torch.inference_mode()
    def write(seed: int) -> int:
        text = Continuation(policy, "", seed)
        token, state = 0, None
        for _ in range(TORCH_TOKENS):
            hidden, state = lstm(embedding(torch.tensor([[token]])), state)
            ((token, _, _),) = policy.sampler.draw(output(hidden)[0].numpy(), [text])
        return TORCH_TOKENS

    return write


def seconds_of(work: Step, long: float) -> float:
    """A step's mean, over so many seconds or a little more."""
    began, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < long:
        work()
        steps += 1
    return passed / steps


def network_step(config: Config, lanes: int, engine: str) -> Step:
    weights = random_weights(config)
    if engine == "numpy":
        network = Network(config, weights)
    else:
        from afterword.model.network.engines import FastEngine

        network = Network(config, weights, engine=FastEngine(config, weights))
    ids, state = ids_of(lanes), network.start(lanes)
    return lambda: network.step(ids, state)


def products(config: Config, lanes: int) -> Step:
    """The first layer's input comes from a table, as in `Network`."""
    weights = random_weights(config)
    taken = [w.T for name, w in weights.items() if w.ndim == 2 and name.startswith(("lstm", "output"))][1:]
    vectors = np.ones((lanes, config.hidden_size), np.float32)
    return lambda: [vectors @ weight for weight in taken]


def onnx_float(config: Config, lanes: int) -> Step:
    """The gates are in no particular order, since the weights are random."""
    from onnx import TensorProto, helper, numpy_helper

    weights, L, H = random_weights(config), config.num_layers, config.hidden_size
    constants = {"axis": np.array([1]), "embedding": weights["embedding.weight"], "output": weights["output.weight"].T}
    nodes = [helper.make_node("Gather", ["embedding", "rows"], ["x0"])]
    states = [[f"{part}{k}" for k in range(L)] for part in ("hidden", "cell")]
    nodes += [
        helper.make_node("Split", [part], each, axis=0) for part, each in zip(("hidden", "cell"), states, strict=True)
    ]
    for k in range(L):
        constants |= {f"{name}{k}": weights[f"lstm.weight_{name}_l{k}"][None] for name in ("ih", "hh")}
        constants[f"bias{k}"] = np.zeros((1, 8 * H), np.float32)
        inputs = [f"x{k}", f"ih{k}", f"hh{k}", f"bias{k}", "", states[0][k], states[1][k]]
        nodes.append(helper.make_node("LSTM", inputs, [f"all{k}", f"hidden_after{k}", f"cell_after{k}"], hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [f"all{k}", "axis"], [f"x{k + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"x{L}", "output"], ["logits"]))
    value_of = helper.make_tensor_value_info
    read = [value_of("rows", TensorProto.INT64, ("T", "B"))]
    read += [value_of(part, TensorProto.FLOAT, (L, "B", H)) for part in ("hidden", "cell")]
    found = [
        value_of(f"{part}_after{k}", TensorProto.FLOAT, (1, "B", H)) for part in ("hidden", "cell") for k in range(L)
    ]
    found.append(value_of("logits", TensorProto.FLOAT, ("T", "B", config.vocabulary_size)))
    fixed = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "float", read, found, fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    options = runtime().SessionOptions()
    options.intra_op_num_threads = 1 if lanes == 1 else 0  # as many as there are cores
    session = runtime().InferenceSession(model, options, providers=["CPUExecutionProvider"])
    state = np.zeros((config.num_layers, lanes, config.hidden_size), np.float32)
    fed = {"rows": ids_of(lanes)[None], "hidden": state, "cell": state}
    return lambda: session.run(None, fed)


def torch_step(config: Config, lanes: int, kind: str) -> Step:
    import torch

    if lanes == 1:  # more threads are slower
        torch.set_num_threads(1)
    dtype = getattr(torch, kind)
    embedding = torch.nn.Embedding(config.vocabulary_size, config.embedding_size, dtype=dtype)
    lstm = torch.nn.LSTM(config.embedding_size, config.hidden_size, config.num_layers, dtype=dtype)
    output = torch.nn.Linear(config.hidden_size, config.vocabulary_size, dtype=dtype)
    zeros = torch.zeros(config.num_layers, lanes, config.hidden_size, dtype=dtype)
    ids = torch.from_numpy(ids_of(lanes)[None])

    @torch.inference_mode()
    def work() -> object:
        return output(lstm(embedding(ids), (zeros, zeros))[0])

    return work


def keras_step(size: str) -> list[str]:
    config = config_of(size)
    script, numbers = PLACE / "peers" / "keras_step.py", (config.num_layers, config.hidden_size, ROWS, EMBEDDING)
    return [*map(str, (keras_python().absolute(), script, *numbers))]


def model_of(size: str, text: str) -> SavedModel:
    layers, units = map(int, size.split("x"))
    read = Path(text).read_text(encoding="utf-8")
    return random_model(read, layers, units, ngram_of=read)


def loop_model() -> SavedModel:
    return random_model(string.ascii_letters + string.digits + " ", layers=2, units=300)


def config_of(size: str) -> Config:
    layers, units = map(int, size.split("x"))
    return Config(ROWS, 1, EMBEDDING, units, layers)


def ids_of(lanes: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, ROWS - 2, lanes)


def child(*arguments: object) -> list[str]:
    return ["-m", "benchmarks.engine", "way", *map(str, arguments)]


def ratio_of(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def heading() -> None:
    click.echo(machine("onnxruntime", "torch"))


if __name__ == "__main__":
    main()
