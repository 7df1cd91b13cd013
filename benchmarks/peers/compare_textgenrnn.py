"""textgenrnn from PyPI. Its last version needs TensorFlow 2.1 to 2.3, which exists for Python 3.8 and older."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from textgenrnn import textgenrnn

raise SystemExit(f"{textgenrnn.__name__} can be imported again: measure it here")
