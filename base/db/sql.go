package db

import "strings"

// isChange tells whether a statement reports how many rows it changed.
func isChange(query string) bool {
	switch keyword(query) {
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		return true
	case "WITH":
		text := strings.ToUpper(query)
		return strings.Contains(text, "INSERT ") || strings.Contains(text, "UPDATE ") || strings.Contains(text, "DELETE ")
	}
	return false
}

// isControl tells whether a statement would begin or end a transaction or reach
// beyond it.
func isControl(query string) bool {
	switch keyword(query) {
	case "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
		"PRAGMA", "ATTACH", "DETACH", "VACUUM":
		return true
	}
	return false
}

// keyword is the first word of a statement, in capitals.
func keyword(query string) string {
	for {
		query = strings.TrimLeft(query, " \t\r\n;")
		if !strings.HasPrefix(query, "--") {
			break
		}
		_, query, _ = strings.Cut(query, "\n")
	}
	end := strings.IndexFunc(query, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(query)
	}
	return strings.ToUpper(query[:end])
}
