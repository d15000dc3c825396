package main

// A vCenter that restarts, or an administrator who ends a session, at any one of the requests of whoever calls.

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// cutting is what happens at the at-th request from now, and whom it met. All under the fault layer's lock.
type cutting struct {
	at       int // requests until then; 0: nothing is to happen
	how      string
	met      string   // the method that was met
	polled   bool     // the last request looked at a task
	starting int      // requests that are answered for a vCenter that is not up yet
	sessions []string // all that were ever begun
}

const startingFor = 3 // requests

// restarted is when vCenter was last started anew, in nanoseconds: it knows no task of before.
var restarted int64

func isForgotten(ref types.ManagedObjectReference) bool {
	task, ok := simulator.Map.Get(ref).(*simulator.Task)
	return ok && task.Info.QueueTime.UnixNano() < atomic.LoadInt64(&restarted)
}

// cut is what happens at this request. It counts, but for further looks at a task: of those there may be any number. The
// caller has the lock.
func (c *cutting) cut(method string, body []byte) string {
	again := c.polled
	c.polled = bytes.Contains(body, []byte("<pathSet>info.state</pathSet>"))
	if c.starting > 0 {
		c.starting--
		return "starting"
	}
	if c.at == 0 || again && c.polled {
		return ""
	}
	c.at--
	if c.at > 0 {
		return ""
	}
	c.met = method
	return c.how
}

// restartVcenter ends all sessions, with all that belongs to them, and forgets all tasks. Hosts go on with what they do.
func (f *faults) restartVcenter() {
	f.mu.Lock()
	sessions := f.sessions
	f.sessions = nil
	f.mu.Unlock()
	terminate(sessions...)
	atomic.StoreInt64(&restarted, time.Now().UnixNano())
}

func terminate(keys ...string) {
	administrator := &simulator.Context{Session: &simulator.Session{}}
	for _, key := range keys {
		simulator.Map.SessionManager().TerminateSession(administrator, &types.TerminateSession{SessionId: []string{key}})
	}
}

// sessionOf is the key of the session in which a request was sent, or of the one that it has begun.
func sessionOf(r *http.Request, answered http.Header) string {
	for _, cookie := range (&http.Response{Header: answered}).Cookies() {
		if cookie.Name == soap.SessionCookieName {
			return cookie.Value
		}
	}
	if cookie, err := r.Cookie(soap.SessionCookieName); err == nil {
		return cookie.Value
	}
	return ""
}

// serveCut serves a request at which something happens.
func (f *faults) serveCut(how string, inner http.Handler, w http.ResponseWriter, r *http.Request) {
	switch how {
	case "ends-before":
		terminate(sessionOf(r, nil))
		inner.ServeHTTP(w, r)
	case "restarts-before":
		f.restartVcenter()
		panic(http.ErrAbortHandler) // the connection breaks
	case "restarts-within":
		inner.ServeHTTP(httptest.NewRecorder(), r) // it happens, and nobody is told
		f.restartVcenter()
		panic(http.ErrAbortHandler)
	case "restarts-after":
		inner.ServeHTTP(w, r)
		f.restartVcenter()
	case "starts":
		f.restartVcenter()
		f.mu.Lock()
		f.starting = startingFor
		f.mu.Unlock()
		notUp(w)
	case "starting":
		notUp(w)
	}
}

// notUp is what the proxy before vCenter says while vCenter starts.
func notUp(w http.ResponseWriter) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "503 Service Unavailable (Failed to connect to endpoint)")
}

func (f *faults) noteSession(r *http.Request, w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions = append(f.sessions, sessionOf(r, w.Header()))
}

// held is who has which file, and its size: the truth, for whoever checks what clients were told.
func (f *faults) held(w io.Writer) {
	for _, machine := range f.vms() {
		simulator.Map.WithLock(machine, func() {
			for _, device := range machine.Config.Hardware.Device {
				if disk, ok := device.(*types.VirtualDisk); ok {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\n",
						machine.Config.Uuid, machine.Runtime.PowerState, fileOf(disk), disk.CapacityInKB)
				}
			}
		})
	}
}
