"""What is shown of a result: `page` is the report that opens offline, `table` what the terminal gets.

Both stand on `series` (what was measured, as medians), the `glossary` of figures and the `headline`; `charts` and
`load_charts` draw in one `look`.
"""
