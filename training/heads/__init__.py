"""Builds the open heads by code: a field for each person, loops projected onto it, and the 52 shapes."""
