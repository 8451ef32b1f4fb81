"""Who answers a request that matched a route."""

from forst_asgi.decision import Decision, Mode, Reason, Target, decide


def test_mode_off_leaves_the_request_to_the_app() -> None:
    """`off` means that the app answers, and says why."""
    assert decide("off") == Decision(Target.APP, Reason.MODE_OFF)


def test_mode_on_gives_the_request_to_the_sidecar() -> None:
    """`on` means that the sidecar answers, and says why."""
    assert decide("on") == Decision(Target.SIDECAR, Reason.MODE_ON)


def test_every_mode_that_can_be_configured_is_decided() -> None:
    """There is no mode in the type for which nothing is decided."""
    modes: tuple[Mode, ...] = ("off", "on")
    assert {decide(mode).target for mode in modes} == set(Target)


def test_targets_and_reasons_show_as_text() -> None:
    """What stands in logs is plain text, the same in every version."""
    assert [str(target) for target in Target] == ["app", "sidecar"]
    assert [str(reason) for reason in Reason] == ["mode_off", "mode_on"]
