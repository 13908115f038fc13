"""The truth about state: what a result says of an execution's end is what happened to the interpreter."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import psutil
import pytest

from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import BadRequest, Exists, NotFound, TooMany
from kernelet.service.execution import Execution, Options
from kernelet.service.places import Places
from kernelet.service.result import Done, ExecutionResult, Started, Text
from kernelet.service.session import Session
from kernelet.service.verdict import Ending, verdict
from service_tools import Sync, begun, settings

Run = Callable[..., ExecutionResult]


def text(result: ExecutionResult) -> str:
    """Return the text of the only rich output."""
    [output] = result.results
    return str(output.data["text/plain"])


def test_a_result_has_the_streams_apart_and_the_last_expression(run: Run) -> None:
    result = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
    assert (result.status, result.stdout, result.stderr, text(result)) == ("ok", "out\n", "err\n", "42")
    assert (result.execution_count, result.cause, result.notice, result.state_lost) == (1, None, None, False)


def test_variables_and_imports_last_from_call_to_call(run: Run) -> None:
    run("import math\nx = 5")
    assert text(run("math.floor(x + 0.5)")) == "5"


def test_an_exception_is_told_by_name_value_and_traceback(run: Run) -> None:
    result = run("def f():\n    1 / 0\nf()")
    assert result.status == "error"
    assert result.error is not None
    assert (result.error.name, result.error.value) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in "\n".join(result.error.traceback)
    assert "\x1b" not in "".join(result.error.traceback)


def test_a_failing_statement_ends_its_cell(run: Run) -> None:
    assert run("1/0\nprint('never')").stdout == ""


@pytest.mark.parametrize("code, incomplete", [("if True:", True), ("x = (1,", True), ("x = = 1", False), ("1", False)])
def test_code_that_only_begins_is_said_to_need_more(run: Run, code: str, incomplete: bool) -> None:
    assert run(code).needs_more_input is incomplete


def test_a_blank_line_within_a_function_does_not_end_it(run: Run) -> None:
    assert text(run("def f():\n    a = 1\n\n    return a\nf()")) == "1"


def test_magics_and_shell_lines_work(run: Run) -> None:
    assert run("!echo one && echo two; false || echo three").stdout.split() == ["one", "two", "three"]


def test_a_timeout_interrupts_and_keeps_the_variables(run: Run) -> None:
    run("x = 1")
    result = run("while True: pass", timeout=0.5)
    assert (result.status, result.cause, result.timed_out, result.state_lost) == ("interrupted", "timeout", True, False)
    assert result.notice == "Execution exceeded 0.5 s and was interrupted; variables are kept."
    assert text(run("x")) == "1"


def test_code_that_cannot_be_interrupted_is_killed_and_the_id_lives_on(run: Run) -> None:
    run("x = 1")
    begun = time.monotonic()
    result = run("import time\nwhile True:\n try: time.sleep(9)\n except KeyboardInterrupt: pass", timeout=0.5)
    assert time.monotonic() - begun < 0.5 + 1.5 + 4
    assert (result.status, result.cause, result.exit_code) == ("exit", "timeout", -9)
    assert (result.timed_out, result.state_lost, result.generation) == (True, True, 1)
    assert result.notice is not None
    assert "all variables are lost" in result.notice
    assert (after := run("x")).error is not None
    assert after.error.name == "NameError"


def test_sys_exit_is_an_exit_that_keeps_the_state(run: Run) -> None:
    run("x = 1")
    result = run("import sys; sys.exit(2)")
    assert (result.status, result.cause, result.exit_code, result.state_lost) == ("exit", "sys_exit", 2, False)
    assert text(run("x")) == "1"


@pytest.mark.parametrize("code, status", [("import os; os._exit(3)", 3), ("import ctypes; ctypes.string_at(0)", -11)])
def test_the_death_of_the_process_is_a_crash_with_its_exit_status(run: Run, code: str, status: int) -> None:
    result = run(code)
    assert (result.status, result.cause, result.exit_code, result.state_lost) == ("exit", "crash", status, True)
    assert run("'alive'").status == "ok"


def test_output_before_a_crash_is_not_lost(run: Run) -> None:
    # ZMQ sends in a thread of its own, which os._exit ends, too: on a machine with other work 2 to 7 of 60 were lost.
    code = "import os, time; print('last words', flush=True); time.sleep(1); os._exit(0)"
    assert run(code).stdout == "last words\n"


async def succeeded(session: Session) -> None:
    """Wait for the session's second kernel."""
    while session.generation == 0:  # noqa: ASYNC110  # tests look, the session tells nobody
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_death_between_calls_is_told_and_the_next_code_is_not_run(sync: Sync, run: Run, noticed: bool) -> None:
    session = run.session  # type: ignore[attr-defined]
    run("import os, threading")
    run("threading.Timer(0.2, os._exit, [9]).start()")
    if noticed:
        sync(succeeded(session))
    else:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(session.life.pid)
            deadline = time.monotonic() + 30
            while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
                time.sleep(0.01)
    result = run("print('replayed')")
    assert (result.status, result.cause, result.state_lost, result.stdout) == ("exit", "crash", True, "")
    assert result.notice is not None
    # Not noticed before the code was sent, it cannot be told for sure.
    assert ("was not run" if noticed else "all variables are lost") in result.notice
    assert run("print('anew')").stdout == "anew\n"


