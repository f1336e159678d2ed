"""Owns the text of `convoy classify`: what became of a folder of pictures."""

from collections.abc import Iterator

from service.cli.table import printable
from service.offline.archive.run import Summary

_FEW = 6


def summary_text(found: Summary) -> str:
    """Return what became of the pictures, the first bad ones with the reason, and what else there is to know."""
    return "\n".join(_lines(found))


def _lines(found: Summary) -> Iterator[str]:
    earlier = f" ({found.resumed:,} of them before this run)" if found.resumed else ""
    speed = (found.pictures - found.resumed) / max(found.seconds, 1e-9)
    yield f"{found.pictures:,} pictures{earlier} in {found.seconds:,.1f} s, {speed:,.0f}/s: {found.out}"
    if found.bad:
        yield f"{found.bad:,} could not be answered; their rows say why in the column error:"
        yield from (f"  {printable(path)}: {printable(reason)}" for path, reason in found.examples)
        if found.bad > len(found.examples):
            yield f"  and {found.bad - len(found.examples):,} more"
    if found.passed_over:
        told = sorted(found.passed_over.items(), key=lambda one: (-one[1], one[0]))[:_FEW]
        listed = ", ".join(f"{count:,} {printable(suffix) or 'without a suffix'}" for suffix, count in told)
        yield f"passed over, as not asked for by their names: {listed}"
    for text, count in found.warnings.items():
        yield f"warning: {text} ({count:,} pictures)"
