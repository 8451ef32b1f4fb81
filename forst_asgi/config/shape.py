"""How a value looks where it is written, for the JSON Schema."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """The JSON Schema of a value; an annotation of its type.

    It does what pydantic's WithJsonSchema does, but pydantic 2.9 writes the defaults and examples of one
    field into the very dictionary that it was given, where the next field finds them.
    """

    schema: dict[str, Any]

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return deepcopy(self.schema)
