"""Difficulty by measurement: how often a panel of scripted agents solves a task."""
