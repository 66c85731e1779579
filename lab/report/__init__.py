"""What is shown of a result: reports that open offline, and what the terminal gets. All reports have one `frame`.

Of runs: `page` and `table` stand on `series` (what was measured, as medians), the `glossary` of figures and the
`headline`; `charts` and `load_charts` draw in one `look`. Of attacks: `security` and `matrix` stand on `attacks` (lines
and cells), `costs` and `evidence`; `leak_charts` draws in the same look.
"""
