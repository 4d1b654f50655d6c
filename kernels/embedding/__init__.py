"""Embedding: a table with one row of numbers for each index, and the rows that a batch of indices asks for.

A class, a token or a site number says nothing by its size, so a network cannot compute with it. An embedding gives each
one a vector that is learnt. Looking up is a gather; the gradient of a row is the sum of what all its places receive,
computed as a gather too: each row of the gradient belongs to one index, which collects its places in their order. A
scatter, in which every place adds to its row, would let two threads write to one row at once.

``embedding_renorm_update`` shortens rows that have become too long, in place, as torch's ``max_norm`` asks for.
``reference.py`` holds the formulas, ``cpu.py`` and ``cuda.py`` the fast twins. The layer is in
``mediml/nn/modules/embedding.py``.
"""
