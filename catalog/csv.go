package catalog

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"encaisse/base/money"
	"encaisse/base/problem"
)

// Limits of a file.
const (
	MaxImportBytes = 20 << 20
	MaxImportLines = 50_000   // of articles
	maxLine        = 64 << 10 // bytes
	maxCell        = 500      // bytes
	maxColumns     = 200
	maxBlankLines  = 100_000

	// MaxNamedErrors is how many bad lines are described; all are counted.
	MaxNamedErrors = 500
)

const (
	markUTF8   = "\xef\xbb\xbf"
	markUTF16L = "\xff\xfe"
	markUTF16B = "\xfe\xff"
)

// BadLine is one thing that is wrong with one line of a file.
type BadLine struct {
	Line    int            // as a text editor counts, from 1
	Column  string         // empty: the line as a whole
	Problem *problem.Error // its code says what, its arguments the facts
}

// sheet is a file that was read: its good lines, and what is wrong with the others.
type sheet struct {
	columns  []column // what each column of the file is; empty: ignored
	ignored  []string // headings that say nothing to us
	rows     []row
	read     int // lines of articles, good or bad
	rejected int // bad ones
	bad      []BadLine
	firsts   map[string]int // key of an article → the line that has it
}

// read takes the whole file apart. An error is about the file: nothing of it
// can be used.
//
// A line is a line: an article whose cells hold line breaks is refused by its
// line. So one quote that is never closed spoils its own line and not the file,
// and the line numbers are those of any editor.
func read(r io.Reader, currency money.Currency) (*sheet, error) {
	lines := newLines(r)
	s := &sheet{firsts: map[string]int{}}
	separator, err := s.readHeader(lines)
	if err != nil {
		return nil, err
	}
	blanks := 0
	for {
		text, number, err := lines.next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil && !problem.Is(err, "catalog.line_too_long") {
			return nil, err
		}
		if err == nil && isBlank(text, separator) {
			if blanks++; blanks > maxBlankLines {
				return nil, problem.New(problem.TooLarge, "catalog.import_too_many_lines", "most", MaxImportLines)
			}
			continue
		}
		if s.read++; s.read > MaxImportLines {
			return nil, problem.New(problem.TooLarge, "catalog.import_too_many_lines", "most", MaxImportLines)
		}
		if err != nil {
			s.reject(number, fault{why: problem.As(err)})
			continue
		}
		s.readLine(text, number, separator, currency)
	}
}

// readHeader finds the separator under which the first line has the most
// headings we know, and what they are.
func (s *sheet) readHeader(lines *lines) (separator rune, err error) {
	text, _, err := lines.next()
	for err == nil && isBlank(text, ',') {
		text, _, err = lines.next()
	}
	if errors.Is(err, io.EOF) {
		return 0, problem.New(problem.Invalid, "catalog.import_empty")
	}
	if err != nil {
		return 0, err
	}
	if !utf8.ValidString(text) || strings.HasPrefix(text, markUTF16L) || strings.HasPrefix(text, markUTF16B) || strings.ContainsRune(text, 0) {
		return 0, problem.New(problem.Invalid, "catalog.import_encoding")
	}
	best := -1
	var headings []string
	for _, candidate := range []rune{',', ';', '\t'} {
		found, err := split(text, candidate)
		if err != nil {
			continue
		}
		known := 0
		for _, h := range found {
			if _, is := synonyms[heading(h)]; is {
				known++
			}
		}
		if known > best {
			best, headings, separator = known, found, candidate
		}
	}
	return separator, s.readHeadings(headings)
}

func (s *sheet) readHeadings(headings []string) error {
	if len(headings) > maxColumns {
		return problem.New(problem.Invalid, "catalog.import_too_many_columns", "most", maxColumns)
	}
	s.columns = make([]column, len(headings))
	at := map[column]string{}
	for i, h := range headings {
		c, known := synonyms[heading(h)]
		if !known {
			if h = strings.TrimSpace(h); h != "" {
				s.ignored = append(s.ignored, h)
			}
			continue
		}
		if other, twice := at[c]; twice {
			return problem.New(problem.Invalid, "catalog.import_column_twice", "first", other, "second", strings.TrimSpace(h))
		}
		at[c] = strings.TrimSpace(h)
		s.columns[i] = c
	}
	var missing []string
	for _, c := range required {
		if _, there := at[c]; !there {
			missing = append(missing, string(c))
		}
	}
	if missing != nil {
		return problem.New(problem.Invalid, "catalog.import_columns", "missing", strings.Join(missing, ", "))
	}
	return nil
}

