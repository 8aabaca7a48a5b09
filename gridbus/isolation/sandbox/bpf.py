"""Assembles seccomp's filters: classic BPF, from blocks that can be put into each other.

A block is a list of instructions that ends with a verdict on every way through it. Jumps are relative, so a block means
the same wherever it stands.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""

Block: TypeAlias = list[Instruction]

MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_LONGEST_JUMP = 255
_LOAD, _AND, _JUMP, _RETURN = 0x20, 0x54, 0x05, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_PACK = struct.Struct("=HBBI").pack
INSTRUCTION_SIZE, OPERAND_AT = 8, 4


def verdict(action: int) -> Block:
    """Return the block that ends with ``action``."""
    return [(_RETURN, 0, 0, action)]


def when_argument_is(index: int, values: Sequence[int], then: Block, otherwise: Block) -> Block:
    """Decide by the lower half of an argument: is it one of ``values``."""
    return [_low(index), *_choose(values, then, otherwise)]


def when_masked_is(index: int, mask: int, values: Sequence[int], then: Block, otherwise: Block) -> Block:
    """Decide by some bits of the lower half of an argument."""
    return [_low(index), (_AND, 0, 0, mask), *_choose(values, then, otherwise)]


def when_any_bit(index: int, mask: int, then: Block, otherwise: Block) -> Block:
    """Decide by whether any bit of ``mask`` is set in the lower half of an argument."""
    return [_low(index), *_branch(_IF_ANY_BIT, mask, then, otherwise)]


def when_null(index: int, then: Block, otherwise: Block) -> Block:
    """Decide by whether an argument is zero in all its 64 bits: a pointer to nothing."""
    lower = [_low(index), *_branch(_IF_EQUAL, 0, then, otherwise)]
    return [_high(index), *_branch(_IF_EQUAL, 0, lower, otherwise)]


def dispatch(blocks: Mapping[int, Block], otherwise: Sequence[tuple[int, Block]]) -> Block:
    """Choose a block by the number of the call, in the fewest comparisons.

    ``otherwise`` gives (first number, block) for the numbers that have no block of their own, in rising order from 0.
    """
    starts: list[tuple[int, Block]] = []

    def begin(number: int, block: Block) -> None:
        if starts and starts[-1][0] == number:
            starts.pop()
        if not starts or starts[-1][1] != block:
            starts.append((number, block))

    for (first, rest), upto in zip(otherwise, [*(start for start, _ in otherwise[1:]), 1 << 32], strict=True):
        begin(first, rest)
        for number in sorted(number for number in blocks if first <= number < upto):
            begin(number, blocks[number])
            begin(number + 1, rest)
    return [(_LOAD, 0, 0, _NUMBER_AT), *_tree(starts)]


def for_architecture(audit: int, then: Block, otherwise: Block) -> Block:
    """Tell calls of one architecture from those of any other that the processor can play."""
    return [(_LOAD, 0, 0, _ARCH_AT), *_branch(_IF_EQUAL, audit, then, otherwise)]


def assemble(block: Block) -> bytes:
    """Return the program as the kernel takes it, ``INSTRUCTION_SIZE`` bytes for each instruction."""
    if len(block) > MOST_INSTRUCTIONS:
        raise ValueError(f"a filter of {len(block)} instructions, the kernel takes {MOST_INSTRUCTIONS}")
    return b"".join([_PACK(*instruction) for instruction in block])


def _tree(starts: Sequence[tuple[int, Block]]) -> Block:
    if len(starts) == 1:
        return starts[0][1]
    middle = len(starts) // 2
    return _branch(_IF_AT_LEAST, starts[middle][0], _tree(starts[middle:]), _tree(starts[:middle]))


def _choose(values: Sequence[int], then: Block, otherwise: Block) -> Block:
    """Compare with one value after the other: blocks of arguments are short."""
    chain = otherwise
    for value in reversed(values):
        chain = _branch(_IF_EQUAL, value, then, chain)
    return chain


def _branch(code: int, operand: int, then: Block, otherwise: Block) -> Block:
    if len(otherwise) <= _LONGEST_JUMP:
        return [(code, len(otherwise), 0, operand), *otherwise, *then]
    # a conditional jump reaches no further than 255 instructions
    return [(code, 0, 1, operand), (_JUMP, 0, 0, len(otherwise)), *otherwise, *then]


def _low(index: int) -> Instruction:
    """Load the lower half of an argument; both architectures are little-endian."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)


def _high(index: int) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + 4)
