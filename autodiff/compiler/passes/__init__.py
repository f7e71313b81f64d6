"""Passes: functions from program to program, a page each; `order` is the list."""
