package main

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
)

// The library's manager of events takes none from users, and cannot be wrapped: what they say is taken before it.

var userEvent = regexp.MustCompile(`(?s)<entity[^>]*>([^<]*)</entity>\s*<msg[^>]*>([^<]*)</msg>`)

const envelope = `<?xml version="1.0" encoding="UTF-8"?>` +
	`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

const denied = `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>denied</faultstring><detail>` +
	`<NoPermissionFault xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="NoPermission">` +
	`<object type="Folder">group-d1</object><privilegeId>Global.LogEvent</privilegeId></NoPermissionFault></detail></soapenv:Fault>`

func deny(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, denied)
}

func (f *faults) logUserEvent(w http.ResponseWriter, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := userEvent.FindSubmatch(body)
	if f.noEvents || found == nil {
		deny(w)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	f.events = append(f.events, fmt.Sprintf("%s\t%s", found[1], html.UnescapeString(string(found[2]))))
	fmt.Fprintf(w, envelope, `<LogUserEventResponse xmlns="urn:vim25"/>`)
}
