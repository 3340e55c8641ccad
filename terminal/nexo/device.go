package nexo

import (
	"net/url"
	"strconv"

	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// maxLines is how many lines of text one print request may have.
const maxLines = 500

const (
	outputText    = "Text"
	outputMessage = "MessageRef"
)

func (p Protocol) loginRequest(m terminal.Message) *LoginRequest {
	return &LoginRequest{
		DateTime:     formatTime(m.At),
		SaleSoftware: SaleSoftware{ManufacturerID: "Encaisse", ApplicationName: "encaisse", SoftwareVersion: p.software},
		// Readers have their own language among their parameters.
		OperatorLanguage: "fr",
	}
}

func loginResponse(m terminal.Message) *LoginResponse {
	g := *m.Greeted
	status, pairs := poiStatus(g.Health)
	pairs["model"] = g.Model
	return &LoginResponse{
		Response: Response{Result: success, AdditionalResponse: pairs.String()},
		POISystemData: &POISystemData{
			DateTime:        formatTime(m.At),
			POISoftware:     SaleSoftware{ManufacturerID: "Encaisse", ApplicationName: "reader", SoftwareVersion: g.Software},
			POITerminalData: &POITerminalData{TerminalEnvironment: "Attended", POICapabilities: []string{}, POISerialNumber: g.Serial},
			POIStatus:       status,
		},
	}
}

func (r *LoginResponse) read(m *terminal.Message) error {
	pairs, err := ParseAdditional(r.Response.AdditionalResponse)
	if err != nil {
		return err
	}
	s := r.POISystemData
	if r.Response.Result != success || s == nil || s.POITerminalData == nil {
		return problem.New(problem.Invalid, "nexo.member").At("LoginResponse.POISystemData")
	}
	if m.At, err = parseTime(s.DateTime, "LoginResponse.POISystemData.DateTime"); err != nil {
		return err
	}
	m.Greeted = &terminal.Greeted{
		Model: pairs["model"], Serial: s.POITerminalData.POISerialNumber, Software: s.POISoftware.SoftwareVersion,
		Health: health(s.POIStatus, pairs),
	}
	return nil
}

// printers is the state of a printer in both vocabularies.
var printers = []struct {
	printer terminal.Printer
	status  string
}{
	{terminal.PrinterOK, "OK"},
	{terminal.PrinterLow, "PaperLow"},
	{terminal.PrinterEmpty, "NoPaper"},
	{terminal.PrinterJam, "PaperJam"},
	{terminal.PrinterFault, "OutOfOrder"},
}

func poiStatus(h terminal.Health) (*POIStatus, Additional) {
	s := &POIStatus{
		GlobalStatus: "OK", SecurityOKFlag: !h.Faulty, PEDOKFlag: !h.Faulty, CardReaderOKFlag: !h.Faulty, CommunicationOKFlag: true,
	}
	if h.Faulty {
		s.GlobalStatus = "Maintenance"
	}
	for _, p := range printers {
		if p.printer == h.Printer {
			s.PrinterStatus = p.status
		}
	}
	return s, healthPairs(h)
}

func healthPairs(h terminal.Health) Additional {
	pairs := Additional{"network": h.Network, "printer": string(h.Printer)}
	if h.Battery >= 0 {
		pairs["battery"] = strconv.FormatInt(h.Battery, 10)
	}
	pairs.setFlag("charging", h.Charging)
	pairs.setFlag("asleep", h.Asleep)
	pairs.setFlag("faulty", h.Faulty)
	return pairs
}

// maxNetwork is how long the name of a kind of network may be.
const maxNetwork = 16

func health(s *POIStatus, pairs Additional) terminal.Health {
	h := terminal.Health{
		Battery: pairs.number("battery", -1), Charging: pairs.flag("charging"), Network: pairs["network"],
		Asleep: pairs.flag("asleep"), Faulty: pairs.flag("faulty"), Printer: terminal.Printer(pairs["printer"]),
	}
	if h.Battery < -1 || h.Battery > 100 {
		h.Battery = -1
	}
	if len(h.Network) > maxNetwork {
		h.Network = ""
	}
	known := h.Printer == terminal.PrinterNone
	for _, p := range printers {
		known = known || p.printer == h.Printer
		if s != nil && s.PrinterStatus == p.status {
			h.Printer, known = p.printer, true
		}
	}
	if !known {
		h.Printer = ""
	}
	if s != nil {
		h.Faulty = h.Faulty || !s.SecurityOKFlag || !s.PEDOKFlag || !s.CardReaderOKFlag
	}
	return h
}

func diagnosisResponse(h terminal.Health) *DiagnosisResponse {
	status, pairs := poiStatus(h)
	return &DiagnosisResponse{Response: Response{Result: success, AdditionalResponse: pairs.String()}, POIStatus: status}
}

func (r *DiagnosisResponse) health() (*terminal.Health, error) {
	pairs, err := ParseAdditional(r.Response.AdditionalResponse)
	if err != nil {
		return nil, err
	}
	h := health(r.POIStatus, pairs)
	return &h, nil
}

func printRequest(p terminal.Page) *PrintRequest {
	text := make([]OutputText, len(p.Lines))
	for i, line := range p.Lines {
		text[i] = OutputText{Text: line, EndOfLineFlag: true}
	}
	return &PrintRequest{PrintOutput{
		DocumentQualifier: "Document", ResponseMode: "PrintEnd", OutputContent: OutputContent{OutputFormat: outputText, OutputText: text},
	}}
}

// page reads the lines; text without EndOfLineFlag goes on in the next one's line.
func (r *PrintRequest) page() *terminal.Page {
	page := &terminal.Page{}
	line, open := "", false
	for _, t := range r.PrintOutput.OutputContent.OutputText {
		line, open = line+t.Text, true
		if t.EndOfLineFlag && len(page.Lines) < maxLines {
			page.Lines = append(page.Lines, line)
			line, open = "", false
		}
	}
	if open && len(page.Lines) < maxLines {
		page.Lines = append(page.Lines, line)
	}
	return page
}

func printResponse(p terminal.Printed) *PrintResponse {
	r := &PrintResponse{DocumentQualifier: "Document", Response: Response{Result: success}}
	if !p.Done {
		r.Response = Response{
			Result: failure, ErrorCondition: DeviceOut,
			AdditionalResponse: Additional{"printer": string(p.Printer), "message": "Not printed"}.String(),
		}
	}
	return r
}

func (r *PrintResponse) printed() (*terminal.Printed, error) {
	pairs, err := ParseAdditional(r.Response.AdditionalResponse)
	if err != nil {
		return nil, err
	}
	return &terminal.Printed{Done: r.Response.Result == success, Printer: health(nil, pairs).Printer}, nil
}

// events is which stage each event of the progress feed belongs to; those that
// are not here belong to none. The first of a stage is the one we write.
var events = []struct {
	event string
	stage terminal.Stage
}{
	{"TENDER_CREATED", terminal.StageWaitingCard},
	{"CARD_INSERTED", terminal.StageCardIn},
	{"CARD_PRESENTED", terminal.StageCardIn},
	{"CARD_SWIPED", terminal.StageCardIn},
	{"WAIT_FOR_APP_SELECTION", terminal.StageCardIn},
	{"APPLICATION_SELECTED", terminal.StageCardIn},
	{"WAIT_FOR_PIN", terminal.StageCardIn},
	{"PIN_ENTERED", terminal.StageCardIn},
	{"AUTHORISING", terminal.StageAuthorising}, // ours
	{"ASK_SIGNATURE", terminal.StageSignature},
	{"CHECK_SIGNATURE", terminal.StageSignature},
	{"WAIT_FOR_CARD_REMOVAL", terminal.StageRemoveCard}, // ours
}

func displayRequest(m terminal.Message) *DisplayRequest {
	name := "TENDER_FINAL"
	for _, e := range events {
		if e.stage == m.Progress.Stage {
			name = e.event
			break
		}
	}
	values := url.Values{"TransactionID": {string(m.Progress.Attempt)}, "TimeStamp": {formatTime(m.At)}, "event": {name}}
	return &DisplayRequest{[]DisplayOutput{{
		Device: "CashierDisplay", InfoQualify: "Status",
		OutputContent: OutputContent{OutputFormat: outputMessage, PredefinedContent: &PredefinedContent{ReferenceID: values.Encode()}},
	}}}
}

// progress reads the one stage that a request of the feed tells.
func (r *DisplayRequest) progress(m *terminal.Message) error {
	const path = "DisplayRequest.DisplayOutput"
	fault := problem.New(problem.Invalid, "nexo.member").At(path)
	if len(r.DisplayOutput) != 1 || r.DisplayOutput[0].OutputContent.PredefinedContent == nil {
		return fault
	}
	values, err := url.ParseQuery(r.DisplayOutput[0].OutputContent.PredefinedContent.ReferenceID)
	if err != nil {
		return fault
	}
	attempt, err := id.Parse[id.Attempt](values.Get("TransactionID"))
	if err != nil {
		return identity(path + ".PredefinedContent.ReferenceID.TransactionID")
	}
	if m.At, err = parseTime(values.Get("TimeStamp"), path+".PredefinedContent.ReferenceID.TimeStamp"); err != nil {
		return err
	}
	m.Progress = &terminal.Progress{Attempt: attempt}
	for _, e := range events {
		if e.event == values.Get("event") {
			m.Progress.Stage = e.stage
		}
	}
	return nil
}