def test_quit_ends_the_interpreter_and_says_that_it_did(run: Run) -> None:
    result = run("quit()")
    assert (result.status, result.cause, result.exit_code, result.state_lost) == ("exit", "sys_exit", 0, True)
    assert run("1").status == "ok"


def test_a_restart_comes_before_the_code_and_counts_as_generation(run: Run) -> None:
    run("x = 1")
    result = run("'x' in globals()", restart=True)
    assert (text(result), result.generation, result.execution_count) == ("False", 1, 1)


def test_a_restart_needs_no_code(run: Run) -> None:
    run("x = 1")
    assert run("", restart=True).status == "ok"


def test_variables_of_a_call_are_gone_after_it(run: Run) -> None:
    assert run("import os; os.environ['KF_A']", envs={"KF_A": "1"}).status == "ok"
    assert text(run("os.environ.get('KF_A', 'gone')")) == "'gone'"


def test_executions_of_a_session_come_in_order(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]

    async def several() -> list[ExecutionResult]:
        return await asyncio.gather(*(session.run(f"seen = [*globals().get('seen', []), {n}]") for n in range(10)))

    sync(several())
    assert text(run("seen")) == str(list(range(10)))


def test_a_one_shot_that_ends_makes_no_room_for_a_session_more(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(max_sessions=1)

    async def main() -> str:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(sync.engine.ephemeral())
            await sync.engine.create("the-only-one")
            ending = asyncio.create_task(stack.pop_all().aclose())
            await asyncio.sleep(0)  # no longer among the sessions, and not gone yet
            with pytest.raises(TooMany) as caught:
                await sync.engine.create()
            assert not ending.done()
            await ending
        return str(caught.value)

    assert sync(main()) == "There are 1 sessions already, as many as may be."


def test_who_waits_for_a_place_and_gives_up_takes_none() -> None:
    async def main() -> int:
        places = Places(1)
        await places.take()
        waiting = asyncio.create_task(places.take())
        with pytest.raises(TooMany):
            await waiting  # nobody is leaving
        async with places.leave():
            waiting = asyncio.create_task(places.take())
            await asyncio.sleep(0)
            with pytest.raises(TooMany):
                await places.take()  # that place is promised
            waiting.cancel()
            second = asyncio.create_task(places.take())
            await asyncio.sleep(0)
        await second
        assert waiting.cancelled()
        return places.taken

    assert asyncio.run(main()) == 1


def test_a_full_queue_refuses_and_says_when_to_come_back(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(queue_depth=2)
    session = sync.session()

    async def crowd() -> None:
        busy = session.submit("import time; time.sleep(30)")
        await begun(session)
        waiting = [session.submit("1"), session.submit("2")]
        with pytest.raises(TooMany) as refusal:
            session.submit("3")
        assert refusal.value.status == 429
        assert refusal.value.retry_after
        session.interrupt()
        assert (await busy.result).cause == "client"
        assert [(await one.result).status for one in waiting] == ["ok", "ok"]

    sync(crowd())


def test_the_caps_on_sessions_and_one_shots_hold(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(max_sessions=1, max_concurrent_oneshot=1)
    sync.session("only")
    with pytest.raises(TooMany):
        sync.session("another")

    async def crowd() -> list[Any]:
        runs = [sync.engine.run("1") for _ in range(1000)]
        return await asyncio.gather(*runs, return_exceptions=True)

    ended = sync(crowd())
    assert sum(isinstance(one, TooMany) for one in ended) == 999
    assert [one.status for one in ended if isinstance(one, ExecutionResult)] == ["ok"]


def test_a_one_shot_has_its_own_interpreter_and_variables(sync: Sync) -> None:
    first = sync(sync.engine.run("import os; x = 1; os.environ['KF_B']", envs={"KF_B": "b"}))
    second = sync(sync.engine.run("'x' in globals(), 'KF_B' in __import__('os').environ"))
    assert (text(first), text(second)) == ("'b'", "(False, False)")
    assert first.session_id != second.session_id


def test_an_abandoned_call_is_interrupted_and_the_session_is_free(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]

    async def abandon() -> None:
        events = session.execute("print('begun', flush=True)\nwhile True: pass")
        async for event in events:
            if isinstance(event, Text):
                break
        await events.aclose()

    sync(abandon())
    assert run("'free'").status == "ok"
    assert session.journal.entries[0]["status"] == "interrupted"


def test_an_abandoned_call_that_waits_is_never_run(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]

    async def abandon() -> None:
        first = session.submit("import time; time.sleep(0.3)")
        waiting = asyncio.create_task(session.run("ran = True"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await first.result

    sync(abandon())
    assert text(run("'ran' in globals()")) == "False"


def test_the_events_tell_it_as_it_happens(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]

    async def collect() -> list[Any]:
        return [event async for event in session.execute("import time\nprint('a')\ntime.sleep(0.2)\nprint('b')\n3")]

    events = [event for event in sync(collect()) if event.type != "ping"]
    assert isinstance(events[0], Started)
    assert "".join(event.text for event in events if isinstance(event, Text)) == "a\nb\n"
    assert events[-2].type == "result"
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.result.status, done.result.stdout) == ("ok", "")
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))


def test_a_question_comes_after_what_was_printed_before_it() -> None:
    """They come by two sockets, which may be read in another order."""

    async def scenario() -> list[str]:
        execution = Execution("s", "", Options(), 60, None, settings())
        subscription = execution.subscribe()

        def take(channel: str, kind: str, **content: Any) -> None:
            execution.take(channel, {"header": {"msg_type": kind}, "content": content})

        take("stdin", "input_request", prompt="name? ", password=False)
        take("iopub", "execute_input", execution_count=1)
        take("iopub", "stream", name="stdout", text="first\n")
        kinds = []
        async for event in subscription.events():
            kinds.append(event.type)
            if event.type == "input_request":
                execution.conclude(verdict(Ending()), [])
        return kinds

    assert asyncio.run(scenario()) == ["started", "stdout", "input_request", "done"]


def test_sessions_do_not_wait_for_each_other(sync: Sync) -> None:
    one, other = sync.session(), sync.session()

    async def both() -> None:
        busy = one.submit("import time; time.sleep(30)")
        assert (await other.run("1")).status == "ok"
        assert not busy.result.done()
        one.interrupt()
        await busy.result

    sync(both())


def test_ids_are_unique_valid_and_known(sync: Sync) -> None:
    sync.session("named")
    with pytest.raises(Exists):
        sync.session("named")
    with pytest.raises(NotFound):
        sync.engine.session("unknown")
    for bad in ("..", "a/b", "", "x" * 129, "-x"):
        if bad:
            with pytest.raises(BadRequest):
                sync.session(bad)


def test_the_default_session_is_there_when_it_is_asked_for(sync: Sync) -> None:
    async def ask() -> set[int]:
        return {id(await sync.engine.obtain()) for _ in range(2)}

    assert len(sync(ask())) == 1


def test_only_idle_sessions_are_culled(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(idle_timeout=100.0)
    busy, idle = sync.session("busy"), sync.session("idle")

    async def scenario() -> None:
        running = busy.submit("import time; time.sleep(30)")
        await begun(busy)
        assert await sync.engine.cull(idle.journal.idle_since + 99) == []
        assert await sync.engine.cull(idle.journal.idle_since + 101) == ["idle"]
        assert idle.state == "closed"
        busy.interrupt()
        await running.result

    sync(scenario())


def test_looking_at_a_session_does_not_keep_it(sync: Sync) -> None:
    from kernelet.service.inspection import stats

    session = sync.session()
    before = session.journal.idle_since
    assert sync(stats(session))["variables"] == []
    assert session.journal.idle_since == before


def test_a_kernel_that_nobody_has_sent_anything_is_not_asked_for_its_variables(sync: Sync) -> None:
    from kernelet.service.inspection import stats

    session = sync.session()
    assert session.life.untouched
    assert sync(stats(session))["variables"] == []
    assert session.life.untouched
    sync(session.run("x = 1"))
    assert sync(stats(session))["variables"] == ["x"]
    sync(session.restart())
    assert session.life.untouched
    assert sync(stats(session))["variables"] == []


def test_an_old_session_is_culled_once_it_is_idle(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(max_lifetime=1000.0, idle_timeout=0.0)
    old = sync.session("old").journal.created
    assert sync(sync.engine.cull(old + 999)) == []
    assert sync(sync.engine.cull(old + 1001)) == ["old"]


def test_the_end_of_the_engine_leaves_no_process() -> None:
    async def scenario() -> list[psutil.Process]:
        async with Engine(settings()) as engine:
            one, other = await engine.create(), await engine.create()
            await one.run("import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)")
            running = other.submit("import time; time.sleep(1000)")
            pids = [session.life.pid for session in (one, other)]
            processes = [psutil.Process(pid) for pid in pids]
            processes += [child for process in processes for child in process.children(recursive=True)]
            assert len(processes) >= 3
            await asyncio.sleep(0)
        assert (await running.result).cause == "shutdown"
        return psutil.wait_procs(processes, timeout=10)[1]

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == []


def test_variables_history_and_one_variable_as_text(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]
    run("a = 1\nb = 'x' * 500")
    assert sync(session.variables())["variables"] == ["a", "b"]
    shown = sync(session.variables("b", max_chars=100))
    assert "omitted" in shown["value"]
    with pytest.raises(NotFound):
        sync(session.variables("zzz"))
    assert [entry["code"] for entry in session.journal.entries] == ["a = 1\nb = 'x' * 500"]
    assert session.journal.execution_count == 1


def test_clear_takes_variables_and_history_and_keeps_the_counts(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]
    run("x = 1")
    sync(session.clear())
    assert (list(session.journal.entries), session.journal.execution_count) == ([], 1)
    assert text(run("'x' in globals()")) == "False"


def test_a_working_folder_and_variables_of_a_session_survive_its_kernel(sync: Sync, tmp_path: Any) -> None:
    session = sync(sync.engine.create(options=SessionOptions(cwd=tmp_path, envs={"KF_C": "c"})))
    sync(session.restart())
    result = sync(session.run("import os; print(os.getcwd(), os.environ['KF_C'])"))
    assert result.stdout == f"{tmp_path} c\n"


def test_a_timeout_that_means_nothing_is_refused(run: Run) -> None:
    for timeout in (0, -1, 1e9):
        with pytest.raises(BadRequest):
            run("1", timeout=timeout)


def test_options_have_defaults() -> None:
    assert Options() == Options(timeout=None, envs={}, restart=False)


def test_the_backend_is_ready_once_the_zygote_has_what_it_imports(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(preload=["wave"])
    backend = sync.engine.backend

    async def warm() -> None:
        while not await backend.ready():  # noqa: ASYNC110  # a probe asks, too
            await asyncio.sleep(0.01)

    assert not sync(backend.ready())
    sync(warm())
    result = sync(sync.engine.run("import sys; 'wave' in sys.modules"))
    assert text(result) == "True"
