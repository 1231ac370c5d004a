"""Which inputs move an output: for `saliency.py`.

`methods` says what a character is given by each way to attribute, `trials` asks whether
these numbers mean anything, `pictures` shows them.
"""
