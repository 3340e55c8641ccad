package emulator

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

// maxLogins is how many tills may be logged in; the oldest names make room.
const maxLogins = 100

// logins are the tills that are logged in, for Diagnosis. In this dialect nothing
// depends on it.
type logins struct {
	mu    sync.Mutex
	names map[string]bool
}

func newLogins() *logins { return &logins{names: map[string]bool{}} }

func (l *logins) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.names) >= maxLogins {
		clear(l.names)
	}
	l.names[name] = true
}

func (l *logins) drop(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.names, name)
}

func (l *logins) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.names))
}

// printerStatus is the state of the printer in nexo's words.
func printerStatus(p terminal.Printer) string {
	switch p {
	case terminal.PrinterOK:
		return "OK"
	case terminal.PrinterLow:
		return "PaperLow"
	case terminal.PrinterEmpty:
		return "NoPaper"
	case terminal.PrinterJam:
		return "PaperJam"
	}
	return "OutOfOrder"
}

func (l *Local) poiStatus() *nexo.POIStatus {
	s := l.reader.State()
	global := "OK"
	if s.Waiting || s.Menu {
		global = "Busy"
	}
	return &nexo.POIStatus{
		GlobalStatus: global, SecurityOKFlag: true, PEDOKFlag: true, CardReaderOKFlag: true,
		PrinterStatus: printerStatus(s.Printer.State), CommunicationOKFlag: s.Device.Network != NetworkNone,
	}
}

func (l *Local) diagnosis() *nexo.DiagnosisResponse {
	return &nexo.DiagnosisResponse{
		Response: nexo.Response{Result: "Success"}, LoggedSaleID: l.logins.list(), POIStatus: l.poiStatus(),
		HostStatus: []nexo.HostStatus{{AcquirerID: "acquirer", IsReachableFlag: l.reader.authoriser != nil}},
	}
}

func (l *Local) login() *nexo.LoginResponse {
	return &nexo.LoginResponse{Response: nexo.Response{Result: "Success"}, POISystemData: &nexo.POISystemData{
		DateTime:    stamp(l.reader.clock.Now()),
		POISoftware: nexo.SaleSoftware{ManufacturerID: "Encaisse", ApplicationName: "emulator", SoftwareVersion: Software},
		POITerminalData: &nexo.POITerminalData{
			TerminalEnvironment: "Attended", POISerialNumber: l.reader.Serial(),
			POICapabilities: []string{"CustomerDisplay", "PrinterReceipt", "ICC", "EMVContactless", "MagStripe"},
		},
		POIStatus: l.poiStatus(),
	}}
}

// lines are the text of an output. Text without EndOfLineFlag goes on in the
// next one's line.
func lines(content nexo.OutputContent) []string {
	var out []string
	line, open := "", false
	for _, t := range content.OutputText[:min(len(content.OutputText), maxPageLines)] {
		line, open = line+strings.ToValidUTF8(t.Text, ""), true
		if t.EndOfLineFlag {
			out, line, open = append(out, line), "", false
		}
	}
	if open {
		out = append(out, line)
	}
	return out
}

func (l *Local) print(r *nexo.PrintRequest) *nexo.PrintResponse {
	out := &nexo.PrintResponse{DocumentQualifier: r.PrintOutput.DocumentQualifier, Response: nexo.Response{Result: "Success"}}
	if p := l.reader.print(lines(r.PrintOutput.OutputContent)); !p.Done {
		out.Response = nexo.Response{
			Result: "Failure", ErrorCondition: nexo.DeviceOut, AdditionalResponse: nexo.Additional{"message": printerStatus(p.Printer)}.String(),
		}
	}
	return out
}

// display shows a till's text to the holder while nothing else is shown.
func (l *Local) display(r *nexo.DisplayRequest) *nexo.DisplayResponse {
	out := &nexo.DisplayResponse{}
	for _, o := range r.DisplayOutput {
		l.reader.showText(lines(o.OutputContent))
		out.OutputResult = append(out.OutputResult, nexo.OutputResult{
			Device: o.Device, InfoQualify: o.InfoQualify, Response: nexo.Response{Result: "Success"},
		})
	}
	return out
}

// maxText is how much text fits on the screen.
const (
	maxTextLines = 4
	maxTextWidth = 40
)

// showText shows text for some seconds, unless a dialogue has the screen.
func (e *Emulator) showText(text []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != nil || e.slot.card != nil {
		return
	}
	s := Screen{Show: ShowText}
	for _, l := range text[:min(len(text), maxTextLines)] {
		r := []rune(l)
		s.Choices = append(s.Choices, string(r[:min(len(r), maxTextWidth)]))
	}
	e.showFor(s)
	e.notify()
}
