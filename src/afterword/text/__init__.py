"""From text files to token ids: corpus.py reads and splits, tokenizer.py turns text into ids, encoded.py keeps them."""
