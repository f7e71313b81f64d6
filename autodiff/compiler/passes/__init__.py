"""Passes: functions from program to program."""
