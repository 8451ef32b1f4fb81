"""The base of all configuration models: frozen, no unknown keys, every mistake reported at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler  # where pydantic 2.9 has it, too
from pydantic_core import InitErrorDetails

from forst_asgi.config.diagnostics import mistakes_in
from forst_asgi.config.findings import Finding, carried_over, nearest, raised, wrong
from forst_asgi.config.origin import Origin, written_in
from forst_asgi.errors import ConfigError


class Table(BaseModel):
    """One table of the configuration.

    Built in Python, it raises a ConfigError that lists every mistake, not a pydantic error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=True)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise ConfigError(mistakes=mistakes_in(error, self._python_origin(), data)) from None

    # Tells pydantic to build nested tables without calling this method, as it does for its own models,
    # so that their mistakes are collected instead of ending the validation.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # functions take attributes

    @classmethod
    def _across(cls, _data: Mapping[str, Any]) -> Iterable[Finding]:
        """Yield the mistakes that only several keys together make; values may be of any type."""
        return ()

    @classmethod
    def _completed(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the data with the defaults that depend on other keys."""
        return data

    @model_validator(mode="wrap")
    @classmethod
    def _check_whole(
        cls, data: object, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        # Checks across keys look at what was written, not at the model, because there is no model as long
        # as one key is wrong, and nobody likes to hear of the next mistake only after mending the first.
        if not isinstance(data, Mapping):
            return handler(data)
        findings = [*cls._attribute_names(data, info), *cls._across(data)]
        try:
            model = handler(cls._completed(data))
        except ValidationError as error:
            details = [cls._reworded(each) for each in carried_over(error)]
            found = [finding.details() for finding in findings]
            raise ValidationError.from_exception_data(cls.__name__, [*details, *found]) from None
        if findings:
            raise raised(cls.__name__, findings)
        return model

    @classmethod
    def _reworded(cls, details: InitErrorDetails) -> InitErrorDetails:
        """Return the details of an unknown key of this very table with a suggestion."""
        where = details.get("loc", ())
        if len(where) != 1 or _kind(details) != "extra_forbidden":
            return details
        return Finding(where, cls._unknown(where[0])).details()

    @classmethod
    def _unknown(cls, key: object) -> Any:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        return wrong("unknown key", suggestion=nearest(key, keys))

    @classmethod
    def _attribute_names(cls, data: Mapping[str, Any], info: ValidationInfo) -> Iterator[Finding]:
        """Yield the keys that Python code may use, but a file may not: `routes` for `route`."""
        for name, field in cls.model_fields.items():
            if field.alias and name in data and field.alias not in data and written_in(info).is_file:
                yield Finding((name,), wrong("unknown key", suggestion=field.alias))

    @classmethod
    def _python_origin(cls) -> Origin:
        names = {field.alias: name for name, field in cls.model_fields.items() if field.alias}
        return Origin.python(prefix=(cls.__name__,), shown_as=names)


def _kind(details: InitErrorDetails) -> str:
    error = details["type"]
    return error if isinstance(error, str) else error.type
