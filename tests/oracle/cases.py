"""Cases as parameters of tests."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.oracle.corpus import Case


def each_case(cases: Mapping[str, Case], sites: Iterable[str]) -> list[Any]:
    """Return a parameter for each case at each site; one with a known bug has to fail there."""
    return [_parameter(case, site) for site in sites for case in cases.values()]


def _parameter(case: Case, site: str) -> Any:
    marks = [pytest.mark.xfail(reason=case.options["bug"], strict=True)] if case.fails_at(site) else []
    return pytest.param(case, site, id=f"{site}-{case.name}", marks=marks)