// readLine sorts one line into the good or the bad ones.
func (s *sheet) readLine(text string, number int, separator rune, currency money.Currency) {
	if !utf8.ValidString(text) {
		s.reject(number, fault{why: problem.New(problem.Invalid, "catalog.line_encoding")})
		return
	}
	fields, err := split(text, separator)
	if err != nil {
		s.reject(number, fault{why: problem.New(problem.Invalid, "catalog.line_quotes")})
		return
	}
	if len(fields) != len(s.columns) {
		s.reject(number, fault{why: problem.New(problem.Invalid, "catalog.line_columns", "columns", len(fields), "headings", len(s.columns))})
		return
	}
	cells := make(map[column]string, len(required)+4)
	for i, c := range s.columns {
		if c == "" {
			continue
		}
		var ok bool
		if cells[c], ok = cleanCell(fields[i]); !ok {
			s.reject(number, fault{c, problem.New(problem.Invalid, "catalog.cell", "most", maxCell)})
			return
		}
	}
	r, faults := parseRow(cells, currency)
	if faults == nil {
		faults = s.twice(r, number)
	}
	if faults != nil {
		s.reject(number, faults...)
		return
	}
	r.line = number
	s.rows = append(s.rows, r)
}

// twice names the line that has the same article already, or keeps this one's keys.
func (s *sheet) twice(r row, number int) []fault {
	keys := []string{"r" + r.key}
	if r.ean != "" {
		keys = append(keys, "e"+r.ean)
	}
	for _, key := range keys {
		if first, there := s.firsts[key]; there {
			return []fault{duplicate(first)}
		}
	}
	for _, key := range keys {
		s.firsts[key] = number
	}
	return nil
}

func duplicate(first int) fault {
	return fault{why: problem.New(problem.Invalid, "catalog.line_duplicate", "first", first)}
}

func (s *sheet) reject(number int, faults ...fault) {
	s.rejected++
	for _, f := range faults {
		if len(s.bad) < MaxNamedErrors {
			s.bad = append(s.bad, BadLine{Line: number, Column: string(f.column), Problem: f.why})
		}
	}
}

// split takes the fields of one line apart by the rules of encoding/csv.
func split(text string, separator rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = separator
	r.FieldsPerRecord = -1
	return r.Read()
}

// isBlank tells a line that holds nothing, as spreadsheets write below a table.
func isBlank(text string, separator rune) bool {
	return strings.TrimFunc(text, func(r rune) bool { return r == separator || r == ' ' || r == '\t' || r == '\r' }) == ""
}

// lines reads a file line by line, without ever holding more than one.
type lines struct {
	r      *bufio.Reader
	number int
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(&meter{r: r, left: MaxImportBytes}, maxLine)}
}

// next is the next line without its end. Problems catalog.line_too_long, after
// which one may go on, and catalog.import_too_large.
func (l *lines) next() (text string, number int, err error) {
	line, err := l.r.ReadSlice('\n')
	l.number++
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = problem.New(problem.Invalid, "catalog.line_too_long", "most", maxLine)
		}
		return "", l.number, err
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return "", l.number, err
	}
	if l.number == 1 {
		line = bytes.TrimPrefix(line, []byte(markUTF8))
	}
	return strings.TrimRight(string(line), "\r\n"), l.number, nil
}

// meter refuses a file that goes on beyond what is left.
type meter struct {
	r    io.Reader
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if int64(len(p)) > m.left+1 {
		p = p[:m.left+1] // one byte more tells "exactly" from "too large"
	}
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, problem.New(problem.TooLarge, "catalog.import_too_large", "most_mb", MaxImportBytes>>20)
	}
	return n, err
}
