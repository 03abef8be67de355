"""Reads the folder of sender profiles."""

from __future__ import annotations

from pathlib import Path

from services.intake.domain.profile import Profile, ProfileError, load_profile


def load_profiles(folder: Path) -> tuple[Profile, ...]:
    """All profiles of a folder, by sender. ProfileError names the file and what is wrong with it; no folder: none."""
    found: dict[str, Profile] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            profile = load_profile(path.read_text(encoding="utf-8"))
        except (ProfileError, UnicodeDecodeError, OSError) as error:
            told = str(error) if isinstance(error, ProfileError) else type(error).__name__
            raise ProfileError(f"{path.name}: {told}") from None
        if profile.sender in found:
            raise ProfileError(f"{path.name}: there is another profile of the sender {profile.sender}")
        found[profile.sender] = profile
    return tuple(found[sender] for sender in sorted(found))
