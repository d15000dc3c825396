package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// vm is the library's, embedded by value (its views look for the managed object in the struct).
type vm struct {
	simulator.VirtualMachine
	f *faults
}

type action func() types.BaseMethodFault

func (v *vm) files() []string {
	var found []string
	if v.Config == nil { // made to show nothing
		return nil
	}
	for _, device := range v.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			if name := fileOf(disk); name != "" {
				found = append(found, name)
			}
		}
	}
	return found
}

func fileOf(disk *types.VirtualDisk) string {
	if backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		return backing.GetVirtualDeviceFileBackingInfo().FileName
	}
	return ""
}

// start runs an action as a task that takes its time, and hangs while it is told to.
func (v *vm) start(name string, act action) types.ManagedObjectReference {
	task := simulator.CreateTask(v.Self, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		time.Sleep(v.f.taskTime)
		for v.f.isHung(v.Name) {
			time.Sleep(20 * time.Millisecond)
		}
		if fault := v.f.lost(v.Runtime.Host); fault != nil {
			return nil, fault
		}
		var fault types.BaseMethodFault
		simulator.Map.WithLock(v, func() { fault = act() })
		if v.f.take(v.f.lies, v.Name) {
			return nil, gaveUp(v.f.lieAs)
		}
		return nil, fault
	})
	ref := task.Reference()
	go task.Run()
	return ref
}

// outcome is how a task of the library's own ended; they end before they return.
func outcome(ref types.ManagedObjectReference) types.BaseMethodFault {
	task := simulator.Map.Get(ref).(*simulator.Task)
	defer simulator.Map.Remove(ref)
	if task.Info.Error != nil {
		return task.Info.Error.Fault
	}
	return nil
}

func (v *vm) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	ref := v.start("reconfigVm", func() types.BaseMethodFault {
		spec := &req.Spec
		if spec.ChangeVersion != "" && spec.ChangeVersion != v.Config.ChangeVersion {
			return new(types.ConcurrentAccess)
		}
		if fault := v.check(spec); fault != nil {
			return fault
		}
		v.describe(spec)
		v.fill(spec)
		body := v.VirtualMachine.ReconfigVMTask(ctx, req).(*methods.ReconfigVM_TaskBody)
		if fault := outcome(body.Res.Returnval); fault != nil {
			return fault
		}
		v.settle()
		v.notePolicies(spec)
		v.noteSizes(spec)
		return nil
	})
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: ref}}
}

// check refuses what hosts refuse.
func (v *vm) check(spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	disks, controllers := 0, 0
	for index, change := range spec.DeviceChange {
		given := change.GetVirtualDeviceConfigSpec()
		invalid := &types.InvalidDeviceSpec{DeviceIndex: int32(index)}
		key := given.Device.GetVirtualDevice().Key
		if given.Operation == types.VirtualDeviceConfigSpecOperationEdit && v.shrinks(given.Device) {
			return invalid
		}
		if given.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			// A device by its key alone is said to be taken for old clients only.
			keyOnly := given.Device.GetVirtualDevice().ControllerKey == 0
			if keyOnly || !v.has(key) || v.heldBySnapshot(key) {
				return invalid
			}
		}
		if given.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		switch device := given.Device.(type) {
		case *types.VirtualDisk:
			disks++
			if fault := v.checkDisk(device, invalid); fault != nil {
				return fault
			}
		case types.BaseVirtualSCSIController:
			controllers++
		}
	}
	if disks > 0 && controllers > 0 && v.running() {
		return new(types.GenericVmConfigFault) // the real one crashes the VM
	}
	return nil
}

func (v *vm) checkDisk(disk *types.VirtualDisk, invalid types.BaseMethodFault) types.BaseMethodFault {
	if disk.UnitNumber == nil || *disk.UnitNumber == 7 || *disk.UnitNumber < 0 || *disk.UnitNumber > 64 {
		return invalid
	}
	file := fileOf(disk)
	for _, mine := range v.files() {
		if mine == file {
			return new(types.GenericVmConfigFault)
		}
	}
	if v.running() && v.f.busy(file, v) {
		return new(types.GenericVmConfigFault) // "Failed to lock the file"
	}
	return nil
}

func (v *vm) running() bool {
	return v.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

func (v *vm) has(key int32) bool {
	for _, device := range v.Config.Hardware.Device {
		if device.GetVirtualDevice().Key == key {
			return true
		}
	}
	return false
}

// settle makes the configuration read as a real one does: one value for a key, disks with UUIDs, a new version.
func (v *vm) settle() {
	var kept []types.BaseOptionValue
	place := map[string]int{}
	for _, option := range v.Config.ExtraConfig {
		key := option.GetOptionValue().Key
		if at, ok := place[key]; ok {
			kept[at] = option
			continue
		}
		place[key] = len(kept)
		kept = append(kept, option)
	}
	v.Config.ExtraConfig = kept
	for _, device := range v.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				backing.Uuid = v.f.uuid(backing.FileName)
			}
		}
	}
	v.Config.ChangeVersion = v.f.nextVersion()
}

func (v *vm) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	ref := v.start("powerOff", func() types.BaseMethodFault {
		return outcome(v.VirtualMachine.PowerOffVMTask(ctx, req).(*methods.PowerOffVM_TaskBody).Res.Returnval)
	})
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: ref}}
}

func (v *vm) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	ref := v.start("powerOn", func() types.BaseMethodFault {
		for _, file := range v.files() {
			if v.f.busy(file, v) {
				return new(types.GenericVmConfigFault) // "Failed to lock the file"
			}
		}
		return outcome(v.VirtualMachine.PowerOnVMTask(ctx, req).(*methods.PowerOnVM_TaskBody).Res.Returnval)
	})
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: ref}}
}

func (v *vm) notePolicies(spec *types.VirtualMachineConfigSpec) {
	for _, change := range spec.DeviceChange {
		given := change.GetVirtualDeviceConfigSpec()
		disk, ok := given.Device.(*types.VirtualDisk)
		if !ok || len(given.Profile) == 0 {
			continue
		}
		if profile, ok := given.Profile[0].(*types.VirtualMachineDefinedProfileSpec); ok {
			v.f.mu.Lock()
			v.f.given[fileOf(disk)] = profile.ProfileId
			v.f.mu.Unlock()
		}
	}
}

// describe adds what the library needs of a device that is edited, and a real vCenter does not.
func (v *vm) describe(spec *types.VirtualMachineConfigSpec) {
	for _, change := range spec.DeviceChange {
		device := change.GetVirtualDeviceConfigSpec().Device.GetVirtualDevice()
		if device.DeviceInfo == nil {
			device.DeviceInfo = &types.Description{}
		}
	}
}
