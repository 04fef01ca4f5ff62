from __future__ import annotations

from pathlib import Path

from ops.demo import files

ROOT = Path(__file__).resolve().parents[3]


def test_carries_the_real_files_and_says_whose_they_are(tmp_path: Path) -> None:
    attribution = Path(files.__file__).with_name("ATTRIBUTION.md").read_text()
    for department, name in files.FILES.items():
        path = files.unpacked(department, tmp_path)
        assert path.name == name
        assert path.read_bytes() == (ROOT / "tests" / "data" / name).read_bytes()
        assert f"`{name}`" in attribution
