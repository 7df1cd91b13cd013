"""From text files to token ids, in the order of the data.

documents                          what a user names becomes documents
formats, decoding                  documents become text
lines, corpus                      the text is split into a training and a validation part
tokenizer, characters, symbols     text becomes token ids, and comes back
vocabularies                       the table of tokenizers
encoded                            the ids on disk
"""
