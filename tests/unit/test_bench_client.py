"""The benchmark notices when a kernel is wrong: its client and metrics face a server that tells the truth, or lies."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import client, rounds  # noqa: E402
from benchmarks.kernels import FLOOR, KERNELS, Kernel  # noqa: E402
from benchmarks.metrics import METRICS  # noqa: E402
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
