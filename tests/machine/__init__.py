"""What tests/test_machine.py runs: an oracle (`written`), a reader, a server (`world`), both (`scene`), and the rules.

The one thing to notice: the oracle is a list of tokens. It shares no line with the server that it judges.
"""
