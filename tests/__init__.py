"""The tests. Their names are sentences; each is written once and runs on every transport."""
