"""What a site decides for itself: the parameters of clinical.md section 21, in one validated model.

Every default is site policy until a named clinician signs it. The hash of the settings that judged travels on
every flag, call and alert.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from refrain.contracts.ids import canonical_json

CriticalProfile = Literal["none", "starling", "sunrise", "houston_methodist", "citilab", "u_iowa"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Limits(_Strict):
    """Own limits of one analyte, in its canonical unit. ``low``/``high`` are beyond which a value is critical."""

    low: Decimal | None = None
    low_inclusive: bool = False
    high: Decimal | None = None
    high_inclusive: bool = False
    outpatients_only: bool = False


class CatalogueRange(_Strict):
    """A reference interval of the site for one analyte, specimen, method and laboratory (clinical.md R-1)."""

    analyte: str
    specimen: str
    method: str
    lab: str
    low: Decimal | None = None
    high: Decimal | None = None
    low_inclusive: bool = True
    high_inclusive: bool = True
    sex: Literal["M", "F"] | None = None
    age_from_years: int | None = None
    age_below_years: int | None = None


class SiteSettings(_Strict):
    """Names are the keys of clinical.md section 21 with ``.`` written ``_``; unknown keys fail."""

    critical_profile: CriticalProfile = "none"
    critical: dict[str, Limits] = Field(default={}, description="own critical limits by analyte code")
    significant: dict[str, Limits] = Field(default={}, description="significant, not critical: LU, HU")
    range_use_textbook: bool = False
    catalogue: tuple[CatalogueRange, ...] = ()
    time_zone: str = "UTC"
    """Zone of the calendar dates of collection (SER-5)."""
    delta_ratio_above: Decimal = Decimal("10")
    delta_ratio_below: Decimal = Decimal("0.1")
    delta_change_pct: Decimal = Decimal("50")
    delta_trend_pct: Decimal = Decimal("25")
    baseline_window_days: int = 60
    confirm_late_days: int = 120
    crh_ife_pair_days: int = 42
    crh_marrow_days: int = 365
    vegf_pd_above_uln: bool = True
    vegf_baseline_2x_uln: Literal["tag", "off", "enforce"] = "tag"
    pet_liver_proxy: bool = True
    igg_safety_low: Decimal = Decimal("4")
    igg_safety_rearm: Decimal = Decimal("4.5")
    ladder_repeat_days: tuple[int, int] = (14, 28)
    ladder_gap_days: int = 42
    washout_daratumumab_days: int = 180
    washout_bevacizumab_days: int = 100
    infection_window_days: int = 28
    dex_window_days: int = 1
    """Days after a dexamethasone dose in which glucose and cortisol are read with it (clinical.md 13.3)."""
    gap_recheck_days: int = 56

    @property
    def hash(self) -> str:
        """Short hash of everything that judges."""
        return _short_hash(self.model_dump_json())


@lru_cache(maxsize=16)
def _short_hash(settings: str) -> str:
    """Of a JSON document, whatever the order of its keys. Every step asks for it, and the settings stay the same."""
    return sha256(canonical_json(json.loads(settings)).encode()).hexdigest()[:12]
