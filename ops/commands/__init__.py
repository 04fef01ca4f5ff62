"""The words of the command, one module each, with ``add_to`` that adds its parser.

A word imports what it works with when it runs: the help of nine words must not load all of them.
"""
