"""From text files to token ids, in the order of the data.

sources     what a user names becomes documents
unpacking, formats, decoding, reading     documents become text; `notes` says what was done to them
lines, labels, splitting, census, corpus  the text is split into a training and a validation part
tokenizer, vocabularies, unicode          text becomes token ids, and comes back
encoded     the ids on disk
"""
