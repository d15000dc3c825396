"""libvirt's XML as what the driver needs of it."""

from __future__ import annotations

from controller.model import DiskId, Epoch, VmId
from drivers.libvirt.devices import stamp_xml
from drivers.libvirt.inventory import parse_side, stamp_uri
from drivers.libvirt.looking.pools import ceph_pool, only

VM = VmId("11111111-0000-4000-8000-000000000000")


def domain(metadata: str = "", devices: str = "") -> str:
    return f"<domain><metadata>{metadata}</metadata><devices>{devices}</devices></domain>"


def stamp(epoch: int, vm: str, unit: str) -> str:
    made = stamp_xml(VmId(vm), 0).replace('unit="0"', f'unit="{unit}"')
    return made.replace("<stamp", f'<r:stamp xmlns:r="{stamp_uri(Epoch(epoch))}"')


def test_stamps_of_another_vm_are_not_ours() -> None:
    """A clone has the metadata of the VM it was made from."""
    text = domain(stamp(3, VM, "9") + stamp(8, "22222222-0000-4000-8000-000000000000", "1"))
    assert parse_side(text, VM, str).stamps == {Epoch(3): 9}


def test_a_disk_named_as_a_volume_is_the_file_in_the_pool_s_folder() -> None:
    xml = "<disk><source pool='p' volume='v.qcow2'/><target dev='sdb' bus='scsi'/></disk>"
    assert parse_side(domain(devices=xml), VM, {"p": "/pool"}.__getitem__).disks[0].files == ("/pool/v.qcow2",)


def test_the_files_under_a_snapshot_belong_to_the_disk() -> None:
    chain = "<disk><source file='/over'/><backingStore><source file='/pool/../pool/base'/></backingStore></disk>"
    assert parse_side(domain(devices=chain), VM, str).disks[0].files == ("/over", "/pool/base")


def test_only_a_virtio_scsi_controller_counts() -> None:
    xml = "<controller type='scsi' index='0' model='lsilogic'/><controller type='scsi' index='2' model='virtio-scsi'/>"
    assert parse_side(domain(devices=xml), VM, str).controller == 2
    assert parse_side(domain(), VM, str).controller is None


def test_an_image_of_ceph_s_is_one_disk_whatever_name_it_had_when_it_was_attached() -> None:
    """So that a VM which has it under an old name counts as one that has it."""
    xml = "<disk type='network'><source protocol='rbd' name='pool/reberth-a.b.{}'/><target dev='sdb'/></disk>"
    disks = parse_side(domain(devices=xml.format("0a") + xml.format("new")), VM, str).disks
    assert [each.files for each in disks] == [("rbd:pool/reberth-a.b.raw",)] * 2
    assert [each.image for each in disks] == ["pool/reberth-a.b.0a", "pool/reberth-a.b.new"]
    assert ceph_pool("pool").disk("a.b", "raw") == "rbd:pool/reberth-a.b.raw"
    assert only(ceph_pool("pool")).refusal(ceph_pool("pool").disk("a.b", "raw")) is None


def test_other_images_of_ceph_s_are_not_ours() -> None:
    xml = "<disk type='network'><source protocol='rbd' name='pool/system'/><target dev='sda'/></disk>"
    (disk,) = parse_side(domain(devices=xml), VM, str).disks
    assert only(ceph_pool("pool")).refusal(DiskId(disk.files[0])) is not None


def test_a_stamp_that_is_no_number_hides_no_other_one() -> None:
    """Whoever may change a VM may have written it; its disks are to be seen all the same."""
    odd = [stamp(3, VM, "1").replace("/3", f"/{text}") for text in ("²", "9" * 5000, "x")]
    assert parse_side(domain("".join([*odd, stamp(4, VM, "²")])), VM, str).stamps == {Epoch(4): 0}
