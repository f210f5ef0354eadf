"""One unit, explained: the terms that an operation of `convworks.ops` adds up for a single number.

Each module is named like its operation. `forward` gives the terms of one output value, `backward` those of the message
at one input value, `gradient` those of one parameter's derivative. Images are channels first.
"""
