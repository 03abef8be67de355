"""Critical and significant limits of the site: its own, else those of the published list it chose (clinical.md 4.6)."""

from __future__ import annotations

from decimal import Decimal

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.critical import CriticalLimit, Operator, profile
from refrain.contracts.site import Limits, SiteSettings


def critical_limits(analyte: str, site: SiteSettings) -> tuple[CriticalLimit, ...]:
    """Limits beyond which a result is critical; the site's own replace the list's for that analyte."""
    own = site.critical.get(analyte)
    if own is not None:
        return _own(analyte, own, False)
    listed = profile(site.critical_profile).get(analyte, ())
    return tuple(limit for limit in listed if not limit.significant)


def significant_limits(analyte: str, site: SiteSettings) -> tuple[CriticalLimit, ...]:
    """Limits beyond which a result is significant, not critical: LU and HU."""
    own = site.significant.get(analyte)
    if own is not None:
        return _own(analyte, own, True)
    listed = profile(site.critical_profile).get(analyte, ())
    return tuple(limit for limit in listed if limit.significant)


def _own(analyte: str, limits: Limits, significant: bool) -> tuple[CriticalLimit, ...]:
    """Own limits are in the canonical unit (see :class:`refrain.contracts.site.Limits`)."""
    unit = CATALOGUE[analyte].unit if analyte in CATALOGUE else ""
    sides: tuple[tuple[Operator, Decimal | None], ...] = (
        ("<=" if limits.low_inclusive else "<", limits.low),
        (">=" if limits.high_inclusive else ">", limits.high),
    )
    return tuple(
        CriticalLimit(
            analyte, operator, limit, unit, f"{operator} {limit} {unit}", outpatients_only=limits.outpatients_only,
            significant=significant,
        )
        for operator, limit in sides
        if limit is not None
    )  # fmt: skip
