from __future__ import annotations

from pathlib import Path

import pytest

from drivers.bmc.base import check_vms, read_secret
from drivers.shared.settings import SettingsError

A, A_TURNED = "00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-AABBCCDDEEFF"


def test_a_secret_is_one_line_whatever_ends_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" pa ss \r\n")
    assert read_secret(str(tmp_path / "secret")) == " pa ss "


@pytest.mark.parametrize("text", ["", "\n", "password\naction=on\n", "a\0b"])
def test_a_secret_that_is_none_or_several_lines_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(text)
    with pytest.raises(SettingsError, match="one line"):
        read_secret(str(tmp_path / "secret"))


@pytest.mark.parametrize(
    ("vms", "message"),
    [
        (["node-1"], "'node-1' is no machine's UUID: write what /sys/class/dmi/id/product_uuid says"),
        (["03000200-0400-0500-0006-000700080009"], "no machine's UUID"),
        ([A, A], "two machines have the vm"),
        ([A, A_TURNED], "two machines have the vm"),
    ],
)
def test_each_machine_has_a_uuid_of_its_own(vms: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_vms(vms)
