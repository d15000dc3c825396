package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var method = regexp.MustCompile(`<(?:[\w]+:)?Body[^>]*>\s*<(\w+)`)

func userPassword(user, password string) *url.Userinfo {
	return url.UserPassword(user, password)
}

// endSession ends the session of whoever sent this request, as an administrator does.
func (f *faults) endSession(r *http.Request) {
	key := sessionOf(r, nil)
	if key == "" {
		return
	}
	terminate(key)
	f.mu.Lock()
	f.expired++
	f.mu.Unlock()
}

// wrap puts the fault layer before the server: it counts calls, swallows answers, and plays a vCenter that is away.
func (f *faults) wrap(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_fault/") {
			f.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		name := ""
		if found := method.FindSubmatch(body); found != nil {
			name = string(found[1])
		}
		f.mu.Lock()
		away := f.down
		f.calls[name]++
		f.asked(peerOf(r))
		pause := time.Duration(f.slow[name]) * time.Second
		delete(f.slow, name)
		swallow := f.mute[name] > 0
		if swallow {
			f.mute[name]--
		}
		how := f.cut(name, body)
		ends := ""
		if queue := f.expire[name]; len(queue) > 0 {
			ends, f.expire[name] = queue[0], queue[1:]
		}
		f.mu.Unlock()
		if away {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		if swallow {
			inner.ServeHTTP(httptest.NewRecorder(), r) // it happens, and nobody is told
			panic(http.ErrAbortHandler)
		}
		usual := f.usual(inner, name, body)
		if how != "" {
			f.serveCut(how, usual, w, r)
			return
		}
		time.Sleep(pause)
		if ends == "before" {
			f.endSession(r)
		}
		usual.ServeHTTP(w, r)
		if ends == "after" {
			f.endSession(r)
		}
	})
}

// usual is a request served as ever, with what the library leaves out.
func (f *faults) usual(inner http.Handler, name string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case f.noAttributes && (name == "SetField" || name == "AddCustomFieldDef"):
			deny(w)
		case name == "LogUserEvent":
			f.logUserEvent(w, body)
		default:
			inner.ServeHTTP(&heard{w, f, name, peerOf(r)}, r)
		}
		if name == "Login" {
			f.noteSession(r, w)
		}
	})
}

// heard counts what is answered, and the answers in which a text stands that is sought.
type heard struct {
	http.ResponseWriter
	f      *faults
	method string
	peer   string
}

func (h *heard) Write(body []byte) (int, error) {
	h.f.mu.Lock()
	h.f.bytes[h.method] += len(body)
	if found := h.f.peers[h.peer]; found != nil {
		found.bytes += len(body)
	}
	if h.f.seek != "" && bytes.Contains(body, []byte(h.f.seek)) {
		h.f.sought++
	}
	h.f.mu.Unlock()
	return h.ResponseWriter.Write(body)
}
