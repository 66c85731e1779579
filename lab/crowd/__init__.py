"""Many readers at once, each with an answer of its own: how one run of them is made, and what becomes its row.

`run` does it, to a `schedule`; `processes` are the load processes from outside and `reader` is one from inside;
`account` adds up what they heard, and `row` makes the row of it.
"""
