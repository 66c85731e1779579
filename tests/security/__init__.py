"""Tests of the attacks, and of what shows them."""
