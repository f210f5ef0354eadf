"""Reference definitions: every operation of the lectures with forward pass, backward message and parameter gradient.

An operation is a module of this folder: `forward(x, ...)` computes it, `backward(message, ...)` turns the message at
its output (the derivative of the loss by each output value) into the message at its input, and `gradient(message, ...)`
gives the derivative of the loss by its parameters. All compute in float64 on NumPy arrays, from the formulas in
their docstrings, without automatic differentiation. Images are [batch, channel, *size] or, with
`layout="channels_last"`, [batch, *size, channel].

Lectures: 000 and 003 are NPFL114 (Straka) of 2018 and 2019, 001 is SSU (Drchal), 002 MSDS 631 (Ruddy), 004 the
slides on CNNs adapted from Karpathy, Fergus and others.
"""
