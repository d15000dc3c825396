"""What is left out of a support bundle, and how it is packed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from controller.cli.bundle import LEFT_OUT, packed, paths_in, scrubbed, secrets_in, without_secrets


def test_settings_keep_their_form_and_paths_and_lose_what_sounds_secret() -> None:
    plain = {"keep_removed": 5, "secret_file": "/run/s", "monkey": 1}
    given = {"a": {"password": "x", "api_key": 7, **plain}, "tokens": ["t"]}
    assert without_secrets(given) == {
        "a": {"password": LEFT_OUT, "api_key": LEFT_OUT, **plain},
        "tokens": [LEFT_OUT],
    }
    assert list(paths_in(given)) == [Path("/run/s")]


def test_what_stands_in_a_secret_file_is_left_out_as_it_is_and_as_json_writes_it(tmp_path: Path) -> None:
    (tmp_path / "one").write_text('quo"ted\n')
    (tmp_path / "short").write_text("ab")
    (tmp_path / "gone").symlink_to("/nowhere")
    secrets = secrets_in([tmp_path, tmp_path / "missing"])
    assert secrets == {'quo"ted'}
    assert (
        scrubbed('a quo"ted b quo\\"ted ab ftp://u:p@host/x', secrets) == f"a {LEFT_OUT} b {LEFT_OUT} ab ftp://host/x"
    )


def test_a_bundle_is_a_folder_of_files_for_its_owner() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed({"a/b.txt": "x"}, "f"))) as tar:
        assert [(each.name, each.mode) for each in tar.getmembers()] == [("f/a/b.txt", 0o600)]
