"""Owns the Open Inference Protocol, version 2: `/v2/…`, as Triton and KServe speak it, with the binary extension."""
