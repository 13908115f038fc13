"""The benchmark notices when a kernel is wrong: its client and metrics face a server that tells the truth, or lies."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import client, flow, plot, rounds  # noqa: E402
from benchmarks.kernels import FLOOR, KERNELS, OURS, Kernel, floors  # noqa: E402
from benchmarks.metrics import METRICS, Row  # noqa: E402
from benchmarks.report import WRONG, Report, percentile, summarise  # noqa: E402
from benchmarks.session import Bench, Session  # noqa: E402


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield Bench(context, sys.executable, tmp_path, size=5, settle_s=0.0, idle_s=0.01)
    context.destroy(linger=0)


def liar(lie: str) -> Kernel:
    arguments = (*KERNELS[FLOOR].arguments, *([lie] if lie else []))
    return Kernel("liar", "zmq", ("pyzmq",), arguments)


def measured(bench: Bench, lie: str, *names: str, times: int = 1) -> tuple[rounds.Results, Report]:
    metrics = [METRICS[name] for name in names]
    results = rounds.run(bench, [liar(lie)], metrics, times, lambda text: None)
    return results, Report(results, ["liar"], metrics, [])


def test_a_server_that_tells_the_truth_fills_every_cell_without_a_fault(bench: Bench) -> None:
    results, report = measured(bench, "", *(name for name, metric in METRICS.items() if metric.floor))
    assert not any(results.faults.values()), results.faults
    assert WRONG not in report.table()
    assert "## Latency" in report.table()
    assert len(results.samples["liar", "execute_ms"][0]) == bench.size
    assert all(value > 0 for value in results.samples["liar", "start_execute_ms"][0])
    assert report.as_json()["results"]["liar"]["execute_ms"]["n"] == bench.size


@pytest.mark.parametrize(
    "lie, told",
    [
        ("no-reply", "no reply for execute_request 1 of"),
        ("no-idle", "no idle status for execute_request 1 of"),
        ("status", "status 'error'"),
    ],
)
def test_a_lost_or_wrong_answer_leaves_a_mark_and_no_number(
    bench: Bench, lie: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REPLY_DEADLINE_S", 1.0)
    _, report = measured(bench, lie, "execute")
    table = report.table()
    [line] = [line for line in table.splitlines() if "→ reply and idle" in line]
    assert line.split("|")[3].strip() == f"{WRONG}1"
    assert told in table


@pytest.mark.parametrize(
    "lie, told", [("count", "execution_count 4 after 2"), ("late", "stream of a request after its idle")]
)
def test_an_answer_that_is_there_but_wrong_marks_the_number(bench: Bench, lie: str, told: str) -> None:
    _, report = measured(bench, lie, "execute")
    table = report.table()
    assert f" {WRONG}1" in table
    assert told in table
    assert "–" not in table


def test_a_kernel_whose_signatures_are_wrong_is_not_taken_for_ready(bench: Bench) -> None:
    session, results = Session(bench, liar("signature")), rounds.Results()
    assert not rounds.up(session, results)
    assert results.faults["liar", "ready"] == {"bad signature": rounds.STARTS}
    assert not session.running


def test_a_kernel_that_ends_at_once_says_its_last_words(bench: Bench) -> None:
    kernel = Kernel("quitter", "zmq", ("pyzmq",), ("{python}", "-c", "raise SystemExit('I cannot')"))
    session = Session(bench, kernel)
    with pytest.raises(client.Fault, match="it ended: I cannot"):
        session.ready()
    session.close()


def test_a_metric_that_keeps_failing_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REPLY_DEADLINE_S", 0.2)
    results, _ = measured(bench, "no-reply", "execute", times=rounds.GIVE_UP_AFTER + 1)
    assert sum(results.faults["liar", "execute"].values()) == rounds.GIVE_UP_AFTER


def test_every_item_goes_first_in_turn() -> None:
    assert [rounds.rotated("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert rounds.rotated([], 2) == []


def test_percentiles_lie_between_neighbours() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.25, 0.5, 1.0)] == [1.0, 1.5, 2.0, 3.0]


def test_a_summary_tells_the_ratio_of_medians_and_the_median_of_ratios() -> None:
    summary = summarise([[1.0], [4.0], [9.0]], [[2.0], [4.0], [6.0]])
    assert summary is not None
    assert (summary.n, summary.median, summary.ratio, summary.paired) == (3, 4.0, 1.0, 1.0)
    assert summarise([], [[1.0]]) is None


def test_every_metric_says_what_it_measures_and_fills_rows_of_its_own() -> None:
    assert all(metric.doc for metric in METRICS.values())
    keys = [row.key for metric in METRICS.values() for row in metric.rows]
    assert len(keys) == len(set(keys))


def test_more_is_better_is_turned_round_for_the_picture_and_a_lost_answer_is_shown() -> None:
    told = {
        "rows": {
            "rate": {"title": "pipelined", "more": True},
            "cpu": {"title": "… CPU", "more": False},
        },
        "results": {
            "ours": {"rate": {"ratio": 4.0, "median": 4.0}, "cpu": {"ratio": 0.5, "median": 1.0}},
            "ipykernel": {"rate": {"ratio": 1.0, "median": 1.0}, "cpu": {"ratio": 1.0, "median": 2.0}},
            "lossy": {"rate": {"faults": {"stuck": 1}}, "cpu": {"faults": {"odd": 1}, "ratio": 2.0, "median": 4.0}},
        },
    }
    assert plot.compared(told) == [("pipelined", {"ours": 0.25}), ("pipelined: CPU", {"ours": 0.5, "lossy": 2.0})]
    assert plot.failed(told) == {"pipelined": {"lossy"}}


def test_the_picture_of_a_run_is_drawn(bench: Bench, tmp_path: Path) -> None:
    _, report = measured(bench, "", "execute")
    document = report.as_json()
    document["results"] = {
        label: {
            key: {**row, "ratio": 1.0 if label == "ipykernel" else 0.5}
            for key, row in document["results"]["liar"].items()
        }
        for label in ("kernelet", "ipykernel")
    }
    about = {"machine": {"cpu": "one", "cores": 1}, "python": "3", "begun": "2026-01-01T00:00:00"}
    (tmp_path / "bench.json").write_text(json.dumps({**document, **about}))
    picture = plot.draw(tmp_path / "bench.json")
    assert picture is not None
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "bench.svg").read_text()


def test_rounds_stop_at_the_budget(bench: Bench) -> None:
    told: list[str] = []
    results = rounds.run(bench, [liar("")], [METRICS["execute"]], 50, told.append, budget_s=0.0)
    assert len(results.loads) == 1
    assert "time for no more than 1 of 50 rounds" in told[-1]


def test_what_takes_long_is_not_measured_in_every_round(bench: Bench) -> None:
    metric = dataclasses.replace(METRICS["execute"], rounds=1)
    results = rounds.run(bench, [liar("")], [metric, METRICS["silent"]], 2, lambda text: None)
    assert len(results.samples["liar", "execute_ms"]) == 1
    assert len(results.samples["liar", "silent_ms"]) == 2


def test_a_goal_is_a_value_and_more_may_be_better(bench: Bench) -> None:
    rows = (
        Row("fast", "fast", "ms", goal=1.0),
        Row("many", "many", "", goal=10.0, more=True),
        Row("none", "none", "", goal=1.0),
    )
    metric = dataclasses.replace(METRICS["execute"], rows=rows)
    results = rounds.Results()
    results.samples[OURS, "fast"] = [[2.5], [0.4, 0.5, 3.0], [1.5]]
    results.samples[OURS, "many"] = [[9.0], [8.0]]
    results.samples[FLOOR, "fast"] = [[0.3], [0.2]]
    verdicts = Report(results, [OURS, FLOOR], [metric], []).goals()
    told = [(verdict.best, verdict.median, verdict.floor, verdict.reached) for verdict in verdicts]
    # The best round is what a quiet machine is like.
    assert told == [(0.5, 1.5, 0.2, True), (9.0, 8.5, None, False), (None, None, None, False)]
    assert str(verdicts[0]) == (
        "reached kernelet, fast [fast]: 0.500 at best, 1.50 all in all, goal 1.00, floor 0.200 at best"
    )


def test_a_lost_message_in_a_flow_is_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "QUIET_S", 0.3)
    session = Session(bench, liar("no-idle"))
    try:
        session.ready()
        requests = session.client.requests(3, "execute_request", flow.CELL | {"code": "pass"})
        with pytest.raises(client.Fault, match=r"stuck: 3/3 replies, 0/3 idles after \d+ s, 6 msgs"):
            flow.flow(session.client, requests)
    finally:
        session.close()


def test_the_floors_under_start_and_execute_are_measured(bench: Bench) -> None:
    commands = floors(["start", "execute"])
    results = rounds.run(bench, [], [], 1, lambda text: None, commands)
    assert not any(results.faults.values()), results.faults
    table = Report(results, [], [], commands).floors()
    for command in commands:
        [line] = [line for line in table.splitlines() if line.startswith(f"| {command} ")]
        assert all(float(cell.replace(",", "")) > 0 for cell in line.strip("| ").split("|")[1:])


def test_a_command_that_prints_no_number_is_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rounds.IN_PROCESS, "broken", "print('none')")
    results = rounds.run(bench, [], [], 1, lambda text: None, ["broken"])
    assert "✗" in Report(results, [], [], ["broken"]).floors()
