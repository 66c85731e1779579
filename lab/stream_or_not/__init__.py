"""`python -m lab stream-or-not`: the article's own experiment. The same question, streamed and not, in four ways.

The one thing to notice: a script is the same in all of them, down to the instant of each token, so whatever differs is
the doing of the way. A real model never says the same twice, and then less can be compared (claims.py).
"""
