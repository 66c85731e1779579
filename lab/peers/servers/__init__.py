"""The peers, one small server each, written as the documentation of its library has it.

The one thing to notice: what they share is the answer (`answer`) and when to end (`lifetime`). Requests, waiting and
writing are what is compared, so each does that in its own library's way.
"""
