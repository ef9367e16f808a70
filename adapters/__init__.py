"""One module per source. Frameworks are imported in this package and nowhere else.

Importing the package itself imports no framework: the harness reads the files next to the modules
and runs the modules in the source's own environment.
"""
