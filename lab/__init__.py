"""The lab: experiments that measure what each transport costs, on the reader's own machine.

`overhead` and `load` are the experiments, and `experiment` is what they share. They measure a `subject` (the server,
in a process of its own), by a `session` of one reader or a `crowd` of many. `figures` and `spread` make numbers of it,
`verdicts` sentences, `result` a file, and `report` a picture. `compare` holds two files against each other.
"""
