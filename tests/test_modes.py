"""no_grad, detect_anomaly, readings, and with blocks that end whatever interrupts them."""

import asyncio
import copy
import gc
import math
import operator
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import autodiff as ad
from autodiff import Value, modes, sources
from autodiff.backprop import one_pass_at_a_time
from autodiff.system import blocks, inside, logs
from autodiff.transforms import runs
from tests.examples import line_here


def test_no_grad_records_nothing() -> None:
    x = Value(2.0)
    with ad.no_grad():
        results = [x * x, -x, x + 1, ad.exp(x), ad.sum([x, x]), ad.dot([x], [x]), *ad.softmax([x, x]), x**2, x / 2]
    assert [(y.op, y.operands, y.local_gradients) for y in results] == [(None, (), ())] * len(results)
    assert results[0].data == 4.0
    assert (x * x).op is not None


def test_modes_are_restored_after_an_error_and_nest() -> None:
    x = Value(2.0)
    with pytest.raises(ZeroDivisionError), ad.no_grad():
        raise ZeroDivisionError
    assert (x * x).op is not None
    with ad.no_grad():
        with ad.detect_anomaly(), ad.record_source():
            assert (x * x).op is None
        assert (x * x).op is None
        assert (x * x).source is None
    assert modes.current() is None


def test_modes_decorate_functions() -> None:
    @ad.no_grad()
    def f(x: Value) -> Value:
        return x * x

    assert f(Value(2.0)).op is None
    assert f(Value(3.0)).data == 9.0


def test_modes_belong_to_one_thread() -> None:
    made = []
    with ad.no_grad():
        thread = threading.Thread(target=lambda: made.append(Value(2.0) * 3.0))
        thread.start()
        thread.join()
    assert made[0].op is not None


def test_anomaly_names_operation_operands_and_line() -> None:
    x = Value(-1.0, "x")
    with ad.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        line = line_here() + 1
        ad.log(x)
    assert str(caught.value) == f"log made nan from Value(-1.0, grad=0.0, label='x')\n  at {__file__}:{line}"


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("add", lambda x: x + math.inf),
        ("mul", lambda x: x * 1e308 * 10),
        ("div", lambda x: x / 0.0),
        ("div", lambda x: x / (x - x)),
        ("exp", lambda x: ad.exp(x * 1000)),
        ("dot", lambda x: ad.dot([x, x], [1e308, 1e308])),
        ("sum", lambda x: ad.sum([x, math.nan])),
        ("pow", lambda x: (-x) ** 0.5),
    ],
)
def test_anomaly_is_found_in_every_kind_of_operation(name: str, operation: object) -> None:
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match=f"^{name} made (inf|-inf|nan) from "):
        operation(Value(2.0))  # type: ignore[operator]
    with ad.detect_anomaly(), ad.no_grad(), pytest.raises(FloatingPointError, match=f"^{name} made "):
        operation(Value(2.0))  # type: ignore[operator]


def test_anomaly_in_backward_names_the_operation_and_changes_no_gradient() -> None:
    x, y = Value(0.0, "x"), Value(1.0, "y")
    x.grad, y.grad = 5.0, 7.0
    with ad.detect_anomaly():
        line = line_here() + 1
        root = ad.sqrt(x * x)
        out = root + y
        with pytest.raises(FloatingPointError) as caught:
            out.backward()
    message = str(caught.value)
    assert "became inf in the backward pass through sqrt: upstream 1.0 times local gradient inf" in message
    assert f"at {__file__}:{line}" in message
    assert (x.grad, y.grad) == (5.0, 7.0)


def test_anomaly_in_backward_of_a_graph_made_outside_says_how_to_find_the_line() -> None:
    x = Value(0.0)
    y = ad.sqrt(x)
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match="run the forward pass inside detect_anomaly"):
        y.backward()


def test_anomaly_in_backward_sees_finite_shares_that_add_up_to_infinity_and_the_gradient_given() -> None:
    x = Value(1.0)
    with ad.detect_anomaly():
        difference = x * 1e308 - x * -1e307  # either share is finite, 1.7 times their sum is not
        with pytest.raises(FloatingPointError, match=r"became inf in the backward pass through mul"):
            difference.backward(1.7)
        with pytest.raises(FloatingPointError, match=r"upstream 1e\+308 times local gradient 100\.0"):
            (x * 100.0).backward(1e308)
    assert x.grad == 0.0


