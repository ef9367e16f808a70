"""The two ways in which a run can end badly without a claim being wrong."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message says what, where (file and line, image, row), what was expected and what to do;
    the command line prints it alone and exits with status 2.
    """


class MeasurementError(Exception):
    """Something that was asked for could not be measured; everything else still is."""
