"""The same answers, typed by this server and by what people would pick instead, so that its cost can be compared.

`catalogue` says who the peers are, and `servers` are those that we had to write.
"""
