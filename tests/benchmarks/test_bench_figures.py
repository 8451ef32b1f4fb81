"""Medians, ratios and what is kept of a run."""

from pathlib import Path

import pytest

from benchmarks import wrk
from benchmarks.figures import Column, Run, Sample, read

OURS = Column("json-32", "unix", "cpu_us")
FLOOR = Column("json-32", "empty", "cpu_us")

WRK = """Running 1s test @ http://127.0.0.1:8000/json
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.12ms    1.50ms  22.03ms   88.10%
    Req/Sec     7.90k   510.00     8.61k    70.00%
  Latency Distribution
     50%  980.00us
     75%    4.55ms
     90%    5.10ms
     99%    1.25s
  8000 requests in 2.00s, 1.25MB read
Requests/sec:   4000.00
Transfer/sec:    640.00KB
"""


def run_of(**columns: list[float]) -> Run:
    """A run in which each contender had these CPU times, round by round."""
    samples = [
        Sample("json-32", contender, turn, {"cpu_us": value})
        for contender, values in columns.items()
        for turn, value in enumerate(values)
    ]
    return Run(samples=samples)


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the whole machine was slow does not change the ratio."""
    run = run_of(unix=[20, 200, 21], empty=[10, 100, 10])
    assert run.median(OURS) == 21
    assert run.ratio(OURS, FLOOR) == 2
    assert run.difference(OURS, FLOOR) == 11


def test_rounds_that_one_of_two_missed_do_not_count() -> None:
    """Only rounds with both sides make a ratio."""
    run = run_of(unix=[20, 30, 40], empty=[10])
    assert run.ratio(OURS, FLOOR) == 2


def test_what_was_not_measured_has_no_figure() -> None:
    """There is neither a median, nor a ratio, nor a difference; and nothing is divided by nothing."""
    run = run_of(unix=[20], empty=[])
    assert run.median(FLOOR) is None
    assert run.ratio(OURS, FLOOR) is None
    assert run.difference(OURS, FLOOR) is None
    assert run_of(unix=[20], empty=[0]).ratio(OURS, FLOOR) is None


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Everything comes back from the JSON, one sample a line."""
    run = run_of(unix=[20, 30])
    run.contenders, run.notes, run.machine = (
        {"unix": ("ours", "uvicorn")},
        ["caddy is left out"],
        {"cpu": "2"},
    )
    run.write(tmp_path / "results.json")
    assert read(tmp_path / "results.json") == run
    assert sum('"cpu_us"' in line for line in (tmp_path / "results.json").read_text().splitlines()) == 2


def test_what_wrk_prints_is_understood() -> None:
    """Requests, their rate and the percentiles are read with their units."""
    assert wrk.parsed(WRK) == wrk.Load(8000, 4000.0, 980.0, 1_250_000.0)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (f"{WRK}  Non-2xx or 3xx responses: 7\n", "Non-2xx or 3xx responses: 7"),
        (
            f"{WRK}  Socket errors: connect 0, read 9, write 0, timeout 0\n",
            "Socket errors: connect 0, read 9",
        ),
        (WRK.replace("8000 requests", "0 requests"), "no answer at all"),
        ("unable to connect", "no answer at all"),
    ],
)
def test_a_load_that_went_wrong_is_no_figure(output: str, told: str) -> None:
    """Answers that are errors, broken connections and silence are told, not averaged."""
    with pytest.raises(wrk.LoadError, match=told):
        wrk.parsed(output)


def test_wrk_is_called_for_whole_seconds() -> None:
    """The command has the connections, at least one second, and the script if there is one."""
    assert wrk.command("http://x/", 32, 0.2)[1:4] == ["-t1", "-c32", "-d1s"]
    assert wrk.command("http://x/", 1, 3, "post.lua")[-3:] == ["-s", "post.lua", "http://x/"]
    assert 'wrk.method = "POST"' in wrk.posting(b'{"n":1}')
