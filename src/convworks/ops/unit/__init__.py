"""Operations of `convworks.ops` for a single number, as a sum of terms.

Each module is named after its operation. `forward` returns the terms of one output value, `backward` those of the
message at one input value, `gradient` those of the derivative of one parameter. Images are channels first.
"""
