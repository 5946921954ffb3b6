"""What a feature is: its name, definition, unit, warm-up, source and what missing means."""

from dataclasses import dataclass, field

from marketsentry.core.lineage import hash_params
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class FeatureDef:
    """One feature.

    `lookback_bars` is the warm-up: bars before the current one, without loss between, that a value needs.
    `source` names the input (`bars`, `funding`, ...). `missing_rule` says when the value is NaN.
    """

    name: str
    definition: str
    unit: str
    lookback_bars: int
    source: str
    missing_rule: str

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise InputError(f"feature name must be an identifier, was {self.name!r}")
        if self.lookback_bars < 0:
            raise InputError(f"lookback_bars of {self.name} must be >= 0, was {self.lookback_bars}")


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The features of one set, in column order. Its hash is stamped on snapshots and models."""

    version: str
    features: tuple[FeatureDef, ...]
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    max_lookback_bars: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = tuple(feature.name for feature in self.features)
        if not names:
            raise InputError("a feature schema needs at least one feature")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise InputError(f"feature names must be distinct, repeated: {repeated}")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "max_lookback_bars", max(one.lookback_bars for one in self.features))

    @property
    def hash(self) -> str:
        """SHA-256 of the version and of every field of every feature, in order."""
        return hash_params({"version": self.version, "features": self.features})
