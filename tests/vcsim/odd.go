package main

// What a real vCenter shows at times, and the library never does: VMs without devices or without a configuration, files
// that were moved, pages of a bounded length, snapshots that hold disks fast.

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// shown is what a VM had before it was made to show less.
type shown struct {
	config     *types.VirtualMachineConfigInfo
	devices    []types.BaseVirtualDevice
	host       *types.ManagedObjectReference
	datastores []types.ManagedObjectReference
}

func (f *faults) named(name string) *vm {
	for _, machine := range f.vms() {
		if machine.Name == name {
			return machine
		}
	}
	return nil
}

// empty makes a VM show no devices, as while its host loses its power.
func (f *faults) empty(name string, off bool) bool {
	machine := f.named(name)
	if machine == nil {
		return false
	}
	simulator.Map.WithLock(machine, func() {
		if off {
			machine.Config.Hardware.Device = f.hidden[name].devices
			return
		}
		f.hidden[name] = shown{devices: machine.Config.Hardware.Device}
		machine.Config.Hardware.Device = nil
	})
	return true
}

// blank makes a VM show nothing but its name: as one that is only being cloned, or with held as one that was read before
// and has a host.
func (f *faults) blank(name string, off, held bool) bool {
	machine := f.named(name)
	if machine == nil {
		return false
	}
	simulator.Map.WithLock(machine, func() {
		if off {
			before := f.hidden[name]
			machine.Config, machine.Runtime.Host, machine.Datastore = before.config, before.host, before.datastores
			return
		}
		f.hidden[name] = shown{config: machine.Config, host: machine.Runtime.Host, datastores: machine.Datastore}
		machine.Config, machine.Datastore = nil, nil
		if !held {
			machine.Runtime.Host = nil
			machine.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
		}
	})
	return true
}

// move gives a disk's file another name, as Storage vMotion does; the device stays.
func (f *faults) move(name, file, to string) bool {
	machine := f.named(name)
	if machine == nil {
		return false
	}
	moved := false
	simulator.Map.WithLock(machine, func() {
		for _, device := range machine.Config.Hardware.Device {
			if disk, ok := device.(*types.VirtualDisk); ok && fileOf(disk) == file {
				backing := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo()
				backing.FileName = to
				if store := datastoreNamed(strings.Trim(strings.SplitN(to, "]", 2)[0], "[")); store != nil {
					backing.Datastore = &store.Self
				}
				moved = true
			}
		}
	})
	return moved
}

// snapshot gives a VM one, or takes it away. The devices that are there when it is made cannot be taken from the VM.
func (f *faults) snapshot(name string, off bool) bool {
	machine := f.named(name)
	if machine == nil {
		return false
	}
	held := map[int32]bool{}
	simulator.Map.WithLock(machine, func() {
		machine.Snapshot = nil
		if off {
			return
		}
		ref := types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: "snapshot-" + name}
		machine.Snapshot = &types.VirtualMachineSnapshotInfo{CurrentSnapshot: &ref}
		for _, device := range machine.Config.Hardware.Device {
			held[device.GetVirtualDevice().Key] = true
		}
	})
	f.mu.Lock()
	f.snapped[name] = held
	f.mu.Unlock()
	return true
}

func (v *vm) heldBySnapshot(key int32) bool {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	return v.f.snapped[v.Name][key]
}

// gaveUp is how vCenter says that it did not wait for the host's answer any longer.
func gaveUp(as string) types.BaseMethodFault {
	switch as {
	case "Timedout":
		return new(types.Timedout)
	case "SystemError":
		return new(types.SystemError)
	default:
		return new(types.HostCommunication)
	}
}

// unseen are the VMs that the user may not see: lists leave them out, and whoever asks for one is told so.
var unseen = struct {
	sync.Mutex
	vms    map[types.ManagedObjectReference]bool
	listed map[types.ManagedObjectReference]bool // without a value, instead of not at all
}{vms: map[types.ManagedObjectReference]bool{}, listed: map[types.ManagedObjectReference]bool{}}

