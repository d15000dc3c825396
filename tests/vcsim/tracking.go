package main

// What a real collector of properties does and the library's does not: single values of a list by their key, and updates
// that tell of every change, in sets of a bounded length.

import (
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const settings = "config.extraConfig"

var keyed = regexp.MustCompile(`^config\.extraConfig\["(.*)"\]$`)

// silent: updates tell nothing any more, as no server should.
var silent bool

// tracked is what one collector has told so far.
type tracked struct {
	version int
	told    map[types.ManagedObjectReference]string
	queue   []types.ObjectUpdate
}

// unkeyed asks for the whole list where single values of it are asked for, and says for which.
func unkeyed(req *types.RetrievePropertiesEx) map[string]string {
	wanted := map[string]string{}
	for i := range req.SpecSet {
		for j := range req.SpecSet[i].PropSet {
			spec := &req.SpecSet[i].PropSet[j]
			var paths []string
			for _, path := range spec.PathSet {
				if found := keyed.FindStringSubmatch(path); found != nil {
					wanted[found[1]] = path
				} else {
					paths = append(paths, path)
				}
			}
			if len(paths) < len(spec.PathSet) {
				spec.PathSet = append(paths, settings)
			}
		}
	}
	return wanted
}

// byKey is an answer with the single values in place of the list.
func byKey(result *types.RetrieveResult, wanted map[string]string) {
	if len(wanted) == 0 {
		return
	}
	for i := range result.Objects {
		var kept []types.DynamicProperty
		for _, property := range result.Objects[i].PropSet {
			if property.Name != settings {
				kept = append(kept, property)
				continue
			}
			options := property.Val.(*types.ArrayOfOptionValue).OptionValue
			last := map[string]types.DynamicProperty{}
			for _, each := range options {
				option := each.GetOptionValue()
				if path, ok := wanted[option.Key]; ok {
					last[path] = types.DynamicProperty{Name: path, Val: *option}
				}
			}
			for _, each := range last {
				kept = append(kept, each)
			}
		}
		sort.Slice(kept, func(a, b int) bool { return kept[a].Name < kept[b].Name })
		result.Objects[i].PropSet = kept
	}
}

func (p *pages) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	made := &pages{}
	made.Self = types.ManagedObjectReference{Type: "PropertyCollector", Value: "session" + uuid.New().String()}
	ref := ctx.Session.Put(made).Reference()
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{Returnval: ref}}
}

// WaitForUpdatesEx without a wait: what differs from what this collector told before. With a wait it is the library's.
func (p *pages) WaitForUpdatesEx(ctx *simulator.Context, req *types.WaitForUpdatesEx) soap.HasFault {
	if req.Options == nil || req.Options.MaxWaitSeconds == nil || *req.Options.MaxWaitSeconds != 0 {
		return p.PropertyCollector.WaitForUpdatesEx(ctx, req)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	body := &methods.WaitForUpdatesExBody{}
	if req.Version == "" {
		p.tracked = tracked{told: map[types.ManagedObjectReference]string{}}
	} else if req.Version != fmt.Sprint(p.version) {
		body.Fault_ = simulator.Fault("", new(types.InvalidCollectorVersion))
		return body
	}
	if len(p.queue) == 0 {
		p.queue = p.differing(ctx)
	}
	body.Res = &types.WaitForUpdatesExResponse{}
	if len(p.queue) == 0 || silent && req.Version != "" {
		return body
	}
	p.version++
	some := p.queue
	truncated := page > 0 && len(some) > page
	if truncated {
		some = some[:page]
	}
	p.queue = p.queue[len(some):]
	set := types.PropertyFilterUpdate{Filter: p.Filter[0], ObjectSet: some}
	body.Res.Returnval = &types.UpdateSet{
		Version: fmt.Sprint(p.version), FilterSet: []types.PropertyFilterUpdate{set}, Truncated: &truncated,
	}
	return body
}

func (p *pages) differing(ctx *simulator.Context) []types.ObjectUpdate {
	now := map[types.ManagedObjectReference]string{}
	var order []types.ManagedObjectReference
	for _, ref := range p.Filter {
		for _, object := range ctx.Session.Get(ref).(*simulator.PropertyFilter).Spec.ObjectSet {
			view, ok := ctx.Session.Get(object.Obj).(*simulator.ContainerView)
			if !ok {
				continue
			}
			for _, each := range view.View {
				if isUnseen(each) {
					continue
				}
				if _, seen := now[each]; !seen {
					now[each] = fingerprint(each)
					order = append(order, each)
				}
			}
		}
	}
	var found []types.ObjectUpdate
	for _, ref := range order {
		before, known := p.told[ref]
		switch {
		case !known:
			found = append(found, types.ObjectUpdate{Kind: types.ObjectUpdateKindEnter, Obj: ref})
		case before != now[ref]:
			found = append(found, types.ObjectUpdate{Kind: types.ObjectUpdateKindModify, Obj: ref})
		}
	}
	for ref := range p.told {
		if _, still := now[ref]; !still {
			found = append(found, types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: ref})
		}
	}
	p.told = now
	return found
}

// fingerprint is all of an object that is watched, as text.
func fingerprint(ref types.ManagedObjectReference) string {
	switch found := simulator.Map.Get(ref).(type) {
	case *vm:
		return machinePrint(&found.VirtualMachine)
	case *simulator.VirtualMachine:
		return machinePrint(found)
	case *simulator.HostSystem:
		return string(found.Runtime.ConnectionState)
	case *simulator.Datastore:
		return fmt.Sprint(found.Summary.Name, found.Summary.Url, found.Summary.Accessible)
	}
	return ""
}

func machinePrint(found *simulator.VirtualMachine) string {
	var text strings.Builder
	fmt.Fprint(&text, found.Name, found.Runtime.PowerState, found.Runtime.ConnectionState, found.Runtime.Host, found.Datastore)
	if found.Config == nil {
		return text.String()
	}
	fmt.Fprint(&text, found.Config.Uuid, found.Config.ChangeVersion)
	for _, device := range found.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			fmt.Fprint(&text, disk.Key, fileOf(disk), disk.ControllerKey)
		} else {
			fmt.Fprint(&text, device.GetVirtualDevice().Key)
		}
	}
	for _, option := range found.Config.ExtraConfig {
		fmt.Fprint(&text, option.GetOptionValue().Key, option.GetOptionValue().Value)
	}
	return text.String()
}
