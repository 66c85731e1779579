"""The attack gallery: a teacher plays the attacks in an ordinary browser, without a defence and with it, side by side.

The one thing to notice: nothing is shown that does not happen. The servers, the stranger's pages and the answers are
real, and the teacher's own browser is the victim.
"""
