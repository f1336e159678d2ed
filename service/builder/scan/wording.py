"""How names, sizes and places from an untrusted file are put into a diagnosis."""

from dataclasses import dataclass, replace

from service.builder.scan.report import GIB, KIB, MIB

_LONGEST_NAME = 80
_UNITS = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))


def shown(name: str) -> str:
    """Quote a name taken from the file: one line, printable, not too long."""
    printable = "".join(c if c.isprintable() and c != "`" else "?" for c in name[: _LONGEST_NAME + 1])
    clipped = printable if len(printable) <= _LONGEST_NAME else printable[:_LONGEST_NAME] + "…"
    return f"`{clipped}`"


def sized(number: int) -> str:
    """Write a number of bytes the way people read it."""
    for unit, label in _UNITS:
        if number >= unit:
            return f"{number / unit:,.1f} {label}"
    return f"{number} bytes"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the architecture something was found: the layer names on the way, without the model's own."""

    layers: tuple[str, ...] = ()
    is_model_known: bool = False
    depth: int = 0

    def __str__(self) -> str:
        return f"Layer {shown('/'.join(self.layers))}" if self.layers else "The model"

    def deeper(self) -> "Place":
        """Step one bracket down."""
        return replace(self, depth=self.depth + 1)

    def inside(self, name: str) -> "Place":
        """Step into a layer; the outermost object is the model itself, whose name says nothing."""
        if not self.is_model_known:
            return replace(self, is_model_known=True)
        return replace(self, layers=(*self.layers, name))
