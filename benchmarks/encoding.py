"""How fast a 200 MB text is read, its vocabulary learned and its ids written: python benchmarks/encoding.py

The text is that of Python's own pydoc_data.topics, repeated; once as it is, once with its small letters turned into
Greek ones (two bytes each). The time is all included: both readings, both files flushed to the disk.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics

from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import encode, learn_tokenizer


def write_text(path: Path, text: str, megabytes: float) -> None:
    """Repeat `text` up to `megabytes`, without ever holding it all."""
    content, left = text.encode(), int(megabytes * 1e6)
    with open(path, "wb") as file:
        while left > 0:
            whole = content if len(content) <= left else content[:left].decode(errors="ignore").encode()
            left -= file.write(whole) if whole else left


def measure(name: str, text: str, megabytes: float, settings: TextSettings) -> None:
    """Print MB/s, and the most memory that this process has ever had."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        write_text(path, text, megabytes)
        size = path.stat().st_size / 1e6
        start = time.perf_counter()
        with read_corpus([path], settings) as corpus:
            read = time.perf_counter() - start
            tokenizer = learn_tokenizer(corpus, settings.vocabulary, settings.lowercase)
            encoded = encode(corpus, tokenizer, Path(folder))
        whole = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        tokens = len(encoded.training) + len(encoded.validation)
        print(
            f"{name}: {size:.0f} MB, {tokens:,} tokens of {tokenizer.size}: {size / whole:.0f} MB/s "
            f"({read:.2f} s to read and learn, {whole - read:.2f} s to encode), peak memory {peak:.0f} MB"
        )


def main() -> None:
    """Measure both texts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--vocabulary", default="char")
    parser.add_argument("--lines", action="store_true")
    chosen = parser.parse_args()
    settings = TextSettings(vocabulary=chosen.vocabulary, lines=chosen.lines)
    english = "".join(topics.values())
    greek = english.translate({code: code - ord("a") + ord("α") for code in range(ord("a"), ord("z") + 1)})
    print(f"{platform.machine()}, Python {platform.python_version()}")
    measure("English", english, chosen.megabytes, settings)
    measure("Greek letters", greek, chosen.megabytes, settings)


if __name__ == "__main__":
    main()
