"""Sweeps on many machines: dask.distributed hands out groups, workers commit their shards.

A task is the id of a group and the few hundred bytes of the config; a result is a receipt. Nothing
that is measured passes through the scheduler, unless the workers cannot reach the store.
"""
