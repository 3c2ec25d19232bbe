"""Tasks without end: bugs planted into programs whose tests are there already."""
