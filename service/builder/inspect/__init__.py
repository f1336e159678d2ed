"""Reads off a loaded Keras model what the card says: layers, inputs, outputs. Runs no data through it."""

from service.builder.inspect.feeds import call_numbers
from service.builder.inspect.graph import input_names, output_names, walk
from service.builder.inspect.inputs import input_facts
from service.builder.inspect.layers import layers_of
from service.builder.inspect.outputs import output_facts, output_layers

__all__ = [
    "call_numbers",
    "input_facts",
    "input_names",
    "layers_of",
    "output_facts",
    "output_layers",
    "output_names",
    "walk",
]
