"""The syntax of path templates, prefixes and rewrites."""

from collections.abc import Callable

import pytest
from pydantic_core import PydanticCustomError

from forst_asgi.config.template import (
    literal_prefix,
    parameters,
    path_template,
    plain_target,
    rewrite_template,
)

Check = Callable[[str], str]


@pytest.mark.parametrize(
    "template",
    ["/", "/calculate", "/calculate/", "/quotes/{id:int}", "/{a}/{b:path}", "/{x}.json", "/a-{b}_{c:uuid}"],
)
def test_a_good_template_is_kept(template: str) -> None:
    """Whatever Starlette's router can use passes unchanged."""
    assert path_template(template) == template


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (path_template, "calculate", 'expected a path that starts with "/"'),
        (path_template, "", 'expected a path that starts with "/"'),
        (path_template, "http://h/x", 'expected a path that starts with "/"'),
        (path_template, "/a?b=c", 'a path has no "?" or "#"'),
        (path_template, "/a#b", 'a path has no "?" or "#"'),
        (path_template, "/a b", "no spaces"),
        (path_template, "/a\\b", "backslashes"),
        (path_template, "/a//b", '"//" matches no request'),
        (path_template, "//a", '"//" matches no request'),
        (path_template, "/a/../b", '"." and ".." segments'),
        (path_template, "/a/.", '"." and ".." segments'),
        (path_template, "/{a", "the braces are not balanced"),
        (path_template, "/a}", "the braces are not balanced"),
        (path_template, "/{{a}}", "the braces are not balanced"),
        (path_template, "/{}", '"{}" is no parameter'),
        (path_template, "/{1a}", '"{1a}" is no parameter'),
        (path_template, "/{a:}", '"{a:}" is no parameter'),
        (path_template, "/{a}/{a:int}", 'the parameter "a" stands twice'),
        (path_template, "/{a:itn}", 'the convertor "itn" is not known, expected "float", "int", "path"'),
        (rewrite_template, "v2", 'expected a path that starts with "/"'),
        (rewrite_template, "/{a:int}", "convertors belong to `path`, expected just {a}"),
        (rewrite_template, "/{a", "the braces are not balanced"),
        (rewrite_template, "/{}", '"{}" is no parameter'),
        (literal_prefix, "api", 'expected a path that starts with "/"'),
        (literal_prefix, "/", "there is nothing to strip"),
        (literal_prefix, "/api/", "must not end in a slash"),
        (literal_prefix, "/{tenant}", "cannot have parameters"),
        (plain_target, "healthz", 'expected a path such as "/healthz"'),
        (plain_target, "/a b", 'expected a path such as "/healthz"'),
        (plain_target, "/a#b", 'expected a path such as "/healthz"'),
    ],
)
def test_a_bad_path_is_explained(check: Check, value: str, said: str) -> None:
    """Each rule of a path has words of its own."""
    with pytest.raises(PydanticCustomError) as caught:
        check(value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("check", "value", "suggestion"),
    [
        (path_template, "quotes/{id}", "/quotes/{id}"),
        (path_template, "http://h/x", None),
        (path_template, "/a?b", "/a"),
        (path_template, "/a//b", "/a/b"),
        (path_template, "/{a:itn}", "int"),
        (literal_prefix, "/api/", "/api"),
    ],
)
def test_what_was_meant_is_suggested(check: Check, value: str, suggestion: str | None) -> None:
    """Where the right path can be guessed, it is offered."""
    with pytest.raises(PydanticCustomError) as caught:
        check(value)
    assert (caught.value.context or {})["suggestion"] == suggestion


def test_parameters_come_in_their_order() -> None:
    """The names of parameters are found without their convertors."""
    assert parameters("/{b:int}/x/{a}") == ("b", "a")


def test_good_prefixes_rewrites_and_targets_are_kept() -> None:
    """The other kinds of path pass unchanged, a target with its query."""
    assert literal_prefix("/api/v1") == "/api/v1"
    assert rewrite_template("/v2/{id}") == "/v2/{id}"
    assert plain_target("/healthz?deep=1") == "/healthz?deep=1"
