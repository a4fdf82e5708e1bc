"""What the chart's sections share: keys in camelCase, unknown ones refused, and types that Kubernetes itself checks."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

#: A mapping or a list of the Kubernetes API, passed on as it is: the API server judges it.
Mapping = dict[str, Any]
Objects = list[dict[str, Any]]
Texts = dict[str, str]
#: auto: where the cluster knows the kind.
Switch = bool | Literal["auto"]


class Section(BaseModel):
    """A mapping of the values, with a description for each key."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
