package main

import "github.com/vmware/govmomi/vim25/types"

// shrinks: no host makes a disk smaller, or changes the size of one under a snapshot.
func (v *vm) shrinks(given types.BaseVirtualDevice) bool {
	wanted, ok := given.(*types.VirtualDisk)
	if !ok {
		return false
	}
	for _, device := range v.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok && disk.Key == wanted.Key && disk.CapacityInKB != wanted.CapacityInKB {
			return wanted.CapacityInKB < disk.CapacityInKB || v.heldBySnapshot(disk.Key)
		}
	}
	return false
}

// fill gives a disk that is added by its file the size of that file, as a real one does.
func (v *vm) fill(spec *types.VirtualMachineConfigSpec) {
	for _, change := range spec.DeviceChange {
		given := change.GetVirtualDeviceConfigSpec()
		if disk, ok := given.Device.(*types.VirtualDisk); ok && given.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			v.f.mu.Lock()
			disk.CapacityInKB = v.f.sizes[fileOf(disk)]
			v.f.mu.Unlock()
		}
	}
}

// noteSizes makes the files as large as their disks were made.
func (v *vm) noteSizes(spec *types.VirtualMachineConfigSpec) {
	for _, change := range spec.DeviceChange {
		given := change.GetVirtualDeviceConfigSpec()
		if disk, ok := given.Device.(*types.VirtualDisk); ok && given.Operation == types.VirtualDeviceConfigSpecOperationEdit {
			v.f.mu.Lock()
			v.f.sizes[fileOf(disk)] = disk.CapacityInKB
			v.f.mu.Unlock()
		}
	}
}