def test_anomaly_in_backward_sees_the_gradient_given_and_what_a_leaf_has_already() -> None:
    x = Value(1.0)
    x.grad = 1e308
    with ad.detect_anomaly():
        y = x * 1.0
        with pytest.raises(FloatingPointError, match="became inf in the backward pass through mul"):
            y.backward(1e308)
        with pytest.raises(FloatingPointError, match="the gradient that the backward pass starts from is nan"):
            x.backward(math.nan)
    assert x.grad == 1e308


def test_anomaly_shows_no_more_than_eight_operands() -> None:
    with ad.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        ad.sum([Value(1.0), *[2.0] * 20, math.inf])
    assert str(caught.value).splitlines()[0].endswith("from Value(1.0, grad=0.0)" + ", 2.0" * 7 + ", ...")


def test_sound_graphs_pass_anomaly_detection_with_the_same_gradients() -> None:
    x, y = Value(2.0), Value(3.0)
    with ad.detect_anomaly():
        (ad.where(x > 0, x * y, ad.sqrt(y)) / x).backward()
    checked = (x.grad, y.grad)
    x.grad = y.grad = 0.0
    (ad.where(x > 0, x * y, ad.sqrt(y)) / x).backward()
    assert checked == (x.grad, y.grad)


def test_infinite_local_gradient_under_a_zero_upstream_is_no_anomaly() -> None:
    x = Value(0.0)
    with ad.detect_anomaly():
        (0.0 * ad.sqrt(x)).backward()
    assert x.grad == 0.0


# --- readings ---


class Noting:
    """A reading that notes what it is asked, and has Values do as ever."""

    adjoints: Any = None

    def __init__(self) -> None:
        self.asked = list[Any]()

    def _as_ever(self, name: str, f: Callable[..., Any], *args: Any) -> Any:
        self.asked.append(name)
        with modes.plainly():
            return f(*args)

    def apply(self, primitive: Any, operands: Any) -> Any:
        return self._as_ever(primitive.name, primitive, *operands)

    def compare(self, symbol: str, left: Value, right: Any) -> Any:
        return self._as_ever(symbol, COMPARISONS[symbol], left, right)

    def detach(self, x: Value) -> Any:
        return self._as_ever("detach", x.detach)

    def copy(self, x: Value) -> Any:
        return self._as_ever("copy", copy.copy, x)

    def refuse_change(self, x: Value, change: modes.Change) -> None:
        self.asked.append((x, change))

    def is_constant(self, x: Any) -> bool:
        return True


COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
x, y = Value(2.0), Value(3.0)
ASKED: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "an operator": (lambda: x * y, ["mul"]),
    "with a number": (lambda: 2 - x, ["sub"]),
    "a method": (lambda: x.sin(), ["sin"]),
    "a function": (lambda: ad.sum([x, y]), ["sum"]),
    "comparisons": (lambda: [f(x, y) for f in COMPARISONS.values()], list(COMPARISONS)),
    "bool": (lambda: bool(x), ["!="]),
    "detach": (lambda: x.detach(), ["detach"]),
    "copy": (lambda: copy.copy(x), ["copy"]),
    "deepcopy": (lambda: copy.deepcopy([x]), ["detach"]),
    "backward": (lambda: x.backward(), [(x, "backward")]),
    "looking at a number": (lambda: (x.data, x.grad, repr(x), hash(x)), []),
    "a leaf": (lambda: Value(1.0), []),
}


@pytest.mark.parametrize("case", ASKED.values(), ids=ASKED)
def test_a_reading_is_asked_for_each_thing_done_with_values(case: tuple[Callable[[], Any], list[Any]]) -> None:
    use, asked = case
    reading: modes.Reading = Noting()
    with modes.Context(reading=reading):
        assert modes.reading() is reading
        use()
        with modes.plainly():
            use()
        with modes.on_numbers_alone():
            use()
        assert reading.asked == asked  # type: ignore[attr-defined]
        with ad.no_grad(), ad.detect_anomaly():
            use()
        assert reading.asked == asked * 2  # type: ignore[attr-defined]
    assert modes.reading() is None


# --- with blocks end, whatever interrupts them ---

MODES = {"no_grad": ad.no_grad, "detect_anomaly": ad.detect_anomaly, "record_source": ad.record_source}
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
OURS = {(Path(module.__file__).as_posix()) for module in (modes, blocks, inside, logs, sources, runs)}


def is_plain() -> bool:
    """Return whether nothing is ambient, for what is looked up and for what an operation does."""
    x = Value(2.0)
    y = x * ad.tanh(x)
    return modes.now() is None and modes.current() is None and y.op is not None and y.source is None