func isUnseen(ref types.ManagedObjectReference) bool {
	unseen.Lock()
	defer unseen.Unlock()
	return unseen.vms[ref]
}

func (f *faults) hide(name string, off, listed bool) bool {
	machine := f.named(name)
	if machine == nil {
		return false
	}
	unseen.Lock()
	defer unseen.Unlock()
	unseen.vms[machine.Self] = !off && !listed
	unseen.listed[machine.Self] = !off && listed
	return true
}

// forUser is an answer without what its user may not see.
func forUser(req *types.RetrievePropertiesEx, result *types.RetrieveResult) {
	named := map[types.ManagedObjectReference][]string{}
	var all []string
	for _, spec := range req.SpecSet {
		for _, object := range spec.ObjectSet {
			for _, wanted := range spec.PropSet {
				if wanted.Type == "VirtualMachine" {
					all = append(all, wanted.PathSet...)
				}
				named[object.Obj] = append(named[object.Obj], wanted.PathSet...)
			}
		}
	}
	var seen []types.ObjectContent
	for _, object := range result.Objects {
		unseen.Lock()
		listed := unseen.listed[object.Obj]
		unseen.Unlock()
		if !listed && !isUnseen(object.Obj) {
			seen = append(seen, object)
			continue
		}
		paths, asked := named[object.Obj]
		if listed {
			paths = all
		}
		if listed || asked {
			denied := types.LocalizedMethodFault{Fault: &types.NoPermission{Object: object.Obj, PrivilegeId: "System.View"}}
			refused := types.ObjectContent{Obj: object.Obj}
			for _, path := range paths {
				refused.MissingSet = append(refused.MissingSet, types.MissingProperty{Path: path, Fault: denied})
			}
			seen = append(seen, refused)
		}
	}
	result.Objects = seen
}

// page is how many objects an answer has at most; 0: all.
var page int

// pages is the library's collector, that answers in pages. Each session gets one of its own, made anew.
type pages struct {
	simulator.PropertyCollector
	mu    sync.Mutex
	count int
	rest  map[string][]types.ObjectContent
	tracked
}

func wrapPages() {
	ref := simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content.PropertyCollector
	wrapped := &pages{}
	wrapped.Self = ref
	simulator.Map.Put(wrapped)
}

func (p *pages) cut(result *types.RetrieveResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if page == 0 || len(result.Objects) <= page {
		return
	}
	if p.rest == nil {
		p.rest = map[string][]types.ObjectContent{}
	}
	p.count++
	result.Token = fmt.Sprintf("page-%d", p.count)
	p.rest[result.Token] = result.Objects[page:]
	result.Objects = result.Objects[:page]
}

func (p *pages) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	if len(req.SpecSet) > 0 && len(req.SpecSet[0].ObjectSet) > 0 && isForgotten(req.SpecSet[0].ObjectSet[0].Obj) {
		gone := &types.ManagedObjectNotFound{Obj: req.SpecSet[0].ObjectSet[0].Obj}
		return &methods.RetrievePropertiesExBody{Fault_: simulator.Fault("", gone)}
	}
	wanted := unkeyed(req)
	body := p.PropertyCollector.RetrievePropertiesEx(ctx, req).(*methods.RetrievePropertiesExBody)
	if body.Res != nil {
		forUser(req, body.Res.Returnval)
		byKey(body.Res.Returnval, wanted)
		p.cut(body.Res.Returnval)
	}
	return body
}

func (p *pages) ContinueRetrievePropertiesEx(_ *simulator.Context, req *types.ContinueRetrievePropertiesEx) soap.HasFault {
	p.mu.Lock()
	objects, ok := p.rest[req.Token]
	delete(p.rest, req.Token)
	p.mu.Unlock()
	body := &methods.ContinueRetrievePropertiesExBody{}
	if !ok {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "token"})
		return body
	}
	result := types.RetrieveResult{Objects: objects}
	p.cut(&result)
	body.Res = &types.ContinueRetrievePropertiesExResponse{Returnval: result}
	return body
}

var _ mo.Reference = (*pages)(nil)
