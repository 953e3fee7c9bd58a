"""What workers in pods send home arrives file by file, and a cut parcel is no parcel."""

from __future__ import annotations

import pytest

from harness.errors import LoadError
from harness.load.parcels import Label, packed, unpacked

LABEL = Label(life="a", t=5, files={"announced-load-0.arrow": 3, "attempts-load-0.arrow": 4})


def test_each_file_gets_its_bytes() -> None:
    """Bytes may be anything, a line feed too."""
    label, pieces = unpacked(packed(LABEL, [b"a\nb", b"\n\n\n\n"]))

    assert label == LABEL
    assert pieces == {"announced-load-0.arrow": b"a\nb", "attempts-load-0.arrow": b"\n\n\n\n"}


@pytest.mark.parametrize(
    "parcel", [packed(LABEL, [b"a\nb"]), packed(LABEL, [b"a\nb", b"12345"]), b"{}\n", b""]
)
def test_a_parcel_that_is_not_whole_is_refused(parcel: bytes) -> None:
    """Nothing of it may be taken for the ledger."""
    with pytest.raises(LoadError, match="a load worker"):
        unpacked(parcel)