def interrupted_at(count: int, event: str, work: Callable[[], object]) -> Any:
    """Run `work` with a KeyboardInterrupt at that line or opcode of ours; return it, None if there are not so many."""
    left = count

    def tracer(frame: Any, kind: str, arg: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in OURS:
            return None
        frame.f_trace_opcodes = event == "opcode"
        if kind == event:
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return tracer

    sys.settrace(tracer)
    try:
        work()
    except KeyboardInterrupt as error:
        return error  # with its traceback, which keeps all frames, and what is in them
    finally:
        sys.settrace(None)
        while one_pass_at_a_time._is_owned():  # type: ignore[attr-defined]
            one_pass_at_a_time.release()  # a line ends before its lock is left, where Python looks at no signal
    return None


def in_a_block(context: Any) -> None:
    with context:
        pass


def in_nested_blocks(context: Any) -> None:
    with context, ad.detect_anomaly(), modes.new_leaves as log:
        Value(1.0)
        with context:
            assert log


def in_an_exit_stack(context: Any) -> None:
    with ExitStack() as stack:
        stack.enter_context(context)


def in_a_function(context: Any) -> None:
    context(lambda: None)()


def in_a_generator(context: Any) -> None:
    @context
    def generate() -> Iterator[int]:
        yield 1

    list(generate())


@pytest.mark.parametrize(("mode", "event"), [(ad.no_grad, "opcode"), (ad.no_grad, "line"), (ad.detect_anomaly, "line")])
@pytest.mark.parametrize("use", [in_a_block, in_nested_blocks, in_a_function, in_a_generator])
def test_an_interrupt_anywhere_ends_the_mode_with_its_block(mode: Any, event: str, use: Callable[[Any], None]) -> None:
    context = mode()  # which stays, and could keep what it changed
    interrupted_at(0, event, lambda: use(context))  # Python 3.12 traces no opcodes of a function the first time
    for count in range(1, 20_000):
        error = interrupted_at(count, event, lambda: use(context))
        assert is_plain(), count
        assert modes.new_leaves.blocks() == []
        if error is None:
            assert count > 5
            return
    raise AssertionError("more than was tried")


TRANSFORMS: dict[str, Callable[[], Any]] = {
    "grad": lambda: ad.grad(lambda x: x * x)(2.0),
    "jacobian": lambda: ad.jacobian(lambda x: [x[0] * x[1]])([2.0, 3.0]),
    "vjp": lambda: ad.vjp(lambda x: x * x, 2.0)[1](1.0),
    "grad of grad": lambda: ad.grad(ad.grad(lambda x: x * x * x))(2.0),
}


@pytest.mark.parametrize("call", TRANSFORMS.values(), ids=TRANSFORMS)
def test_an_interrupt_anywhere_in_a_transform_leaves_the_mode_around_it(call: Callable[[], Any]) -> None:
    for count in range(1, 3000, 3):
        with ad.no_grad():
            error = interrupted_at(count, "line", call)
            assert ad.tanh(Value(1.0)).op is None
        assert is_plain()
        assert modes.new_leaves.blocks() == []
        error = interrupted_at(count, "line", call) and error
        assert is_plain()
        assert modes.new_leaves.blocks() == []
        if error is None:
            assert count > 50
            return
    raise AssertionError("more lines than were tried")


@pytest.fixture
def small_heap() -> Iterator[None]:
    """Have the collector look at what the test makes alone: a walk over what others left takes a tenth of a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("small_heap")
def test_an_interrupt_between_entering_and_leaving_by_hand_ends_with_the_context() -> None:
    for count in range(1, 400):
        error = interrupted_at(count, "line", lambda: in_an_exit_stack(ad.no_grad()))
        done = error is None
        del error
        gc.collect()  # the stack's own frames hold the error, which holds them
        assert is_plain()
        if done:
            return
    raise AssertionError


@every_mode
def test_a_context_can_be_entered_again_and_inside_itself(mode: Any) -> None:
    context = mode()
    for _ in range(2):
        with context:
            with context:
                assert not is_plain()
            assert not is_plain()
        assert is_plain()
    assert context is not mode()


@every_mode
def test_a_context_can_be_entered_and_left_by_hand(mode: Any) -> None:
    context = mode()
    context.__enter__()
    context.__enter__()
    context.__exit__(None, None, None)
    assert not is_plain()
    context.__exit__(None, None, None)
    assert is_plain()
    with pytest.raises(RuntimeError, match="was left, but not entered"):
        context.__exit__(None, None, None)
    with ExitStack() as stack:
        stack.enter_context(context)
        stack.enter_context(context)
        assert not is_plain()
    assert is_plain()
    with context, pytest.raises(ZeroDivisionError), ExitStack() as stack:
        stack.enter_context(context)
        raise ZeroDivisionError
    assert is_plain()


@every_mode
def test_a_bare_decorator_is_one_with_parentheses(mode: Any) -> None:
    @mode
    def bare(x: int, *, y: int = 2) -> tuple[bool, int]:
        """Says so."""
        return is_plain(), x + y

    @mode()
    def called(x: int) -> bool:
        return is_plain()

    assert bare(1, y=3) == (False, 4)
    assert not called(1)
    assert (bare.__name__, bare.__doc__) == ("bare", "Says so.")
    assert is_plain()
    with pytest.raises(TypeError, match="expected a function to decorate, got int 3"):
        mode(3)


class Square:
    @ad.no_grad
    def method(self, x: Value) -> Value:
        return x * x

    @classmethod
    @ad.no_grad()
    def of_class(cls, x: Value) -> Value:
        return x * x


def test_methods_are_decorated_as_functions_are() -> None:
    x = Value(2.0)
    assert (Square().method(x).op, Square.of_class(x).op) == (None, None)


# --- generators and coroutines ---


def decorated(mode: Any) -> Any:
    @mode
    def generate(count: int) -> Iterator[Any]:
        for _ in range(count):
            assert not is_plain()
            yield
        return count

    return generate


def around_the_yield(mode: Any) -> Any:
    def generate(count: int) -> Iterator[Any]:
        with mode():
            for _ in range(count):
                assert not is_plain()
                yield
        return count

    return generate


def through_an_inner_one(mode: Any) -> Any:
    def generate(count: int) -> Iterator[Any]:
        return (yield from around_the_yield(mode)(count))

    return generate


def by_a_context_manager_of_ones_own(mode: Any) -> Any:
    @contextmanager
    def manager() -> Iterator[None]:
        with mode():
            yield

    def generate(count: int) -> Iterator[Any]:
        with manager():
            for _ in range(count):
                assert not is_plain()
                yield
        return count

    return generate


GENERATORS = [decorated, around_the_yield, through_an_inner_one, by_a_context_manager_of_ones_own]
every_generator = pytest.mark.parametrize("kind", GENERATORS)


@every_mode
@every_generator
def test_a_mode_in_a_generator_is_not_its_callers(mode: Any, kind: Any) -> None:
    for _ in kind(mode)(3):
        assert is_plain_now()
    assert is_plain()

    def outer() -> Iterator[Any]:
        result = yield from kind(mode)(2)
        assert is_plain()
        yield result

    assert list(outer()) == [None, None, 2]


def is_plain_now() -> bool:
    """Return whether nothing counts here; a generator may be suspended inside of a mode of its own."""
    x = Value(2.0)
    y = ad.tanh(x)
    made = [x * y, y + 1.0, x + x, ad.sum([x, y]), ad.dot([x], [y]), y]
    return modes.now() is None and all(node.op is not None and node.source is None for node in made)


@every_mode
@every_generator
@pytest.mark.parametrize("order", ["abab", "abba", "aabb", "baab"])
def test_interleaved_generators_each_have_their_mode_and_leave_nothing(mode: Any, kind: Any, order: str) -> None:
    running = {"a": kind(mode)(2), "b": around_the_yield(ad.no_grad)(2)}
    for name in order:
        next(running[name])
        assert is_plain_now()
    for name in order[::-2]:
        next(running[name], None)
        assert is_plain_now()
    running.clear()
    assert is_plain()


@every_mode
@every_generator
def test_a_generator_that_is_dropped_closed_or_fails_takes_its_mode_along(mode: Any, kind: Any) -> None:
    dropped, closed, failed = kind(mode)(5), kind(mode)(5), kind(mode)(5)
    for generator in (dropped, closed, failed):
        next(generator)
    del dropped, generator
    closed.close()
    with pytest.raises(ZeroDivisionError):
        failed.throw(ZeroDivisionError)
    assert is_plain()


def test_a_mode_of_the_caller_holds_in_its_generators_and_ends_between_their_turns() -> None:
    def generate() -> Iterator[bool]:
        while True:
            yield is_plain_now()

    generator = generate()
    assert next(generator)
    with ad.no_grad():
        assert not next(generator)
    assert next(generator)
    inside = around_the_yield(ad.no_grad)(3)
    with ad.detect_anomaly():
        next(inside)
        assert modes.now() is not None
        assert (modes.now().recording, modes.now().checking) == (True, True)  # type: ignore[union-attr]
    next(inside)
    assert is_plain_now()


def test_a_context_manager_of_ones_own_has_its_mode_around_the_block() -> None:
    @contextmanager
    def quiet(inner: Any) -> Iterator[None]:
        with inner:
            yield

    with quiet(ad.no_grad()), quiet(quiet(ad.detect_anomaly())):
        assert not is_plain()
        assert modes.now().checking  # type: ignore[union-attr]
    assert is_plain()


@pytest.fixture
def quiet() -> Iterator[None]:
    with ad.no_grad():
        yield


def test_a_fixture_has_its_mode_around_the_test(quiet: None) -> None:
    assert (Value(2.0) * 3.0).op is None


def test_a_fixture_has_its_mode_no_longer_than_its_test() -> None:
    assert is_plain()


async def pause() -> None:
    await asyncio.sleep(0)


def coroutine_by_decorator(mode: Any) -> Any:
    @mode
    async def work() -> bool:
        before = is_plain_now()
        await pause()
        return before or is_plain_now()

    return work


def coroutine_with_a_block(mode: Any) -> Any:
    async def work() -> bool:
        with mode():
            before = is_plain_now()
            await pause()
            return before or is_plain_now()

    return work


every_coroutine = pytest.mark.parametrize("kind", [coroutine_by_decorator, coroutine_with_a_block])


@every_mode
@every_coroutine
def test_a_mode_in_a_coroutine_is_not_that_of_other_tasks(mode: Any, kind: Any) -> None:
    async def other() -> bool:
        plain = []
        for _ in range(5):
            plain.append(is_plain_now())
            await pause()
        return all(plain)

    async def main() -> list[bool]:
        return await asyncio.gather(kind(mode)(), other(), kind(mode)())

    assert asyncio.run(main()) == [False, True, False]
    assert is_plain()


@every_mode
@every_coroutine
def test_a_mode_in_a_coroutine_is_not_that_of_who_drives_it_by_hand(mode: Any, kind: Any) -> None:
    one, other = kind(mode)(), kind(mode)()
    with pytest.raises(StopIteration) as stopped:
        for turn in range(10):
            (one, other)[turn % 2].send(None)
            assert is_plain_now()
    assert stopped.value.value is False
    other.close()
    assert is_plain()


def test_tasks_and_threads_begun_inside_of_a_block_inherit_its_mode() -> None:
    async def inner() -> bool:
        await pause()
        return is_plain_now()

    async def main() -> list[bool]:
        with ad.no_grad():
            gathered = await asyncio.gather(inner(), inner(), asyncio.to_thread(is_plain_now))
        return [*gathered, await asyncio.create_task(inner())]

    assert asyncio.run(main()) == [False, False, False, True]


@every_mode
@pytest.mark.parametrize("bare", [True, False])
def test_a_mode_in_an_asynchronous_generator_is_not_its_callers(mode: Any, bare: bool) -> None:
    async def numbers() -> AsyncIterator[Any]:
        sent: Any = 0
        with nullcontext() if bare else mode():
            while sent is not None:
                assert not is_plain_now()
                await pause()
                try:
                    sent = yield sent
                except ZeroDivisionError:
                    sent = "caught"
            assert not is_plain_now()

    generate = mode(numbers) if bare else numbers

    async def main() -> list[Any]:
        generator = generate()
        found = [await anext(generator)]
        for number in (1, 2):
            assert is_plain_now()
            found.append(await generator.asend(number))
        found.append(await generator.athrow(ZeroDivisionError))
        assert is_plain_now()
        with pytest.raises(StopAsyncIteration):
            await generator.asend(None)
        left = generate()
        async for _ in left:
            assert is_plain_now()
            break
        await left.aclose()
        assert [number async for number in generate()] == [0]
        return found

    assert asyncio.run(main()) == [0, 1, 2, "caught"]
    assert is_plain()


def test_generators_inside_of_a_compiled_function_keep_their_mode_to_themselves() -> None:
    def f(x: Any) -> Any:
        with_gradient = x * x
        generator = around_the_yield_of(x)
        detached = next(generator)
        return with_gradient + x * 3.0 + detached

    def around_the_yield_of(x: Any) -> Iterator[Any]:
        with ad.no_grad():
            yield x * x

    assert ad.compile(ad.grad(f), backend="python")(2.0) == ad.grad(f)(2.0) == 7.0


def test_arithmetic_is_as_fast_as_ever_after_a_block() -> None:
    with ad.no_grad():
        pass
    assert modes.current() is None
    generator = around_the_yield(ad.no_grad)(1)
    next(generator)
    assert modes.current() is not None
    generator.close()
    assert modes.current() is None
