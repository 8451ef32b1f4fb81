"""What a mode comes to by itself."""

from forst_asgi.decision import Decision, Mode, Reason, Target, decide


def test_mode_off_leaves_the_request_to_the_app() -> None:
    """`off` means that the app answers, and says why."""
    assert decide("off") == Decision(Target.APP, Reason.MODE_OFF)


def test_mode_on_gives_the_request_to_the_sidecar() -> None:
    """`on` means that the sidecar answers, and says why."""
    assert decide("on") == Decision(Target.SIDECAR, Reason.MODE_ON)


def test_every_mode_that_can_be_configured_is_decided() -> None:
    """There is no mode in the type for which nothing is decided."""
    modes: tuple[Mode, ...] = ("off", "canary", "on")
    assert {decide(mode).target for mode in modes} == set(Target)
