"""What keeps the program in the source from being the one that answers."""

from dataclasses import dataclass

from forst_asgi.supervisor import Problem, Standing, parse_problems


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a sidecar is not what its source says.

    Attributes:
        upstream: the upstream's name.
        headline: what happened, in a few words.
        output: what the compiler or the program wrote; lines without control characters, but untrusted text.
        problems: the mistakes in it that have a place.
        is_served: whether the last good program runs and answers.
    """

    upstream: str
    headline: str
    output: str
    problems: tuple[Problem, ...]
    is_served: bool

    @property
    def summary(self) -> str:
        """The first mistake with its place, else the first line; one line."""
        if not self.problems:
            return next(iter(self.output.splitlines()), self.headline)
        first = self.problems[0]
        place = ":".join(str(part) for part in (first.file, first.line, first.column) if part is not None)
        more = len(self.problems) - 1
        return f"{place}: {first.message}" + (f" (and {more} more)" if more else "")


def trouble_of(upstream: str, standing: Standing) -> Trouble | None:
    """Return what is wrong with where a sidecar stands, None when nothing is known to be."""
    is_served = standing.takes_requests
    if standing.build_problem is not None:
        text = standing.build_problem
        return Trouble(upstream, "could not be built", text, parse_problems(text), is_served)
    if standing.problem is not None:
        headline = "could not be replaced by what was built last" if is_served else "does not run"
        return Trouble(upstream, headline, standing.problem, (), is_served)
    return None
