package iso8583

// Fields1987 shows the table to the tests.
func Fields1987() map[int]Field { return fields1987 }
