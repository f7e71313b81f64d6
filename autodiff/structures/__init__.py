"""Structures of numbers: containers, opened and made anew, and the numbers in them, flattened and put back.

`containers` knows lists, tuples, dicts, named tuples and dataclasses, and nothing of numbers; `structure` stands on it,
and on Value. Neither loads numpy: whoever hands over an array has done that.
"""
