"""Builds the open head by code: a field, loops projected onto it, and the 52 shapes."""
