"""Figures for people: one function per figure, one style for all."""
