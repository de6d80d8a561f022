"""A stage in the YAML: a dotted path, or a mapping with ``use`` and the stage's options."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

__all__ = ["ModelUse", "Names", "StageUse", "UsedModel", "UsedStage"]


class StageUse(BaseModel):
    """A function to run, with its options; options are checked against its signature.

    Attributes:
        use: dotted path: ``vision.yolo_nms``, ``package.module:function``.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(min_length=1, description="Dotted path of the function.")

    @property
    def options(self) -> dict[str, Any]:
        """Keywords of the function."""
        return dict(self.model_extra or {})


def _as_stage(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


UsedStage = Annotated[
    StageUse,
    BeforeValidator(_as_stage),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"use": {"type": "string"}},
                    "required": ["use"],
                    "additionalProperties": True,
                },
            ],
            "description": "A dotted path, or `use` with options of the function.",
        }
    ),
]


class ModelUse(BaseModel):
    """One model of a pipeline that has several.

    Attributes:
        model: its name on the gateway.
        preprocess, postprocess: stages of this model; those of the pipeline if left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, description="Name of the model on the gateway.")
    preprocess: UsedStage | None = Field(
        default=None, description="Stage before this model; that of the pipeline if left out."
    )
    postprocess: UsedStage | None = Field(
        default=None, description="Stage after this model; that of the pipeline if left out."
    )


def _as_model(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


UsedModel = Annotated[ModelUse, BeforeValidator(_as_model)]


def _as_names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[
    list[str],
    BeforeValidator(_as_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
