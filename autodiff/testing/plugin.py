"""What hypothesis loads when it is imported, so that `st.from_type(Value)` works.

It stands apart from the strategies because these import hypothesis, which at that moment is being imported.
"""

from typing import Any


def register() -> None:
    """Tell hypothesis that `values()` are the examples of Value; the entry point of the group `hypothesis`.

    >>> register()
    >>> from hypothesis import find, strategies as st
    >>> from autodiff import Value
    >>> find(st.from_type(Value), lambda x: x > 1.0)
    Value(2.0, grad=0.0)
    """
    from hypothesis import strategies as st

    from autodiff.value import Value

    def of(kind: Any) -> st.SearchStrategy[Value]:
        from autodiff.testing.strategies import values

        return values()

    st.register_type_strategy(Value, of)
